"""A file that somebody named, read within a limit and without being held: the one reader of such files.

What is our own and must not be open to others is read by `clients/credentials.py`, what outlives a run by `state`.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from _thread import allocate_lock

from libprobe import redact
from libprobe.failures import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Made = TypeVar("Made")

MAX_KEPT_BYTES = 16 << 20
"""Of the files of which a process keeps what was made, together."""

SETTLED_S = 2.0
"""A file that was changed less than this ago may be changed once more within one tick of its clock, unseen."""

_keeping = allocate_lock()
_kept: dict[tuple[str, Any], tuple[tuple[int, ...], Any]] | None = None
"""What was made of files, by path and by what made it, with their stamps (see `keep_parsed`); None: nothing is kept."""


def read_small_file(path: str, what: str, limit: int) -> bytes:
    """Return the content of a file, at most LIMIT bytes.

    what: what it is to be, for the sentence: `settings file`; empty where its path says it.
    Raises: Misconfigured for one that is absent, cannot be read, is a pipe or larger than the limit.
    """
    data = read_if_there(path, what, limit)
    if data is None:
        raise _unreadable(path, what, os.strerror(errno.ENOENT))
    return data


def read_if_there(path: str, what: str, limit: int) -> bytes | None:
    """As `read_small_file`; None for a file that is not there."""
    found = _read_stamped(path, what, limit)
    return None if found is None else found[1]


def _read_stamped(path: str, what: str, limit: int) -> tuple[tuple[int, ...], bytes] | None:
    """As `read_if_there`, behind the stamp that the file had before it was read.

    It is the stamp of what was opened: by its path, another file could have been found a moment before.
    """
    named = _named(path, what)
    try:
        # a pipe that nobody writes to would hold us for ever
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            opened = os.fstat(file.fileno())
            if stat.S_ISFIFO(opened.st_mode):
                raise Misconfigured(f"{named} is a pipe")
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, what, error.strerror) from None
    if data is None:
        raise Misconfigured(f"{named} is a device that has nothing to read")
    if len(data) > limit:
        raise Misconfigured(f"{named} is larger than {limit} bytes")
    return _stamp_of(opened), data


def keep_parsed() -> None:
    """From now on let `read_parsed` keep what it made of a file for as long as the file stays as it is.

    For a process that runs many checks: they read the same settings, CAs and CRLs each time.
    """
    global _kept
    _kept = {}


def read_parsed(path: str, what: str, limit: int, parse: Callable[[bytes, str], Made]) -> Made | None:
    """What a function makes of a file's content and path; None for a file that is not there.

    parse: a function of a module, so that it is the same in each check. What it returns may be shared by threads, and
           is not to be changed; what it raises is not kept.
    Raises: as `read_small_file`, and as `parse`.
    """
    kept = _kept.get((path, parse)) if _kept is not None else None
    if kept and kept[0] == stamp(path):
        made: Made = kept[1]
        return made
    began = time.time()
    found = _read_stamped(path, what, limit)
    if found is None:
        return None
    known, data = found
    result = parse(data, path)
    # when it began: the rest may have taken long. A file of /proc tells neither its size nor when it changed
    if began - known[0] / 1e9 >= SETTLED_S and known[-1] == len(data):
        _keep(path, parse, known, result)
    return result


def stamp(path: str) -> tuple[int, ...]:
    """Times, number and size of a file, of which one differs once it was written or replaced; empty if it is not there.

    Times are in ns: the first is that of its last change of any kind, the last one its size in bytes.
    """
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return _stamp_of(found)


def _stamp_of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ctime_ns, found.st_mtime_ns, found.st_dev, found.st_ino, found.st_size


def _keep(path: str, parse: Any, known: tuple[int, ...], result: Any) -> None:
    """Keep a result under the stamp that its file had before it was read, and drop the oldest ones for it."""
    if _kept is None or known[-1] > MAX_KEPT_BYTES:
        return
    with _keeping:
        _kept.pop((path, parse), None)
        total = known[-1] + sum(each[0][-1] for each in _kept.values())
        for key in list(_kept):
            if total <= MAX_KEPT_BYTES:
                break
            total -= _kept.pop(key)[0][-1]
        _kept[path, parse] = known, result


def _unreadable(path: str, what: str, why: str | None) -> Misconfigured:
    redact.register_if_secret(path, is_path=True)  # what is given where a path is expected may be the secret itself
    return Misconfigured(f"{_named(path, what)} cannot be read: {why}")


def _named(path: str, what: str) -> str:
    return f"{what} {path}" if what else path
