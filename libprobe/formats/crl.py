"""Certificate revocation lists (RFC 5280 section 5): a first look at one, without the library that reads it whole.

A list may have ten thousands of entries, and hardly ever the one that is looked for. Whether it can hold a serial
number is a search for a few bytes; only where they occur need the library read the list and judge.
"""

from __future__ import annotations

import binascii
from functools import lru_cache

from libprobe.failures import BadData
from libprobe.formats import der, subject_hash
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

MAX_CRL = 8 << 20
MAX_KNOWN_ISSUED = 64
"""Certificates whose serial number and issuer are remembered, as `x509.MAX_KNOWN_LINKS`."""
FETCH_CRL_REMEDY = "run fetch-crl"
_UTC_TIME = 0x17
_BEGIN, _END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"


class SerialAndIssuer(Record):
    """What a revocation list needs of a certificate: its serial number and its issuer's name, both DER."""

    serial: bytes
    issuer: bytes


class RevocationList(Record):
    """The frame of a CRL.

    issuer:      the CA's name as names are compared, see `subject_hash.canonical`.
    this_update: `YYYYMMDDHHMMSSZ`, as is next_update, which is empty where there is none.
    encoded:     the whole list in DER.
    """

    issuer: bytes
    this_update: str
    next_update: str
    encoded: bytes

    def may_list(self, serial: bytes) -> bool:
        """Whether a serial number can be in it: False is certain, True is not."""
        return serial in self.encoded


@lru_cache(MAX_KNOWN_ISSUED)
def read_issued(certificate: bytes) -> SerialAndIssuer:
    """Read a DER certificate. Raises: BadData."""
    parts = _to_be_signed(certificate)
    if parts and parts[0].tag == 0xA0:  # the version, left out in version 1
        parts = parts[1:]
    if len(parts) < 3:
        raise BadData("a certificate without serial number or issuer")
    serial, issuer = parts[0].expect(der.INTEGER), parts[2].expect(der.SEQUENCE)
    return SerialAndIssuer(der.encode(serial.tag, serial.value), der.encode(issuer.tag, issuer.value))


def read_list(data: bytes) -> RevocationList:
    """Read the frame of a CRL in PEM, as CA directories have it, or in DER. Raises: BadData."""
    encoded = _decoded(data)
    parts = _to_be_signed(encoded)
    if parts and parts[0].tag == der.INTEGER:  # the version, left out in version 1
        parts = parts[1:]
    if len(parts) < 3:
        raise BadData("a CRL without issuer or date")
    issuer = parts[1].expect(der.SEQUENCE)
    next_update = _time(parts[3]) if len(parts) > 3 and parts[3].tag in (_UTC_TIME, der.GENERALIZED_TIME) else ""
    return RevocationList(
        subject_hash.canonical(der.encode(issuer.tag, issuer.value)), _time(parts[2]), next_update, encoded
    )


def crl_problem(path: str, this_update: datetime, next_update: datetime | None, now: datetime) -> str:
    """Why a CRL may not be judged by, in words; empty if it may."""
    if next_update and next_update < now:
        return f"the CRL {path} expired {duration((now - next_update).total_seconds())} ago"
    if this_update > now:
        begins = f"{this_update:%Y-%m-%d %H:%M} UTC, {duration((this_update - now).total_seconds())} from now"
        return f"the CRL {path} is not valid before {begins}; the monitoring host's clock may be wrong"
    return ""


def _to_be_signed(encoded: bytes) -> list[der.DerElement]:
    parts = der.read(encoded, limit=MAX_CRL).expect(der.SEQUENCE).children()
    return parts[0].expect(der.SEQUENCE).children() if parts else []


def _decoded(data: bytes) -> bytes:
    if _BEGIN not in data:
        return data
    try:
        return binascii.a2b_base64(data.partition(_BEGIN)[2].partition(_END)[0])
    except binascii.Error as error:
        raise BadData(f"not base64: {error}") from None


def _time(element: der.DerElement) -> str:
    """A Time as RFC 5280 section 4.1.2.5 has it, with the century."""
    text = element.value[:32].decode("ascii", "replace")
    if element.tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    if len(text) != 15 or not text[:14].isdigit() or text[14] != "Z":
        raise BadData(f"{text!r} is not a time of the form YYYYMMDDHHMMSSZ")
    return text
