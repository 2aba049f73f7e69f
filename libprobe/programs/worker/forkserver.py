"""The fork server: a process with one thread that has everything imported and forks whatever runs a check.

It knows its children's numbers by the supervisor's: it starts them, passes signals on to those that it
has not yet reaped, and tells how each ended.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import struct
import time

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
News: READY, STARTED (value: process id), ENDED (value: wait status)."""

RUNNER, PROCESS, SHELL, CALL, KILL = b"R", b"P", b"S", b"C", b"K"
READY, BROKEN, STARTED, ENDED = b"N", b"B", b"S", b"E"

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

NOT_BEGUN = 77
"""Exit code of a process that cannot be what its caller was."""

MAX_DATA_BYTES = 512 << 20
"""Memory that a process may fill. A probe stays below 64 MiB; this ends one that does not, before the machine does."""

GARBAGE_OBJECTS = 2000
"""Objects between two garbage collections, each of all that is not frozen. A check over HTTPS leaves a hundred,
which hold 20 KB of OpenSSL's memory that Python does not know of."""

ARENAS = 2
M_ARENA_MAX = -8


def main(control: socket.socket, paths: list[str]) -> NoReturn:
    """Load, tell what could be loaded, and fork on demand until the supervisor goes away."""
    for number in ENDING:
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
    from libprobe.programs.worker import executables, runner  # noqa: F401 - for the children

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


class _ForkServer:
    def __init__(self, control: socket.socket, executables: dict[str, Executable]) -> None:
        self._control = control
        self._executables = executables
        self._children: dict[int, tuple[int, bool]] = {}  # process id: number, whether it leads a group
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        watched = select.poll()
        watched.register(self._control, select.POLLIN)
        watched.register(self._wake, select.POLLIN)
        while True:
            for descriptor, _ in watched.poll():
                if descriptor == self._wake:
                    os.read(self._wake, 4096)
                    self._reap()
                elif not self._carry_out_order():
                    return

    def _carry_out_order(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 256 << 10, 4)
        except ConnectionError:
            return False
        if not data:
            return False
        what, number, value = ORDER.unpack_from(data)
        if what == KILL:
            self._kill(number, value)
            return True
        _prepare_fork()
        # nothing may come between a fork and its being written down; and what is to end a child is not to be ignored,
        # as we do, before it has handlers of its own
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        pid = os.fork()
        if not pid:
            self._run_child(what, value, data[ORDER.size :], descriptors)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        self._children[pid] = (number, what != RUNNER)
        for each in descriptors:
            os.close(each)
        self._report(STARTED, number, pid)
        return True

    def _reap(self) -> None:
        for pid, status in ended_children():
            known = self._children.pop(pid, None)
            if known:
                self._report(ENDED, known[0], status)

    def _report(self, what: bytes, number: int, value: int) -> None:
        try:
            self._control.send(ORDER.pack(what, number, value))
        except OSError:
            pass  # the supervisor is gone, as the next read will say

    def _kill(self, number: int, signal_number: int) -> None:
        for pid, (known, leads) in self._children.items():
            if known == number:
                try:
                    (os.killpg if leads else os.kill)(pid, signal_number)
                except ProcessLookupError:  # it does not lead its group yet
                    os.kill(pid, signal_number)

    def _run_child(self, what: bytes, value: int, rest: bytes, descriptors: list[int]) -> NoReturn:
        code = 3
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._wake)
            os.close(self._woken)
            self._control.close()
            if what == RUNNER:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
                code = self._run_runner(value, rest, descriptors[0])
            else:
                self._run_job(what, rest[:value], rest[value:], descriptors)
        except BaseException as error:
            os.write(2, f"fedcloud-worker: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        finally:
            os._exit(code)

    def _run_runner(self, threads: int, place: bytes, descriptor: int) -> int:
        from libprobe.programs.worker import runner

        if place:
            _enter_context(place)
        _set_limit(resource.RLIMIT_DATA, MAX_DATA_BYTES)
        runner.serve(socket.socket(fileno=descriptor), self._executables, threads)
        return 0

    def _run_job(self, what: bytes, words: bytes, environment: bytes, descriptors: list[int]) -> None:
        os.setsid()
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)
        os.closerange(3, max(descriptors) + 1)
        if what == CALL:
            _enter_context(environment)
            environment = b""
        for pair in environment.split(b"\0") if environment else ():
            name, _, text = pair.partition(b"=")
            os.environb[name] = text
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # what came meanwhile ends it here, with nothing begun
        if what == SHELL:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execv("/bin/sh", [b"/bin/sh", b"-c", words])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _set_limit(resource.RLIMIT_DATA, MAX_DATA_BYTES)
        argv = words.decode("utf-8", "surrogateescape").split("\0")
        self._executables[argv[0]].run_as_process(argv)


def _enter_context(of_caller: bytes) -> None:
    """Be where a caller is, with his umask and his environment instead of our own."""
    directory, mask, environment = of_caller.split(b"\0", 2)
    try:
        os.chdir(directory)
    except OSError:
        os._exit(NOT_BEGUN)
    os.umask(int(mask))
    os.environb.clear()
    for pair in environment.split(b"\0") if environment else ():
        name, _, text = pair.partition(b"=")
        os.environb[name] = text
    time.tzset()


def _set_limit(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
