"""Grid credentials: a certificate or proxy, its key and its chain in one PEM file.

Sources: RFC 3820 for proxies (section 3.8 for proxyCertInfo), RFC 5280 for certificates, RFC 8017 and 5958
for keys; the file order (proxy, key, chain) and the older proxy kinds as the Globus Toolkit and VOMS clients
write them. A file of anything else is BadData; whether that is our own fault or someone else's is for the caller.

What a probe asks of its own credential is read from the DER here: `cryptography` takes longer to load than all
else that a check does. It is still asked about keys that are not RSA, which hardly a proxy has. Signatures are
not verified: that is for the server.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

from libprobe import host_resources
from libprobe.failures import BadData
from libprobe.formats import der, dn, voms
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from libprobe.formats.der import DerElement

MAX_BYTES = 1 << 20
MAX_CERTIFICATES = 20
MAX_BLOCKS = 50
MAX_KNOWN_LINKS = 64
"""Certificates that are remembered once they were read: a worker meets the same servers, CAs and credential."""

PROXY_CERT_INFO = "1.3.6.1.5.5.7.1.14"
DRAFT_PROXY_CERT_INFO = "1.3.6.1.4.1.3536.1.222"
_LANGUAGES = {"1.3.6.1.5.5.7.21.2": "independent", "1.3.6.1.4.1.3536.1.1.1.9": "limited"}
_COMMON_NAME = "2.5.4.3"
_RSA = ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10")
_ELLIPTIC = "1.2.840.10045.2.1"
_CURVE_BITS = {
    "1.2.840.10045.3.1.7": 256,
    "1.3.132.0.34": 384,
    "1.3.132.0.35": 521,
    "1.3.132.0.33": 224,
    "1.3.132.0.10": 256,
    "1.3.36.3.3.2.8.1.1.7": 256,
    "1.3.36.3.3.2.8.1.1.11": 384,
    "1.3.36.3.3.2.8.1.1.13": 512,
}
"""NIST's curves, secp256k1 and Brainpool's (RFC 5480, RFC 5639)."""

_VERSION, _EXTENSIONS = 0xA0, 0xA3

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")


class Certificate(Record):
    """One certificate of the file.

    subject, issuer:       in slash form
    not_before, not_after: aware UTC instants
    proxy:                 rfc, limited, independent, draft, legacy; None if it is no proxy
    key_bits:              size of its public key, None for kinds of key that have no size or an unknown one
    """

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    proxy: str | None
    key_bits: int | None


class CredentialFacts(Record):
    """A certificate that we can present, and all that limits its use.

    certificates:  in the order of the file; the first is the one to present
    identity:      DN of the end entity, the user or host behind all proxies, in slash form
    has_key:       a private key is in the file; unless it is encrypted, it is the first certificate's
    key_encrypted: it needs a pass phrase, so a probe cannot use it
    is_complete:   the end entity's certificate is in the file; Keystone needs it beside the proxy
    attribute_certificates: those nearest to the leaf: a proxy made from a proxy may have none itself; where it was
        renewed, the old ones stand below and do not count any more, as the VOMS library has it
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
    def _soonest(self) -> Certificate:
        return min(self.certificates, key=lambda certificate: certificate.not_after)


class ChainLink(Record):
    """What joins a certificate to the next in its chain: names in DER; subject_words, issuer_words: in slash form."""

    issuer: bytes
    subject: bytes
    subject_words: str
    not_after: datetime
    issuer_words: str

    @property
    def is_self_issued(self) -> bool:
        return self.issuer == self.subject


@lru_cache(MAX_KNOWN_LINKS)
def read_chain_link(encoded: bytes) -> ChainLink:
    """Read a DER certificate. Raises: BadData."""
    _, _, issuer, validity, subject, *_ = _fields(der.read(encoded))
    return ChainLink(
        der.encode(issuer.tag, issuer.value),
        der.encode(subject.tag, subject.value),
        dn.joined(_name(subject)),
        _times(validity)[1].time(),
        dn.joined(_name(issuer)),
    )


