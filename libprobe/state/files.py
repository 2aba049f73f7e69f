"""A directory of our own for what must outlive a run: written whole or not at all, safe from others.

Every access goes through the directory's descriptor and refuses symbolic links, so that nobody who
can write next to it can turn our writes elsewhere. Data and directory are synced before a write
counts: it has to survive a power cut.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import stat
from contextlib import suppress

from libprobe.failures import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM_DIRECTORY = "/var/lib/fedcloud-probes"
MAX_FILES = 100_000
MAX_NAME = 200
ABANDONED_AFTER_S = 3600.0
"""A file is half-written for milliseconds; after so long its writer is dead."""

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")


def default_directory() -> str:
    """Where state is kept unless told otherwise: the system's place if it is ours, else the user's."""
    try:
        if os.stat(SYSTEM_DIRECTORY).st_uid == os.geteuid():
            return SYSTEM_DIRECTORY
    except OSError:
        pass
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(_home(), ".local", "state")
    return os.path.join(base, "fedcloud-probes")


def _home() -> str:
    """The user's home; Nagios often starts plugins without $HOME."""
    try:
        return os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/nonexistent"


class StateDirectory:
    """Files in a directory that belongs to us alone (mode 0700).

    Raises: Misconfigured, from every method, when the promise cannot be kept: no space, not ours,
            a symbolic link, read-only.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        try:
            if not os.path.isdir(path):
                _make_private(path)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise self._failure("cannot be opened", error) from None
        status = os.fstat(self._fd)
        if status.st_uid != os.geteuid():
            self.close()
            raise Misconfigured(
                f"state directory {path} belongs to uid {status.st_uid}, not to us", remedy="give another --state-dir"
            )
        if status.st_mode & 0o022:
            self.close()
            raise Misconfigured(f"state directory {path} can be written by others", remedy=f"chmod 700 {path}")

    def close(self) -> None:
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """A process that runs many checks must not keep a descriptor of each."""
        self.close()

    def list_names(self, suffix: str) -> list[str]:
        """The names of the files with that ending, sorted."""
        try:
            found = [name for name in os.listdir(self._fd) if name.endswith(suffix) and not name.startswith(".")]
        except OSError as error:
            raise self._failure("cannot be listed", error) from None
        return sorted(found)[:MAX_FILES]

    def read(self, name: str, limit: int) -> bytes | None:
        """The content of a file, None if there is none, if it is no regular one, or larger than the limit."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failure(f"holds {name}, which cannot be opened", error) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with open(descriptor, "rb") as file:
            data = file.read(limit + 1)
        return data if len(data) <= limit else None

    def modified_at(self, name: str) -> float | None:
        """When a file was written, in seconds since the epoch; None if there is none."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime
        except OSError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replace a file, whole or not at all."""
        os.close(self.write_locked(name, data))

    def write_locked(self, name: str, data: bytes, *, exclusive: bool = False) -> int:
        """Write a file and return its descriptor, on which this process holds the lock.

        The lock is taken before the file gets its name, so that nobody ever sees it unlocked.
        exclusive: fail with FileExistsError if there is one of that name.
        """
        temporary = f".{name}.{os.urandom(8).hex()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_APPEND
        try:
            descriptor = os.open(temporary, flags, 0o600, dir_fd=self._fd)
        except OSError as error:
            raise self._failure("cannot be written", error) from None
        written = temporary
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            write_all(descriptor, data)
            if exclusive:
                os.link(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
                os.unlink(temporary, dir_fd=self._fd)
            else:
                os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            written = name
            os.fsync(self._fd)
        except BaseException as error:
            os.close(descriptor)
            with suppress(Misconfigured):  # of which there is less to say than of the first error
                self.remove(written)
            if isinstance(error, OSError) and not isinstance(error, FileExistsError):
                raise self._failure("cannot be written", error) from None
            raise
        return descriptor

    def open_locked(self, name: str) -> int | None:
        """Open a file that no living process holds; None if one does, or if it is gone or no file."""
        try:
            descriptor = os.open(
                name, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._fd
            )
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine, there = os.fstat(descriptor), os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            if stat.S_ISREG(mine.st_mode) and (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev):
                return descriptor
        except OSError:
            pass
        os.close(descriptor)
        return None

    def set_aside(self, name: str) -> bool:
        """Give a file that cannot be read another name, by which nobody looks for it; False if it is gone."""
        try:
            os.rename(name, f"{name[:MAX_NAME]}.unreadable", src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._failure(f"does not allow to rename {name}", error) from None
        return True

    def forget(self, name: str) -> None:
        """Remove a file for good: it does not come back with a power cut either."""
        self.remove(name)
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._failure("cannot be written", error) from None

    def remove(self, name: str) -> None:
        """Remove a file; absent is as good as removed."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._failure(f"does not allow to remove {name}", error) from None

    def sweep(self, now: float) -> None:
        """Remove half-written files that killed processes left; now: seconds since the epoch."""
        for name in self._temporaries():
            try:
                if now - os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime > ABANDONED_AFTER_S:
                    os.unlink(name, dir_fd=self._fd)
            except OSError:
                continue

    def _temporaries(self) -> Iterator[str]:
        try:
            yield from (name for name in os.listdir(self._fd) if _TEMPORARY.fullmatch(name))
        except OSError:
            return

    def _failure(self, what: str, error: OSError) -> Misconfigured:
        return Misconfigured(
            f"state directory {self.path} {what}: {error.strerror or error}", remedy="repair it or give --state-dir"
        )


def _make_private(path: str) -> None:
    """Make a directory, and those above it that are missing, for us alone; on disk when it returns. Raises: OSError."""
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        _make_private(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return  # another first run was quicker; what is no directory is found out by who opens it
    try:
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # one that we may write and not read: made, and to be on disk soon
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write and sync. Raises: OSError."""
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)
