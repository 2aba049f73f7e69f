"""The door to the resident worker: an executable has its check run there, and loads nothing itself.

`ask_worker` is what an executable does first. It looks for the worker's socket, makes sure that only we ourselves can
be behind it, hands over what the check depends on, and ends the process with the worker's answer. Whatever is not as it
should be, `ask_worker` returns within BUDGET_S and the executable runs as usual; nothing is said of that.

    -> MAGIC, length; identity, executable, its stamp, directory, umask, words, environment    <- ACCEPT
    -> GO; a signal that came, each a byte                                                     <- ANSWER, output

The check begins with GO: whoever has not sent it may run the check himself. docs/worker.md has it in words.
"""

from __future__ import annotations

import os
import stat
import sys
from time import monotonic

from libprobe import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

DEFAULT = "/run/fedcloud-probes/door"
"""Where the packages' units have the socket."""

ENVIRONMENT = "FEDCLOUD_PROBES_WORKER"
OFF = ("no", "off", "false", "0")

SETTINGS, SETTINGS_ENVIRONMENT = "/etc/fedcloud-probes/probes.ini", "FEDCLOUD_PROBES_CONFIG"
"""Where `libprobe.probe.settings` reads them, which takes longer to load than all of this does."""

BUDGET_S = 0.05
"""How long the worker may take to say that it takes the check."""

PATIENCE_S = 0.9
"""After its limit a check is given up. The worker ends it before, after STOP_S, and says so."""
STOP_S = 0.5

CLEAN_UP_S = 7.0
"""After a signal: a probe takes up to 4 s to remove what it made, and the worker kills it after 6."""

MAX_LIMIT_S = 86400.0
MAX_REQUEST = 96 << 10
MAX_ANSWER = 8 << 20

MAGIC = b"fedcloud-door-1\n"
HEAD_BYTES = len(MAGIC) + 4
ACCEPT = ">cd"
"""ONCE or AGAIN, and the limit of the check in seconds."""
ONCE, AGAIN = b"1", b"2"
"""Whether a check whose worker is lost may be run once more: one that only reads may."""
GO = b"G"
STATUS = b"status"
"""Instead of a request: the worker sends its status, and closes. `fedcloud-worker --status` sends this."""

ANSWER = ">cBII"
"""DONE or NOT_RUN, exit code, bytes of output, bytes of error output; both follow."""
DONE, NOT_RUN = b"A", b"N"

spent_s = 0.0
"""What of this run's limit was spent before the check was begun, or begun anew, in this process."""

sentence = ""
"""What there is to be said instead of running the check; `run.probe` says it."""


def ask_worker() -> None:
    """End this process with the worker's answer; return where the executable has to run by itself."""
    where = socket_path(sys.argv[1:])
    try:
        request = _request() if is_safe(where) else b""
    except OSError:  # no current directory, no /proc
        return
    if request:
        _WorkerCall(where).carry_out(request)


def socket_path(words: list[str]) -> str:
    """The path of the socket: by option, environment, settings, or the packages' own; empty for none."""
    found = _option(words, "--worker") or os.environ.get(ENVIRONMENT) or _setting(words) or DEFAULT
    return found if found.startswith("/") else ""


def _option(words: list[str], name: str) -> str:
    """The value of an option, the last if there are several, without what a parser of options costs."""
    found = ""
    for index, word in enumerate(words):
        if word == name:
            found = "".join(words[index + 1 : index + 2])
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def _setting(words: list[str]) -> str:
    """[worker] socket of probes.ini, without what configparser costs."""
    path = _option(words, "--config") or os.environ.get(SETTINGS_ENVIRONMENT) or SETTINGS
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            data = os.read(descriptor, 65536)
        finally:
            os.close(descriptor)
    except OSError:
        return ""
    section = b""
    for line in map(bytes.strip, data.splitlines()):
        if line.startswith(b"["):
            section = line
        elif section == b"[worker]":
            for sign in (b"=", b":"):
                name, _, value = line.partition(sign)
                if name.strip().lower() == b"socket":
                    return os.fsdecode(value.strip())
    return ""


def is_safe(where: str) -> bool:
    """Whether a socket is there, ours, in a directory that is ours alone; False where we act with another's rights."""
    me = os.geteuid()
    if not where or os.getuid() != me:
        return False
    try:
        directory, there = os.lstat(os.path.dirname(where)), os.lstat(where)
    except (OSError, ValueError):
        return False
    return stat.S_ISSOCK(there.st_mode) and there.st_uid == me and is_ours_alone(directory)


def is_ours_alone(directory: os.stat_result) -> bool:
    """Whether what `lstat` says is a directory of ours that nobody else may enter."""
    is_open = stat.S_IMODE(directory.st_mode) & 0o077
    return stat.S_ISDIR(directory.st_mode) and directory.st_uid == os.geteuid() and not is_open