def end_entity_of_pem(pem: bytes) -> bytes | None:
    """The certificate of the user or host behind all proxies of a PEM file, in DER; None if it is not there.

    Raises: BadData as `read_credential`.
    """
    facts = read_credential(pem)
    if not facts.is_complete:
        return None
    at = next(number for number, each in enumerate(facts.certificates) if each.proxy is None)
    return _decoded(_blocks(pem)[0][at])


def first_certificate(data: bytes) -> bytes:
    """The first certificate of a file in PEM, or what is in DER already, as CA directories have both; in DER.

    Raises: BadData for PEM without one.
    """
    return _decoded(_blocks(data)[0][0]) if b"-----BEGIN" in data else data


class _ParsedCertificate(Record):
    """What is read of a certificate before it is judged.

    issuer, subject: pairs of object identifier and value, the value in bytes where it is no text.
    rsa:        modulus and exponent as encoded, None for other kinds of key.
    extensions: the values by object identifier.
    """

    issuer: tuple[tuple[str, str | bytes], ...]
    subject: tuple[tuple[str, str | bytes], ...]
    not_before: datetime
    not_after: datetime
    key_bits: int | None
    rsa: tuple[bytes, bytes] | None
    extensions: dict[str, bytes]


def read_credential(pem: bytes) -> CredentialFacts:
    """Return the credential in a PEM file.

    Raises: BadData with a sentence for the operator if there is no certificate in it, if a part cannot
    be read, or if the private key is not that of the first certificate.
    """
    certificate_blocks, key_blocks = _blocks(pem)
    read = [_parse_block(block, number) for number, block in enumerate(certificate_blocks, 1)]
    kinds = [_proxy_kind(one) for one in read]
    encrypted = any(b"ENCRYPTED" in block[:200] for block in key_blocks)
    if key_blocks and not encrypted:
        _expect_own_key(_key_owners(key_blocks[0], read, certificate_blocks), kinds)
    certificates = tuple(_certificate(one, kind) for one, kind in zip(read, kinds, strict=True))
    chain = _chain(read, kinds)
    is_complete = kinds[chain[-1]] is None
    last = certificates[chain[-1]]
    return CredentialFacts(
        certificates=certificates,
        identity=last.subject if is_complete else last.issuer,
        has_key=bool(key_blocks),
        key_encrypted=encrypted,
        is_complete=is_complete,
        attribute_certificates=next(
            (tuple(found) for at in chain if (found := _attribute_certificates(read[at]))),
            (),
        ),
    )


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
            raise BadData(f"breaks off inside its {label.decode('ascii').lower()}")
        at = end + len(ending)
        if label in (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"):
            certificates.append(pem[begin.start() : at])
        elif label.endswith(b"PRIVATE KEY"):
            keys.append(pem[begin.start() : at])
    if not certificates:
        raise BadData("no certificate")
    if len(certificates) > MAX_CERTIFICATES:
        raise BadData(f"{len(certificates)} certificates, more than {MAX_CERTIFICATES}")
    if len(keys) > 1:
        raise BadData(f"{len(keys)} private keys")
    return certificates, keys


def _decoded(block: bytes) -> bytes:
    """The bytes in a PEM block. Raises: BadData."""
    body = block[5:].partition(b"-----")[2].rpartition(b"-----END ")[0]
    try:
        return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except ValueError as error:
        raise BadData(f"not base64 ({error})") from None


# ---- certificates


def _parse_block(block: bytes, number: int) -> _ParsedCertificate:
    try:
        return _read_certificate(_decoded(block))
    except BadData as error:
        raise BadData(f"certificate {number} cannot be read: {error.sentence}") from None


@lru_cache(MAX_KNOWN_LINKS)
def _read_certificate(encoded: bytes) -> _ParsedCertificate:
    """RFC 5280 section 4.1."""
    _serial, _algorithm, issuer, validity, subject, key, *more = _fields(der.read(encoded))
    times = _times(validity)
    bits, rsa = _key(key)
    return _ParsedCertificate(
        issuer=_name(issuer),
        subject=_name(subject),
        not_before=times[0].time(),
        not_after=times[1].time(),
        key_bits=bits,
        rsa=rsa,
        extensions=next((_extensions(each) for each in more if each.tag == _EXTENSIONS), {}),
    )


def _fields(certificate: DerElement) -> list[DerElement]:
    """Serial number, algorithm, issuer, validity, subject, key, and what follows."""
    parts = certificate.expect(der.SEQUENCE).children()
    fields = parts[0].expect(der.SEQUENCE).children() if len(parts) == 3 else []
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    if len(fields) < 6:
        raise BadData("lacks parts of a certificate")
    return fields


def _times(validity: DerElement) -> list[DerElement]:
    """From when and until when it is valid."""
    times = validity.expect(der.SEQUENCE).children()
    if len(times) != 2:
        raise BadData("lacks a validity time")
    return times


def _name(name: DerElement) -> tuple[tuple[str, str | bytes], ...]:
    """A value that is not the text which its type says stays bytes: names of 2015 break rules."""
    found: list[tuple[str, str | bytes]] = []
    for rdn in name.expect(der.SEQUENCE).children():
        for attribute in rdn.expect(der.SET).children():
            parts = attribute.expect(der.SEQUENCE).children()
            if len(parts) != 2:
                raise BadData("malformed name")
            try:
                found.append((parts[0].oid(), parts[1].text()))
            except BadData:
                found.append((parts[0].oid(), parts[1].value))
    return tuple(found)


def _key(public_key: DerElement) -> tuple[int | None, tuple[bytes, bytes] | None]:
    """Size of a SubjectPublicKeyInfo's key, and an RSA key's modulus and exponent."""
    parts = public_key.expect(der.SEQUENCE).children()
    algorithm = parts[0].expect(der.SEQUENCE).children() if len(parts) == 2 else []
    if not algorithm:
        raise BadData("malformed public key")
    kind = algorithm[0].oid()
    if kind in _RSA:
        numbers = der.read(parts[1].expect(der.BIT_STRING).value[1:]).expect(der.SEQUENCE).children()
        if len(numbers) != 2:
            raise BadData("malformed RSA key")
        modulus, exponent = (number.expect(der.INTEGER).value for number in numbers)
        return int.from_bytes(modulus, "big").bit_length(), (modulus, exponent)
    if kind == _ELLIPTIC and len(algorithm) == 2 and algorithm[1].tag == der.OBJECT_IDENTIFIER:
        return _CURVE_BITS.get(algorithm[1].oid()), None
    return None, None


def _extensions(wrapped: DerElement) -> dict[str, bytes]:
    """Section 4.1: { identifier, critical DEFAULT FALSE, OCTET STRING } each."""
    lists = wrapped.children()
    found = {}
    for extension in lists[0].expect(der.SEQUENCE).children() if len(lists) == 1 else []:
        parts = extension.expect(der.SEQUENCE).children()
        if len(parts) not in (2, 3):
            raise BadData("malformed extension")
        found[parts[0].oid()] = parts[-1].expect(der.OCTET_STRING).value
    return found


def _certificate(read: _ParsedCertificate, kind: str | None) -> Certificate:
    return Certificate(
        subject=dn.joined(read.subject),
        issuer=dn.joined(read.issuer),
        not_before=read.not_before,
        not_after=read.not_after,
        proxy=kind,
        key_bits=read.key_bits,
    )


def _proxy_kind(read: _ParsedCertificate) -> str | None:
    if PROXY_CERT_INFO in read.extensions:
        return _LANGUAGES.get(_policy_language(read.extensions[PROXY_CERT_INFO]), "rfc")
    if DRAFT_PROXY_CERT_INFO in read.extensions:
        return "draft"
    # Globus Toolkit 2 marked its proxies by nothing but the last part of the name.
    if len(read.subject) > 1 and read.subject[-1][0] == _COMMON_NAME:
        return "legacy" if read.subject[-1][1] in ("proxy", "limited proxy") else None
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


def _chain(read: list[_ParsedCertificate], kinds: list[str | None]) -> list[int]:
    """From the first certificate its issuers while they are proxies, and the end entity's if it is there.

    The end entity's name is known also where its certificate is missing: it is the issuer's of the last proxy.
    """
    chain = [0]
    for _ in read:
        if kinds[chain[-1]] is None:
            return chain
        issuer = read[chain[-1]].issuer
        following = [index for index, one in enumerate(read) if one.subject == issuer and index != chain[-1]]
        if not following:
            return chain
        chain.append(following[0])
    raise BadData("the proxy certificates issue each other in a circle")


def _attribute_certificates(read: _ParsedCertificate) -> list[voms.AttributeCertificate]:
    found = read.extensions.get(voms.EXTENSION)
    return [] if found is None else voms.read_attribute_certificates(found)


# ---- the private key


def _expect_own_key(owners: list[bool], kinds: list[str | None]) -> None:
    """Refuse a private key that is not the first certificate's, as TLS libraries do."""
    if owners[0]:
        return
    if any(owners):
        at = owners.index(True)
        raise BadData(
            f"the chain stands before the {'proxy certificate' if kinds[at] else 'certificate'}: the key belongs to "
            f"certificate {at + 1}",
            remedy="write the certificate first, then its key, then the chain",
        )
    raise BadData("the key does not belong to the first certificate")


def _key_owners(key: bytes, read: list[_ParsedCertificate], blocks: list[bytes]) -> list[bool]:
    """Which of the certificates a private key belongs to. Raises: BadData for a key that cannot be read."""
    rsa = _rsa_public(key)
    if rsa:
        return [one.rsa == rsa for one in read]
    return _owners_by_library(key, blocks)


def _rsa_public(block: bytes) -> tuple[bytes, bytes] | None:
    """Modulus and exponent of an unencrypted RSA key; None for whatever else the block holds.

    Either a PrivateKeyInfo (RFC 5958 section 2) or an RSAPrivateKey (RFC 8017 section A.1.2).
    """
    try:
        parts = der.read(_decoded(block)).expect(der.SEQUENCE).children()
        if len(parts) >= 3 and parts[1].tag == der.SEQUENCE:
            algorithm = parts[1].children()
            if not algorithm or algorithm[0].oid() not in _RSA:
                return None
            parts = der.read(parts[2].expect(der.OCTET_STRING).value).expect(der.SEQUENCE).children()
        if len(parts) != 9 or any(part.tag != der.INTEGER for part in parts):
            return None
        return parts[1].value, parts[2].value
    except BadData:
        return None


def _owners_by_library(key: bytes, blocks: list[bytes]) -> list[bool]:
    """The same for every kind of key that the `cryptography` library knows."""
    import warnings

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    def encoded(public_key: Any) -> bytes:
        return bytes(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    # it warns on stderr, which a probe leaves empty, of certificates that break rules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            own = encoded(load_pem_private_key(key, None).public_key())
        except ImportError:
            raise  # a library is missing: that is no answer of anybody's
        except Exception as error:
            host_resources.raise_if_short(error)
            # the library has no common base for what malformed keys raise
            raise BadData(f"the private key cannot be read: {type(error).__name__}: {error}") from error
        try:
            return [encoded(load_pem_x509_certificate(block).public_key()) == own for block in blocks]
        except ImportError:
            raise  # a library is missing: that is no answer of anybody's
        except Exception as error:
            host_resources.raise_if_short(error)
            raise BadData(f"a certificate cannot be read: {type(error).__name__}: {error}") from error
