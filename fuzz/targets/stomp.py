"""A broker's STOMP frames, in pieces. The first two bytes: version, size of the pieces."""

from __future__ import annotations

from fuzz import judged
from libprobe.formats import stomp

MAX_BYTES = 16 << 10
WORDS = (
    b"CONNECTED\n", b"MESSAGE\n", b"RECEIPT\n", b"ERROR\n", b"\n\n", b"\r\n\r\n", b"\0", b"content-length:",
    b"version:1.2\n",
    b"message-id:", b"receipt-id:", b"subscription:", b"destination:/topic/x\n", b"\\c", b"\\n", b"\\r", b"\\\\",
    b"\\t",
    b"message:", b"99999999999", b"-1", b"heart-beat:0,0\n", b"\n" * 16,
)  # fmt: skip


def read(data: bytes) -> None:
    version, size = (data[:2] + b"\0\0")[:2]
    reader = stomp.FrameReader()
    reader.version = ("1.0", "1.1", "1.2")[version % 3]
    for piece in judged.pieces(data[2:], size * 4 + 1):
        for frame in reader.feed(piece):
            assert frame.command in stomp.COMMANDS
            assert isinstance(frame.text, str) and len(frame.body) <= stomp.MAX_BODY_BYTES
    assert isinstance(reader.is_between_frames, bool)


def seeds() -> dict[str, bytes]:
    frames = (
        b"CONNECTED\nversion:1.2\nserver:RabbitMQ/3.10\nheart-beat:0,0\n\n\0\n"
        b"RECEIPT\nreceipt-id:r1\n\n\0\nMESSAGE\nsubscription:s\nmessage-id:1\ndestination:/topic/x\\cy\n"
        b"content-length:5\n\nhello\0\n"
    )
    return {
        "session": b"\2\xff" + frames,
        "pieces": b"\2\0" + frames,
        "old": b"\0\xff" + frames.replace(b"\n", b"\r\n"),
        "error": b"\1\xffERROR\nmessage:access refused\ncontent-type:text/plain\n\nAccess refused for user\0",
    }
