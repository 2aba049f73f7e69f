"""VOMS attribute certificates, as a proxy certificate carries them.

Source: RFC 5755 for the certificate, italiangrid/voms for the object identifiers and the URI. There is
no parser for them in `cryptography`, so the DER is walked by hand. Signatures are not verified: that
needs the VOMS server's certificates, and a service refuses a forged one anyway.
"""

from __future__ import annotations

from collections.abc import Iterator

from libprobe.failures import BadData
from libprobe.formats import der, dn
from libprobe.records import Record
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from libprobe.formats.der import DerElement

EXTENSION = "1.3.6.1.4.1.8005.100.100.5"
"""The certificate extension that holds the attribute certificates."""

FQAN_ATTRIBUTE = "1.3.6.1.4.1.8005.100.100.4"

MAX_CERTIFICATES = 32
MAX_FQANS = 1_000
MAX_FQAN_CHARS = 1_024

_CONTEXT_0, _DIRECTORY_NAME, _URI = 0xA0, 0xA4, 0x86
_DEPTH = 4


class AttributeCertificate(Record):
    """What one VOMS server states about the holder.

    vo:         name of the virtual organisation
    fqans:      as published, the primary one first: `/ops/Role=NULL/Capability=NULL`
    issuer:     DN of the VOMS server in slash form
    not_before, not_after: aware UTC instants
    uri:        `<vo>://<host>:<port>`, or empty
    """

    vo: str
    fqans: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    uri: str

    @property
    def plain_fqans(self) -> tuple[str, ...]:
        """The FQANs without their NULL parts."""
        return tuple(plain_fqan(fqan) for fqan in self.fqans)


def plain_fqan(fqan: str) -> str:
    """Return FQAN without `/Role=NULL` and `/Capability=NULL`, which mean the same as their absence."""
    return "/".join(part for part in fqan.split("/") if part not in ("Role=NULL", "Capability=NULL"))


def read_attribute_certificates(extension_value: bytes) -> list[AttributeCertificate]:
    """Return the attribute certificates of the VOMS extension, in their order.

    extension_value: the DER inside the extension's OCTET STRING.

    The VOMS library writes SEQUENCE OF SEQUENCE OF AttributeCertificate, one wrapping more than its
    name suggests; that was read from its source and not seen on every version, so the certificates
    are looked for inside one, two or no wrapping.
    Raises: BadData, also if there is none.
    """
    found = [_certificate(info) for info in _infos(der.read(extension_value), _DEPTH)]
    if not found:
        raise BadData("the VOMS extension holds no attribute certificate")
    return found


def _infos(element: DerElement, depth: int) -> Iterator[list[DerElement]]:
    """Yield the parts of each AttributeCertificateInfo (RFC 5755 section 4.1) in ELEMENT."""
    parts = element.expect(der.SEQUENCE).children()
    if len(parts) == 3 and parts[2].tag == der.BIT_STRING:
        yield parts[0].expect(der.SEQUENCE).children()
    elif depth == 0 or len(parts) > MAX_CERTIFICATES:
        raise BadData("the VOMS extension is nested too deeply or holds too many certificates")
    else:
        for part in parts:
            yield from _infos(part, depth - 1)


def _certificate(info: list[DerElement]) -> AttributeCertificate:
    if len(info) < 7:
        raise BadData(f"a VOMS attribute certificate with {number_of(len(info), 'part')} instead of 7 or more")
    issuer, validity, attributes = info[2], info[5], info[6]
    times = validity.expect(der.SEQUENCE).children()
    if len(times) != 2:
        raise BadData("a VOMS attribute certificate without its two validity times")
    uri, fqans = _names(attributes)
    return AttributeCertificate(
        vo=_vo(uri, fqans),
        fqans=fqans,
        issuer=_issuer(issuer),
        not_before=times[0].time(),
        not_after=times[1].time(),
        uri=uri,
    )


def _names(attributes: DerElement) -> tuple[str, tuple[str, ...]]:
    """Return the URI and the FQANs of the attribute that holds them (IetfAttrSyntax, section 4.4)."""
    for attribute in attributes.expect(der.SEQUENCE).children():
        parts = attribute.expect(der.SEQUENCE).children()
        if len(parts) == 2 and parts[0].oid() == FQAN_ATTRIBUTE:
            return _ietf_syntax(parts[1].expect(der.SET))
    raise BadData("a VOMS attribute certificate without FQANs")


def _ietf_syntax(values: DerElement) -> tuple[str, tuple[str, ...]]:
    uri = ""
    fqans: list[str] = []
    for value in values.children():
        for part in value.expect(der.SEQUENCE).children():
            if part.tag == _CONTEXT_0:
                found = _first(part, _URI, _DEPTH)
                uri = uri or (_printable(found.value) if found else "")
            elif part.tag == der.SEQUENCE:
                fqans.extend(_fqan(item) for item in part.children())
    if not fqans:
        raise BadData("a VOMS attribute certificate without FQANs")
    if len(fqans) > MAX_FQANS:
        raise BadData(f"a VOMS attribute certificate with more than {MAX_FQANS} FQANs")
    return uri, tuple(fqans)


def _fqan(item: DerElement) -> str:
    if item.tag not in (der.OCTET_STRING, der.UTF8_STRING):
        raise BadData(f"an FQAN of type 0x{item.tag:02x} instead of an octet string")
    fqan = _printable(item.value)
    if not fqan.startswith("/") or len(fqan) < 2:
        raise BadData(f"{fqan[:80]!r} is not an FQAN: it does not begin with /<vo>")
    return fqan


def _printable(value: bytes) -> str:
    if len(value) > MAX_FQAN_CHARS:
        raise BadData(f"a VOMS attribute of {len(value)} bytes, more than {MAX_FQAN_CHARS}")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadData("a VOMS attribute that is not UTF-8") from None
    if not text.isprintable():
        raise BadData("a VOMS attribute with control characters")
    return text


def _vo(uri: str, fqans: tuple[str, ...]) -> str:
    vo, separator, _ = uri.partition("://")
    return vo if separator and vo else fqans[0].split("/")[1]


def _issuer(issuer: DerElement) -> str:
    """Return the DN of `[0] v2Form`, or of the older plain GeneralNames."""
    name = _first(issuer, _DIRECTORY_NAME, _DEPTH)
    if name is None:
        raise BadData("a VOMS attribute certificate without its issuer's name")
    return dn.joined(_name_attributes(name))


def _name_attributes(directory_name: DerElement) -> Iterator[tuple[str, str]]:
    """Yield object identifier and value of each part of a Name (RFC 5280 section 4.1.2.4)."""
    wrapped = directory_name.children()
    if len(wrapped) != 1:
        raise BadData("a VOMS attribute certificate with a malformed issuer name")
    for rdn in wrapped[0].expect(der.SEQUENCE).children():
        for attribute in rdn.expect(der.SET).children():
            parts = attribute.expect(der.SEQUENCE).children()
            if len(parts) != 2:
                raise BadData("a VOMS attribute certificate with a malformed issuer name")
            yield parts[0].oid(), parts[1].text()


def _first(element: DerElement, tag: int, depth: int) -> DerElement | None:
    """Return the first element with TAG in ELEMENT or up to DEPTH levels below it."""
    if element.tag == tag:
        return element
    if depth == 0 or not element.tag & 0x20:
        return None
    for child in element.children():
        found = _first(child, tag, depth - 1)
        if found is not None:
            return found
    return None
