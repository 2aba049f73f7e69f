"""What a process of the worker does when it was forked, and what it and the fork server say to each other."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import time

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

NOT_BEGUN = 77
"""Exit code of a process that cannot be what its caller was, or that was ended before it took its next check."""

MAX_DATA_BYTES = 512 << 20
"""Memory that a process may fill. A probe stays below 64 MiB; this ends one that does not, before the machine does."""

MAX_DESCRIPTOR = 65536

CHECK = struct.Struct(">dI")
"""Head of a packet to a process: when the order came (time.monotonic()), bytes of the words that follow. Behind them
stands the place; output and error output come along."""

SAID = struct.Struct(">ci")
DONE, FREE = b"D", b"F"
"""What a process says of a check that came to a clean end, with its exit code: that it is done, and then, when nothing
is left of it, that the process is free for another."""


def begin(descriptors: list[int], link: socket.socket | None = None) -> None:
    """Lead a session of our own, with these two for output and error output; nothing else of the parent stays open."""
    os.setsid()
    set_output(descriptors)
    kept = link.fileno() if link is not None else 2
    os.closerange(3, kept)
    os.closerange(kept + 1, MAX_DESCRIPTOR)


def enter(place: bytes) -> None:
    """Be where a caller is, with his umask and his environment instead of our own; end if that cannot be."""
    directory, mask, environment = place.split(b"\0", 2)
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


def restore_signals() -> None:
    """What would end a process ends it: there is nothing to clean up."""
    for number in (*ENDING, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MAX_DATA_BYTES if hard == resource.RLIM_INFINITY else min(MAX_DATA_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def set_output(descriptors: list[int]) -> None:
    """Write output and error output to these two from now on."""
    for number, each in enumerate(descriptors, 1):
        os.dup2(each, number)


def resident_bytes(pid: int) -> int:
    """Memory of a process, with what it shares; 0 where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def children(pid: int) -> list[int]:
    """The processes that a process of one thread has forked; none where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return list(map(int, file.read().split()))
    except (OSError, ValueError):
        return []