def identity() -> bytes:
    """What caller and worker must have in common: a check comes out the same, whichever of them runs it.

    The code and its Python, what Python takes from the environment only when it starts, our groups, and the network
    and the file system that we see.
    """
    code, root = os.stat(os.path.join(os.path.dirname(__file__), os.pardir, "__init__.py")), os.stat("/")
    flags = sys.flags
    parts = (
        (__version__, code.st_ino, code.st_mtime_ns),
        (sys.version, sys.executable, sys.prefix, sys.path[not flags.safe_path :], sys.getfilesystemencoding()),
        (flags.optimize, flags.isolated, flags.no_site, flags.dev_mode, flags.int_max_str_digits, sys.warnoptions),
        sorted(pair for pair in os.environ.items() if pair[0].startswith(("LD_", "OPENSSL_"))),
        (os.getegid(), sorted({os.getegid(), *os.getgroups()})),
        (root.st_dev, root.st_ino, os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/user")),
    )
    return repr(parts).encode("utf-8", "surrogateescape")


def file_stamp(path: str) -> bytes:
    """Tells an executable from what is put in its place. Raises: OSError."""
    of_file = os.stat(path)
    return b"%d %d" % (of_file.st_ino, of_file.st_mtime_ns)


def is_peer_own_user(connection: object) -> bool:
    """Whether the other end of a connection is of our user, as the kernel says: whoever listened, or connected."""
    import _socket
    import struct

    told = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # type: ignore[attr-defined]
    return bool(struct.unpack("3i", told)[1] == os.geteuid())


def _request() -> bytes:
    """All that the check depends on; empty for what is not handed over. Raises: OSError."""
    path = os.path.realpath(sys.argv[0])
    if os.path.basename(path) != os.path.basename(sys.argv[0]):
        return b""  # a link of another name: that name stands in the report
    environment = dict(os.environb)
    environment.pop(b"_", None)  # a shell's, which has the executable in it
    if os.isatty(1):
        environment.setdefault(b"COLUMNS", b"%d" % os.get_terminal_size(1).columns)  # for --help
    mask = os.umask(0o077)
    os.umask(mask)
    fields = [identity(), os.fsencode(path), file_stamp(path), os.getcwdb(), b"%d" % mask, b"%d" % len(sys.argv[1:])]
    fields += map(os.fsencode, sys.argv[1:])
    fields += (name + b"=" + value for name, value in environment.items())
    body = b"\0".join(fields)
    return MAGIC + len(body).to_bytes(4, "big") + body if len(body) <= MAX_REQUEST else b""


class _WorkerCall:
    """One check that the worker is asked to run. `socket` and `signal` would take half as long as Python itself."""

    def __init__(self, where: str) -> None:
        import _signal  # type: ignore[import-not-found]
        import _socket
        import struct

        self._signals = _signal
        self._unpack, self._size = struct.unpack, struct.calcsize
        self._where = where
        self._began = monotonic()
        self._until = self._began + BUDGET_S
        self._is_taken = self._is_begun = self._may_repeat = False
        self._caught = 0
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)

    def carry_out(self, request: bytes) -> None:
        """End the process with the answer, or return with `sentence` and `spent_s` set."""
        if self._socket.fileno() <= 2:  # a standard descriptor is closed, and what is printed must not come to us
            self._socket.close()
            return
        handlers = {number: self._signals.getsignal(number) for number in (1, 2, 15)}  # SIGHUP, SIGINT, SIGTERM
        for number, handler in handlers.items():
            if handler != self._signals.SIG_IGN:
                self._signals.signal(number, self._catch)
        try:
            self._call(request)
        except OSError:  # nobody there, nobody any more, or not in time
            pass
        self._socket.close()
        for number, handler in handlers.items():
            self._signals.signal(number, handler)
        self._give_up()

    def _call(self, request: bytes) -> None:
        self._socket.settimeout(BUDGET_S)
        self._socket.connect(self._where)
        if not is_peer_own_user(self._socket):
            return
        self._socket.settimeout(max(0.001, self._until - monotonic()))
        self._socket.sendall(request)
        kind, limit = self._unpack(ACCEPT, self._read(self._size(ACCEPT)))
        if self._caught or kind not in (ONCE, AGAIN) or not 0 < limit <= MAX_LIMIT_S:
            return
        self._may_repeat = kind == AGAIN
        self._until = monotonic() + limit + PATIENCE_S
        self._is_taken = self._is_begun = True
        self._socket.sendall(GO)
        if self._caught:
            self._forward_signal()
        what, code, out, err = self._unpack(ANSWER, self._read(self._size(ANSWER)))
        if what == DONE and out + err <= MAX_ANSWER:
            print_and_exit(code, self._read(out), self._read(err))
        self._is_begun = False

    def _read(self, count: int) -> bytes:
        """Return this number of bytes. Raises: OSError if they do not come in time, which a signal shortens."""
        data = b""
        while len(data) < count:
            left = self._until - monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(min(left, 1.0))
            try:
                read = self._socket.recv(count - len(data))
            except TimeoutError:
                continue
            if not read:
                raise ConnectionError
            data += read
        return data

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        """The first signal counts, as without a worker: it goes to the check, which cleans up and says so."""
        if not self._caught:
            self._caught = number
            if self._is_begun:
                self._forward_signal()

    def _forward_signal(self) -> None:
        self._until = min(self._until, monotonic() + CLEAN_UP_S)
        try:
            self._socket.send(bytes([self._caught]))
        except OSError:
            pass  # it is gone, as reading will tell

    def _give_up(self) -> None:
        """There is no answer; say what has to be known of that."""
        global spent_s, sentence
        spent_s = monotonic() - self._began if self._is_taken else 0.0
        if self._caught:
            from signal import Signals

            sentence = f"interrupted by {Signals(self._caught).name}"
        elif self._is_begun and not (self._may_repeat and monotonic() < self._until - PATIENCE_S):
            sentence = (
                f"the resident worker that was to run it is lost after {spent_s:.1f} s, or does not answer (look into "
                "its journal; with --worker no this runs by itself)"
            )


def print_and_exit(code: int, out: bytes, err: bytes = b"") -> NoReturn:
    """Print and end the process at once."""
    import _signal

    for number in (1, 2, 15):
        _signal.signal(number, _signal.SIG_IGN)  # from here on nothing may keep the report from being printed
    for descriptor, data in ((2, err), (1, out)):
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            pass  # nobody reads; the exit code still says it
    os._exit(code)
