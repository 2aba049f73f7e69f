"""A file that somebody named, read within a limit and without being held: the one reader of such files.

What is our own and must not be open to others is read by `clients/credentials.py`, what outlives a run by `state`.
"""

from __future__ import annotations

import errno
import os
import stat

from libprobe import redact
from libprobe.failures import Misconfigured


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
    named = _named(path, what)
    try:
        # a pipe that nobody writes to would hold us for ever
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
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
    return data


def _unreadable(path: str, what: str, why: str | None) -> Misconfigured:
    redact.register_if_secret(path, is_path=True)  # what is given where a path is expected may be the secret itself
    return Misconfigured(f"{_named(path, what)} cannot be read: {why}")


def _named(path: str, what: str) -> str:
    return f"{what} {path}" if what else path
