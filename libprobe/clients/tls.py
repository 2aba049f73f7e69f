"""TLS as a client: the trusted CAs, the certificate we present, and what a failed handshake means."""

from __future__ import annotations

import os
import re
import time
from _thread import allocate_lock

from libprobe import files
from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange, resource_failure
from libprobe.failures import (
    CertificateWanted,
    Failure,
    Misconfigured,
    OwnCredential,
    OwnMachine,
    ProtocolFailure,
    Rejected,
    TlsFailure,
)
from libprobe.host_resources import NO_MEMORY
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from datetime import datetime

    from libprobe.clients import chain
    from libprobe.clients.credentials import Credential

GRID_CA_DIRECTORY = "/etc/grid-security/certificates"
LOOK_AGAIN_S = 5.0
SHARED_S = 60.0
MAX_SHARED = 16

# X509_V_ERR_* of OpenSSL's x509_vfy.h; Python's ssl module does not name them
_NOT_YET_VALID, _EXPIRED = 9, 10
_SELF_SIGNED = (18, 19)
_NO_ISSUER = (2, 20, 21)
_REVOKED = 23
_NAME_MISMATCH = (62, 64)
_WEAK = {66: "its key", 67: "the key of a CA above it", 68: "its signature, or that of a CA above it"}

_OUR_ERRORS = frozenset(
    {"no protocols available", "no ciphers available", "no cipher match", "no suitable groups", "internal error"}
)
"""What OpenSSL says before it has asked anybody: settings of this machine leave it nothing to offer."""

_making = allocate_lock()
_shared: dict[tuple[object, ...], tuple[float, ssl.SSLContext]] | None = None
"""Contexts by their files, each with when it was made (see `share`); None: everybody gets one of their own."""

_prepared: list[tuple[tuple[object, ...], ssl.SSLContext]] = []
"""At most one, with the key that it was made for: see `prepare_system_context`."""


def ca_path(option: str | None, configured: str = "") -> str | None:
    """Where trusted CAs are: the option, the settings, $X509_CERT_DIR, the grid's directory; None: the system's."""
    named = option or configured or os.environ.get("X509_CERT_DIR")
    if named:
        return named
    return GRID_CA_DIRECTORY if os.path.isdir(GRID_CA_DIRECTORY) else None


def make_context(trust: str | None, credential: Credential | None = None) -> ssl.SSLContext:
    """A context that trusts the CAs of a directory (hashed names), of a bundle or of the system.

    The CRLs of a directory are checked, where there are some.
    Raises: Misconfigured when there are no such CAs; OwnCredential when ours cannot be used.
    """
    made = (_prepared_context() if trust is None else None) or _context_without_credential(trust)
    if credential:
        _load_credential(made, credential)
    return made


def _context_without_credential(trust: str | None) -> ssl.SSLContext:
    made = sockets.tls_context(_judge_by_crls(trust) if trust and os.path.isdir(trust) else None, TlsExplainer)
    if trust is None:
        made.load_default_certs()
    else:
        _load_trust(made, trust)
    return made


def prepare_system_context() -> None:
    """Make a context with the system's CAs, for processes that are forked from this one; again if they have changed.

    A forked process takes it as its first such context, and is spared 25 ms for a bundle of 145 CAs. It also spares
    each of them the beginnings of OpenSSL, 4 ms, whatever it trusts. This process is to verify nothing by it:
    OpenSSL would keep the CAs of a directory that it has once read.
    """
    key = _system_key()
    if _prepared and _prepared[0][0] == key:
        return
    _prepared.clear()
    _prepared.append((key, _context_without_credential(None)))


def _prepared_context() -> ssl.SSLContext | None:
    """Return the prepared context, to one only: who gets it may change it. None for one of other CAs than ours."""
    try:
        key, made = _prepared.pop()
    except IndexError:
        return None
    return made if key == _system_key() else None


def _system_key() -> tuple[object, ...]:
    """As `_context_key`. Python does not return a list of directories, so the variables that name them count too."""
    named = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return (*named, *_context_key(None, None))


def make_http_context(trust: str | None, credential: Credential | None = None) -> ssl.SSLContext:
    """As `find_context`, for HTTP alone: it tells servers so (ALPN)."""
    return find_context(trust, credential, ("http/1.1",))


