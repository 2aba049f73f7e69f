"""The envelope of a signed document: S/MIME clear-signed or opaque, bare CMS, or none at all.

What was signed is cut out by its boundary, byte for byte. A mail parser does not do: image lists have no
header and no blank line before their first part, so that it takes the beginning of one-line JSON for a
header. Sources: RFC 8551, RFC 2046 section 5.1; the output of `openssl smime -sign`.
"""

from __future__ import annotations

import base64
import binascii
import re

from libprobe.failures import BadData
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

MAX_HEADER_BYTES = 8 << 10
MAX_SIGNATURE_BYTES = 256 << 10

_BOUNDARY = re.compile(rb'boundary\s*=\s*(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_PEM = re.compile(rb"-----BEGIN (PKCS7|CMS)-----(.*?)-----END \1-----", re.DOTALL)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:[^\r\n]*")


class Envelope(Record):
    """A document as it came.

    kind:      `clear-signed`, `opaque` (the document is within `signature`) or `unsigned`.
    content:   the bytes between the boundaries, line ends as they came; the whole if unsigned, empty if opaque.
    signature: CMS in DER; empty if unsigned.
    """

    kind: str
    content: bytes
    signature: bytes


def open_envelope(data: bytes, content_type: str = "") -> Envelope:
    """Find out what a document is wrapped in, and unwrap it.

    content_type: that of the transport, in lower case and without parameters; the data's own look decides
                  where both speak.
    Raises: BadData for an envelope that is broken; anything but an envelope counts as unsigned.
    """
    begin = data[:MAX_HEADER_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if begin[:1] in (b"{", b"["):
        return Envelope("unsigned", data, b"")
    if begin[:2] in (b"0\x80", b"0\x81", b"0\x82", b"0\x83", b"0\x84"):
        return Envelope("opaque", b"", data)
    if match := _PEM.match(data, len(data) - len(data.lstrip())):
        return Envelope("opaque", b"", _decoded(match[2]))
    header, body = _header(data)
    kind = header.get(b"content-type", b"").lower()
    if kind.startswith(b"multipart/signed"):
        return _clear_signed(header[b"content-type"], body)
    if b"pkcs7-mime" in kind or (not header and "pkcs7-mime" in content_type):
        return Envelope("opaque", b"", _decoded(body if header else data))
    if begin[:2] == b"MI" and _BASE64.fullmatch(begin):
        return Envelope("opaque", b"", _decoded(data))
    return Envelope("unsigned", data, b"")


def canonical(content: bytes) -> bytes:
    """The content with every line ending in CRLF, as S/MIME signs text (RFC 8551 section 3.1.1)."""
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def without_text_header(content: bytes) -> bytes:
    """The content without the `Content-Type: text/plain` that `openssl smime -sign -text` signs with it."""
    if content[:13].lower() != b"content-type:":
        return content
    return _header(content)[1]


def _header(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Header fields in lower case, folded lines joined, and what follows the blank line; none if there is none."""
    fields: dict[bytes, bytes] = {}
    name = b""
    at = 0
    while at < min(len(data), MAX_HEADER_BYTES):
        end = data.find(b"\n", at, at + MAX_HEADER_BYTES)
        if end < 0:
            break
        line = data[at:end].rstrip(b"\r")
        at = end + 1
        if not line:
            return (fields, data[at:]) if fields else ({}, data)
        if line[:1] in b" \t" and name:
            fields[name] += b" " + line.strip()
        elif _HEADER.fullmatch(line):
            key, _, value = line.partition(b":")
            name = key.strip().lower()
            fields[name] = value.strip()
        else:
            break
    return {}, data


def _clear_signed(content_type: bytes, body: bytes) -> Envelope:
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise BadData("the S/MIME message names no boundary between its parts")
    delimiter = b"--" + (match[1] or match[2])
    begin = _line_after(body, _delimiter_at(body, delimiter, 0, "first"), delimiter)
    end = _delimiter_at(body, delimiter, begin, "second")
    after = _line_after(body, end, delimiter)
    last = _delimiter_at(body, delimiter, after, "last")
    header, encoded = _header(body[after:last])
    kind = header.get(b"content-type", b"").lower()
    if b"pkcs7-signature" not in kind:
        raise BadData(f"the second part of the S/MIME message is {excerpt(kind) or 'of no type'!r}, not a signature")
    if len(encoded) > MAX_SIGNATURE_BYTES:
        raise BadData(f"the signature is {len(encoded)} bytes long, more than {MAX_SIGNATURE_BYTES}")
    transfer = header.get(b"content-transfer-encoding", b"base64").lower()
    signature = encoded if transfer in (b"binary", b"8bit") else _decoded(encoded)
    # the line end before a delimiter belongs to the delimiter
    content_end = end - 2 if body[end - 2 : end] == b"\r\n" else end - 1
    return Envelope("clear-signed", body[begin : max(begin, content_end)], signature)


def _delimiter_at(body: bytes, delimiter: bytes, start: int, which: str) -> int:
    """Return where a line begins with a delimiter."""
    at = start
    while True:
        at = body.find(delimiter, at)
        if at < 0:
            raise BadData(f"the S/MIME message breaks off: its {which} boundary is missing")
        following = body[at + len(delimiter) : at + len(delimiter) + 4].rstrip(b" \t")
        if (at == 0 or body[at - 1 : at] == b"\n") and following[:1] in (b"\r", b"\n", b"-", b""):
            return at
        at += len(delimiter)


def _line_after(body: bytes, at: int, delimiter: bytes) -> int:
    end = body.find(b"\n", at + len(delimiter))
    if end < 0:
        raise BadData("the S/MIME message breaks off after a boundary")
    return end + 1


def _decoded(encoded: bytes) -> bytes:
    if not _BASE64.fullmatch(encoded):
        raise BadData("the signature is not base64")
    try:
        return base64.b64decode(encoded)
    except binascii.Error as error:
        raise BadData(f"the signature is not base64: {error}") from None
