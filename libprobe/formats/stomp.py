"""STOMP frames as a broker sends them (STOMP 1.0, 1.1 and 1.2), read piece by piece and bounded.

    MESSAGE                 command
    message-id:7            headers; the first of several with one name counts
                            an empty line
    hello^@                 body up to a NUL, or as long as content-length says, and a NUL

End-of-line characters between frames are heart-beats and mean nothing else.
Source: stomp.github.io/stomp-specification-1.2.html, -1.1.html, -1.0.html.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"})
MAX_HEAD_BYTES = 16 << 10
MAX_HEADERS = 200
MAX_BODY_BYTES = 256 << 10

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_ESCAPES = {"\\n": "\n", "\\c": ":", "\\\\": "\\", "\\r": "\r"}


class Frame(Record):
    """command: one of COMMANDS. headers: by name, unescaped where the version escapes them."""

    command: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8; bytes that are not become U+FFFD."""
        return self.body.decode("utf-8", "replace")


class FrameReader:
    """Takes bytes as they arrive and gives complete frames; holds no more than one frame that is not complete.

    version: set it when the broker has named it; 1.0 has no escapes in headers.
    """

    def __init__(self) -> None:
        self.version = "1.0"
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that these bytes complete. Raises: BadData for anything else, or a frame too large."""
        self._buffer += data
        while True:
            if not self._searched:
                self._skip_heartbeats()
            self._expect_command()
            frame = self._next()
            if frame is None:
                return
            self._searched = 0
            yield frame

    @property
    def is_between_frames(self) -> bool:
        return not self._buffer.strip(b"\r\n")

    def _skip_heartbeats(self) -> None:
        at = 0
        while at < len(self._buffer) and self._buffer[at] in b"\r\n":
            at += 1
        del self._buffer[:at]

    def _expect_command(self) -> None:
        """What cannot become one of the commands is refused at once, not when a limit is reached."""
        word = bytes(self._buffer[:16]).split(b"\n")[0]
        is_whole = b"\n" in self._buffer[:16]
        word = word.removesuffix(b"\r")
        known = [command.encode() for command in COMMANDS]
        if not any(word == each if is_whole or len(self._buffer) >= 16 else each.startswith(word) for each in known):
            raise BadData(f'"{excerpt(bytes(self._buffer[:400]), 30)}" instead of STOMP')

    def _next(self) -> Frame | None:
        end = _END_OF_HEAD.search(self._buffer, max(0, self._searched - 3), MAX_HEAD_BYTES + 3)
        if end is None:
            self._searched = len(self._buffer)
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadData(f"frame with headers of more than {MAX_HEAD_BYTES // 1024} KiB")
            return None
        command, headers = self._head(bytes(self._buffer[: end.start()]))
        length = headers.get("content-length")
        if length is None:
            stop = self._buffer.find(b"\0", end.end())
            size = (stop if stop >= 0 else len(self._buffer)) - end.end()
        else:
            size = _length(length)
            stop = end.end() + size
        if size > MAX_BODY_BYTES:
            raise BadData(f"frame with a body of more than {MAX_BODY_BYTES // 1024} KiB")
        if stop < 0 or stop >= len(self._buffer):
            self._searched = end.start()
            return None
        if self._buffer[stop]:
            raise BadData(f"{command} frame longer than its content-length")
        body = bytes(self._buffer[end.end() : stop])
        del self._buffer[: stop + 1]
        return Frame(command, headers, body)

    def _head(self, head: bytes) -> tuple[str, dict[str, str]]:
        command, *lines = head.decode("utf-8", "replace").split("\n")
        command = command.removesuffix("\r")
        if len(lines) > MAX_HEADERS:
            raise BadData(f"{command} frame with more than {MAX_HEADERS} headers")
        escaped = self.version != "1.0" and command != "CONNECTED"
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.removesuffix("\r").partition(":")
            if not colon:
                raise BadData(f'{command} frame with the line "{excerpt(line, 60)}", which is not a header')
            if escaped:
                name, value = unescaped(name), unescaped(value)
            # STOMP 1.0 allowed blanks around values, and ActiveMQ of that time sent some
            headers.setdefault(name.strip(), value.strip() if self.version == "1.0" else value)
        return command, headers


def unescaped(text: str) -> str:
    """A header's name or value with its escapes undone; anything but an escape stays as it is."""
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), text) if "\\" in text else text


def _length(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text.strip()):
        raise BadData(f'frame with the content-length "{excerpt(text, 30)}"')
    return int(text)