def find_context(
    trust: str | None, credential: Credential | None = None, protocols: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """As `make_context`, but it is not to be changed, for it may be shared. protocols: what to offer servers (ALPN)."""
    if _shared is None:
        return _context_with_protocols(trust, credential, protocols)
    now = time.monotonic()
    key = (protocols, *_context_key(trust, credential))
    with _making:  # else all threads would make one at the same moment
        known = _shared.get(key)
        if known and now - known[0] < SHARED_S:
            return known[1]
        made = _context_with_protocols(trust, credential, protocols)
        if len(_shared) >= MAX_SHARED:
            _shared.clear()
        _shared[key] = (now, made)
        return made


def _context_with_protocols(
    trust: str | None, credential: Credential | None, protocols: tuple[str, ...]
) -> ssl.SSLContext:
    made = make_context(trust, credential)
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


def share_contexts() -> None:
    """From now on let all in this process that call `find_context` have one as long as its files stay the same.

    A bundle of 145 CAs takes 40 ms and more than a megabyte for each context. OpenSSL keeps the CAs of a directory
    that it has once read, so a context also ends by its age: a file may have been written over in its place.
    """
    global _shared
    _shared = {}


def _context_key(trust: str | None, credential: Credential | None) -> tuple[object, ...]:
    """Return a key that changes with the path, size or time of the files that a context is made of."""
    import ssl

    defaults = ssl.get_default_verify_paths()
    paths: list[str | None] = [trust] if trust else [defaults.cafile, defaults.capath]
    if credential:
        paths += [credential.cert_path, credential.key_path]
    return tuple((path, files.stamp(path)) for path in paths if path)


def _load_trust(made: ssl.SSLContext, path: str) -> None:
    import ssl

    try:
        if os.path.isdir(path):
            if not any(name[-2:] == ".0" for name in os.listdir(path)):
                raise Misconfigured(
                    f"CA directory {path} holds no CA certificates (<hash>.0)",
                    remedy="install the trust anchors, or name another with --ca-path",
                )
            made.load_verify_locations(capath=path)
        else:
            made.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise Misconfigured(f"CA bundle {path} cannot be read as PEM: {error.reason or error}") from None
    except OSError as error:
        raise Misconfigured(f"CA path {path} cannot be read: {error.strerror}") from None


def _judge_by_crls(directory: str) -> Callable[[ssl.SSLSocket], None]:
    def judge(secured: ssl.SSLSocket) -> None:
        """Raises: ssl.SSLCertVerificationError, as OpenSSL would say it, from the reason."""
        from libprobe.clients import chain

        try:
            _expect_not_revoked(chain.accepted_chain(secured, directory).certificates, directory)
        except Misconfigured as reason:
            raise _not_judged(reason) from reason

    return judge


def _expect_not_revoked(certificates: list[bytes], directory: str) -> None:
    """Raises: ssl.SSLCertVerificationError, as OpenSSL would say it, from the reason."""
    from libprobe.clients import revocation

    try:
        revocation.expect_not_revoked(certificates, directory)
    except (revocation.CertificateRevoked, Misconfigured) as reason:
        raise _not_judged(reason) from reason


def _not_judged(reason: Exception) -> ssl.SSLCertVerificationError:
    import ssl

    error = ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, str(reason))
    error.verify_code, error.verify_message = _REVOKED, str(reason)
    return error


def shown_before_refusal(exchange: Exchange, trust: str | None) -> chain.CertificateChain | None:
    """The chain that a server had shown, and that was accepted, when it refused us within the handshake.

    The CRLs of a directory are checked. None where it cannot be had: see `chain.chain_before_refusal`.
    Raises: TlsFailure for one that is revoked; Misconfigured for a CA or CRL of ours.
    """
    import ssl

    from libprobe.clients import chain

    found = chain.chain_before_refusal(exchange, make_context(trust), trust)
    if found and trust and os.path.isdir(trust):
        try:
            _expect_not_revoked(found.certificates, trust)
        except ssl.SSLCertVerificationError as error:
            raise _explain_certificate(error, exchange) from None
    return found


