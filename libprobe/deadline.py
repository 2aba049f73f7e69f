"""One deadline for a whole run, whose time passed meanwhile, and the two ways in which a run is ended from outside.

A library's own time-out restarts with each byte, so every wait asks the deadline how long it may
still take. `Deadline.enforced` backs that up with a timer whose exception is no `Exception`, so
that no library's `except Exception` can swallow it.

Every wait for somebody else is counted as such; the rest of the time is this machine's: loading, computing, being
stopped or starved. Whoever took the larger part is why a run was late.
"""

from __future__ import annotations

import os
import time
from _thread import get_ident
from contextlib import contextmanager

from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Protocol

    class ConnectPolicy(Protocol):
        """What connections need of a `libprobe.clients.ways.ConnectOptions`."""

        sources: dict[int, str]

        @property
        def family(self) -> int: ...
        def lead(self, host: str, port: int) -> tuple[str, int]: ...
        def add_endpoint(self, url: str, hostname: str = "", port: int | None = None) -> None: ...
        def notes(self, *, is_known: bool = True) -> list[str]: ...

    class WaitedExchange(Protocol):
        """What is to be known of a `libprobe.clients.exchange.Exchange` here."""

        asked: str
        place: str
        doing: str
        waited: float


ENFORCE_AFTER_S = 0.25
"""How long the timer lets the ordinary waits, which end by themselves, be late."""


KEPT_SHARE, KEPT_MAX_S = 0.1, 0.3
"""Part of -t that is kept at its end, and at most how much: two thirds for the timer, the rest to put the result into
words and to end the process. That took 2 to 32 ms where a mute peer was waited for, on two busy processors."""

BLOCKED_MAX_S = 1.0
"""How long a process that starts may have been kept neither running nor waiting for a processor, as by a slow disk."""

LATE_S = 0.02
"""Seconds: a wait that ends this much too late shows that this process was not run meanwhile."""

SCHEDULED = "/proc/thread-self/schedstat"
"""Nanoseconds that a thread has run, and has waited for a processor."""


OVERLOADED = "look whether the monitoring host is overloaded"


RESERVE_SHARE, RESERVE_MAX_S = 0.25, 60.0
"""Part of a run that is kept for cleaning, where there is something to clean, and at most how much."""


def kept_seconds(seconds: float) -> float:
    """What of a run's -t is kept at its end for its report and the end of its process."""
    return min(KEPT_MAX_S, seconds * KEPT_SHARE)


