"""The supervisor: takes orders of Nagios and calls at the door, has them run, and answers each of them.

One thread that never waits for anybody. It always reads what Nagios sends (Nagios stands still when a
worker does not), keeps orders in memory until somebody is free, and ends every one by Nagios' own limit,
because Nagios ends none that it gave away. No library of a check is imported here.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections import deque
from typing import NamedTuple

from libprobe.failures import UNKNOWN
from libprobe.formats import wproc
from libprobe.probe import door
from libprobe.programs.worker import callers, commands, forkserver, nagios_connection, process_setup
from libprobe.programs.worker.callers import CallerConnection, CheckRequest, DoorListener, FrequentContexts
from libprobe.programs.worker.nagios_connection import AWAY, CLOSING, NagiosConnection
from libprobe.programs.worker.status import WorkerStatistics, encode_status
from libprobe.text import number_of, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S = 0.25
SPARE_LIMIT_S = 60.0
"""Limit of an order without one."""

CLEAN_UP_S = 6.0
"""From SIGTERM to SIGKILL: a probe takes up to 4 s to remove what it made."""

PIPES_AFTER_END_S = 1.0
"""A process that ended may have left another that holds its output open."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What a caller passes on."""

IDLE_S = 60.0
PLACE_IDLE_S = 900.0
"""For how long a runner waits for another caller from its place."""

RESTART_S = 1.0
MAX_KNOWN_COMMANDS = 20_000
MAX_DESCRIPTORS_BASE = 64
DESCRIPTORS_PER_THREAD = 8
PR_SET_CHILD_SUBREAPER = 36
_RESULT = struct.Struct(">BHH")
"""Exit code, next free descriptor, threads: after the job's number, see `runner.RESULT`."""


class Limits(NamedTuple):
    """How much there may be of everything.

    runners, max_runners: processes with threads at least, and at most while all are taken.
    threads:              of each.
    jobs, memory_bytes:   after which a runner is replaced.
    drain_s:              how long running checks may go on after SIGTERM before they are told to clean up.
    calls:                checks in parallel for callers at the door; further callers run their checks themselves.
    places:               runners for callers, each for one directory, umask and environment.
    """

    runners: int = 2
    max_runners: int = 3
    threads: int = 20
    jobs: int = 20_000
    memory_bytes: int = 160 << 20
    drain_s: float = 10.0
    calls: int = 200
    places: int = 4


class WorkerJob:
    """An order on its way."""

    __slots__ = (
        "again",
        "answered",
        "began",
        "end_by",
        "err",
        "generation",
        "how_run",
        "is_ordered",
        "link",
        "may_follow",
        "number",
        "order",
        "out",
        "pid",
        "pipes",
        "runner",
        "since",
        "status",
        "status_at",
        "terminated_at",
        "words",
    )

    def __init__(
        self,
        number: int,
        link: NagiosConnection | CallerConnection,
        order: wproc.CheckOrder | CheckRequest,
        way: str,
        words: list[str],
    ) -> None:
        self.number = number
        self.link = link
        self.generation = link.generation
        self.order = order
        self.how_run = way
        self.words = words
        self.began = time.time()
        self.since = time.monotonic()
        self.end_by = self.since + (order.timeout or SPARE_LIMIT_S)
        self.runner: RunnerProcess | None = None
        self.again = False
        self.is_ordered = False  # whether the fork server was told to run it
        self.may_follow = False  # whether a process may run it that ran another one before
        self.answered = False
        self.pid = 0
        self.pipes: dict[int, bytearray] = {}
        self.out = bytearray()
        self.err = bytearray()
        self.status: int | None = None
        self.status_at = 0.0
        self.terminated_at = 0.0


class RunnerProcess:
    """A process with threads, and the jobs that it has.

    context_digest: digest of where its callers are; empty for Nagios'.
    """

    def __init__(self, number: int, ours: socket.socket, place: bytes) -> None:
        self.context_digest = place
        self.number = number
        self.socket = ours
        self.jobs: dict[int, WorkerJob] = {}
        self.done = 0
        self.pid = 0
        self.leaving = False
        self.busy_at = time.monotonic()


