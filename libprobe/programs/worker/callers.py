"""The worker's side of the door: executables that ask to have their check run (`libprobe.probe.door`).

A check runs in a process of its own, unless the same directory, umask and environment have been seen before, as with
Icinga 2 or NRPE: then one that only reads is for a runner with just these and with threads as for Nagios, and another
one for a process that ran such a check before and waits for the next.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import time
from collections import OrderedDict
from hashlib import blake2b
from itertools import pairwise

from libprobe import redact
from libprobe.failures import UNKNOWN
from libprobe.probe import cli, door
from libprobe.programs.worker import commands
from libprobe.programs.worker.nagios_connection import CLOSING
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ASKING_S = 1.0
"""How long a caller may take from connecting to GO; it gives up much earlier."""

BACKLOG = 256
MAX_SEEN = 64
"""Places of callers that are remembered, by a digest."""

_TIMEOUT = re.compile(r"(?:-[46v]*t|--timeout=)(.+)", re.DOTALL)


_SECRET = re.compile(rb"(?i)token|pass(?!enger)|secret|credential|private")
"""In the name of a variable whose value is for one run only, whatever it looks like."""


ASKS_FOR_STATUS = -1


class InvalidRequest(ConnectionError):
    """What was sent is nothing that this worker understands."""


class CannotListen(Exception):
    """There cannot be a door at that place; the text says why."""


class CheckRequest:
    """What a caller hands over. environment: `NAME=value` each, all there is; it is nobody else's.

    timeout: seconds after which the worker ends the check; limit: those of its -t.
    """

    __slots__ = ("directory", "environment", "identity", "limit", "mask", "path", "stamp", "timeout", "words")

    def __init__(self, body: bytes) -> None:
        """Raises: InvalidRequest."""
        fields = body.split(b"\0")
        try:
            self.identity, path, self.stamp, self.directory, mask, count = fields[:6]
            self.mask, words = int(mask), int(count)
        except ValueError:
            raise InvalidRequest("what was sent is not a request") from None
        self.path = os.fsdecode(path)
        self.words = [os.fsdecode(each) for each in fields[6 : 6 + words]]
        self.environment = fields[6 + words :]
        self.limit = self.timeout = 0.0

    def set_limit(self, default: float) -> None:
        """Return the limit of the run. A wrong value is refused by the check itself, at once."""
        self.limit = default
        for word, following in pairwise([*self.words, ""]):
            match = _TIMEOUT.fullmatch(word)
            text = match[1] if match else following if re.fullmatch(r"-[46v]*t|--timeout", word) else ""
            if text:
                try:
                    self.limit = min(cli.seconds(text), cli.MAX_TIMEOUT_S) or default
                except Exception:
                    self.limit = default
        self.timeout = self.limit + door.STOP_S

    @property
    def context(self) -> bytes:
        """What a process takes from who asks: directory, umask, environment."""
        return b"%s\0%d\0%s" % (self.directory, self.mask, b"\0".join(self.environment))

    @property
    def is_context_reusable(self) -> bool:
        """Whether a process may keep this environment for other calls that have the same: there is no secret in it."""
        named = (pair.partition(b"=") for pair in self.environment)
        return not any(
            _SECRET.search(name) or redact.looks_secret(value.decode("utf-8", "replace")) for name, _, value in named
        )

    @property
    def must_run_once(self) -> bool:
        """Whether the check must not be run a second time if its outcome is unknown."""
        return os.path.basename(self.path) not in commands.IN_THREADS or "--boot" in self.words


class FrequentContexts:
    """Which of the places that callers have is seen often enough to have a runner: an operator's daemons, not people.

    Only a digest is kept of them.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, bool | None] = OrderedDict()  # whether it may last; None: seen once
        self._key = os.urandom(16)

    def digest(self, call: CheckRequest) -> bytes:
        """The digest of a place that may have a runner; empty for any other."""
        digest = blake2b(call.context, key=self._key, digest_size=16).digest()
        if digest not in self._seen:
            self._seen[digest] = None
            if len(self._seen) > MAX_SEEN:
                self._seen.popitem(last=False)
            return b""
        if self._seen[digest] is None:
            self._seen[digest] = call.is_context_reusable
        self._seen.move_to_end(digest)
        return digest if self._seen[digest] else b""


