"""Grid credentials: a certificate or proxy, its key and its chain in one PEM file.

Sources: RFC 3820 for proxies (section 3.8 for proxyCertInfo), RFC 5280 for certificates; the file order
(proxy, key, chain) and the older proxy kinds as the Globus Toolkit and VOMS clients write them.
A file of anything else is BadData; whether that is our own fault or someone else's is for the caller.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from libprobe.failures import BadData
from libprobe.formats import der, dn, voms

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

MAX_BYTES = 1 << 20
MAX_CERTIFICATES = 20
MAX_BLOCKS = 50

PROXY_CERT_INFO = "1.3.6.1.5.5.7.1.14"
DRAFT_PROXY_CERT_INFO = "1.3.6.1.4.1.3536.1.222"
_LANGUAGES = {"1.3.6.1.5.5.7.21.2": "independent", "1.3.6.1.4.1.3536.1.1.1.9": "limited"}
_COMMON_NAME = "2.5.4.3"

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")


class Certificate(NamedTuple):
    """One certificate of the file.

    subject, issuer:       in slash form
    not_before, not_after: aware UTC instants
    proxy:                 rfc, limited, independent, draft, legacy; None if it is no proxy
    key_bits:              size of its public key, None for kinds of key that have no size
    """

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    proxy: str | None
    key_bits: int | None


class Credential(NamedTuple):
    """A certificate that we can present, and all that limits its use.

    certificates:  in the order of the file; the first is the one to present
    identity:      DN of the end entity, the user or host behind all proxies, in slash form
    has_key:       a private key is in the file; unless it is encrypted, it is the first certificate's
    key_encrypted: it needs a pass phrase, so a probe cannot use it
    is_complete:   the end entity's certificate is in the file; Keystone needs it beside the proxy
    attribute_certificates: those of all certificates, since a proxy made from a proxy has none itself
    """

    certificates: tuple[Certificate, ...]
    identity: str
    has_key: bool
    key_encrypted: bool
    is_complete: bool
    attribute_certificates: tuple[voms.AttributeCertificate, ...]

    @property
    def subject(self) -> str:
        return self.certificates[0].subject

    @property
    def issuer(self) -> str:
        return self.certificates[0].issuer

    @property
    def proxy(self) -> str | None:
        """The kind of proxy, as `Certificate.proxy`."""
        return self.certificates[0].proxy

    @property
    def key_bits(self) -> int | None:
        return self.certificates[0].key_bits

    @property
    def not_before(self) -> datetime:
        """When the last of the certificates becomes valid."""
        return max(certificate.not_before for certificate in self.certificates)

    @property
    def not_after(self) -> datetime:
        """When the first of the certificates expires."""
        return self._soonest.not_after

    @property
    def not_after_of(self) -> str:
        """The subject of the certificate that expires first."""
        return self._soonest.subject

    @property
    def lifetime_end(self) -> datetime:
        """When the first of the certificates or attribute certificates expires."""
        return min([self.not_after, *(attributes.not_after for attributes in self.attribute_certificates)])

    @property
    def _soonest(self) -> Certificate:
        return min(self.certificates, key=lambda certificate: certificate.not_after)


def read_credential(pem: bytes) -> Credential:
    """Return the credential in a PEM file.

    Raises: BadData with a sentence for the operator if there is no certificate in it, if a part cannot
    be read, or if the private key is not that of the first certificate.
    """
    import warnings

    certificates, keys = _blocks(pem)
    # Certificates of 2015 break rules (long country codes, zero serials) that the library warns of on
    # stderr, which a probe must leave empty.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _credential(certificates, keys)
        except BadData:
            raise
        except Exception as error:
            # The library has no common base for what malformed fields raise, often only on access.
            raise BadData(f"a certificate cannot be read: {type(error).__name__}: {error}") from error


def _blocks(pem: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the PEM blocks of the certificates and of the private keys, in the order of the file."""
    if len(pem) > MAX_BYTES:
        raise BadData(f"{len(pem)} bytes, too long for a credential (at most {MAX_BYTES})")
    certificates, keys = [], []
    at = 0
    for _ in range(MAX_BLOCKS):
        begin = _BEGIN.search(pem, at)
        if begin is None:
            break
        label = begin[1]
        ending = b"-----END " + label + b"-----"
        end = pem.find(ending, begin.end())
        if end < 0:
            raise BadData(f"it breaks off inside its {label.decode('ascii').lower()}")
        at = end + len(ending)
        if label in (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"):
            certificates.append(pem[begin.start() : at])
        elif label.endswith(b"PRIVATE KEY"):
            keys.append(pem[begin.start() : at])
    if not certificates:
        raise BadData("there is no certificate in it")
    if len(certificates) > MAX_CERTIFICATES:
        raise BadData(f"there are {len(certificates)} certificates in it, more than {MAX_CERTIFICATES}")
    if len(keys) > 1:
        raise BadData(f"there are {len(keys)} private keys in it")
    return certificates, keys


def _credential(certificate_blocks: list[bytes], key_blocks: list[bytes]) -> Credential:
    loaded = [_load(block, number) for number, block in enumerate(certificate_blocks, 1)]
    encrypted = any(b"ENCRYPTED" in block[:200] for block in key_blocks)
    if key_blocks and not encrypted:
        _expect_own_key(loaded, key_blocks[0])
    certificates = tuple(_certificate(one) for one in loaded)
    identity, is_complete = _identity(loaded, certificates)
    return Credential(
        certificates=certificates,
        identity=identity,
        has_key=bool(key_blocks),
        key_encrypted=encrypted,
        is_complete=is_complete,
        attribute_certificates=tuple(found for one in loaded for found in _attribute_certificates(one)),
    )


def _load(block: bytes, number: int) -> x509.Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(block)
    except ValueError as error:
        raise BadData(f"certificate {number} cannot be read: {error}") from error


def _expect_own_key(loaded: list[x509.Certificate], block: bytes) -> None:
    """Refuse a private key that is not the first certificate's, as TLS libraries do."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # its public half is all that is compared; to check an RSA key's primes takes 45 ms
        key = load_pem_private_key(block, None, unsafe_skip_rsa_key_validation=True)
        public = _encoded(key.public_key())
    except Exception as error:
        raise BadData(f"the private key cannot be read: {type(error).__name__}: {error}") from error
    owners = [_encoded(one.public_key()) == public for one in loaded]
    if owners[0]:
        return
    if any(owners):
        kind = "proxy certificate" if _proxy_kind(loaded[owners.index(True)]) else "certificate"
        raise BadData(
            f"the chain stands before the {kind}: the key belongs to certificate {owners.index(True) + 1}",
            remedy="write the certificate first, then its key, then the chain",
        )
    raise BadData("the key does not belong to the first certificate")


def _encoded(public_key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _certificate(loaded: x509.Certificate) -> Certificate:
    bits = getattr(loaded.public_key(), "key_size", None)
    return Certificate(
        subject=dn.slash_form(loaded.subject),
        issuer=dn.slash_form(loaded.issuer),
        not_before=loaded.not_valid_before_utc,
        not_after=loaded.not_valid_after_utc,
        proxy=_proxy_kind(loaded),
        key_bits=bits if isinstance(bits, int) else None,
    )


def _proxy_kind(loaded: x509.Certificate) -> str | None:
    for extension in loaded.extensions:
        if extension.oid.dotted_string == PROXY_CERT_INFO:
            return _LANGUAGES.get(_policy_language(_raw(extension)), "rfc")
        if extension.oid.dotted_string == DRAFT_PROXY_CERT_INFO:
            return "draft"
    # Globus Toolkit 2 marked its proxies by nothing but the last part of the name.
    names = [attribute for rdn in loaded.subject.rdns for attribute in rdn]
    if names and names[-1].oid.dotted_string == _COMMON_NAME and len(names) > 1:
        return "legacy" if names[-1].value in ("proxy", "limited proxy") else None
    return None


def _policy_language(proxy_cert_info: bytes) -> str:
    """Return the policy language's object identifier: { pathLen OPTIONAL, { language, ... } }."""
    parts = der.read(proxy_cert_info).expect(der.SEQUENCE).children()
    for part in parts:
        if part.tag == der.SEQUENCE:
            policy = part.children()
            if policy:
                return policy[0].oid()
    raise BadData("the proxy certificate names no policy language")


def _raw(extension: x509.Extension[Any]) -> bytes:
    raw: bytes = extension.value.public_bytes()
    return raw


def _identity(loaded: list[x509.Certificate], read: tuple[Certificate, ...]) -> tuple[str, bool]:
    """Return the end entity's DN and whether its certificate is in the file.

    From the first certificate the issuers are followed, compared in their encoding, while they are
    proxies. Where one is missing, its name is known nevertheless: a proxy's issuer.
    """
    at = 0
    for _ in loaded:
        if read[at].proxy is None:
            return read[at].subject, True
        issuer = loaded[at].issuer
        following = [index for index, one in enumerate(loaded) if one.subject == issuer and index != at]
        if not following:
            return read[at].issuer, False
        at = following[0]
    raise BadData("the proxy certificates issue each other in a circle")


def _attribute_certificates(loaded: x509.Certificate) -> list[voms.AttributeCertificate]:
    for extension in loaded.extensions:
        if extension.oid.dotted_string == voms.EXTENSION:
            return voms.read_attribute_certificates(_raw(extension))
    return []