def _load_credential(made: ssl.SSLContext, credential: Credential) -> None:
    import ssl

    def no_password() -> str:
        raise OwnCredential(
            f"{credential.key_path}: the private key is encrypted; a probe cannot ask for its passphrase",
            remedy="make a proxy with voms-proxy-init --rfc",
        )

    try:
        made.load_cert_chain(credential.cert_path, credential.key_path, password=no_password)
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        if "KEY_TOO_SMALL" in reason or "MD_TOO_WEAK" in reason:
            raise OwnCredential(
                f"{credential.cert_path}: {credential.bits}-bit key or its signature is too weak for TLS today",
                remedy="make the proxy with voms-proxy-init --rfc --bits 2048",
            ) from None
        if "KEY_VALUES_MISMATCH" in reason:
            raise OwnCredential(f"{credential.cert_path}: the private key is not the first certificate's") from None
        raise OwnCredential(f"{credential.cert_path} cannot be used for TLS: {reason}") from None
    except OSError as error:
        raise OwnCredential(f"{credential.cert_path} cannot be read: {error.strerror}") from None


def secure(plain: sockets.DeadlineSocket, made: ssl.SSLContext, exchange: Exchange) -> ssl.SSLSocket:
    """Do the handshake over a connection, which from then on keeps the deadline as before.

    Raises: the failures of `explain_error` and `closed_in_handshake`; NoAnswer, OwnMachine.
    """
    try:
        return sockets.secure(plain, made, exchange)  # type: ignore[no-any-return]
    except OSError as error:
        raise exchange.io_failure(error, TlsExplainer) from None


def closed_in_handshake(how: str, why: str, exchange: Exchange) -> Failure:
    """The peer ended the connection within the handshake; how and why as in `Exchange.closed_failure`.

    It may mean our certificate: it is asked once more without one. If it breaks off then as well, our certificate is
    not the reason.
    """
    what = f"connection {how} in TLS handshake{why}"
    if how == "lost":
        return ProtocolFailure(what, of=exchange, link="with")
    if exchange.has_credential and peer_certificate(exchange) is not None:
        caveat = "not without our client certificate, which it probably refused"
        return Rejected(what, of=exchange, link="by", also=caveat)
    return TlsFailure(what, of=exchange, link="by", remedy="enable TLS there")


