"""A strict reader for the part of DER that certificates and keys use (ITU-T X.690, section 10).

It cuts an encoding into elements, one level at a time: whoever wants the level below asks for it, so
nesting costs nothing and cannot exhaust the stack. Indefinite and non-minimal lengths and tag numbers
above 30 are refused; none of them occurs in RFC 5280, 3820 or 5755 structures.
"""

from __future__ import annotations

from collections.abc import Iterator

from libprobe.failures import BadData
from libprobe.records import Record
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

BIT_STRING, INTEGER, OCTET_STRING, OBJECT_IDENTIFIER = 0x03, 0x02, 0x04, 0x06
UTF8_STRING, UTC_TIME, GENERALIZED_TIME = 0x0C, 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31

MAX_BYTES = 1 << 20
MAX_CHILDREN = 10_000

_STRING_ENCODINGS = {
    0x0C: "utf-8",  # UTF8String
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, in practice Latin-1
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


class DerElement(Record):
    """One tag-length-value: TAG is the identifier octet, VALUE the content octets."""

    tag: int
    value: bytes

    def children(self) -> list[DerElement]:
        """Return the elements that a constructed one holds. Raises: BadData."""
        if not self.tag & 0x20:
            raise BadData(f"DER element 0x{self.tag:02x} is primitive where a structure is expected")
        return list(_elements(self.value))

    def expect(self, tag: int) -> DerElement:
        """Return this element if it has TAG. Raises: BadData."""
        if self.tag != tag:
            raise BadData(f"DER element 0x{self.tag:02x} stands where 0x{tag:02x} is expected")
        return self

    def text(self) -> str:
        """Return the value of any of the character string types. Raises: BadData."""
        try:
            return self.value.decode(_STRING_ENCODINGS[self.tag])
        except (KeyError, UnicodeDecodeError):
            raise BadData(f"DER element 0x{self.tag:02x} is not readable text") from None

    def oid(self) -> str:
        """Return an object identifier in dotted form. Raises: BadData."""
        return _dotted(self.expect(OBJECT_IDENTIFIER).value)

    def time(self) -> datetime:
        """Return a GeneralizedTime or UTCTime as an aware UTC instant.

        Only `YYYYMMDDHHMMSSZ` and `YYMMDDHHMMSSZ` are taken, the forms that RFC 5280 section 4.1.2.5 allows.
        Raises: BadData.
        """
        from datetime import UTC, datetime

        is_short = self.tag == UTC_TIME
        text = (self if is_short else self.expect(GENERALIZED_TIME)).value[:32].decode("ascii", "replace")
        digits, zone = text[:-1], text[-1:]
        try:
            if zone != "Z" or not (digits.isascii() and digits.isdigit()) or len(digits) != (12 if is_short else 14):
                raise ValueError
            if is_short:
                digits = ("19" if digits >= "50" else "20") + digits
            pairs = (int(digits[at : at + 2]) for at in range(4, 14, 2))
            return datetime(int(digits[:4]), *pairs, tzinfo=UTC)  # type: ignore[misc, arg-type]
        except ValueError:
            form = "YYMMDDHHMMSSZ" if is_short else "YYYYMMDDHHMMSSZ"
            raise BadData(f"{text!r} is not a time of the form {form}") from None


def read(data: bytes, *, limit: int = MAX_BYTES) -> DerElement:
    """Return the one element that DATA is, with nothing after it.

    Raises: BadData, also for more than `limit` bytes.
    """
    if len(data) > limit:
        raise BadData(f"DER data of {len(data)} bytes, more than {limit}")
    element, end = _element(data, 0)
    if end != len(data):
        raise BadData(f"after the DER data: {number_of(len(data) - end, 'byte')}")
    return element


def encode(tag: int, value: bytes) -> bytes:
    """Return an element's encoding."""
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + value


def _elements(data: bytes) -> Iterator[DerElement]:
    at = 0
    for _ in range(MAX_CHILDREN):
        if at == len(data):
            return
        element, at = _element(data, at)
        yield element
    if at != len(data):
        raise BadData(f"a DER structure with more than {MAX_CHILDREN} parts")


def _element(data: bytes, at: int) -> tuple[DerElement, int]:
    """Return the element that begins at AT and where the next one begins."""
    if len(data) - at < 2:
        raise BadData("DER data breaks off inside a tag")
    tag = data[at]
    if tag & 0x1F == 0x1F:
        raise BadData("DER data uses a tag number above 30")
    length, start = _length(data, at + 1)
    if length > len(data) - start:
        raise BadData(f"DER data breaks off: {length} bytes announced, {len(data) - start} left")
    return DerElement(tag, data[start : start + length]), start + length


def _length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise BadData("DER data has an indefinite or oversized length")
    digits = data[at + 1 : at + 1 + size]
    length = int.from_bytes(digits, "big")
    if len(digits) < size or digits[0] == 0 or length < 0x80:
        raise BadData("DER data has a length that is cut off or not minimal")
    return length, at + 1 + size


def _dotted(value: bytes) -> str:
    """X.690 section 8.19; bounded, since a sub-identifier could be as long as the data."""
    if not value or len(value) > 64 or value[-1] & 0x80:
        raise BadData("DER data has an object identifier that is empty, too long or cut off")
    numbers: list[int] = []
    number = 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
