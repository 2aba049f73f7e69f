"""Messages that wait to be sent: kept in order, each under an id that never changes, until they are receipted.

One file per message, named by its place in the order. The place is the time, and never less than the
place before it, so that a clock that is set back does not turn two results of one service around. A
message is on disk, synced, before `put` returns; `sent` deletes it. One sender at a
time holds `sender`.

A message that its broker refuses for good is set aside, with what the broker said, under another name: it blocks no
other. To send it after the cause is mended, give it its name back. The newest of them are kept.

The spool is bounded. When it is full the oldest messages make room, and that is counted: a consumer of
results refuses old ones anyway, while the newest say how things are.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from contextlib import contextmanager

from libprobe.failures import Misconfigured
from libprobe.records import Record
from libprobe.state.files import StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIX = ".message"
REFUSED = ".refused"
MAX_REFUSED = 100
MAX_MESSAGES = 50_000
MAX_MESSAGE_BYTES = 512 << 10
"""As JSON: of a letter beyond the Basic Multilingual Plane that is twelve."""
MAX_PUT_OFF_S = 600.0
MAX_LOOKED_AT = 1000
COUNTERS_BYTES = 47
DROPPED_AT_ONCE = 100
"""Making room for one message at a time would list the directory for each."""

_COUNTERS = "counters"
_SENDER = "sender"
_NAME = re.compile(r"([0-9]{20})-[0-9a-f]{12}\.message")


class Message(Record):
    """id: stable, unique over all spools; headers: names and values to send with the body."""

    id: str
    headers: dict[str, str]
    body: str


class _Counters(Record):
    """last: place of the newest message, in nanoseconds since the epoch. waiting: about how many there are."""

    last: int = 0
    waiting: int = 0
    dropped: int = 0


class Spool:
    """The messages to one destination, in a directory of their own.

    Raises: Misconfigured, from every method, when the directory cannot do what was promised.
    """

    def __init__(self, path: str, *, max_messages: int = MAX_MESSAGES) -> None:
        self.path = path
        self._directory = _Directory(path)
        self._max = max_messages

    def close(self) -> None:
        self._directory.close()

    def put(self, headers: dict[str, str], body: str) -> str:
        """Keep a message until it is sent; returns its id once it is safely on disk."""
        data = json.dumps({"headers": headers, "body": body}).encode()
        if len(data) > MAX_MESSAGE_BYTES:
            raise Misconfigured(f"a message of {len(data)} bytes is too large for the spool {self.path}")
        with self._counters() as (known, write):
            if known.waiting >= self._max:
                known = self._make_room(known)
            place = max(known.last + 1, time.time_ns())
            identity = f"{place:020}-{os.urandom(6).hex()}"
            # counted first: a number that is too high is put right by the next look, an order is not
            write(known._replace(last=place, waiting=known.waiting + 1))
            self._directory.write(identity + SUFFIX, data)
        return identity

    def waiting(self) -> list[str]:
        """The ids of the messages that wait, the oldest first."""
        return [name.removesuffix(SUFFIX) for name in self._directory.list_names(SUFFIX) if _NAME.fullmatch(name)]

    def waiting_since(self, identities: list[str]) -> float | None:
        """When the first of these messages was kept, in seconds since the epoch; None if all are gone.

        Not their places in the order: after a clock that was ahead, those are ahead for ever.
        """
        kept = [self._directory.modified_at(identity + SUFFIX) for identity in identities[:MAX_LOOKED_AT]]
        return min((at for at in kept if at is not None), default=None)

    def read(self, identity: str) -> Message | None:
        """A waiting message; None if it is gone. One that cannot be read is set aside and counted as dropped."""
        name = identity + SUFFIX
        data = self._directory.read(name, MAX_MESSAGE_BYTES)
        try:
            document = json.loads(data) if data is not None else None
            if document is None:
                raise ValueError
            headers = {str(key): str(value) for key, value in document["headers"].items()}
            return Message(identity, headers, str(document["body"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._set_aside(name)
            return None

    def forget_sent(self, identity: str) -> None:
        """The broker has taken it over: forget it."""
        self._directory.remove(identity + SUFFIX)
        with self._counters() as (known, write):
            write(known._replace(waiting=max(0, known.waiting - 1)))

    def refuse(self, identity: str, why: str) -> None:
        """Set a message aside that the broker does not take; of too many the oldest is dropped. why: what it said."""
        message = self.read(identity)
        if message is None:
            return
        data = json.dumps({"headers": message.headers, "body": message.body, "why": why}).encode()
        self._directory.write(identity + REFUSED, data)
        surplus = self.refused()[:-MAX_REFUSED]
        for name in surplus:
            self._directory.remove(name + REFUSED)
        self._directory.remove(identity + SUFFIX)
        with self._counters() as (known, write):
            write(known._replace(waiting=max(0, known.waiting - 1), dropped=known.dropped + len(surplus)))

    def refused(self) -> list[str]:
        """The ids of the messages that the broker refused and that are still here, the oldest first."""
        return [name.removesuffix(REFUSED) for name in self._directory.list_names(REFUSED)]

    def why_refused(self, identity: str) -> str:
        """What the broker said to it."""
        try:
            return str(json.loads(self._directory.read(identity + REFUSED, 2 * MAX_MESSAGE_BYTES) or b"")["why"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return "a reason that cannot be read"

    def dropped(self) -> int:
        """How many messages had to make room, or could not be read, since the spool was made."""
        with self._counters() as (known, _):
            return known.dropped

    def count_dropped(self) -> None:
        """Count a message that could not be kept."""
        with self._counters() as (known, write):
            write(known._replace(dropped=known.dropped + 1))

    @contextmanager
    def sender(self) -> Iterator[bool]:
        """Be the one sender in the block; False if another process is."""
        descriptor = self._open_file(_SENDER)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            self._directory.sweep(time.time())
            yield True
        finally:
            os.close(descriptor)

    def postpone_until(self, at: float, failures: int) -> None:
        """After this number of failures in a row, let automatic senders wait until `at` (seconds since the epoch)."""
        self._directory.write("put-off", json.dumps([at, failures]).encode())

    def postponed(self) -> tuple[float, int]:
        """Until when automatic senders wait, and after how many failures; (0, 0) if they do not.

        A time further away than any that is written is of a clock that was wrong, and no reason to wait.
        """
        data = self._directory.read("put-off", 200)
        try:
            at, failures = json.loads(data or b"[0, 0]")
            return (float(at) if float(at) <= time.time() + MAX_PUT_OFF_S else 0.0), int(failures)
        except (ValueError, TypeError, RecursionError, OverflowError):
            return 0.0, 0

    def end_postponement(self) -> None:
        self._directory.remove("put-off")

    def note_all_refused_up_to(self, identity: str) -> None:
        """Remember that every message that waits, up to this one, was refused by itself."""
        if identity > self.all_refused_up_to():
            self._directory.write("doubted", identity.encode())

    def all_refused_up_to(self) -> str:
        """The last message given to `note_all_refused_up_to`, empty if there is none."""
        found = (self._directory.read("doubted", 200) or b"").decode("ascii", "replace")
        return found if _NAME.fullmatch(found + SUFFIX) else ""

    def _set_aside(self, name: str) -> None:
        if not self._directory.set_aside(name):
            return
        with self._counters() as (known, write):
            write(known._replace(waiting=max(0, known.waiting - 1), dropped=known.dropped + 1))

    def _make_room(self, known: _Counters) -> _Counters:
        """Drop the oldest, if it is really full: the count may be too high after a crash."""
        there = self.waiting()
        surplus = len(there) - self._max
        if surplus >= 0:
            oldest = there[: surplus + min(DROPPED_AT_ONCE, max(1, self._max // 100))]
            for identity in oldest:
                self._directory.remove(identity + SUFFIX)
            there = there[len(oldest) :]
            known = known._replace(dropped=known.dropped + len(oldest))
        return known._replace(waiting=len(there))

    @contextmanager
    def _counters(self) -> Iterator[tuple[_Counters, Callable[[_Counters], None]]]:
        """The counters, locked; what comes with them writes them back."""
        descriptor = self._open_file(_COUNTERS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            known = self._read_counters(os.pread(descriptor, COUNTERS_BYTES + 1, 0))

            def write(new: _Counters) -> None:
                try:
                    os.pwrite(descriptor, "{:020} {:012} {:012}\n".format(*new).encode(), 0)
                    if os.fstat(descriptor).st_size > COUNTERS_BYTES:
                        os.ftruncate(descriptor, COUNTERS_BYTES)  # what damage left
                except OSError as error:
                    raise Misconfigured(f"spool {self.path} cannot be written: {error.strerror}") from None

            yield known, write
        finally:
            os.close(descriptor)

    def _read_counters(self, data: bytes) -> _Counters:
        """Lost with a power cut, since they are not synced: then they are counted anew."""
        found = re.fullmatch(rb"([0-9]{20}) ([0-9]{12}) ([0-9]{12})\n", data)
        if found:
            return _Counters(*map(int, found.groups()))
        there = self.waiting()
        return _Counters(int(there[-1][:20]) if there else 0, len(there), 0)

    def _open_file(self, name: str) -> int:
        return self._directory.open_always(name)


class _Directory(StateDirectory):
    def open_always(self, name: str) -> int:
        """Open a file that is there to be locked, made if it is not there; never through a link."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            return os.open(name, flags, 0o600, dir_fd=self._fd)
        except OSError as error:
            raise self._failure(f"holds {name}, which cannot be opened", error) from None