def since_start(*, waited: float = 0.0) -> float:
    """Seconds that this process has existed, the start of Python included; 0 where the kernel does not tell.

    waited: seconds for which it is known to have waited for somebody.
    A wrapper that ends with `exec` is the same process: what it waited for before is no part of the run, so the age
    counts only as far as this process ran, wanted to run, or waited for its files.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])  # starttime, since the machine was booted
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        ran = sum(map(int, _schedstat()[:2])) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, min(age, ran + waited + BLOCKED_MAX_S))


def working_seconds(seconds: float) -> float:
    """What is left for the work of a run that keeps time to clean."""
    return seconds - min(RESERVE_MAX_S, seconds * RESERVE_SHARE)


class PeerWaits:
    """Seconds of a run in which it was somebody else's turn.

    An answer lasts as long as its peer goes on sending: what this thread's processor does with the bytes before the
    last is part of that, so whoever floods us is not saved by the time that reading it takes.

    own: seconds that this thread ran for itself, or wanted to run and got no processor. A starved process wakes late
         from each of its waits, by too little to be seen of one: that adds up here.
    last, longest: the exchange that began last, and of those before it the one whose peer was waited for longest.
    """

    __slots__ = ("_delayed", "_ran", "_read", "_read_from", "_seconds", "_thread", "last", "longest")

    def __init__(self) -> None:
        self.last: WaitedExchange | None = None
        self.longest: WaitedExchange | None = None
        self._seconds = 0.0
        self._read = 0.0
        self._read_from: float | None = None
        self._thread = get_ident()
        self._ran, self._delayed = time.thread_time(), _processor_wait()

    @property
    def seconds(self) -> float:
        return self._seconds + self._reading

    @property
    def own_s(self) -> float:
        if get_ident() != self._thread:  # of another thread it cannot be asked
            return 0.0
        ran = time.thread_time() - self._ran - self._read - self._reading
        return max(0.0, ran) + max(0.0, _processor_wait() - self._delayed)

    @property
    def _reading(self) -> float:
        """Seconds that the part of an answer at hand has been read for."""
        return 0.0 if self._read_from is None else max(0.0, time.thread_time() - self._read_from)

    def begin(self, exchange: WaitedExchange) -> None:
        """Another exchange begins, for which this time is spent from now on."""
        if self.last and (self.longest is None or self.last.waited > self.longest.waited):
            self.longest = self.last
        self.last = exchange

    def add(self, took: float, asked: float) -> None:
        """Count one wait. took: how long it was; asked: after how long it would have ended by itself.

        What it took much beyond that is not the other's: this process was stopped, or got no processor.
        """
        self._seconds += min(took, asked + LATE_S)

    def begin_reading(self) -> None:
        """A part of an answer has come, and is read from now on."""
        self.end_reading()
        self._read_from = time.thread_time()

    def end_reading(self) -> None:
        """The answer is whole, or something else begins: from now on it is our turn."""
        reading = self._reading
        self._seconds, self._read, self._read_from = self._seconds + reading, self._read + reading, None


def _processor_wait() -> float:
    """Seconds that this thread has waited for a processor; 0 where the kernel does not tell."""
    try:
        return int(_schedstat()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _schedstat() -> list[bytes]:
    """The fields of SCHEDULED. Raises: OSError."""
    descriptor = os.open(SCHEDULED, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 200).split()
    finally:
        os.close(descriptor)


class OutOfTime(BaseException):
    """The run's deadline passed; caught once, in the check's base class."""


class Interrupted(BaseException):
    """SIGTERM, SIGINT or SIGHUP asked the run to end; caught once, where the run ends."""


def unwrap_end(error: BaseException) -> OutOfTime | Interrupted | None:
    """What ended the run while a class was being made, as modules do when they are loaded; None if nothing did.

    Before Python 3.12 a RuntimeError comes out of there in its place, whatever was raised (`type.__new__`).
    """
    cause = error.__cause__
    return cause if isinstance(error, RuntimeError) and isinstance(cause, (OutOfTime, Interrupted)) else None


def end_on_signals() -> None:
    """Let SIGTERM, SIGINT and SIGHUP raise Interrupted: the first of them, once.

    Whoever presses Ctrl-C twice, or is told to end by both a shell and its parent, gets one report, which
    names the first; a second exception would tear apart what the first one began.
    """
    import signal

    first: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not first:
            first.append(number)
            raise Interrupted(f"interrupted by {signal.Signals(number).name}")

    handle_signals(interrupt)


def handle_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let SIGTERM, SIGINT and SIGHUP come to a handler; one that is ignored, as nohup or a shell has it, stays so."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


class Deadline:
    """The instant by which a run, or a part of it, must be over.

    seconds:    how long from its begin; a fraction counts, unlike in nagiosplugin, where 0.5 means "never".
    spent:      seconds of them that are over already: this machine's own, for it was starting the run.
    kept:       seconds of them that are kept at the end: every wait, and the run, ends this much before.
    answered:   by host and port the address that answered in this run, with which the next connection begins.
    unanswered: by host and address those that others overtook: the attempt that still waits, None for one that failed.
    connect_options:       where connections lead in place of their hosts, and where they come from; None: as usual.
    """

    def __init__(
        self,
        seconds: float,
        *,
        spent: float = 0.0,
        kept: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        waits: PeerWaits | None = None,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._start = clock() - spent
        self._end = self._start + seconds - kept
        self._is_shortened = False
        self._net_s = kept * 2 / 3 if kept else ENFORCE_AFTER_S
        self.waits = waits or PeerWaits()
        self.answered: dict[tuple[str, int], str] = {}
        self.unanswered: dict[tuple[str, str], socket.socket | None] = {}
        self.connect_options: ConnectPolicy | None = None

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._seconds_left())

    def _seconds_left(self) -> float:
        """Seconds left; below 0 once the deadline has passed."""
        return self._end - self._clock()

    def elapsed(self) -> float:
        """Seconds since the run began, those that were spent before included."""
        return self._clock() - self._start

    def has_passed(self) -> bool:
        return self.remaining() <= 0.0

    def within(self) -> float:
        """The seconds within which what did not come had to come: all of them once they are over.

        Of a run that was told to end those that it had until then.
        """
        return self.seconds if self.has_passed() and not self._was_shortened else self.elapsed()

    @property
    def _was_shortened(self) -> bool:
        """Whether it was brought forward: its seconds are not what somebody had."""
        return self._is_shortened

    def waited_s(self) -> float:
        """Seconds since the run began in which others were waited for."""
        return max(0.0, self.elapsed() - self.own_s())

    def own_s(self) -> float:
        """Seconds since the run began that this machine took itself."""
        elapsed = self.elapsed()
        return max(0.0, elapsed - self.waits.seconds, min(elapsed, self.waits.own_s))

    def is_mostly_ours(self) -> bool:
        """Whether this machine took the larger part of the time."""
        return self.own_s() > self.waited_s()

    def own_share(self) -> str:
        """`this machine took 4.2 s of it and others 50 ms`, where its own part is the larger; else empty."""
        if not self.is_mostly_ours():
            return ""
        return f"this machine took {duration(self.own_s())} of it and others {duration(self.waited_s())}"

    def own_share_words(self) -> str:
        """The same as it ends a sentence, behind a semicolon and with what to do about it."""
        share = self.own_share()
        return f"; {share} ({OVERLOADED})" if share else ""

    def remedy(self) -> str:
        """What to do about a time that was too short."""
        return OVERLOADED if self.is_mostly_ours() else "raise -t to wait longer"

    def earlier_by(self, reserve: float) -> Deadline:
        """A deadline that is always `reserve` seconds earlier than this one, whatever becomes of it."""
        return _EarlierDeadline(self, reserve)

    def share(self, count: int) -> Deadline:
        """A deadline for the first of `count` things that share the time that is left."""
        return self.earlier_by(self.remaining() * (1 - 1 / count))

    def end_within(self, seconds: float) -> None:
        """Bring the deadline forward to at most this number of seconds from now."""
        sooner = self._clock() + seconds
        self._is_shortened = self._is_shortened or sooner < self._end
        self._end = min(self._end, sooner)

    def sleep(self, seconds: float) -> None:
        """Give somebody else time, but not beyond the deadline."""
        asked = min(seconds, self.remaining())
        began = self._clock()
        time.sleep(asked)
        self.waits.add(self._clock() - began, asked)

    @contextmanager
    def enforced(self) -> Iterator[Deadline]:
        """Raise OutOfTime inside the block shortly after the deadline, again each second.

        Nested blocks restore the outer timer. Only the main thread has signals: elsewhere, the waits
        themselves are all there is.
        """
        import signal

        def out_of_time(_number: int, _frame: FrameType | None) -> None:
            raise OutOfTime

        try:
            outer = signal.signal(signal.SIGALRM, out_of_time)
        except ValueError:  # not the main thread
            yield self
            return
        began = self._clock()
        before = 0.0
        try:
            before, _ = signal.setitimer(signal.ITIMER_REAL, self.remaining() + self._net_s, 1.0)
            yield self
        except RuntimeError as error:
            if end := unwrap_end(error):
                raise end from None
            raise
        finally:
            late: BaseException | None = None
            while True:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    # a signal that is still on its way must not end the process, as the default would
                    signal.signal(signal.SIGALRM, signal.SIG_IGN if outer == signal.SIG_DFL else outer)
                    break
                except OutOfTime:
                    continue  # it went off just now, when the block was done: a timer left set would go off anywhere
                except Interrupted as end:
                    late = end  # comes once; the timer is disarmed first
            if before:
                left = before - (self._clock() - began)
                signal.setitimer(signal.ITIMER_REAL, max(left, 0.001), 1.0)
            if late:
                raise late


class _EarlierDeadline(Deadline):
    def __init__(self, whole: Deadline, reserve: float) -> None:
        super().__init__(whole.seconds - reserve, clock=whole._clock, waits=whole.waits)  # noqa: SLF001 - of our own class
        self._whole = whole
        self._reserve = reserve
        self._start = whole._start  # noqa: SLF001 - of our own class
        self.answered, self.unanswered, self.connect_options = whole.answered, whole.unanswered, whole.connect_options

    def _seconds_left(self) -> float:
        return self._whole._seconds_left() - self._reserve  # noqa: SLF001 - of our own class

    @property
    def _was_shortened(self) -> bool:
        return self._whole._was_shortened  # noqa: SLF001 - of our own class

    def end_within(self, seconds: float) -> None:
        self._whole.end_within(seconds)
