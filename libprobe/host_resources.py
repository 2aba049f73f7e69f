"""Whether this machine gives a run what it needs: memory, threads, descriptors.

What a library raises when it gets none differs from place to place: MemoryError, an ImportError, `unknown encoding`,
`SystemError: error return without exception set`, an SSLError without a reason. So an error is not only looked at:
it is tried whether there is anything left.
"""

from __future__ import annotations

import errno
import os

RESOURCE_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EAGAIN})
"""Errors of the kernel when this machine lacks what an operation needs."""

MEMORY_PROBE_BYTES = 32 << 20
"""Bytes that a run must still be able to allocate: a library of a check, a thread's stack. They are not written to.

They go back to the kernel each time: of what is smaller, glibc keeps what it was given back twice (`M_MMAP_THRESHOLD`
in mallopt(3) grows up to 32 MiB).
"""

NO_MEMORY = "no memory left"

IMPORT_FAILED = {
    "Cannot allocate memory": NO_MEMORY,
    "failed to map segment": NO_MEMORY,
    "Too many open files": "Too many open files",
}
"""What the dynamic linker says of a library that is there: what it means."""

OUT_OF = {
    NO_MEMORY: "monitoring host out of memory",
    os.strerror(errno.ENOMEM): "monitoring host out of memory",
    os.strerror(errno.ENOBUFS): "monitoring host out of memory for its network",
    os.strerror(errno.EMFILE): "monitoring host out of file descriptors for this process",
    os.strerror(errno.ENFILE): "monitoring host out of file descriptors",
    os.strerror(errno.ENOSPC): "monitoring host out of disk space",
}
"""What there is none left of, by the words of the kernel."""

MAX_CAUSES = 20


def missing_resource(error: BaseException | None = None) -> str:
    """What this machine has not, in the kernel's words, by what was raised and by a try; empty if nothing lacks."""
    for _ in range(MAX_CAUSES):
        if error is None:
            break
        if said := _shortage_in(error):
            return said
        # what is suppressed has been dealt with: a socket that had nothing to say yet, most often
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return _shortage_by_trial()


def shortage_sentence(error: BaseException) -> str:
    """What to say of an error that nobody foresaw, if it is this machine that lacks something; empty if not."""
    what = missing_resource(error)
    return f"{lack(what)} (raise its limits, or run less at a time)" if what else ""


def lack(what: str) -> str:
    """A sentence of what is missing. what: as in `missing_resource`."""
    return OUT_OF.get(what) or f"monitoring host cannot go on: {what}"


def raise_if_short(error: BaseException) -> None:
    """Call it before blaming a library's error on a peer.

    Raises: MemoryError if this machine lacks something; what has ended the run, which is no Exception, where the error
    only stands for that, as `deadline.unwrap_end` says. Formats use this module, and may not import that one.
    """
    end = error.__cause__ if isinstance(error, RuntimeError) else None
    if end is not None and not isinstance(end, Exception):
        raise end from None
    if what := missing_resource(error):
        raise MemoryError(what) from error


def _shortage_in(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return str(error) or NO_MEMORY
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return str(error)
    if isinstance(error, ImportError):
        return next((what for words, what in IMPORT_FAILED.items() if words in str(error)), "")
    # an SSLError has numbers of OpenSSL's there
    if isinstance(error, OSError) and type(error).__module__ != "ssl" and error.errno in RESOURCE_ERRNOS:
        return os.strerror(error.errno)
    return ""


def _shortage_by_trial() -> str:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        bytes(MEMORY_PROBE_BYTES)  # from the kernel, and untouched: it costs no memory
    except OSError as cause:
        return os.strerror(cause.errno or 0)
    except MemoryError:
        return NO_MEMORY
    return ""
