"""Run probes in parallel, a limited number at a time, each in a process group and under a time limit of its own.

A probe ends by its own deadline; one that does not is told to by SIGTERM, which lets it remove its VM,
and killed when that does not help either. When the self-check itself is told to end, it passes that on
and waits as long: nothing is left behind.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import NamedTuple

from libprobe.probe.run import GRACE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from libprobe.deadline import Deadline
    from libprobe.programs.selfcheck.results import MetricJob

LATE_S = 3.0
"""How long after its own time-out a probe may still start up and print."""

CLEAN_UP_S = GRACE_S + 2.0
"""How long it may clean up after SIGTERM."""

MAX_OUTPUT = 64 << 10
MAX_ERRORS = 4 << 10


class ProcessOutcome(NamedTuple):
    """How a probe's process ended.

    code:    exit code; below 0 the signal that killed it; None if it never ran.
    late:    it had to be told to end, since its time was up.
    trouble: why it never ran, or why it was told to end; empty if it ended by itself.
    started: seconds since the epoch.
    """

    code: int | None
    output: str
    errors: str
    seconds: float
    started: float
    trouble: str = ""


class _Process(subprocess.Popen[bytes]):
    """A process of a session of its own, which does not go on alone where starting it fails half way.

    Once it is forked, Popen reads whether it could be started, for which there may be no memory; whoever gets that
    error has no hold of the process.
    """

    def __init__(self, argv: Sequence[str], environment: dict[str, str]) -> None:
        self.pid = 0
        try:
            super().__init__(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            if self.pid and self.returncode is None:
                self.end(signal.SIGKILL)
                self.wait()
            raise

    def end(self, number: int) -> None:
        """Send a signal to it and to what it has started."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