class Supervisor:
    """See the module. query_socket: Nagios', empty for none. paths: executables. log: takes one line."""

    def __init__(
        self,
        query_socket: str,
        paths: list[str],
        limits: Limits,
        log: Callable[[str], None],
        listener: DoorListener | None = None,
    ) -> None:
        self._paths = paths
        self._limits = limits
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._links = [NagiosConnection(query_socket, path) for path in paths] if query_socket else []
        self._listener = listener
        self._callers: set[CallerConnection] = set()
        self._contexts = FrequentContexts()
        self._called = {os.path.realpath(path): (path, door.file_stamp(path)) for path in paths} if listener else {}
        self._identity = door.identity() if listener else b""
        self._names: dict[str, str] = {}
        self._timeouts: dict[str, float] = {}
        self._registered: frozenset[str] = frozenset()
        self._jobs: dict[int, WorkerJob] = {}
        self._waiting: deque[WorkerJob] = deque()
        self._runners: dict[int, RunnerProcess] = {}
        self._known: dict[bytes, tuple[str, list[str]]] = {}
        self._next = 1
        self._control: socket.socket | None = None
        self._forkserver_pid = 0
        self._forkserver_started_at = 0.0
        self._ready = False
        self._stopping_at = 0.0
        self._has_announced_full = False
        self._to_flush: set[NagiosConnection | CallerConnection] = set()
        self._full_since = 0.0
        self._figures = WorkerStatistics()

    # the loop

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then until nothing is left to do."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.register(wake, selectors.EVENT_READ, lambda _: os.read(wake, 4096))
        _adopt_orphans()
        next_tick = 0.0
        notify("STATUS=loading the probes")
        while True:
            now = time.monotonic()
            if now >= next_tick:
                self._tick(now)
                next_tick = now + TICK_S
                if self._stopping_at and self._is_over(now):
                    break
            for key, mask in self._selector.select(max(0.0, next_tick - time.monotonic())):
                key.data(mask)
            self._dispatch()
            for each in list(self._to_flush):
                self._flush(each)
        self._shut_down()

    def _tick(self, now: float) -> None:
        notify("WATCHDOG=1")
        self._reap()
        if self._control is None and now >= self._forkserver_started_at and not self._is_over(now):
            self._start_forkserver(now)
        if self._ready:
            self._maintain_links(now)
            self._maintain_runners(now)
        for job in list(self._jobs.values()):
            self._maintain_job(job, now)
        for caller in [each for each in self._callers if each.is_slow(now)]:
            self._drop_connection(caller, TimeoutError())
        if self._stopping_at:
            self._drain(now)

    # Nagios

    def _maintain_links(self, now: float) -> None:
        if self._stopping_at:
            return
        for each in self._links:
            if each.is_silent(now):
                self._drop_connection(each, ConnectionRefusedError("no answer to the registration"))
            if each.state == AWAY and now >= each.retry_at and each.plugin in self._registered:
                if each.connect(now):
                    self._to_flush.add(each)
                    self._has_announced_full = False
                elif not self._has_announced_full:
                    self._has_announced_full = True
                    self._log(f"nobody answers at Nagios' query socket: {each.reason}; trying again until it does")
                    return
                else:
                    return

    def _watch(self, each: NagiosConnection | CallerConnection) -> None:
        """Wait for what the connection still has to give or to take."""
        assert each.socket is not None
        wanted = (0 if each.is_read else selectors.EVENT_READ) | (selectors.EVENT_WRITE if each.unsent else 0)
        known = self._selector.get_map().get(each.socket)
        if known is None and wanted:
            self._selector.register(each.socket, wanted, _connection_handler(self, each))
        elif known is not None and not wanted:
            self._selector.unregister(each.socket)
        elif known is not None and known.events != wanted:
            self._selector.modify(each.socket, wanted, known.data)

    def _serve_connection(self, each: NagiosConnection | CallerConnection, mask: int) -> None:
        if mask & selectors.EVENT_READ and isinstance(each, CallerConnection):
            self._receive_call(each)
        elif mask & selectors.EVENT_READ and isinstance(each, NagiosConnection):
            self._receive(each)
        if mask & selectors.EVENT_WRITE:
            self._to_flush.add(each)

    def _receive(self, each: NagiosConnection) -> None:
        was = each.state
        try:
            for order in each.receive():
                self._accept_order(each, order)
        except ConnectionError as error:
            self._drop_connection(each, error)
            return
        if was != each.state and each.state == nagios_connection.REGISTERED:
            self._log(f"registered for {each.plugin}")
            if all(one.state == nagios_connection.REGISTERED for one in self._links if one.plugin in self._registered):
                notify("STATUS=registered with Nagios")

    def _flush(self, each: NagiosConnection | CallerConnection) -> None:
        self._to_flush.discard(each)
        if each.socket is None:
            return
        try:
            each.flush()
        except ConnectionError as error:
            self._drop_connection(each, error)
            return
        self._watch(each)

    def _drop_connection(self, each: NagiosConnection | CallerConnection, error: Exception) -> None:
        if each.socket is not None and each.socket in self._selector.get_map():
            self._selector.unregister(each.socket)
        if isinstance(each, CallerConnection):
            self._abandon(each)
        if each.state != CLOSING:
            self._log(f"connection for {each.plugin} lost: {error}; running: {number_of(each.running, 'check')}")
        each.close(time.monotonic(), error)

    def _accept_order(self, each: NagiosConnection, order: wproc.CheckOrder) -> None:
        understood = self._known.get(order.command)
        if understood is None:
            if len(self._known) >= MAX_KNOWN_COMMANDS:
                self._known.clear()
            understood = self._known[order.command] = commands.parse_command(order.command, self._registered)
        way, words = understood
        job = WorkerJob(self._next, each, order, way, words)
        job.may_follow = way != commands.SHELL and not order.environment and not commands.needs_process(words)
        self._next += 1
        self._jobs[job.number] = job
        if way == commands.THREAD:
            self._waiting.append(job)
        else:
            self._fork(job)

    # the door

    def _accept_callers(self) -> None:
        assert self._listener is not None
        for caller in self._listener.accept():
            self._callers.add(caller)
            self._watch(caller)
            self._receive_call(caller)  # most often the request is there already

    def _receive_call(self, caller: CallerConnection) -> None:
        try:
            for said in caller.receive():
                if said == callers.ASKS_FOR_STATUS:
                    caller.send_status(self._status())
                    self._to_flush.add(caller)
                    return
                job = self._jobs.get(caller.job)
                if isinstance(said, CheckRequest):
                    self._accept_or_decline(caller, said)
                elif said == door.GO[0] and caller.call is not None and not caller.job:
                    self._begin(caller, caller.call)
                elif job is not None and said in SIGNALS and job.runner is not None:
                    self._answer(job, caller.not_run())  # a thread hears no signal; the caller says it
                elif job is not None and said in SIGNALS:
                    self._signal(job, said)
        except ConnectionError as error:
            if isinstance(error, callers.InvalidRequest):
                self._figures.refused["no_request"] += 1
            self._drop_connection(caller, error)

    def _status(self) -> bytes:
        runners = self._runners.values()
        counted = {
            "door": self._listener.path if self._listener is not None else "",
            "running": sum(1 for each in self._jobs.values() if not each.answered) - len(self._waiting),
            "waiting": len(self._waiting),
            "calls": sum(1 for each in self._callers if each.job),
            "runners": {
                "nagios": sum(1 for each in runners if not each.context_digest),
                "callers": sum(1 for each in runners if each.context_digest),
            },
            "nagios": {
                "registered": sum(1 for each in self._links if each.state == nagios_connection.REGISTERED),
                "probes": len(self._links),
            },
        }
        self._figures.refused["other_user"] = self._listener.refused if self._listener is not None else 0
        return encode_status(self._figures, counted, self._permanent_pids())

    def _permanent_pids(self) -> list[int]:
        """All of the worker's processes but those that run a check for which they were made."""
        pids = [os.getpid(), self._forkserver_pid, *(each.pid for each in self._runners.values())]
        busy = {each.pid for each in self._jobs.values()}
        pids += [each for each in process_setup.children(self._forkserver_pid) if each not in busy]
        return list(dict.fromkeys(filter(None, pids)))

    def _accept_or_decline(self, caller: CallerConnection, call: CheckRequest) -> None:
        """Take the check, or let the caller run it: nothing is said of why. Raises: ConnectionError."""
        path, stamp = self._called.get(call.path, ("", b""))
        asked = sum(1 for each in self._callers if each.call is not None)
        if not self._ready or self._stopping_at or path not in self._registered or asked > self._limits.calls:
            self._figures.refused["full"] += 1
            raise ConnectionError("no room left")
        if call.identity != self._identity or call.stamp != stamp:
            self._figures.refused["different"] += 1
            raise ConnectionError("another version asks, or from elsewhere")
        caller.plugin, caller.name = path, self._names[path]
        call.set_limit(self._timeouts[path])
        caller.accept(call)
        self._to_flush.add(caller)

    def _begin(self, caller: CallerConnection, call: CheckRequest) -> None:
        caller.job = self._next
        self._next += 1
        self._figures.called += 1
        job = self._jobs[caller.job] = WorkerJob(
            caller.job, caller, call, commands.PROCESS, [caller.plugin, *call.words]
        )
        place = self._contexts.digest(call)
        job.may_follow = bool(place) and not commands.needs_process(job.words)
        if commands.fits_thread(job.words, sum(len(each) + 1 for each in job.words) * 4):
            runner = self._runner_at(place, call)
            if runner is not None and self._hand_over(runner, job):
                return
        self._fork(job)

    def _runner_at(self, place: bytes, call: CheckRequest) -> RunnerProcess | None:
        """Return a runner with room for callers of that place; if there is none, make one for the next caller."""
        if not place:
            return None
        runners = [each for each in self._runners.values() if each.context_digest and not each.leaving]
        there = [each for each in runners if each.context_digest == place]
        if not there:
            if len(runners) >= self._limits.places:
                longest_idle = min(runners, key=lambda each: each.busy_at)
                if longest_idle.jobs or time.monotonic() - longest_idle.busy_at < IDLE_S:
                    return None
                self._retire_runner(longest_idle)
            return self._start_runner(place, call.context)
        return there[0] if self._free_threads(there[0]) > 0 else None

    def _abandon(self, caller: CallerConnection) -> None:
        """Nobody waits for the answer: what was made is removed, as the executable would have done."""
        self._callers.discard(caller)
        if caller.plugin and not caller.job:  # it was told that its check is taken, and did not wait for that
            self._figures.refused["late"] += 1
        job = self._jobs.get(caller.job)
        if job is not None and not job.answered:
            job.answered = True
            if job.runner is None:  # one that only reads, in a thread, comes to its end
                job.end_by = time.monotonic()
                self._terminate(job, job.end_by)

    def _answer_not_begun(self, job: WorkerJob, why: str, *, is_certain: bool = False) -> None:
        """A check could not be begun, or has held nothing yet: who called can run it himself.

        What must run once only where that is certain.
        """
        must_run_once = isinstance(job.order, CheckRequest) and job.order.must_run_once
        if isinstance(job.link, CallerConnection) and (is_certain or not must_run_once):
            self._jobs.pop(job.number, None)
            self._answer(job, job.link.not_run())
        else:
            self._answer_unknown(job, why)

    # answers

    def _answer(self, job: WorkerJob, message: bytes) -> None:
        """Send it, unless that was done or who asked has gone away since."""
        if job.answered:
            return
        job.answered = True
        self._figures.add(job.since)
        if job.link.generation == job.generation and job.link.socket is not None:
            job.link.send(message)
            self._to_flush.add(job.link)

    def _finish(self, job: WorkerJob, wait_status: int, out: bytes, err: bytes = b"") -> None:
        """The end of a job: answer and forget."""
        self._jobs.pop(job.number, None)
        if not job.answered:
            most = job.link.output_limit
            self._answer(job, job.link.result(job.order, job.began, wait_status, out[:most], err[:most]))

    def _answer_unknown(self, job: WorkerJob, why: str) -> None:
        """UNKNOWN, with what happened: nobody else can say it."""
        name = self._names.get(job.words[0]) or os.path.basename(job.link.plugin)
        self._finish(job, UNKNOWN << 8, f"{name} UNKNOWN - {safe(why)}\n".encode("utf-8", "replace"))

    # jobs in threads

    def _dispatch(self) -> None:
        """Hand waiting jobs to runners that have a thread free."""
        while self._waiting:
            runners = self._runners.values()
            free = [
                each
                for each in runners
                if not each.context_digest and not each.leaving and self._free_threads(each) > 0
            ]
            if not free:
                return
            runner = min(free, key=lambda each: len(each.jobs))
            job = self._waiting.popleft()
            if job.answered:  # its time passed while it waited
                self._jobs.pop(job.number, None)
                continue
            if not self._hand_over(runner, job):
                if not runner.leaving:
                    self._waiting.appendleft(job)
                    return
                self._fork(job)

    def _hand_over(self, runner: RunnerProcess, job: WorkerJob) -> bool:
        """Give a job to a runner; False where it cannot take one now, and, where it is `leaving`, at all."""
        words = "\0".join(job.words).encode("utf-8", "surrogateescape")
        try:
            runner.socket.send(job.number.to_bytes(8, "big") + words)
        except BlockingIOError:
            return False
        except OSError:  # it is dying
            runner.leaving = True
            return False
        job.runner = runner
        runner.jobs[job.number] = job
        runner.busy_at = job.since
        return True

    def _free_threads(self, runner: RunnerProcess) -> int:
        return self._limits.threads - len(runner.jobs)

    def _read_results(self, runner: RunnerProcess) -> None:
        from_runner = 0
        while from_runner < 64:
            try:
                packet = runner.socket.recv(256 << 10)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._handle_dead_runner(runner)
                return
            from_runner += 1
            number = int.from_bytes(packet[:8], "big")
            code, descriptors, threads = _RESULT.unpack_from(packet, 8)
            job = runner.jobs.pop(number, None)
            runner.done += 1
            if job is not None:
                if job.answered:
                    self._jobs.pop(number, None)
                elif code == 255:
                    self._fork(job)
                else:
                    self._finish(job, code << 8, packet[13:])
            if (
                runner.done >= self._limits.jobs
                or descriptors > MAX_DESCRIPTORS_BASE + DESCRIPTORS_PER_THREAD * self._limits.threads
                or threads > 4 * self._limits.threads
            ):
                self._retire_runner(runner)

    def _start_runner(self, digest: bytes = b"", place: bytes = b"") -> RunnerProcess | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        runner = RunnerProcess(self._next, ours, digest)
        self._next += 1
        sent = self._send_order(forkserver.RUNNER, runner.number, self._limits.threads, place, [theirs.fileno()])
        theirs.close()
        if not sent:
            ours.close()
            return None
        self._runners[runner.number] = runner
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._read_results(runner))
        return runner

    def _retire_runner(self, runner: RunnerProcess) -> None:
        """Give it no more jobs; it ends when it has none left."""
        runner.leaving = True
        if not runner.jobs:
            self._handle_dead_runner(runner)

    def _handle_dead_runner(self, runner: RunnerProcess) -> None:
        """A runner is gone: its jobs hold nothing, so each is run once more, in a process of its own."""
        if self._runners.pop(runner.number, None) is None:
            return
        self._figures.replaced += 1
        self._selector.unregister(runner.socket)
        runner.socket.close()
        if any(not job.answered for job in runner.jobs.values()):
            self._log(f"a runner died with {number_of(len(runner.jobs), 'check')}, run again one by one")
        for job in list(runner.jobs.values()):
            if job.answered:
                self._jobs.pop(job.number, None)
            else:
                self._fork(job)

    def _maintain_runners(self, now: float) -> None:
        staying = [each for each in self._runners.values() if not each.context_digest and not each.leaving]
        for runner in list(self._runners.values()):
            if runner.leaving:
                if not runner.jobs:
                    self._handle_dead_runner(runner)
                elif all(job.answered for job in runner.jobs.values()):
                    self._send_order(forkserver.KILL, runner.number, signal.SIGKILL)  # only what hangs is left
            elif runner.context_digest and not runner.jobs and now - runner.busy_at > PLACE_IDLE_S:
                self._retire_runner(runner)
            elif runner.pid and process_setup.resident_bytes(runner.pid) > self._limits.memory_bytes:
                self._log(f"a runner takes more than {self._limits.memory_bytes >> 20} MiB and is replaced")
                self._retire_runner(runner)
        full = bool(self._waiting) and all(self._free_threads(each) <= 0 for each in staying)
        self._full_since = (self._full_since or now) if full else 0.0
        if len(staying) < self._limits.runners or (
            full and now - self._full_since >= TICK_S and len(staying) < self._limits.max_runners
        ):
            self._start_runner()
        elif len(staying) > self._limits.runners and not self._waiting:
            idle = [each for each in staying if not each.jobs and now - each.busy_at > IDLE_S]
            if idle:
                self._retire_runner(idle[0])

    # jobs in processes

    def _fork(self, job: WorkerJob) -> None:
        job.again = job.runner is not None
        job.runner = None
        out, out_end = os.pipe2(os.O_CLOEXEC)
        err, err_end = os.pipe2(os.O_CLOEXEC)
        shell = job.how_run == commands.SHELL
        words = "\0".join(job.words).encode("utf-8", "surrogateescape")
        environment = b"\0".join(job.order.environment)
        may_follow = job.may_follow and not job.again and not shell
        what = forkserver.NEXT_PROCESS if may_follow else forkserver.SHELL if shell else forkserver.PROCESS
        if isinstance(job.order, CheckRequest):
            what = forkserver.NEXT_CALL if may_follow else forkserver.CALL
            environment = job.order.context
        sent = self._send_order(what, job.number, len(words), words + environment, [out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        if not sent:
            os.close(out)
            os.close(err)
            self._answer_not_begun(job, "the worker could not start a process for this check", is_certain=True)
            return
        job.is_ordered = True
        for descriptor, kept in ((out, job.out), (err, job.err)):
            os.set_blocking(descriptor, False)
            job.pipes[descriptor] = kept
            self._selector.register(descriptor, selectors.EVENT_READ, _pipe_handler(self._read_pipe, job, descriptor))

    def _read_pipe(self, job: WorkerJob, descriptor: int) -> None:
        if descriptor not in job.pipes:
            return  # closed just now, with the fork server, of which this event was told at the same moment
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            kept = job.pipes[descriptor]
            kept += data[: max(0, job.link.output_limit - len(kept))]
            return
        self._close_pipe(job, descriptor)
        self._conclude(job)

    def _close_pipe(self, job: WorkerJob, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        del job.pipes[descriptor]

    def _conclude(self, job: WorkerJob) -> None:
        """Answer for a process once its end and all of its output are known."""
        if job.status is None or job.pipes:
            return
        ended_by = os.WTERMSIG(job.status) if os.WIFSIGNALED(job.status) else 0
        not_begun = (
            job.status == process_setup.NOT_BEGUN << 8 or ended_by in SIGNALS
        )  # a check that has begun catches these
        if not_begun and isinstance(job.link, CallerConnection):
            self._jobs.pop(job.number, None)
            self._answer(job, job.link.not_run())
        elif job.status == process_setup.NOT_BEGUN << 8 and job.terminated_at and not job.answered:
            self._answer_unknown(job, "the worker was stopped before this check began")
        elif job.status == process_setup.NOT_BEGUN << 8 and job.may_follow and not job.answered:
            job.status, job.pid, job.may_follow = None, 0, False
            self._fork(job)
        elif ended_by and job.how_run != commands.SHELL and not job.answered:
            name = signal.Signals(ended_by).name
            why = f"the probe's process was killed by {name} after {time.monotonic() - job.since:.1f} s"
            self._answer_unknown(job, why + ("; the machine may be out of memory" if name == "SIGKILL" else ""))
        else:
            self._finish(job, job.status, bytes(job.out), bytes(job.err))

    def _maintain_job(self, job: WorkerJob, now: float) -> None:
        if job.status is not None and job.pipes and now - job.status_at > PIPES_AFTER_END_S:
            for descriptor in list(job.pipes):
                self._close_pipe(job, descriptor)
            self._conclude(job)
            return
        if now < job.end_by:
            return
        if not job.answered:
            self._answer(job, job.link.timed_out(job.order, job.began))
            if job.runner is None and not job.pipes:
                self._jobs.pop(job.number, None)  # it still waited; _dispatch passes over it
                return
        if job.runner is not None:
            self._log(f"a runner is replaced: {job.words[0]} does not end by its own limit")
            job.end_by = now + 3600.0
            self._retire_runner(job.runner)
        elif job.status is None:
            self._terminate(job, now)

    def _terminate(self, job: WorkerJob, now: float) -> None:
        if not job.terminated_at:
            job.terminated_at = now
            self._signal(job, signal.SIGTERM)
        elif now - job.terminated_at > CLEAN_UP_S:
            job.terminated_at = now
            self._signal(job, signal.SIGKILL)

    def _signal(self, job: WorkerJob, number: int) -> None:
        if not self._send_order(forkserver.KILL, job.number, number) and job.pid:
            try:
                os.killpg(job.pid, number)
            except ProcessLookupError:
                pass

    # the fork server

    def _start_forkserver(self, now: float) -> None:
        self._forkserver_started_at = now + RESTART_S
        self._ready = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if not pid:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.closerange(3, theirs.fileno())
                os.closerange(theirs.fileno() + 1, 65536)
                os.environ.pop("NOTIFY_SOCKET", None)
                forkserver.main(theirs, self._paths)
            except BaseException as error:
                os.write(2, f"fedcloud-worker: fork server: {type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(3)
        theirs.close()
        self._control, self._forkserver_pid = ours, pid
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._read_forkserver())

    def _read_forkserver(self) -> bool:
        """Take one piece of its news; False if there is none."""
        if self._control is None:
            return False
        try:
            data = self._control.recv(64 << 10, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True  # it died with orders unread; the kernel says so first, and what it had told comes after that
        except OSError:
            data = b""
        if not data:
            self._replace_forkserver()
            return False
        what, number, value = forkserver.ORDER.unpack_from(data)
        text = data[forkserver.ORDER.size :].decode("utf-8", "replace")
        if what == forkserver.READY and number:
            path, name, timeout = text.split("\0")
            self._names[path], self._timeouts[path] = name, float(timeout)
        elif what == forkserver.READY:
            self._registered = frozenset(self._names)
            self._ready = True
            notify("READY=1\nSTATUS=" + ("waiting for Nagios" if self._links else "waiting for executables"))
            self._open()
        elif what == forkserver.BROKEN:
            path, _, said = text.partition("\0")
            self._names.pop(path, None)
            self._log(said)
        elif what == forkserver.STARTED and number in self._runners:
            self._runners[number].pid = value
        elif what == forkserver.STARTED and number in self._jobs:
            self._jobs[number].pid = value
        elif what == forkserver.ENDED and number in self._jobs:
            self._note_end(self._jobs[number], value)
        return True

    def _open(self) -> None:
        if self._listener is not None and self._listener.socket not in self._selector.get_map():
            self._selector.register(self._listener.socket, selectors.EVENT_READ, lambda _: self._accept_callers())
            self._log(f"open to the executables of this user at {self._listener.path}")

    def _note_end(self, job: WorkerJob, status: int) -> None:
        job.status, job.status_at = status, time.monotonic()
        self._conclude(job)

    def _replace_forkserver(self) -> None:
        """Runners and processes live on; orphans become ours, and tell us how they end."""
        assert self._control is not None
        self._log("the fork server died and is started anew")
        self._selector.unregister(self._control)
        self._control.close()
        self._control, self._ready = None, False
        for job in list(self._jobs.values()):
            if job.is_ordered and not job.pid and job.status is None:
                for descriptor in list(job.pipes):  # those that it held have ended with it, and may be closed already
                    self._close_pipe(job, descriptor)
                self._answer_not_begun(job, "the worker's fork server died before this check began")

    def _send_order(
        self, what: bytes, number: int, value: int, rest: bytes = b"", pipes: list[int] | None = None
    ) -> bool:
        if self._control is None:
            return False
        try:
            socket.send_fds(self._control, [forkserver.ORDER.pack(what, number, value) + rest], pipes or [])
        except OSError:
            return False
        return True

    def _reap(self) -> None:
        """Our children are the fork server, and processes whose fork server died."""
        for pid, status in forkserver.ended_children():
            while self._read_forkserver():  # what a process ran before, and whether another check began in it
                pass
            jobs = [each for each in self._jobs.values() if each.pid == pid and each.status is None]
            for job in jobs:  # one at most: a process runs one check after another
                self._note_end(job, status)

    # the end

    def _stop(self) -> None:
        if not self._stopping_at:
            self._stopping_at = time.monotonic()
        else:  # asked twice
            self._stopping_at = min(self._stopping_at, time.monotonic() - self._limits.drain_s)

    def _drain(self, now: float) -> None:
        """Take no more; let what runs finish, then clean up, then end it."""
        if self._listener is not None:
            if self._listener.socket in self._selector.get_map():
                self._selector.unregister(self._listener.socket)
            self._listener.close()
            self._listener = None
        for each in self._links:
            if each.state != CLOSING:
                notify("STOPPING=1")
                each.stop_receiving()
                self._to_flush.add(each)
            if each.socket is not None and each.is_read and not each.running and not each.unsent:
                self._drop_connection(each, ConnectionError("stopped"))
        if now - self._stopping_at > self._limits.drain_s:
            for job in list(self._jobs.values()):
                if job.pipes or job.pid:
                    self._terminate(job, now)
                elif job.runner is None:
                    self._answer_unknown(job, "the worker was stopped before this check began")
                elif now - self._stopping_at > self._limits.drain_s + CLEAN_UP_S:
                    self._answer_unknown(job, "the worker was stopped, and this check did not end")

    def _is_over(self, now: float) -> bool:
        if not self._stopping_at:
            return False
        talking = self._callers or any(each.socket is not None for each in self._links)
        idle = not self._jobs and not talking
        return idle or now - self._stopping_at > self._limits.drain_s + 2 * CLEAN_UP_S

    def _shut_down(self) -> None:
        """Nothing may outlive us: runners end at end of file, and so does the fork server."""
        for each in self._links:
            if each.socket is not None:
                each.close(time.monotonic())
        for job in self._jobs.values():
            if job.pid:
                self._signal(job, signal.SIGKILL)
        for runner in self._runners.values():
            if runner.jobs:
                self._send_order(forkserver.KILL, runner.number, signal.SIGKILL)
            runner.socket.close()
        if self._control is not None:
            self._control.close()
        self._log(f"stopped after {number_of(self._figures.done, 'check')}")


def _connection_handler(supervisor: Supervisor, each: NagiosConnection | CallerConnection) -> Callable[[int], None]:
    return lambda mask: supervisor._serve_connection(each, mask)  # noqa: SLF001 - of our own class


def _pipe_handler(read: Callable[[WorkerJob, int], None], job: WorkerJob, descriptor: int) -> Callable[[int], None]:
    return lambda _mask: read(job, descriptor)


def _adopt_orphans() -> None:
    """Become the parent of processes whose fork server dies, so that their results are not lost."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def notify(state: str) -> None:
    """Tell systemd, if it wants to know (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as made:
        try:
            made.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            pass


def log(line: str) -> None:
    """One line for the journal."""
    sys.stderr.write(f"fedcloud-worker: {safe(line)}\n")
    sys.stderr.flush()
