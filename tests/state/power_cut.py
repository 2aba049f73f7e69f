"""What a power cut can leave of a directory, for every instant of a recorded series of writes.

    with recorded(files, spool) as log: ...     # the modules whose `os` is listened to
    for instant, disk in outcomes(log): ...     # disk: name -> content

The model is the weakest that a careful program may count on: what was synced is there; of what was not, any part may
be. The changes of a directory reach the disk in their order, and the content of a file independently of its name.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

DIRECTORY = 0


@dataclass
class Log:
    """Operations in their order: ("write", file, place, bytes), ("name", name, file), ("unname", name),
    ("sync", file or DIRECTORY), and ("mark", words) of the test's own."""

    operations: list[tuple[Any, ...]] = field(default_factory=list)

    def mark(self, *words: object) -> None:
        self.operations.append(("mark", *words))


class _Listener:
    """The os module, with a record of what changes a directory through its descriptor."""

    def __init__(self, log: Log) -> None:
        self._add = log.operations.append
        self._files = itertools.count(DIRECTORY + 1)
        self._of_inode: dict[int, int] = {}
        self._of_descriptor: dict[int, int] = {}
        self._names: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        there = dir_fd is not None and path in self._names
        descriptor = os.open(path, flags, mode, dir_fd=dir_fd)
        if dir_fd is None:
            self._of_descriptor[descriptor] = DIRECTORY
        elif there:
            self._of_descriptor[descriptor] = self._names[path]
        elif flags & os.O_CREAT:
            number = next(self._files)
            self._of_descriptor[descriptor] = self._names[path] = number
            self._add(("name", path, number))
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        place = os.fstat(descriptor).st_size  # every file here is appended to
        done = os.write(descriptor, data)
        self._add(("write", self._of_descriptor[descriptor], place, bytes(data[:done])))
        return done

    def pwrite(self, descriptor: int, data: bytes, place: int) -> int:
        self._add(("write", self._of_descriptor[descriptor], place, data))
        return os.pwrite(descriptor, data, place)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)
        self._add(("sync", self._of_descriptor[descriptor]))

    def rename(self, name: str, to: str, **directories: int) -> None:
        os.rename(name, to, **directories)
        self._names[to] = self._names.pop(name)
        self._add(("rename", name, to, self._names[to]))

    def link(self, name: str, to: str, **directories: int) -> None:
        os.link(name, to, **directories)
        self._names[to] = self._names[name]
        self._add(("name", to, self._names[to]))

    def unlink(self, name: str, **directory: int) -> None:
        os.unlink(name, **directory)
        self._names.pop(name, None)
        self._add(("unname", name))


@contextmanager
def recorded(*modules: ModuleType) -> Iterator[Log]:
    log = Log()
    listener = _Listener(log)
    kept = [module.os for module in modules]
    for module in modules:
        module.os = listener  # type: ignore[attr-defined]
    try:
        yield log
    finally:
        for module, real in zip(modules, kept, strict=True):
            module.os = real  # type: ignore[attr-defined]


def outcomes(log: Log) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Every state of the disk that a cut can leave, with how many operations had been asked for by then."""
    for instant in range(len(log.operations) + 1):
        seen: list[dict[str, bytes]] = []
        for names in _directories(log.operations[:instant]):
            for disk in _contents(log.operations[:instant], names):
                if disk not in seen:
                    seen.append(disk)
                    yield instant, disk


def _directories(done: list[tuple[Any, ...]]) -> Iterator[dict[str, int]]:
    """The directory as it was last synced, and after each change since."""
    synced = max((at for at, each in enumerate(done) if each[:2] == ("sync", DIRECTORY)), default=-1)
    names: dict[str, int] = {}
    for at, (kind, *rest) in enumerate(done):
        if at == synced + 1:
            yield dict(names)
        if kind == "name":
            names[rest[0]] = rest[1]
        elif kind == "unname":
            names.pop(rest[0], None)
        elif kind == "rename":
            names.pop(rest[0], None)
            names[rest[1]] = rest[2]
        else:
            continue
        if at > synced:
            yield dict(names)
    if synced + 1 >= len(done):
        yield dict(names)


def _contents(done: list[tuple[Any, ...]], names: dict[str, int]) -> Iterator[dict[str, bytes]]:
    choices = [[(name, content) for content in _variants(done, number)] for name, number in names.items()]
    for combination in itertools.product(*choices):
        yield dict(combination)


def _variants(done: list[tuple[Any, ...]], number: int) -> list[bytes]:
    """The content of a file as it was last synced, as it was written, half of what came since, and zeros for that."""
    synced = max((at for at, each in enumerate(done) if each[:2] == ("sync", number)), default=-1)
    written = [(at, place, data) for at, (kind, *rest) in enumerate(done) if kind == "write" and rest[0] == number
               for place, data in [rest[1:]]]  # fmt: skip
    safe = whole = b""
    for at, place, data in written:
        whole = whole[:place].ljust(place, b"\0") + data + whole[place + len(data) :]
        if at < synced:
            safe = whole
    half = whole[: len(safe) + (len(whole) - len(safe)) // 2]
    zeros = safe.ljust(len(whole), b"\0")
    return list(dict.fromkeys([safe, whole, half, zeros]))


def lay_out(disk: dict[str, bytes], path: Path) -> Path:
    """Make a directory that holds what the disk does."""
    path.mkdir(mode=0o700)
    for name, content in disk.items():
        (path / name).write_bytes(content)
        (path / name).chmod(0o600)
    return path
