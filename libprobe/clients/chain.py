"""The chain by which a server's certificate was accepted: its own, those of the CAs above it, the trusted one.

Python shows it from 3.13 on (`SSLSocket.get_verified_chain`). Before that only the server's own certificate is to be
had by a public name, so the rest is found as OpenSSL finds it: the issuer is looked for among the trusted CAs first,
and then among the certificates that the server sends. These come in clear with TLS 1.2: where one is needed, the
server is greeted once more, up to that message. A server that speaks nothing but TLS 1.3 does not show them: then the
chain ends early, and says so.
"""

from __future__ import annotations

import os
from contextlib import suppress

from libprobe.clients import sockets
from libprobe.clients.anchors import MAX_CERTIFICATE, TrustAnchors, read_hashed, silence_warnings
from libprobe.failures import BadData, Failure, Misconfigured
from libprobe.formats import handshake, subject_hash, x509
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from libprobe.clients.exchange import Exchange

MAX_DEPTH = 8
LOOK_S = 5.0
CHUNK = 16 << 10


class CertificateChain(Record):
    """certificates: in DER, the server's own first. is_complete: whether the last one is a CA's that is trusted."""

    certificates: list[bytes]
    is_complete: bool


def accepted_chain(secured: ssl.SSLSocket, trust: str | None) -> CertificateChain:
    """Return the chain by which the server of an open connection was accepted.

    trust: the CA directory or bundle that it was accepted by, None for the system's.
    Raises: Misconfigured for a CA of ours that cannot be read.
    """
    if hasattr(secured, "get_verified_chain"):
        return CertificateChain(list(secured.get_verified_chain()), True)
    known: Any = secured  # a socket of `sockets.tls_context`
    if known.chain is None:
        known.chain = completed_chain(
            known.getpeercert(True), make_trust_lookup(trust), lambda: fetch_presented(known.exchange)
        )
    chain: CertificateChain = known.chain
    return chain


def completed_chain(
    own: bytes, trusted: Callable[[bytes], list[bytes]], sent: Callable[[], list[bytes]]
) -> CertificateChain:
    """Return the chain of an accepted certificate, completed from the trusted CAs and from what the server sends.

    trusted: the CAs of a name, both in DER. sent: the certificates that the server sends; asked for if need be.
    """
    chain = [own]
    others: list[bytes] | None = None
    try:
        while len(chain) < MAX_DEPTH:
            link = x509.read_chain_link(chain[-1])
            if link.is_self_issued:
                return CertificateChain(chain, True)
            issuer = _issuer(chain[-1], trusted(link.issuer), is_trusted=True)
            if issuer is None:
                others = sent() if others is None else others
                issuer = _issuer(chain[-1], [each for each in others if _is_of(each, link.issuer)], is_trusted=False)
            if issuer is None:
                break
            chain.append(issuer)
    except BadData:
        pass  # a certificate that OpenSSL takes and we cannot read
    return CertificateChain(chain, False)


def chain_before_refusal(exchange: Exchange, made: ssl.SSLContext, trust: str | None) -> CertificateChain | None:
    """The chain of a server that shows its certificate, is accepted, and then refuses us within the handshake.

    It is greeted once more, with TLS 1.2, and OpenSSL judges what it says until it is our turn to show our certificate.
    made: a context that verifies, which is set to TLS 1.2. trust: as in `accepted_chain`.
    None where nothing was shown, or nothing that was accepted. Raises: as `accepted_chain`.
    """
    import ssl

    made.maximum_version = ssl.TLSVersion.TLSv1_2
    certificates = fetch_presented(exchange, made)
    return completed_chain(certificates[0], make_trust_lookup(trust), lambda: certificates) if certificates else None


def fetch_presented(exchange: Exchange, verifier: ssl.SSLContext | None = None) -> list[bytes]:
    """The certificates that a server sends to whoever greets it with TLS 1.2; none where they are not to be had.

    verifier: has to accept them, and that the server has the key; without, they are as they come.
    """
    import ssl

    if exchange.is_proxied:
        return []
    context = verifier or sockets.tls_context()
    if not verifier:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshaking = context.wrap_bio(incoming, outgoing, server_hostname=exchange.host)

    def has_answered() -> bool:
        """Go on as far as what has come allows; whether we had something to say to it."""
        with suppress(ssl.SSLWantReadError):
            handshaking.do_handshake()
        return bool(outgoing.pending)

    has_answered()  # our greeting is written; we say no more, for all that we want comes as an answer to it
    again = exchange.second_look(LOOK_S)
    data = b""
    try:
        with sockets.connect(again) as plain:
            plain.sendall(outgoing.read())
            while True:
                more = plain.recv(CHUNK)
                data += more
                certificates = handshake.read_certificates(data)
                incoming.write(more)
                if has_answered() if verifier else certificates is not None:
                    return certificates or []
                if not more:
                    return []
    except (OSError, Failure):
        return []


def make_trust_lookup(trust: str | None) -> Callable[[bytes], list[bytes]]:
    """Return a function that takes a DER-encoded name and returns the trusted CAs of that name, in DER."""
    if trust and os.path.isdir(trust):
        return lambda name: [
            encoded for _, encoded in read_hashed(trust, name, "", MAX_CERTIFICATE, _der) if _is_of(encoded, name)
        ]
    anchors = TrustAnchors(trust)

    def of_bundle(name: bytes) -> list[bytes]:
        from cryptography.hazmat.primitives.serialization import Encoding

        return [each.public_bytes(Encoding.DER) for each in anchors.find_by_name(name)]

    return of_bundle


def _der(data: bytes, path: str) -> bytes:
    try:
        return x509.first_certificate(data)
    except BadData as error:
        raise Misconfigured(f"{path} cannot be read: {error.sentence[:100]}") from None


def _is_of(certificate: bytes, name: bytes) -> bool:
    try:
        return subject_hash.canonical(x509.read_chain_link(certificate).subject) == subject_hash.canonical(name)
    except BadData:
        return False


def _issuer(certificate: bytes, candidates: list[bytes], *, is_trusted: bool) -> bytes | None:
    """Return the candidate whose key signed the certificate, None if there is none.

    OpenSSL has accepted the certificate: of trusted CAs a single one of the name is that. What somebody sends over a
    connection that was not verified has to show it.
    """
    if is_trusted and len(candidates) == 1:
        return candidates[0]
    if not candidates:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_der_x509_certificate

    from libprobe.formats import signatures

    with silence_warnings():
        for each in candidates:
            try:
                if signatures.is_signed_by(load_der_x509_certificate(certificate), load_der_x509_certificate(each)):
                    return each
            except (BadData, Misconfigured, ValueError, TypeError, UnsupportedAlgorithm):
                continue
    return None