class _RunningProbe:
    """One process, its output so far, and by when it must be gone."""

    def __init__(self, index: int, job: MetricJob, environment: dict[str, str]) -> None:
        self.index = index
        self.started = time.time()
        self._began = time.monotonic()
        self.end = self._began + job.timeout_s + LATE_S
        self.stage = 0
        self.trouble = ""
        self.process = _Process(job.argv, environment)
        assert self.process.stdout and self.process.stderr
        self.streams = {self.process.stdout.fileno(): bytearray(), self.process.stderr.fileno(): bytearray()}
        for descriptor in self.streams:
            os.set_blocking(descriptor, False)

    def read(self, descriptor: int) -> bool:
        """Take what there is; False at the end. What exceeds the limit is read and thrown away."""
        limit = MAX_OUTPUT if descriptor == next(iter(self.streams)) else MAX_ERRORS
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        kept = self.streams[descriptor]
        kept += data[: max(0, limit - len(kept))]
        return bool(data)

    def has_ended(self) -> bool:
        """Whether the process is over; it is left to be waited for, so that its number stays its own."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def terminate(self, why: str) -> None:
        """Tell it to end: first kindly, then not."""
        self.trouble = self.trouble or why
        self.process.end(signal.SIGKILL if self.stage else signal.SIGTERM)
        self.stage += 1
        self.end = time.monotonic() + CLEAN_UP_S

    def ended(self) -> ProcessOutcome:
        # Whatever it started and did not wait for must not outlive it: nobody would end that. Before the
        # process is waited for, its number cannot be another's.
        self.process.end(signal.SIGKILL)
        code = self.process.wait()
        for descriptor in self.streams:
            while not self._read_rest(descriptor):
                pass
        assert self.process.stdout and self.process.stderr
        self.process.stdout.close()
        self.process.stderr.close()
        output, errors = (bytes(kept).decode("utf-8", "replace") for kept in self.streams.values())
        return ProcessOutcome(code, output, errors, time.monotonic() - self._began, self.started, self.trouble)

    def _read_rest(self, descriptor: int) -> bool:
        """Read once more what was written before the end; a child that still writes is not waited for."""
        kept = len(self.streams[descriptor])
        return not self.read(descriptor) or len(self.streams[descriptor]) == kept


class JobRunner:
    """Runs jobs. at_once: how many at a time; environment: of the probes."""

    def __init__(self, at_once: int, environment: dict[str, str]) -> None:
        self._at_once = at_once
        self._environment = environment
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, _RunningProbe] = {}
        self._stopped = ""
        self._wakeup = -1

    @property
    def stopped(self) -> str:
        """Why the run was cut short, empty if it was not."""
        return self._stopped

    def run(self, jobs: Sequence[MetricJob], deadline: Deadline, done: Callable[[int, ProcessOutcome], None]) -> None:
        """Run all jobs; `done` is called with a job's index and end as each ends.

        Returns when all have ended. Those that never ran, because the deadline passed or a signal came,
        are reported too, with the reason.
        """
        waiting = list(range(len(jobs)))[::-1]
        with _SignalWakeup() as signals:
            self._wakeup = signals.descriptor
            self._selector.register(signals.descriptor, selectors.EVENT_READ, None)
            try:
                while waiting or self._running:
                    while waiting and not self._stopped and len(self._running) < self._at_once:
                        self._start(waiting.pop(), jobs, done)
                    if self._stopped:
                        for index in waiting[::-1]:
                            done(index, ProcessOutcome(None, "", "", 0.0, time.time(), f"not run: {self._stopped}"))
                        waiting.clear()
                    self._wait(deadline, done)
                    if signals.name and not self._stopped:
                        self._stop(f"interrupted by {signals.name}")
                    elif deadline.has_passed() and not self._stopped:
                        self._stop(f"the {deadline.seconds:g} s of -t were up")
                    self._terminate_overdue()
            finally:
                self._kill_remaining()
        self._selector.close()

    def _start(self, index: int, jobs: Sequence[MetricJob], done: Callable[[int, ProcessOutcome], None]) -> None:
        try:
            running = _RunningProbe(index, jobs[index], self._environment)
        except OSError as error:
            done(
                index,
                ProcessOutcome(None, "", "", 0.0, time.time(), f"not run: {jobs[index].argv[0]}: {error.strerror}"),
            )
            return
        self._running[index] = running
        for descriptor in running.streams:
            self._selector.register(descriptor, selectors.EVENT_READ, running)

    def _wait(self, deadline: Deadline, done: Callable[[int, ProcessOutcome], None]) -> None:
        if not self._running:
            return
        nearest = min(each.end for each in self._running.values()) - time.monotonic()
        if not self._stopped:
            nearest = min(nearest, deadline.remaining())
        for key, _ in self._selector.select(max(0.0, nearest)):
            running = key.data
            if running is None:
                os.read(self._wakeup, 1024)
            elif not running.read(key.fd):
                self._selector.unregister(key.fd)
        for running in [each for each in self._running.values() if each.has_ended()]:
            self._finish(running, done)

    def _finish(self, running: _RunningProbe, done: Callable[[int, ProcessOutcome], None]) -> None:
        known = self._selector.get_map()
        for descriptor in running.streams:
            if descriptor in known:
                self._selector.unregister(descriptor)
        del self._running[running.index]
        done(running.index, running.ended())

    def _stop(self, why: str) -> None:
        self._stopped = why
        for running in self._running.values():
            if not running.stage:
                running.terminate(why)

    def _kill_remaining(self) -> None:
        """Nothing, unless a bug of ours tore the loop apart: even then no probe may go on alone."""
        for running in self._running.values():
            running.terminate("")
        for running in self._running.values():
            try:
                running.process.wait(CLEAN_UP_S)
            except subprocess.TimeoutExpired:
                running.terminate("")
                running.process.wait()

    def _terminate_overdue(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if now >= running.end:
                running.terminate("it exceeded its own time-out and was killed")


class _SignalWakeup:
    """Signals wake the loop instead of tearing it apart; the first that asks for the end is remembered.

    SIGCHLD is among them: a probe's end is told by it, not by the end of its output, which a child of the
    probe may hold open.
    """

    def __init__(self) -> None:
        self.name = ""
        self.descriptor, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[int, object] = {}

    def __enter__(self) -> _SignalWakeup:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._note)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self.descriptor)
        os.close(self._write)

    def _note(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self.name = self.name or signal.Signals(number).name
