"""A small DER writer and reader, enough for VOMS attribute certificates.

Source: ITU-T X.690. Only single-byte tags and definite lengths, which is all that RFC 5755 and the VOMS
extensions need.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31


def tlv(tag: int, *contents: bytes) -> bytes:
    """Return one element: tag, length, and the contents joined."""
    body = b"".join(contents)
    if len(body) < 0x80:
        length = bytes([len(body)])
    else:
        size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(size)]) + size
    return bytes([tag]) + length + body


def sequence(*items: bytes) -> bytes:
    return tlv(SEQUENCE, *items)


def set_of(*items: bytes) -> bytes:
    # X.690 section 11.6: the elements of a SET OF stand in the order of their encodings.
    return tlv(SET, *sorted(items))


def context(number: int, *contents: bytes, constructed: bool = True) -> bytes:
    """Return a context-specific element `[number]`."""
    return tlv((0xA0 if constructed else 0x80) | number, *contents)


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes) -> bytes:
    return tlv(OCTET_STRING, value)


def bits(value: bytes) -> bytes:
    return tlv(BIT_STRING, b"\0", value)


def null() -> bytes:
    return tlv(NULL)


def object_identifier(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = bytearray()
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | (arc & 0x7F))
        body += bytes(reversed(septets))
    return tlv(OBJECT_IDENTIFIER, bytes(body))


def generalized_time(instant: datetime) -> bytes:
    return tlv(GENERALIZED_TIME, instant.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode("ascii"))


class Element(NamedTuple):
    """One element as read: its tag, its contents, and the whole encoding."""

    tag: int
    content: bytes
    encoding: bytes

    def children(self) -> list[Element]:
        return list(elements(self.content))


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements that stand one after another in DATA.

    Raises: ValueError if DATA is cut short or a length is not definite.
    """
    start = 0
    while start < len(data):
        header = start + 2
        if header > len(data):
            raise ValueError("DER element cut short")
        size = data[start + 1]
        if size >= 0x80:
            octets_of_size = size & 0x7F
            if not 1 <= octets_of_size <= 4:
                raise ValueError("DER length not definite or too large")
            size = int.from_bytes(data[header : header + octets_of_size], "big")
            header += octets_of_size
        end = header + size
        if end > len(data):
            raise ValueError("DER element cut short")
        yield Element(data[start], data[header:end], data[start:end])
        start = end


def element(data: bytes) -> Element:
    """Return the first element of DATA. Raises: ValueError."""
    for found in elements(data):
        return found
    raise ValueError("no DER element")


def read_time(found: Element) -> datetime:
    """Return a GeneralizedTime as an aware UTC instant. Raises: ValueError."""
    return datetime.strptime(found.content.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
