"""What the benchmarks share: processor time and memory of families of processes, tables, peers that answer."""

from __future__ import annotations

import os
import platform
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
PLUGINS = Path("/usr/lib/nagios/plugins")


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        try:
            text = Path(f"/proc/{each}/task/{each}/children").read_text()
        except OSError:
            continue
        found += [int(child) for child in text.split()]
    return found


def processor_s(pids: Sequence[int]) -> float:
    """Processor time of processes, with that of the children they have waited for."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total * TICK_S


class Account:
    """Processor time of all that is started in `with account:`, and of what that starts, by the kernel's books.

    Needs root and cgroups (version 1 or 2). Sums over /proc miss processes that their parent does not wait
    for properly, and there are such: Nagios' plugins seem to take half of what they do.
    """

    def __init__(self, name: str) -> None:
        v1, v2 = Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup/cgroup.procs")
        self._root = v1 if v1.is_dir() else Path("/sys/fs/cgroup")
        if not (v1.is_dir() or v2.exists()) or os.geteuid():
            sys.exit("processor time is measured by cgroups: run this as root, on a machine of your own")
        self._group = self._root / f"fedcloud-bench-{os.getpid()}-{name}"
        self._group.mkdir(exist_ok=True)

    def __enter__(self) -> Account:
        (self._group / "cgroup.procs").write_text(str(os.getpid()))
        return self

    def __exit__(self, *_: object) -> None:
        (self._root / "cgroup.procs").write_text(str(os.getpid()))

    def seconds(self) -> float:
        usage = self._group / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        lines = (self._group / "cpu.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("usage_usec")) / 1e6

    def close(self) -> None:
        """Forget it, once its processes are gone."""
        for _ in range(100):
            try:
                self._group.rmdir()
                return
            except OSError:
                time.sleep(0.05)


def memory_mib(pids: Sequence[int], of: str = "Pss") -> float:
    """Memory of processes together: each page once (Pss), or as often as it is mapped (Rss)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(f"{of}:"))
    return total / 1024


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table that can be pasted into a page."""
    cells = [[str(each) for each in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print(flush=True)


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def machine() -> str:
    """The machine, for the head of a table: numbers of another one differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}, load {load:.1f} at the start"


def _accept(listener: socket.socket, counter: object, answer: bytes, context: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        try:
            if answer:
                connection.settimeout(5)
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                connection.recv(65536)
                connection.sendall(answer)
        except OSError:
            pass
        finally:
            connection.close()
        with counter.get_lock():  # type: ignore[attr-defined]
            counter.value += 1  # type: ignore[attr-defined]


@contextmanager
def peer(
    answer: bytes = b"", context: ssl.SSLContext | None = None, *, processes: int = 2, host: str = "127.0.0.1"
) -> Iterator[Peer]:
    """A listener on loopback in processes of its own, that counts its connections."""
    fork = get_context("fork")
    listener = socket.create_server((host, 0), backlog=4096)
    counter = fork.Value("Q", 0)
    running = [fork.Process(target=_accept, args=(listener, counter, answer, context)) for _ in range(processes)]
    for each in running:
        each.start()
    try:
        yield Peer(listener.getsockname()[1], counter)
    finally:
        for each in running:
            each.kill()
            each.join()
        listener.close()


class Peer:
    """A running listener: its port, and how many connections it has answered."""

    def __init__(self, port: int, counter: object) -> None:
        self.port = port
        self._counter = counter

    @property
    def connections(self) -> int:
        return int(self._counter.value)  # type: ignore[attr-defined]


def during(seconds: float, value: Callable[[], float]) -> float:
    """By how much a value grows, per second."""
    began, first = time.monotonic(), value()
    time.sleep(seconds)
    return (value() - first) / (time.monotonic() - began)


def progress(text: str) -> None:
    if threading.current_thread() is threading.main_thread():
        print(text, file=sys.stderr, flush=True)
