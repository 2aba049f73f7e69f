"""Any text, made safe: a whole report of it, as it is printed."""

from __future__ import annotations

from fuzz import judged
from libprobe.formats.excerpt import excerpt
from libprobe.probe import output
from libprobe.text import safe, shortened

MAX_BYTES = 4 << 10
WORDS = (
    b"\x1b[31m", b"\x1b]8;;http://x\x1b\\", b"\x1b]0;title\x07", b"\xc2\x9b31m", b"\xc2\x9d0;x\xc2\x9c", b"\x1bP", b"|",
    b"<script>", b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\xe2\x80\xa8", b"\xe2\x80\x8b", b"\xed\xa0\x80", b"\xcc\x81" * 9,
    b"\b", b"\t", b"\r\n", b"\xff", b"\xe3\x85\xa4", b"\xcd\x8f", b"\xf3\xa0\x84\x80", b"\xef\xbb\xbf", b"&lt;",
)  # fmt: skip


def read(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    report = output.render("FUZZ", 2, text, [f"{safe(line)[:20]}=1" for line in lines[:20]], lines)
    judged.expect_harmless(report.replace("|", " "))
    assert report.split("\n", 1)[0].count(" | ") <= 1
    line = safe(text)
    assert safe(line) == line, "not safe at once"
    assert len(shortened(text, 40)) <= 40 and len(excerpt(text, 40)) <= 40 and len(excerpt(data, 40)) <= 40


def seeds() -> dict[str, bytes]:
    return {
        "plain": "état: 3,5 µs à Zürich — 東京".encode(),
        "terminal": b"a\x1b[31mb\x1b[0m\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x07\b\b",
        "direction": "a\u202eb\u202c\u2066c\u2069\u200f".encode(),
        "marks": ("e" + "\u0301" * 50 + "\u034f\u115f\u3164").encode(),
        "page": b"<img src=x onerror=alert(1)>|&lt;script&gt;",
    }
