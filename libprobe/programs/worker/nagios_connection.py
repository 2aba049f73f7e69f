"""One connection to Nagios' query handler, registered for one executable."""

from __future__ import annotations

import os
import socket
import time

from libprobe.failures import BadData
from libprobe.formats import wproc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


MAX_JOBS = 5000
OUTPUT_LIMIT = 64 << 10
"""Of each stream of a plugin, ours or of others. Nagios Core 4.4.6 takes twice as much from a worker that registers."""

MAX_UNSENT = 32 << 20
"""Bytes of results that Nagios may leave unread before we take it for dead."""

RETRY_S = 0.2
REFUSED_RETRY_S = 5.0
ANSWER_S = 10.0

AWAY, ASKING, REGISTERED, CLOSING = "away", "asking", "registered", "closing"


class NagiosConnection:
    """A registration that is made again whenever Nagios goes away.

    state:   AWAY, ASKING (sent, not yet confirmed), REGISTERED, CLOSING (answers only).
    unsent:  results that Nagios has not read yet; reading never waits for them.
    running: orders that came over this connection and have no answer yet.
    is_read: whether all that Nagios sent before we closed our ear has been read.
    """

    output_limit = OUTPUT_LIMIT

    def __init__(self, query_socket: str, plugin: str) -> None:
        self.plugin = plugin
        self.state = AWAY
        self.socket: socket.socket | None = None
        self.unsent = bytearray()
        self.running = 0
        self.is_read = False
        self.generation = 0
        self.retry_at = 0.0
        self.reason = ""
        self._query_socket = query_socket
        self._read = b""
        self._asked_at = 0.0

    def connect(self, now: float) -> bool:
        """Connect and ask to be registered; False, and `reason`, if nobody is there."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(1.0)
            made.connect(self._query_socket)
            made.setblocking(False)
        except OSError as error:
            made.close()
            self.retry_at, self.reason = now + RETRY_S, error.strerror or str(error)
            return False
        self.socket, self.state, self._asked_at = made, ASKING, now
        self.generation += 1
        self._read = b""
        self.running = 0
        name = f"{os.path.basename(self.plugin)}-{os.getpid()}-{self.generation}"
        self.unsent = bytearray(wproc.registration(name, self.plugin, MAX_JOBS))
        return True

    def receive(self) -> Iterator[wproc.CheckOrder]:
        """The orders that have come in. Raises: ConnectionError where the connection is of no more use."""
        assert self.socket is not None
        try:
            data = self.socket.recv(256 << 10)
        except BlockingIOError:
            return
        if not data and self.state == CLOSING:
            self.is_read = True
            return
        if not data:
            raise ConnectionError("Nagios closed the connection")
        self._read += data
        if self.state == ASKING:
            answer, end, rest = self._read.partition(b"\0")
            if not end and len(answer) < 1024:
                return
            if answer != b"OK":
                raise ConnectionRefusedError(answer[:200].decode("utf-8", "replace"))
            self._read, self.state = rest, REGISTERED
        *messages, self._read = self._read.split(wproc.END)
        if len(self._read) > wproc.MAX_MESSAGE:
            raise ConnectionError(f"Nagios sent a message of more than {wproc.MAX_MESSAGE} bytes")
        for message in messages:
            try:
                order = wproc.read_order(message)
            except BadData as error:
                raise ConnectionError(error.sentence) from None
            self.running += 1
            yield order

    def result(self, order: Any, began: float, wait_status: int, out: bytes, err: bytes = b"") -> bytes:
        """The answer to an order that was carried out."""
        return wproc.result(order, began, time.time(), wait_status, out, err)

    def timed_out(self, order: Any, began: float) -> bytes:
        """The answer to one that took longer than Nagios allows."""
        return wproc.timed_out(order, began, time.time())

    def send(self, answer: bytes) -> None:
        self.running -= 1
        self.unsent += answer

    def flush(self) -> None:
        """Send what Nagios takes. Raises: ConnectionError."""
        if self.socket is None or not self.unsent:
            return
        try:
            del self.unsent[: self.socket.send(self.unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            raise ConnectionError(error.strerror) from None
        if len(self.unsent) > MAX_UNSENT:
            raise ConnectionError(f"Nagios leaves more than {MAX_UNSENT} bytes of results unread")

    def is_silent(self, now: float) -> bool:
        """Whether Nagios has not confirmed the registration for too long."""
        return self.state == ASKING and now - self._asked_at > ANSWER_S

    def stop_receiving(self) -> None:
        """Let Nagios find at once that it cannot send; what it has sent can still be read, and answered."""
        if self.socket is not None and self.state == REGISTERED:
            try:
                self.socket.shutdown(socket.SHUT_RD)
            except OSError:
                pass
        else:
            self.is_read = True
        self.state = CLOSING

    def close(self, now: float, error: Exception | None = None) -> None:
        """Forget the connection; its orders are Nagios' to repeat."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.unsent, self._read, self.running = None, bytearray(), b"", 0
        if self.state != CLOSING:
            self.state = AWAY
        self.reason = str(error or "")
        self.retry_at = now + (REFUSED_RETRY_S if isinstance(error, ConnectionRefusedError) else RETRY_S)
