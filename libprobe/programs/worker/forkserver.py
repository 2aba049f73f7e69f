"""The fork server: a process with one thread that has everything imported and forks whatever runs a check.

It knows its children's numbers by the supervisor's: it starts them, passes signals on to those that it
has not yet reaped, and tells how each ended.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import time

from libprobe.programs.worker import process_setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from libprobe.programs.worker.executables import Executable

ORDER = struct.Struct(">cQi")
"""Head of a packet: what, number, a value. Orders: RUNNER (value: threads; a
place as for CALL, or nothing; a socket comes along), PROCESS and
SHELL (words, as many bytes as the value, then environment; pipes for output and error output come along), CALL
(the same, with the directory and the umask before the environment, which is all there is), KILL (value: signal).
NEXT_PROCESS and NEXT_CALL are PROCESS and CALL that may be run in a process that ran one for the same place before.
News: READY, STARTED (value: process id), ENDED (value: wait status)."""

RUNNER, PROCESS, SHELL, CALL, KILL = b"R", b"P", b"S", b"C", b"K"
NEXT_PROCESS, NEXT_CALL = b"p", b"c"
READY, BROKEN, STARTED, ENDED = b"N", b"B", b"S", b"E"

MAX_IDLE, MAX_IDLE_S = 4, 30.0
"""How many processes may wait for their next check, and how long."""

GARBAGE_OBJECTS = 2000
"""Objects between two garbage collections, each of all that is not frozen. A check over HTTPS leaves a hundred,
which hold 20 KB of OpenSSL's memory that Python does not know of."""

ARENAS = 2
M_ARENA_MAX = -8


def main(control: socket.socket, paths: list[str]) -> NoReturn:
    """Load, tell what could be loaded, and fork on demand until the supervisor goes away."""
    for number in process_setup.ENDING:
        signal.signal(number, signal.SIG_IGN)  # the supervisor decides when we end
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # a terminal of ours is none of the checks'
        os.dup2(silent, descriptor)
    os.close(silent)
    executables = _load(control, paths)
    _prepare_fork()
    gc.collect()
    gc.freeze()  # children share these pages as long as nobody writes to them
    gc.collect()  # so that Python does not wait with a full collection until there is a quarter more than was frozen
    gc.set_threshold(GARBAGE_OBJECTS, 0, 0)
    control.send(ORDER.pack(READY, 0, 0))
    _ForkServer(control, executables).run()
    os._exit(0)


def _load(control: socket.socket, paths: list[str]) -> dict[str, Executable]:
    _limit_arenas()
    from libprobe.programs.worker import check_process, executables, runner  # noqa: F401 - for the children

    loaded = {}
    for path in paths:
        try:
            loaded[path] = executables.load(path)
        except Exception as error:
            said = f"{path} cannot be loaded: {type(error).__name__}: {error}"
            control.send(ORDER.pack(BROKEN, 0, 0) + f"{path}\0{said}".encode("utf-8", "replace"))
    for name in executables.import_ahead(list(loaded)):
        control.send(ORDER.pack(BROKEN, 0, 0) + f"\0{name} is not installed here; what needs it will say so".encode())
    for path, each in loaded.items():
        each.prepare()
        control.send(ORDER.pack(READY, 1, 0) + f"{path}\0{each.name}\0{each.timeout}".encode())
    return loaded


def _prepare_fork() -> None:
    from libprobe.programs.worker import runner

    runner.prepare_fork()


def _limit_arenas() -> None:
    """Keep glibc from giving every thread a heap of its own, none of which ever shrinks."""
    import ctypes

    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (OSError, AttributeError):
        pass  # another C library


