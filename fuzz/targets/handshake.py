"""The first flight of a TLS server, and what is read of the certificates in it."""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats import handshake, x509

MAX_BYTES = 4 << 10
WORDS = (
    b"\x16\x03\x03", b"\x15\x03\x03\x00\x02\x02\x28", b"\x0b\x00\x00", b"\x02\x00\x00", b"\x0e\x00\x00\x00",
    b"\x30\x82", b"\x17\x0d261125120000Z", b"\x31\x08", b"\xa0\x03\x02\x01\x02", b"\xff\xff\xff",
)  # fmt: skip


def read(data: bytes) -> None:
    found = handshake.read_certificates(data)
    if found is None:
        raise BadData("there is more to come")
    assert 0 <= len(found) <= handshake.MAX_CERTIFICATES
    for size in range(0, len(data), 97):
        # what comes later changes nothing of what was read
        assert handshake.read_certificates(data[:size]) in (None, found)
    for each in found:
        link = x509.read_chain_link(each)
        assert link.subject_words.isprintable() and link.not_after.tzinfo


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _record(body: bytes) -> bytes:
    return b"\x16\x03\x03" + len(body).to_bytes(2, "big") + body


def _sized(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([tag, len(body)]) + body


def _certificate() -> bytes:
    name = _sized(0x30, _sized(0x31, _sized(0x30, _sized(0x06, b"\x55\x04\x03"), _sized(0x0C, b"a.test"))))
    times = _sized(0x30, _sized(0x17, b"251125120000Z"), _sized(0x17, b"261125120000Z"))
    fields = (_sized(0x02, b"\x05"), _sized(0x30), name, times, name, _sized(0x30))
    return _sized(0x30, _sized(0x30, *fields), _sized(0x30), _sized(0x03, b"\x00"))


def seeds() -> dict[str, bytes]:
    listed = b"".join(len(each).to_bytes(3, "big") + each for each in [_certificate()] * 2)
    messages = _message(2, b"\x03\x03" + b"r" * 36) + _message(11, len(listed).to_bytes(3, "big") + listed)
    return {
        "flight": _record(messages + _message(14, b"")),
        "records": b"".join(_record(messages[at : at + 50]) for at in range(0, len(messages), 50)),
        "alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "without": _record(_message(2, b"") + _message(14, b"")),
    }
