"""The directory of a configuration, replaced as a whole or not at all.

A new configuration is written beside the old one, and the two change places in one system call. A
directory that is not ours is never replaced.

Its modes are those that a monitor and whoever comes after can read, whatever the umask: what is written there is
public, made of the GOCDB and the metric definitions, and names secrets by their paths alone. Nagios 4.4.6 ends at a
reload when it cannot read a cfg_dir, though `nagios4 -v` of root had accepted it.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import shutil
import stat
import tempfile

from libprobe.failures import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

MARK = ".fedcloud-ncg"
"""A file that says whose directory this is."""

_MARK_TEXT = "This directory is written by fedcloud-ncg and replaced as a whole: keep nothing else in it.\n"
_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o644
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class OutputDirectory:
    """Where a configuration goes; a context manager that holds the lock against another run.

    Raises: Misconfigured when the directory is not ours, cannot be written, or another run is busy with it.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self._parent, self._name = os.path.split(self.path)
        if not self._name:
            raise Misconfigured(f"{path} cannot be replaced", remedy="name a directory of its own with --output")
        self.staging = ""
        self._lock = -1
        self._lock_path = os.path.join(self._parent, f".{self._name}.lock")
        self._made: list[str] = []

    def __enter__(self) -> OutputDirectory:
        try:
            self._refuse_foreign()
            while not self._take_lock():
                pass
            self._remove_remains()
            self.staging = tempfile.mkdtemp(prefix=f".{self._name}.new-", dir=self._parent)
            with open(os.path.join(self.staging, MARK), "w", encoding="ascii") as file:
                file.write(_MARK_TEXT)
        except OSError as error:
            self.__exit__(None, None, None)
            raise Misconfigured(f"{self.path} cannot be written: {error.strerror}") from None
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.staging:
            shutil.rmtree(self.staging, ignore_errors=True)
        if self._lock >= 0:
            # while it is held: whoever waits with this file open sees that it has no name any more
            os.unlink(self._lock_path)
            self._release_lock()
        for directory in self._made[::-1]:
            try:
                os.rmdir(directory)
            except OSError:
                break  # it is in use: by our configuration, or by another run

    def _release_lock(self) -> None:
        os.close(self._lock)
        self._lock = -1

    def _refuse_foreign(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not os.path.isdir(self.path):
            raise Misconfigured(f"{self.path} is not a directory", remedy="name another with --output")
        if os.listdir(self.path) and not os.path.isfile(os.path.join(self.path, MARK)):
            raise Misconfigured(
                f"{self.path} holds files that fedcloud-ncg did not write",
                remedy="name an empty directory with --output",
            )

    def _take_lock(self) -> bool:
        """Whether we hold the lock; False if another run ended just now and took its file with it.

        The file goes with the run, so that a lock counts only while the file still has its name: one that was
        locked after its holder had removed it would keep out nobody who opens the name anew.
        """
        self._make_parent()
        try:
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            return False  # the directory was another run's, and went with it
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release_lock()
            raise Misconfigured(f"another fedcloud-ncg is writing {self.path}", remedy="wait for it to end") from None
        try:
            if os.path.samestat(os.fstat(self._lock), os.lstat(self._lock_path)):
                return True
        except FileNotFoundError:
            pass
        self._release_lock()
        return False

    def _make_parent(self) -> None:
        """Make the directories above, and know which: those of a run that comes to nothing go with it."""
        missing = []
        path = self._parent
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for directory in missing[::-1]:
            try:
                os.mkdir(directory)
            except FileExistsError:
                continue  # another run was faster
            self._made.append(directory)
            os.chmod(directory, _DIRECTORY_MODE)  # mkdir obeys the umask

    def _remove_remains(self) -> None:
        """Remove what a killed run left; we hold the lock, so nobody works on it."""
        for name in os.listdir(self._parent):
            if name.startswith(f".{self._name}.new-"):
                shutil.rmtree(os.path.join(self._parent, name), ignore_errors=True)

    def keep_directory(self, name: str) -> None:
        """Take over a directory of the old configuration as it is. Raises: OSError."""
        shutil.copytree(os.path.join(self.path, name), os.path.join(self.staging, name), symlinks=True)

    def differences(self) -> list[str]:
        """`new`, `gone` or `changed` with the path of each file that is not as it was, by path. Raises: OSError."""
        old, new = _files(self.path), _files(self.staging)
        found = dict.fromkeys(old - new, "gone") | dict.fromkeys(new - old, "new")
        for name in old & new:
            if not filecmp.cmp(os.path.join(self.path, name), os.path.join(self.staging, name), shallow=False):
                found[name] = "changed"
        return [f"{found[name]}: {name}" for name in sorted(found)]

    def is_unchanged(self) -> bool:
        """Whether what was written is byte for byte what is there, with the same modes. Raises: OSError."""
        _open_to_readers(self.staging)
        return os.path.isdir(self.path) and _is_same_file(self.path, self.staging)

    def replace(self) -> None:
        """Let the new configuration take the place of the old one, which is removed. Raises: Misconfigured."""
        try:
            _open_to_readers(self.staging)
            _sync(self.staging)
            if os.path.isdir(self.path):
                _swap_directories(self.staging, self.path)
            else:
                os.rename(self.staging, self.path)
            _sync(self._parent)
        except OSError as error:
            raise Misconfigured(f"{self.path} cannot be replaced: {error.strerror}") from None


def _open_to_readers(directory: str) -> None:
    for path, _, names in os.walk(directory):
        os.chmod(path, _DIRECTORY_MODE)
        for name in names:
            if not os.path.islink(os.path.join(path, name)):
                os.chmod(os.path.join(path, name), _FILE_MODE)


def _files(directory: str) -> set[str]:
    return {
        os.path.relpath(os.path.join(path, name), directory) for path, _, names in os.walk(directory) for name in names
    }


def _is_same_file(one: str, other: str) -> bool:
    if _mode(one) != _mode(other):
        return False
    compared = filecmp.dircmp(one, other, ignore=[], hide=[os.curdir, os.pardir])
    if compared.left_only or compared.right_only or compared.common_funny:
        return False
    _, different, failed = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    if different or failed:
        return False
    if any(_mode(os.path.join(one, name)) != _mode(os.path.join(other, name)) for name in compared.common_files):
        return False
    return all(_is_same_file(os.path.join(one, name), os.path.join(other, name)) for name in compared.common_dirs)


def _mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap_directories(new: str, old: str) -> None:
    """Let two directories change their names at once (renameat2, Linux 3.15); Python has no call for it."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    try:
        rename = library.renameat2
    except AttributeError:
        rename = None
    if rename and rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
        return
    number = ctypes.get_errno() if rename else errno.ENOSYS
    if number not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(number, os.strerror(number))
    # A file system without it, such as NFS: for an instant there is no configuration, but never half of one.
    aside = f"{new}.old"
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise
    os.rename(aside, new)
