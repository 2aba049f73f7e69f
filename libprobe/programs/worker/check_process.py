"""A process for checks that create something: one at a time, and the next only after a clean end.

It is forked for its first check. Where the fork server hands it a link, it tells it there how the check ended and waits
for another one of the same place. A check finds what it would find in a process of its own: directory, umask and
environment, signals as a process has them when it begins, and nothing open. A process that is not as it was before its
check (another thread, a child, an open descriptor, memory that was not given back) ends with it, and so does one whose
check was interrupted, ran out of its time or came to UNKNOWN.
"""

from __future__ import annotations

import gc
import itertools
import os
import socket
import sys

from libprobe import files
from libprobe.clients import tls
from libprobe.failures import UNKNOWN
from libprobe.probe import output
from libprobe.probe.run import GC_THRESHOLD
from libprobe.programs.worker import process_setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from libprobe.programs.worker.executables import Executable

MAX_MORE_BYTES = 32 << 20
"""By how much a process may have grown since its first check ended, and still take another."""

MAX_CHECKS = 200
"""After which a process ends, as whatever piles up unseen."""

MAX_PACKET = 256 << 10


class CheckProcess:
    """The checks of a process that was forked for them. link: over which others come; None: there are none."""

    def __init__(self, executables: dict[str, Executable], link: socket.socket | None) -> None:
        self._executables = executables
        self._link = link
        self._silent = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._before: tuple[object, ...] = ()
        self._most_bytes = 0

    def run(self, words: bytes, place: bytes, began: float) -> NoReturn:
        """Run this check, whose output is open, and those that follow; end with the exit code of the last.

        place: as for `process_setup.enter`; empty: to stay where the parent is.
        began: when the order came, by time.monotonic().
        """
        gc.set_threshold(GC_THRESHOLD)
        process_setup.limit_memory()
        if self._link is not None:
            tls.share_contexts()
            files.keep_parsed()
        for number in itertools.count(1):
            if place:
                process_setup.enter(place)
            self._before = self._state()
            process_setup.restore_signals()  # what came meanwhile ends it here, with nothing begun
            argv = words.decode("utf-8", "surrogateescape").split("\0")
            code, report, is_clean = self._executables[argv[0]].execute_as_process(argv, began)
            code = output.write(code, report)
            if self._link is None or not is_clean:
                break
            process_setup.set_output([self._silent, self._silent])  # somebody waits for the end of it
            sys.stdout.flush()
            sys.stderr.flush()
            self._say(process_setup.DONE, code)
            if code == UNKNOWN or number >= MAX_CHECKS or not self._is_as_before():
                break
            process_setup.restore_signals()
            self._say(process_setup.FREE, code)
            words, place, began = self._next(code)
        os._exit(code)

    def _is_as_before(self) -> bool:
        """Whether all is as it was before the check, once what it does not need any more is given back."""
        gc.collect()
        resident = process_setup.resident_bytes(os.getpid())
        self._most_bytes = self._most_bytes or resident + MAX_MORE_BYTES
        return resident <= self._most_bytes and self._state() == self._before

    def _state(self) -> tuple[object, ...]:
        """What a check may not leave behind: threads, children, open descriptors, and where it is."""
        mask = os.umask(0o077)
        os.umask(mask)
        here = os.stat(".")
        place = (here.st_dev, here.st_ino, mask, dict(os.environ))
        return _listed("task"), _has_children(), _listed("fd"), place

    def _say(self, what: bytes, code: int) -> None:
        """Tell the fork server; the process ends if that is gone."""
        assert self._link is not None
        try:
            self._link.send(process_setup.SAID.pack(what, code))
        except OSError:
            os._exit(code)

    def _next(self, code: int) -> tuple[bytes, bytes, float]:
        """Wait for another check; the process ends if there is none."""
        assert self._link is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._link, MAX_PACKET, 2)
        except OSError:
            os._exit(code)
        if not data:
            os._exit(code)
        began, size = process_setup.CHECK.unpack_from(data)
        process_setup.set_output(descriptors)
        for each in descriptors:
            os.close(each)
        rest = data[process_setup.CHECK.size :]
        return rest[:size], rest[size:], began


def _listed(what: str) -> object:
    """The threads (`task`) or the open descriptors (`fd`) of this process, to be compared.

    `threading` does not count threads that `_thread` began, as those in which names are looked up. Where the kernel
    does not tell, no two are the same, and a process takes no other check.
    """
    try:
        return sorted(os.listdir(f"/proc/self/{what}"))
    except OSError:
        return object()


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
