"""LDAP messages as a server would write them, and as none should: for peers that misbehave on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31
BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x73, 0x78


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def text(value: str) -> bytes:
    return tlv(OCTET_STRING, value.encode())


def message(number: int, operation: bytes) -> bytes:
    return tlv(SEQUENCE, tlv(INTEGER, number.to_bytes(4, "big")) + operation)


def entry(number: int, dn: str, attributes: Mapping[str, Iterable[str]]) -> bytes:
    listed = b"".join(
        tlv(SEQUENCE, text(name) + tlv(SET, b"".join(map(text, values)))) for name, values in attributes.items()
    )
    return message(number, tlv(SEARCH_ENTRY, text(dn) + tlv(SEQUENCE, listed)))


def reference(number: int, urls: Iterable[str]) -> bytes:
    return message(number, tlv(SEARCH_REFERENCE, b"".join(map(text, urls))))


def result(
    number: int, kind: int, code: int = 0, said: str = "", *, matched: str = "", referrals: Iterable[str] = ()
) -> bytes:
    content = tlv(ENUMERATED, bytes([code])) + text(matched) + text(said)
    urls = b"".join(map(text, referrals))
    return message(number, tlv(kind, content + (tlv(0xA3, urls) if urls else b"")))


def disconnection(code: int, said: str) -> bytes:
    """The notice that a server sends before it closes on its own accord (RFC 4511 section 4.4.1)."""
    name = tlv(0x8A, b"1.3.6.1.4.1.1466.20036")
    return message(0, tlv(EXTENDED_RESPONSE, tlv(ENUMERATED, bytes([code])) + text("") + text(said) + name))
