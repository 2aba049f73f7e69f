"""A runner: threads that each take a job, run it and send its result, over one socket of packets.

Every thread waits for a packet itself; the kernel gives each packet to one of them, so that there is
neither a queue nor a hand-over. The runner ends when the supervisor closes its end, or is killed: a thread that hangs
does not keep it.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time

from libprobe import files, redact
from libprobe.clients import tls
from libprobe.programs.worker.commands import MAX_IN_THREAD
from libprobe.programs.worker.executables import Executable

RESULT = struct.Struct(">QBHH")
"""Head of a result: job, exit code, next free descriptor, threads; the report follows."""

NUMBER = struct.Struct(">Q")
MAX_PACKET = 160 << 10
"""Of a result; what is larger does not fit a socket's buffer."""

AGAIN = 255
"""Instead of an exit code: this run was not as it is in a process of its own; run it in one."""

STACK_BYTES = 1 << 20

FINISH_S = 2.0
"""How long threads may go on once nobody waits for their results: a file of the state directory is written by then."""

LOOK_MS = 10_000
"""How often it is looked whether there is a thread left."""


def prepare_fork() -> None:
    """Let a check that is forked from this process find the CAs of the system read."""
    try:
        tls.prepare_system_context()
    except (OSError, MemoryError):
        pass  # each check tries it for itself, and says what is wrong


def serve(jobs: socket.socket, executables: dict[str, Executable], threads: int) -> None:
    """Run jobs in this number of threads until the other side closes; then the caller ends the process."""
    tls.share_contexts()
    files.keep_parsed()
    threading.stack_size(STACK_BYTES)
    running = [threading.Thread(target=_work, args=(jobs, executables), daemon=True) for _ in range(threads)]
    for each in running:
        each.start()
    threading.stack_size(0)
    watched = select.poll()
    watched.register(jobs, 0)  # that leaves POLLHUP: the other side is gone
    while not watched.poll(LOOK_MS) and any(each.is_alive() for each in running):
        pass
    end = time.monotonic() + FINISH_S
    for each in running:
        each.join(max(0.0, end - time.monotonic()))


def _work(jobs: socket.socket, executables: dict[str, Executable]) -> None:
    redact.use_thread_secrets()
    while True:
        packet = jobs.recv(NUMBER.size + MAX_IN_THREAD)
        if not packet:
            return
        words = packet[NUMBER.size :].decode("utf-8", "surrogateescape").split("\0")
        code, report = _result(executables[words[0]], words)
        number, count = NUMBER.unpack_from(packet)[0], min(threading.active_count(), 65535)
        try:
            jobs.send(RESULT.pack(number, code, _next_descriptor(), count) + report[: MAX_PACKET - RESULT.size])
        except OSError:
            return  # nobody is there to be told


def _result(executable: Executable, words: list[str]) -> tuple[int, bytes]:
    try:
        code, report = executable.execute(words)
    except BaseException:  # what would end a process: let it end one
        return AGAIN, b""
    if "MemoryError" in report:  # another check of this runner may have taken the memory
        return AGAIN, b""
    return code, report.encode("utf-8", "replace")


def _next_descriptor() -> int:
    """The lowest free one: no lower than the number of those that are open."""
    try:
        free = os.dup(0)
    except OSError:
        return 65535
    os.close(free)
    return min(free, 65535)
