"""What a server says before a TLS connection is encrypted: its certificates, as TLS 1.2 sends them (RFC 5246).

The server's first flight comes in records, and in these the messages of the handshake, of which each may be spread over
several records. Only the message with the certificates is looked at.
"""

from __future__ import annotations

from libprobe.failures import BadData

MAX_BYTES = 256 << 10
"""Of a first flight; a long chain takes 10 KiB."""

MAX_CERTIFICATES = 16
_ALERT, _HANDSHAKE = 21, 22
_CERTIFICATE, _DONE = 11, 14


def read_certificates(data: bytes) -> list[bytes] | None:
    """The certificates in DER, the server's own first; None as long as there is more to come.

    data: all bytes that the server has sent until now.
    Raises: BadData for anything else, and for a flight that ends without certificates, or is longer than MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise BadData(f"a handshake of more than {MAX_BYTES >> 10} KiB")
    messages, is_ended = _messages(data)
    at = 0
    while len(messages) - at >= 4:
        kind, length = messages[at], int.from_bytes(messages[at + 1 : at + 4], "big")
        if kind == _CERTIFICATE and len(messages) - at - 4 >= length:
            return _certificates(messages[at + 4 : at + 4 + length])
        if kind == _DONE:
            raise BadData("a handshake without certificates")
        at += 4 + length
    if is_ended:
        raise BadData("a handshake that ends before its certificates")
    return None


def _messages(data: bytes) -> tuple[bytes, bool]:
    """What the records hold of the handshake, and whether it ends there."""
    parts: list[bytes] = []
    at = 0
    while len(data) - at >= 5:
        kind, length = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
        if kind == _ALERT:
            return b"".join(parts), True
        if kind != _HANDSHAKE or data[at + 1] != 3:
            raise BadData("bytes that are not a TLS handshake")
        if len(data) - at - 5 < length:
            break
        parts.append(data[at + 5 : at + 5 + length])
        at += 5 + length
    return b"".join(parts), False


def _certificates(message: bytes) -> list[bytes]:
    if int.from_bytes(message[:3], "big") != len(message) - 3:
        raise BadData("a list of certificates whose length is wrong")
    found: list[bytes] = []
    at = 3
    while at < len(message):
        length = int.from_bytes(message[at : at + 3], "big")
        encoded = message[at + 3 : at + 3 + length]
        if not length or len(encoded) < length or len(found) == MAX_CERTIFICATES:
            raise BadData("a list of certificates that is cut off, or too long")
        found.append(encoded)
        at += 3 + length
    return found