def ended_children() -> Iterator[tuple[int, int]]:
    """The children of this process that have ended, each with its wait status, without waiting for any."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, status


class _Child:
    """A process that was forked.

    number: of what it runs by the supervisor's count; 0 when its check is done.
    free_since: when it began to wait for its next check, by time.monotonic(); 0 if it does not.
    leads:  whether it leads a group of processes.
    link:   over which it gets its next check; None: it gets none.
    key:    what the next check has to have in common with those before.
    is_signalled: its check was sent a signal, which may come when that is over, and is not to meet the next one.
    """

    __slots__ = ("free_since", "is_signalled", "key", "leads", "link", "number")

    def __init__(self, number: int, *, leads: bool, link: socket.socket | None = None, key: bytes = b"") -> None:
        self.number = number
        self.leads = leads
        self.link = link
        self.key = key
        self.free_since = 0.0
        self.is_signalled = False


class _ForkServer:
    def __init__(self, control: socket.socket, executables: dict[str, Executable]) -> None:
        self._control = control
        self._executables = executables
        self._children: dict[int, _Child] = {}  # by process id
        self._by_link: dict[int, int] = {}  # process ids by the descriptor of the link
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watched = select.poll()

    def run(self) -> None:
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._watched.register(self._control, select.POLLIN)
        self._watched.register(self._wake, select.POLLIN)
        while True:
            for descriptor, _ in self._watched.poll(self._until_idle_too_long_ms()):
                if descriptor == self._wake:
                    os.read(self._wake, 4096)
                    self._reap()
                elif descriptor in self._by_link:
                    self._read_link(self._by_link[descriptor])
                elif descriptor == self._control.fileno() and not self._carry_out_order():
                    return
            self._end_idle()

    def _carry_out_order(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 256 << 10, 4)
        except ConnectionError:
            return False
        if not data:
            return False
        began = time.monotonic()
        what, number, value = ORDER.unpack_from(data)
        rest = data[ORDER.size :]
        if what == KILL:
            self._kill(number, value)
            return True
        if what not in (NEXT_PROCESS, NEXT_CALL) or not self._hand_over(what, number, value, rest, descriptors, began):
            self._fork(what, number, value, rest, descriptors, began)
        for each in descriptors:
            os.close(each)
        return True

    def _fork(self, what: bytes, number: int, value: int, rest: bytes, descriptors: list[int], began: float) -> None:
        ours, theirs = None, None
        if what in (NEXT_PROCESS, NEXT_CALL):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
        _prepare_fork()
        # nothing may come between a fork and its being written down; and what is to end a child is not to be ignored,
        # as we do, before it has handlers of its own
        signal.pthread_sigmask(signal.SIG_BLOCK, process_setup.ENDING)
        pid = os.fork()
        if not pid:
            if ours is not None:
                ours.close()
            self._run_child(what, value, rest, descriptors, began, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, process_setup.ENDING)
        self._children[pid] = _Child(number, leads=what != RUNNER, link=ours, key=what + rest[value:])
        if ours is not None and theirs is not None:
            theirs.close()
            self._by_link[ours.fileno()] = pid
            self._watched.register(ours, select.POLLIN)
        self._report(STARTED, number, pid)

    # processes that take one check after another

    def _hand_over(
        self, what: bytes, number: int, value: int, rest: bytes, descriptors: list[int], began: float
    ) -> bool:
        """Give it to a process that waits for a check of that place; False if none does."""
        key = what + rest[value:]
        place = rest[value:] if what == NEXT_CALL else b""
        while waiting := [pid for pid, each in self._idle() if each.key == key]:
            pid = waiting[-1]
            child = self._children[pid]
            assert child.link is not None
            try:
                socket.send_fds(child.link, [process_setup.CHECK.pack(began, value), rest[:value], place], descriptors)
            except OSError:  # it is gone, or this is too much for a packet
                self._close_link(child)
                continue
            child.number, child.free_since = number, 0.0
            self._report(STARTED, number, pid)
            return True
        return False

    def _idle(self) -> list[tuple[int, _Child]]:
        """The processes that wait, the one that waits longest first."""
        idle = [(pid, each) for pid, each in self._children.items() if each.link is not None and each.free_since]
        return sorted(idle, key=lambda each: each[1].free_since)

    def _read_link(self, pid: int) -> None:
        """A check came to its end, its process is free for another one, or the process is gone."""
        child = self._children[pid]
        while child.link is not None:
            try:
                said = child.link.recv(process_setup.SAID.size)
            except BlockingIOError:
                return
            except ConnectionResetError:  # so the kernel says that it was ended with an order unread
                self._report(ENDED, child.number, process_setup.NOT_BEGUN << 8)
                child.number, said = 0, b""
            except OSError:
                said = b""
            if not said:
                self._close_link(child)  # how it ended is seen when it is reaped
                return
            what, code = process_setup.SAID.unpack(said)
            if what == process_setup.DONE:
                self._report(ENDED, child.number, code << 8)
                child.number = 0
            elif child.is_signalled:
                self._close_link(child)
            else:
                child.free_since = time.monotonic()

    def _close_link(self, child: _Child) -> None:
        """Give it no more checks: one that waits ends."""
        if child.link is not None:
            self._watched.unregister(child.link)
            del self._by_link[child.link.fileno()]
            child.link.close()
            child.link = None

    def _end_idle(self) -> None:
        idle = self._idle()
        for number, (_, child) in enumerate(idle):
            if number < len(idle) - MAX_IDLE or time.monotonic() - child.free_since >= MAX_IDLE_S:
                self._close_link(child)

    def _until_idle_too_long_ms(self) -> float | None:
        idle = self._idle()
        return max(0.0, idle[0][1].free_since + MAX_IDLE_S - time.monotonic()) * 1000 + 1 if idle else None

    # how they end

    def _reap(self) -> None:
        for pid, status in ended_children():
            child = self._children.get(pid)
            if child is None:
                continue
            self._read_link(pid)  # it may have come to the end of its check before its own
            self._close_link(child)
            del self._children[pid]
            if child.number:
                self._report(ENDED, child.number, status)

    def _report(self, what: bytes, number: int, value: int) -> None:
        try:
            self._control.send(ORDER.pack(what, number, value))
        except OSError:
            pass  # the supervisor is gone, as the next read will say

    def _kill(self, number: int, signal_number: int) -> None:
        for pid, child in self._children.items():
            if child.number == number:
                try:
                    (os.killpg if child.leads else os.kill)(pid, signal_number)
                except ProcessLookupError:  # it does not lead its group yet
                    os.kill(pid, signal_number)
                child.is_signalled = True

    def _run_child(
        self,
        what: bytes,
        value: int,
        rest: bytes,
        descriptors: list[int],
        began: float,
        link: socket.socket | None,
    ) -> NoReturn:
        code = 3
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._wake)
            os.close(self._woken)
            self._control.close()
            for each in self._children.values():  # else those would not see the fork server die
                if each.link is not None:
                    each.link.close()
            if what == RUNNER:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, process_setup.ENDING)
                code = self._run_runner(value, rest, descriptors[0])
            else:
                process_setup.begin(descriptors, link)
                self._run_job(what, rest[:value], rest[value:], began, link)
        except BaseException as error:
            os.write(2, f"fedcloud-worker: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        finally:
            os._exit(code)

    def _run_runner(self, threads: int, place: bytes, descriptor: int) -> int:
        from libprobe.programs.worker import runner

        if place:
            process_setup.enter(place)
        process_setup.limit_memory()
        runner.serve(socket.socket(fileno=descriptor), self._executables, threads)
        return 0

    def _run_job(
        self, what: bytes, words: bytes, surroundings: bytes, began: float, link: socket.socket | None
    ) -> None:
        from libprobe.programs.worker import check_process

        if what in (CALL, NEXT_CALL):
            check_process.CheckProcess(self._executables, link).run(words, surroundings, began)
        for pair in surroundings.split(b"\0") if surroundings else ():
            name, _, text = pair.partition(b"=")
            os.environb[name] = text
        if what == SHELL:
            process_setup.restore_signals()
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execv("/bin/sh", [b"/bin/sh", b"-c", words])
        check_process.CheckProcess(self._executables, link).run(words, b"", began)