class CallerConnection:
    """A connection of one executable; to the supervisor what a NagiosConnection is.

    name: subject of the status line of what it asks for. job: number of the job that it waits for.
    """

    generation = 0
    running = 1
    is_read = False
    state = CLOSING
    """Whatever ends it is nothing for the journal."""

    output_limit = door.MAX_ANSWER // 2

    def __init__(self, made: socket.socket) -> None:
        made.setblocking(False)
        self.socket: socket.socket | None = made
        self.plugin = self.name = ""
        self.unsent = bytearray()
        self.job = 0
        self.call: CheckRequest | None = None
        self.since = time.monotonic()
        self._read = b""
        self._is_answered = False

    def receive(self) -> Iterator[CheckRequest | int]:
        """What has come: the CheckRequest, or ASKS_FOR_STATUS; then GO as a number, and signals.

        Raises: ConnectionError where it is gone; InvalidRequest.
        """
        assert self.socket is not None
        try:
            data = self.socket.recv(door.MAX_REQUEST)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the caller is gone")
        if self.call is not None:
            yield from data
            return
        self._read += data
        begin = self._read[: len(door.MAGIC)]
        size = int.from_bytes(self._read[len(door.MAGIC) : door.HEAD_BYTES], "big")
        if begin != door.MAGIC[: len(begin)] or size > door.MAX_REQUEST:
            raise InvalidRequest("another version asks")
        if len(self._read) >= door.HEAD_BYTES + size > door.HEAD_BYTES:
            body, self._read = self._read[door.HEAD_BYTES : door.HEAD_BYTES + size], b""
            if body == door.STATUS:
                yield ASKS_FOR_STATUS
                return
            self.call = CheckRequest(body)
            yield self.call

    def accept(self, call: CheckRequest) -> None:
        self.unsent += struct.pack(door.ACCEPT, door.ONCE if call.must_run_once else door.AGAIN, call.limit)

    def result(self, _order: Any, _began: float, wait_status: int, out: bytes, err: bytes = b"") -> bytes:
        code = os.waitstatus_to_exitcode(wait_status)
        return struct.pack(door.ANSWER, door.DONE, code if code >= 0 else UNKNOWN, len(out), len(err)) + out + err

    def not_run(self) -> bytes:
        """The answer to a call whose check was not begun: let the caller run it."""
        return struct.pack(door.ANSWER, door.NOT_RUN, 0, 0, 0)

    def timed_out(self, order: Any, began: float) -> bytes:
        said = f"{self.name} UNKNOWN - the check did not end within {order.limit:g} s, and the worker ended it"
        return self.result(order, began, UNKNOWN << 8, f"{safe(said)}\n".encode())

    def send(self, answer: bytes) -> None:
        self.unsent += answer
        self._is_answered = True

    def flush(self) -> None:
        """Send what the caller takes. Raises: ConnectionError, also once all is said."""
        if self.socket is None:
            return
        try:
            while self.unsent:
                del self.unsent[: self.socket.send(self.unsent)]
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionError(error.strerror) from None
        if self._is_answered:
            raise ConnectionError("answered")

    def send_status(self, status: bytes) -> None:
        """Answer who asked for the status, whose connection ends with it."""
        self.send(status)

    def is_slow(self, now: float) -> bool:
        """Whether it does not say what it wants."""
        return not self.job and now - self.since > ASKING_S

    def close(self, _now: float, _error: Exception | None = None) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket, self.unsent, self.call = None, bytearray(), None


class DoorListener:
    """The socket at which executables ask: made here, or handed over by systemd.

    refused: callers of other users.
    """

    def __init__(self, path: str) -> None:
        """path: of the socket; empty for the one that systemd hands over. Raises: CannotListen."""
        self.refused = 0
        self._lock = -1
        self._made: tuple[int, int] | None = None
        self.path = path
        if path:
            self.socket = self._listening(path)
        else:
            self.socket = socket.socket(fileno=FIRST_DESCRIPTOR)
            os.set_inheritable(FIRST_DESCRIPTOR, False)
            if self.socket.family != socket.AF_UNIX or self.socket.type != socket.SOCK_STREAM:
                raise CannotListen("the socket from systemd is not a ListenStream= with a path")
            self.path = str(self.socket.getsockname())
            _expect_directory(self.path)
        # for a socket of systemd's it is this that says whose it is: a caller goes to nobody else's, not root's either
        self.socket.listen(BACKLOG)
        self.socket.setblocking(False)

    def _listening(self, path: str) -> socket.socket:
        try:
            os.mkdir(os.path.dirname(path), 0o700)
        except OSError:
            pass
        _expect_directory(path)
        try:
            self._lock = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as long as we live; what is there is stale then
            made = socket.socket(socket.AF_UNIX)
            try:
                made.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                pass
            else:
                raise BlockingIOError
            made.close()
            if os.path.lexists(path):
                os.unlink(path)
            made = socket.socket(socket.AF_UNIX)
            mask = os.umask(0o177)
            try:
                made.bind(path)
            finally:
                os.umask(mask)
            there = os.lstat(path)
        except BlockingIOError:
            raise CannotListen(f"another worker listens at {path}") from None
        except OSError as error:
            raise CannotListen(f"{path} cannot be made: {error.strerror or error}") from None
        self._made = there.st_dev, there.st_ino
        return made

    def accept(self) -> Iterator[CallerConnection]:
        """Those who have come, of our own user."""
        for _ in range(BACKLOG):
            try:
                made, _ = self.socket.accept()
            except OSError:  # nobody is left; or no descriptor, and the caller runs its check itself
                return
            if door.is_peer_own_user(made):
                yield CallerConnection(made)
            else:
                self.refused += 1
                made.close()

    def close(self) -> None:
        """Close the socket, so that no caller waits for us; systemd's own stays for later callers."""
        try:
            there = os.lstat(self.path)
            if (there.st_dev, there.st_ino) == self._made:
                os.unlink(self.path)
        except OSError:
            pass
        self.socket.close()
        if self._lock >= 0:
            os.close(self._lock)


FIRST_DESCRIPTOR = 3
"""Of those that systemd hands over (sd_listen_fds(3))."""


def is_handed_over() -> bool:
    """Whether systemd hands over a socket, and to this process."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1"


def _expect_directory(path: str) -> None:
    """Raises: CannotListen unless the socket's directory is ours alone."""
    directory = os.path.dirname(path)
    try:
        if door.is_ours_alone(os.lstat(directory)):
            return
    except OSError as error:
        raise CannotListen(f"{directory or path!r} cannot be used: {error.strerror}") from None
    raise CannotListen(f"{directory} has to be a directory of this user alone (chmod 700, and no link)")
