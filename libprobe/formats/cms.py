"""Signatures in the Cryptographic Message Syntax: who signed a document, and whether it is what was signed.

Only the signature itself is judged here, by the certificate that comes with it; whether that certificate is
to be trusted is for `formats.chains`. Sources: RFC 5652 section 5, RFC 4056 (PSS), RFC 5754 (SHA-2), RFC 5753
(ECDSA).
"""

from __future__ import annotations

import hashlib

from libprobe import host_resources
from libprobe.failures import BadData
from libprobe.formats import dn
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any

    from cryptography import x509

MAX_CERTIFICATES = 16
MIN_RSA_BITS = 1024
STRONG = ("sha256", "sha384", "sha512", "sha224")
WEAK = ("sha1",)
_ANY_RSA = ("rsassa_pkcs1v15", "rsassa_pss")


class Signature(Record):
    """A signature that fits its document.

    signer:       certificate of the signer; certificates: all that came along, his included.
    signing_time: when he says he signed, aware; None if he does not say.
    digest:       name of the hash, as sha256.
    content:      the document that was signed.
    """

    signer: x509.Certificate
    certificates: tuple[x509.Certificate, ...]
    signing_time: datetime | None
    digest: str
    content: bytes


def verify(encoded: bytes, candidates: Iterable[bytes] | None, *, allow_sha1: bool = False) -> Signature:
    """Verify the one signature of a SignedData structure.

    encoded:    ContentInfo in DER or BER.
    candidates: renderings of the document that the signature may be of, as with other line ends; None for
                a document within the structure.
    Raises: BadData with the reason, also for a structure with several signatures.
    """
    import warnings

    with warnings.catch_warnings():  # certificates that break rules would be told to stderr
        warnings.simplefilter("ignore")
        try:
            return _verify(encoded, candidates, allow_sha1=allow_sha1)
        except (BadData, ImportError):
            raise
        except Exception as error:
            host_resources.raise_if_short(error)
            # asn1crypto and cryptography have no common base for what malformed fields raise
            raise BadData(f"the signature cannot be read: {_why(error)}") from error


def content(encoded: bytes) -> bytes:
    """The document within a SignedData structure, whose signature is not looked at. Raises: BadData."""
    try:
        found = _embedded_content(_signed_data(encoded)["encap_content_info"])
    except (BadData, ImportError):
        raise
    except Exception as error:
        host_resources.raise_if_short(error)
        raise BadData(f"the CMS structure cannot be read: {_why(error)}") from error
    if found is None:
        raise BadData("the CMS structure has a signature and no document")
    return found


def _why(error: Exception) -> str:
    """A library's error in words for people, with as much of its own as tells where to look."""
    said = " ".join(str(error).split())
    if said.startswith("Insufficient data"):
        return "it breaks off"
    found = said.removeprefix("Error parsing ").partition(" while parsing")[0]
    return f"it is no CMS structure, or a broken one ({found[:40]})"


def _signed_data(encoded: bytes) -> Any:
    from asn1crypto import cms

    info = cms.ContentInfo.load(encoded, strict=True)
    if info["content_type"].native != "signed_data":
        raise BadData(f"the CMS structure is {info['content_type'].native}, not signed_data")
    return info["content"]


def _verify(encoded: bytes, candidates: Iterable[bytes] | None, *, allow_sha1: bool) -> Signature:
    signed = _signed_data(encoded)
    signers = signed["signer_infos"]
    if len(signers) != 1:
        raise BadData(f"the document has {len(signers)} signatures; one is expected")
    [signer_info] = signers
    certificates = _certificates(signed)
    signer = _signer(signer_info["sid"], certificates)
    digest = signer_info["digest_algorithm"]["algorithm"].native
    _expect_strong(digest, allow_sha1=allow_sha1)
    encapsulated = signed["encap_content_info"]
    within = _embedded_content(encapsulated)
    if candidates is None:
        if within is None:
            raise BadData("the CMS structure has a signature and no document")
        candidates = [within]
    elif within is not None:
        raise BadData("the message has two documents: one in clear and one in its signature")
    attributes = signer_info["signed_attrs"]
    value = signer_info["signature"].native
    if not len(attributes):
        if encapsulated["content_type"].native != "data":
            raise BadData("the signature has no signed attributes, which its kind of content needs")
        for candidate in candidates:
            if _is_signed_by_key(signer, value, candidate, signer_info, digest):
                return Signature(signer, certificates, None, digest, candidate)
        raise BadData("the signature does not fit the document")
    document = _signed_rendering(attributes, digest, encapsulated["content_type"].native, candidates)
    # RFC 5652 section 5.4: signed is the encoding as SET OF and not, as it stands here, as [0] IMPLICIT
    if not _is_signed_by_key(signer, value, b"\x31" + attributes.dump()[1:], signer_info, digest):
        raise BadData(f"the signature was not made with the key of {_words(signer)}")
    return Signature(signer, certificates, _signing_time(attributes), digest, document)


