"""LDAP messages as a server sends them (RFC 4511), and LDAP URLs (RFC 4516).

A reader of one message at a time, which goes no deeper than the messages of a search do: nesting
costs nothing, and every length is compared with the bytes that are there. Lengths need not be minimal,
as BER allows and as servers do; indefinite ones are refused (RFC 4511 section 5.1).
"""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31
BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE = 0x61, 0x64, 0x65, 0x73
EXTENDED_RESPONSE, INTERMEDIATE_RESPONSE = 0x78, 0x79
_REFERRAL, _RESPONSE_NAME = 0xA3, 0x8A

NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"
MAX_HEADER = 6
"""Octets of the longest head of a message that is taken: tag, length of the length, length."""

MAX_VALUES = 10_000
"""Values of one attribute, and URLs of one referral, that are looked at."""


class LdapEntry(Record):
    """A SearchResultEntry. attributes: values by the attribute's name in lower case, as UTF-8."""

    dn: str
    attributes: dict[str, list[str]]

    def first(self, name: str) -> str:
        """The first value of an attribute, given in lower case; empty if there is none."""
        values = self.attributes.get(name)
        return values[0] if values else ""


class SearchReference(Record):
    """A SearchResultReference: where the search would have to go on."""

    urls: list[str]


class OperationResult(Record):
    """How an operation ended (LDAPResult). kind: tag of the operation. name: of an extended response."""

    kind: int
    code: int
    matched: str
    text: str
    referrals: list[str]
    name: str


def message_size(data: bytes | bytearray, at: int = 0) -> int | None:
    """Octets of the message that begins at AT, its head included; None if that cannot be told yet.

    Raises: BadData for what cannot be the beginning of an LDAP message.
    """
    if len(data) <= at:
        return None
    if data[at] != SEQUENCE:
        raise BadData(f'"{excerpt(bytes(data[at : at + 400]), 30)}" instead of LDAP')
    if len(data) <= at + 1:
        return None
    first = data[at + 1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= MAX_HEADER - 2:
        raise BadData("message of indefinite or oversized length")
    if len(data) < at + 2 + count:
        return None
    return 2 + count + int.from_bytes(data[at + 2 : at + 2 + count], "big")


def read_message(data: bytes) -> tuple[int, LdapEntry | SearchReference | OperationResult | None]:
    """Read one whole message: its id, and what it says; None for an intermediate response.

    Raises: BadData.
    """
    start, end = _enter(data, 0, len(data), SEQUENCE)
    if end != len(data):
        raise BadData("message with a wrong length")
    at, stop = _enter(data, start, end, INTEGER)
    number = _integer(data, at, stop)
    kind, at, stop = _element(data, stop, end)
    if kind == SEARCH_ENTRY:
        return number, _entry(data, at, stop)
    if kind == SEARCH_REFERENCE:
        return number, SearchReference([_text(data, first, last) for _, first, last in _elements(data, at, stop)])
    if kind in (BIND_RESPONSE, SEARCH_DONE, EXTENDED_RESPONSE):
        return number, _result(kind, data, at, stop)
    if kind == INTERMEDIATE_RESPONSE:
        return number, None
    raise BadData(f"message of kind 0x{kind:02x}, which answers no search")


def _entry(data: bytes, at: int, end: int) -> LdapEntry:
    first, at = _enter(data, at, end, OCTET_STRING)
    dn = _text(data, first, at)
    attributes: dict[str, list[str]] = {}
    start, stop = _enter(data, at, end, SEQUENCE)
    for tag, first, last in _elements(data, start, stop):
        if tag != SEQUENCE:
            raise BadData("attribute that is not a sequence")
        name_at, name_end = _enter(data, first, last, OCTET_STRING)
        values_at, values_end = _enter(data, name_end, last, SET)
        values = [_text(data, low, high) for _, low, high in _elements(data, values_at, values_end)]
        attributes.setdefault(_text(data, name_at, name_end).lower(), []).extend(values)
    return LdapEntry(dn, attributes)


def _result(kind: int, data: bytes, at: int, end: int) -> OperationResult:
    at, stop = _enter(data, at, end, ENUMERATED)
    code = _integer(data, at, stop)
    at, stop = _enter(data, stop, end, OCTET_STRING)
    matched = _text(data, at, stop)
    at, stop = _enter(data, stop, end, OCTET_STRING)
    text = _text(data, at, stop)
    referrals: list[str] = []
    name = ""
    for tag, first, last in _elements(data, stop, end):
        if tag == _REFERRAL:
            referrals += [_text(data, low, high) for _, low, high in _elements(data, first, last)]
        elif tag == _RESPONSE_NAME:
            name = _text(data, first, last)
    return OperationResult(kind, code, matched, text, referrals, name)


def _element(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, and where the content of the element at AT begins and ends."""
    if end - at < 2:
        raise BadData("message that breaks off")
    tag, length = data[at], data[at + 1]
    at += 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= MAX_HEADER - 2 or end - at < count:
            raise BadData("element of indefinite, oversized or cut-off length")
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    if length > end - at:
        raise BadData(f"element of {length} bytes where {end - at} are left")
    return tag, at, at + length


def _enter(data: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    tag, first, last = _element(data, at, end)
    if tag != wanted:
        raise BadData(f"message with 0x{tag:02x} where 0x{wanted:02x} is expected")
    return first, last


def _elements(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    count = 0
    while at < end:
        count += 1
        if count > MAX_VALUES:
            raise BadData(f"message with more than {MAX_VALUES} values in one place")
        tag, first, at = _element(data, at, end)
        yield tag, first, at


def _integer(data: bytes, at: int, end: int) -> int:
    if not 1 <= end - at <= 8:
        raise BadData(f"number of {end - at} bytes")
    return int.from_bytes(data[at:end], "big", signed=True)


def _text(data: bytes, at: int, end: int) -> str:
    return data[at:end].decode("utf-8", "replace")


# ---- URLs


class LdapUrl(Record):
    """The part of an LDAP URL that says where to ask. port: None if none is written. base: decoded DN."""

    scheme: str
    host: str
    port: int | None
    base: str


MAX_URL_CHARS = 2_048
_URL = re.compile(
    r"(?P<scheme>ldaps?)://(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})))"
    r"(?::(?P<port>[0-9]{0,5}))?(?:/(?P<base>[^?#]*)(?:\?[^#]*)?)?",
    re.IGNORECASE,
)


def is_ldap_url(text: str) -> bool:
    """Whether the text wants to be an LDAP URL, well-formed or not."""
    return text.strip().lower().startswith(("ldap:", "ldaps:"))


def read_url(text: str) -> LdapUrl:
    """Read `ldap[s]://host[:port][/base]`; what follows the base is ignored. Raises: BadData."""
    from urllib.parse import unquote

    url = text.strip()
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARS and url.isprintable() else None
    if match is None:
        raise BadData(f"{excerpt(url, 120)!r} is not a URL of the form ldap://host:2170/o=glue")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise BadData(f"the port in {excerpt(url, 120)!r} is not a number from 1 to 65535")
    host = (match["ipv6"] or match["host"]).lower().removesuffix(".")
    return LdapUrl(match["scheme"].lower(), host, port, unquote(match["base"] or "").strip())