def explain_error(error: ssl.SSLError, exchange: Exchange) -> Failure:
    """What a TLS error means and whose fault it is, within the handshake or after it."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, exchange)
    reason = (error.reason or "").replace("_", " ").lower()
    if "malloc" in reason:
        return resource_failure(exchange, NO_MEMORY)
    if reason in _OUR_ERRORS:
        return OwnMachine(
            f"this machine cannot do TLS ({reason})",
            of=exchange,
            link="with",
            remedy="look at its openssl.cnf and its crypto policy",
        )
    if "alert" in reason:
        return _explain_alert(reason, exchange)
    if "wrong version number" in reason or "http request" in reason or "record layer" in reason:
        return ProtocolFailure("no TLS spoken", of=exchange)
    if "unsupported protocol" in reason:
        return _too_old(exchange)
    return TlsFailure(f"TLS failed ({reason or 'the TLS library names no reason'})", of=exchange, link="with")


def _too_old(exchange: Exchange) -> TlsFailure:
    return TlsFailure("no TLS 1.2 or later offered", of=exchange, link="by")


def _explain_alert(reason: str, exchange: Exchange) -> Failure:
    alert = reason.partition("alert ")[2] or reason
    if alert == "protocol version":
        return _too_old(exchange)
    if alert == "handshake failure" and not _shows_its_certificate(exchange):
        return TlsFailure(
            f"no TLS cipher, group or kind of key in common (TLS alert: {alert})",
            of=exchange,
            link="with",
            remedy="enable what is considered safe today",
        )
    about_client = ("certificate", "unknown ca", "access denied", "bad cert", "handshake failure", "decrypt error")
    if any(word in alert for word in about_client):
        if exchange.has_credential:
            return Rejected(f"our client certificate refused (TLS alert: {alert})", of=exchange, link="by")
        if "required" in alert or "handshake failure" in alert or "bad certificate" in alert:
            return CertificateWanted(
                "client certificate wanted",
                of=exchange,
                link="by",
                also="we have none",
                remedy="give a proxy with --cert",
                more=[f"TLS alert: {alert}; $X509_USER_PROXY names a proxy as well"],
            )
    return TlsFailure(f"TLS handshake refused (alert: {alert})", of=exchange, link="by")


def _shows_its_certificate(exchange: Exchange) -> bool:
    """Whether the server goes on to its certificate when it is greeted: then it wants one of ours, or refuses it.

    The same alert, in TLS 1.2, says that there is nothing in common, and then its certificate was never seen.
    """
    from libprobe.clients import chain

    return exchange.is_proxied or bool(chain.fetch_presented(exchange))


def _explain_certificate(error: ssl.SSLCertVerificationError, exchange: Exchange) -> Failure:
    code = error.verify_code

    def bad(reason: str, remedy: str = "", more: str = "", link: str = "on") -> TlsFailure:
        lines = [more] if more else []
        return TlsFailure(f"certificate {reason}", of=exchange, link=link, remedy=remedy, more=lines)

    if code == _REVOKED:
        reason = error.__cause__
        if isinstance(reason, Misconfigured):
            said = "certificate cannot be judged"
            return Misconfigured(said, of=exchange, also=reason.sentence, remedy=reason.remedy)
        return TlsFailure(error.verify_message, of=exchange)
    if code in _SELF_SIGNED:
        return bad("self-signed or of an unknown root CA")
    seen = peer_certificate(exchange) if code not in _NO_ISSUER or exchange.deadline.remaining() > 1 else None
    if code in (_EXPIRED, _NOT_YET_VALID):
        return bad(_describe_validity(code, seen))
    if code in _NAME_MISMATCH:
        if not seen:
            return bad(f"not for {exchange.host}")
        names = ", ".join(seen.names[:3]) or "no name at all"
        others = f" and {number_of(len(seen.names) - 3, 'other name')}" if len(seen.names) > 3 else ""
        every = f"the names in the certificate: {', '.join(seen.names)}" if others else ""
        if exchange.host in exchange.place:  # said once
            return bad(f"for {names}{others}", more=every, link="instead of")
        return bad(f"for {names}{others} instead of {exchange.host}", more=every)
    if code in _NO_ISSUER:
        if not seen:
            return bad("of an untrusted CA")
        name = re.split(r"(?<!\\),", seen.issuer, maxsplit=1)[0].removeprefix("CN=")
        return bad(f"of an untrusted CA ({name})", more=f"its CA: {seen.issuer}")
    if code in _WEAK:
        return bad(f"too weak for TLS today ({_WEAK[code]})", "request a new one")
    return bad(f"not accepted ({error.verify_message})")


def _describe_validity(code: int, seen: PeerCertificate | None) -> str:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    if code == _EXPIRED:
        if seen and seen.not_after < now:
            return (
                f"expired {duration((now - seen.not_after).total_seconds())} ago ({seen.not_after:%Y-%m-%d %H:%M} UTC)"
            )
        return "expired, or one of its chain"
    if seen and seen.not_before > now:
        ahead = duration((seen.not_before - now).total_seconds())
        return f"not valid before {seen.not_before:%Y-%m-%d %H:%M} UTC (in {ahead})"
    return "not yet valid"


class TlsExplainer:
    """What a failure of TLS means, for `Exchange.io_failure`, which stands below this."""

    explain = staticmethod(explain_error)
    broken_off = staticmethod(closed_in_handshake)


class PeerCertificate:
    """What a server's certificate says of itself; instants are aware and UTC.

    names: for which it is. has_dns_name: whether a host's name is among its alternative names.
    """

    def __init__(
        self, names: list[str], issuer: str, not_before: datetime, not_after: datetime, *, has_dns_name: bool
    ) -> None:
        self.names = names
        self.has_dns_name = has_dns_name
        self.issuer = issuer
        self.not_before = not_before
        self.not_after = not_after


def peer_certificate(exchange: Exchange) -> PeerCertificate | None:
    """Ask once more, without verifying and without presenting anything, for a certificate to describe.

    Returns None when that fails: it is for the wording of a failure that is certain already.
    """
    import ssl

    if exchange.is_proxied:
        return None
    made = sockets.tls_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    again = exchange.second_look(LOOK_AGAIN_S)
    try:
        with sockets.connect(again) as plain:
            secured = sockets.secure(plain, made, again)
            with secured:
                encoded = secured.getpeercert(binary_form=True)
        return read_certificate(encoded) if encoded else None
    except (OSError, ValueError, Failure):
        return None


def read_certificate(encoded: bytes) -> PeerCertificate:
    """Read a DER certificate. Raises: ValueError."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    from libprobe.clients.anchors import silence_warnings

    with silence_warnings():
        certificate = x509.load_der_x509_certificate(encoded)
    has_dns_name = False
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(name) for name in alternative.get_values_for_type(x509.DNSName)]
        has_dns_name = bool(names)
        names += [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = [f"CN={name.value!s} (no subjectAltName)" for name in common]
    return PeerCertificate(
        names,
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        has_dns_name=has_dns_name,
    )