def _embedded_content(encapsulated: Any) -> bytes | None:
    """The document that a structure holds itself."""
    from asn1crypto import core

    content = encapsulated["content"]
    return bytes(content) if isinstance(content, (core.OctetString, core.ParsableOctetString)) else None


def _certificates(signed: Any) -> tuple[x509.Certificate, ...]:
    from cryptography.x509 import load_der_x509_certificate

    found = [each for each in signed["certificates"] or () if each.name == "certificate"]
    if len(found) > MAX_CERTIFICATES:
        raise BadData(f"the signature carries {len(found)} certificates, more than {MAX_CERTIFICATES}")
    return tuple(load_der_x509_certificate(each.chosen.dump()) for each in found)


def _signer(identifier: Any, certificates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    from cryptography.x509 import ExtensionNotFound, SubjectKeyIdentifier

    for certificate in certificates:
        if identifier.name == "issuer_and_serial_number":
            chosen = identifier.chosen
            if (
                certificate.serial_number == chosen["serial_number"].native
                and certificate.issuer.public_bytes() == chosen["issuer"].dump()
            ):
                return certificate
        else:
            try:
                key = certificate.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
            except ExtensionNotFound:
                continue
            if key == identifier.native:
                return certificate
    raise BadData("the signature does not carry the certificate of its signer")


def _expect_strong(digest: str, *, allow_sha1: bool) -> None:
    if digest in STRONG or (allow_sha1 and digest in WEAK):
        return
    if digest in WEAK:
        raise BadData(f"it is signed with {digest.upper()}, which can be forged", remedy="accept it with --allow-sha1")
    raise BadData(f"it is signed with the hash {digest!r}, which is not accepted")


def _signed_rendering(attributes: Any, digest: str, content_type: str, candidates: Iterable[bytes]) -> bytes:
    """The rendering of the document that the signed attributes are of."""
    if _only_value(attributes, "content_type") != content_type:
        raise BadData("the signed attributes are of another type of content")
    expected = _only_value(attributes, "message_digest")
    for candidate in candidates:
        if hashlib.new(digest, candidate, usedforsecurity=False).digest() == expected:
            return candidate
    raise BadData("the document was changed after it was signed")


def _only_value(attributes: Any, name: str) -> Any:
    """The one value of the one attribute of that name (RFC 5652 section 11)."""
    found = [each["values"] for each in attributes if each["type"].native == name]
    if len(found) != 1 or len(found[0]) != 1:
        raise BadData(f"the signature does not have exactly one signed attribute {name}")
    return found[0][0].native


def _signing_time(attributes: Any) -> datetime | None:
    from datetime import UTC, datetime

    found = [each["values"] for each in attributes if each["type"].native == "signing_time"]
    value = found[0][0].native if len(found) == 1 and len(found[0]) == 1 else None
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else None


def _is_signed_by_key(signer: x509.Certificate, value: bytes, data: bytes, signer_info: Any, digest: str) -> bool:
    """Whether a signature is that of the signer's key. Raises: BadData for keys of another kind."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    key = signer.public_key()
    algorithm = signer_info["signature_algorithm"]
    kind = algorithm.signature_algo
    if algorithm["algorithm"].native not in ("rsassa_pkcs1v15", "ecdsa") and algorithm.hash_algo != digest:
        raise BadData(f"the signature names two hashes, {digest} and {algorithm.hash_algo}")
    made: dict[str, hashes.HashAlgorithm] = {
        "sha1": hashes.SHA1(),  # only with --allow-sha1
        "sha224": hashes.SHA224(),
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    try:
        if isinstance(key, rsa.RSAPublicKey) and kind in _ANY_RSA:
            if key.key_size < MIN_RSA_BITS:
                raise BadData(f"it is signed with an RSA key of {key.key_size} bits, fewer than {MIN_RSA_BITS}")
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
            if kind == "rsassa_pss":
                salt = algorithm["parameters"]["salt_length"].native
                scheme = padding.PSS(mgf=padding.MGF1(made[digest]), salt_length=salt)
            key.verify(value, data, scheme, made[digest])
        elif isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
            key.verify(value, data, ec.ECDSA(made[digest]))
        else:
            raise BadData(f"it is signed with {kind}, which does not go with the key of {_words(signer)}")
    except InvalidSignature:
        return False
    return True


def _words(certificate: x509.Certificate) -> str:
    return dn.slash_form(certificate.subject)
