"""The door to the resident worker: an executable has its check run there, and loads nothing itself.

`ask_worker` is what an executable does first. It looks for the worker's socket, makes sure that only we ourselves can
be behind it, hands over what the check depends on, and ends the process with the worker's answer. Whatever is not as it
should be, `ask_worker` returns within BUDGET_S and the executable runs as usual; nothing is said of that.

    -> MAGIC, length; identity, executable, its stamp, directory, umask, words, environment    <- ACCEPT
    -> GO; a signal that came, each a byte                                                     <- ANSWER, output

The check begins with GO: whoever has not sent it may run the check himself. docs/worker.md has it in words.

A package's executables start without `site` (-S), which with `os` takes a fifth of what Python takes to start. So
neither is imported here, and `add_site` makes up for it where the executable runs by itself.
"""

import posix
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

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""With which some editors begin a file."""

BUDGET_S = 0.05
"""How long the worker may take to say that it takes the check."""

PATIENCE_S = 0.9
"""After its limit a check is given up. The worker ends it before, after STOP_S, and says so."""
STOP_S = 0.5

CLEAN_UP_S = 7.0
"""After a signal: a probe takes up to 4 s to remove what it made, and the worker kills it after 6."""

READER_S = 10.0
"""How long whoever reads a report may let us wait, where the kernel does not do that for us."""

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

before_site: "tuple[str, list[str]] | None" = None
"""Where this Python looked for modules before `add_site`."""

sentence = ""
"""What there is to be said instead of running the check; `run.probe` says it."""


def ask_worker() -> None:
    """End this process with the worker's answer; return where the executable has to run by itself."""
    where = socket_path(sys.argv[1:])
    try:
        request = _request() if is_safe(where) else b""
    except OSError:  # no current directory, no /proc
        request = b""
    if request:
        _WorkerCall(where).carry_out(request)
    add_site()


def add_site() -> None:
    """Do what Python does at its start, unless it is started with -S: add where the libraries are."""
    global before_site
    if sys.flags.no_site:
        before_site = before_site or _search_path()
        import site

        site.main()


def _search_path() -> tuple[str, list[str]]:
    return sys.prefix, sys.path[not sys.flags.safe_path :]


def socket_path(words: list[str]) -> str:
    """The path of the socket: by option, environment, settings, or the packages' own; empty for none."""
    found = _option(words, "--worker") or _variable(ENVIRONMENT) or _setting(words) or DEFAULT
    return found if found.startswith("/") else ""


def _encode(text: str) -> bytes:
    """As os.fsencode."""
    return text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _decode(data: bytes) -> str:
    """As os.fsdecode."""
    return data.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _variable(name: str) -> str:
    return _decode(posix.environ.get(_encode(name), b""))


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
    path = _option(words, "--config") or _variable(SETTINGS_ENVIRONMENT) or SETTINGS
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            data = posix.read(descriptor, 65536)
        finally:
            posix.close(descriptor)
    except OSError:
        return ""
    section = b""
    for line in map(bytes.strip, data.removeprefix(BYTE_ORDER_MARK).splitlines()):
        if line.startswith(b"["):
            section = line
        elif section == b"[worker]":
            for sign in (b"=", b":"):
                name, _, value = line.partition(sign)
                if name.strip().lower() == b"socket":
                    return _decode(value.strip())
    return ""


def is_safe(where: str) -> bool:
    """Whether a socket is there, ours, in a directory that is ours alone; False where we act with another's rights."""
    me = posix.geteuid()
    if not where or posix.getuid() != me:
        return False
    try:
        directory, there = posix.lstat(where.rpartition("/")[0].rstrip("/")), posix.lstat(where)
    except (OSError, ValueError):
        return False
    return stat.S_ISSOCK(there.st_mode) and there.st_uid == me and is_ours_alone(directory)


def is_ours_alone(directory: posix.stat_result) -> bool:
    """Whether what `lstat` says is a directory of ours that nobody else may enter."""
    is_open = stat.S_IMODE(directory.st_mode) & 0o077
    return stat.S_ISDIR(directory.st_mode) and directory.st_uid == posix.geteuid() and not is_open


def identity() -> bytes:
    """What caller and worker must have in common: a check comes out the same, whichever of them runs it.

    The code and its Python, what Python takes from the environment only when it starts, our groups, and the network
    and the file system that we see.
    """
    code, root = posix.stat(f"{__file__.rpartition('/')[0]}/../__init__.py"), posix.stat("/")
    flags = sys.flags
    parts = (
        (__version__, code.st_ino, code.st_mtime_ns),
        (sys.version, sys.executable, before_site or _search_path(), sys.getfilesystemencoding()),
        (flags.optimize, flags.ignore_environment, flags.no_user_site, flags.no_site),
        (flags.dev_mode, flags.int_max_str_digits, sys.warnoptions),
        sorted(pair for pair in posix.environ.items() if pair[0].startswith((b"LD_", b"OPENSSL_"))),
        (posix.getegid(), sorted({posix.getegid(), *posix.getgroups()})),
        (root.st_dev, root.st_ino, posix.readlink("/proc/self/ns/net"), posix.readlink("/proc/self/ns/user")),
    )
    return repr(parts).encode("utf-8", "surrogateescape")


def file_stamp(path: str) -> bytes:
    """Tells an executable from what is put in its place. Raises: OSError."""
    of_file = posix.stat(path)
    return b"%d %d" % (of_file.st_ino, of_file.st_mtime_ns)


def is_peer_own_user(connection: object) -> bool:
    """Whether the other end of a connection is of our user, as the kernel says: whoever listened, or connected."""
    import _socket
    import struct

    told = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # type: ignore[attr-defined]
    return bool(struct.unpack("3i", told)[1] == posix.geteuid())


def _real_path(path: str) -> str:
    """As os.path.realpath. Raises: OSError."""
    descriptor = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    try:
        return posix.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        posix.close(descriptor)


def _request() -> bytes:
    """All that the check depends on; empty for what is not handed over. Raises: OSError."""
    path = _real_path(sys.argv[0])
    if path.rpartition("/")[2] != sys.argv[0].rpartition("/")[2]:
        return b""  # a link of another name: that name stands in the report
    environment = dict(posix.environ)
    environment.pop(b"_", None)  # a shell's, which has the executable in it
    if posix.isatty(1):
        environment.setdefault(b"COLUMNS", b"%d" % posix.get_terminal_size(1).columns)  # for --help
    mask = posix.umask(0o077)
    posix.umask(mask)
    fields = [identity(), _encode(path), file_stamp(path), posix.getcwdb(), b"%d" % mask, b"%d" % len(sys.argv[1:])]
    fields += map(_encode, sys.argv[1:])
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

    def _catch(self, number: int, _frame: "FrameType | None") -> None:
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


def print_and_exit(code: int, out: bytes, err: bytes = b"") -> "NoReturn":
    """Print and end the process at once."""
    import _signal

    for number in (1, 2, 15):
        _signal.signal(number, _signal.SIG_IGN)  # from here on nothing may keep the report from being printed
    try:
        write_all(2, err)
    except OSError:
        pass
    posix._exit(write_report(code, out))  # noqa: SLF001 - as os._exit


def write_report(code: int, report: bytes) -> int:
    """Write it to standard output; returns the exit code, for which see `note_lost_report`."""
    try:
        write_all(1, report)
    except BrokenPipeError:
        pass  # nobody reads; the exit code still says it
    except OSError as error:
        return note_lost_report(code, error)
    return code


def write_all(descriptor: int, data: bytes) -> None:
    """Write it, however slowly it is read. Raises: OSError."""
    while data:
        try:
            data = data[posix.write(descriptor, data) :]
        except BlockingIOError:
            await_reader(descriptor)


def await_reader(descriptor: int) -> None:
    """Wait until a descriptor takes more that does not block by itself, as ssh leaves a terminal. Raises: OSError."""
    import select

    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    if not poller.poll(READER_S * 1000):
        raise TimeoutError(0, f"nobody read for {READER_S:g} s")


def note_lost_report(code: int, error: OSError) -> int:
    """The exit code of a process whose report cannot be written: 0 becomes 3, for nobody has seen that all is well.

    Every other one says already that something is wrong. Standard error says why: cron sends it by mail, and Nagios 4
    shows it where there is no output.
    """
    program = sys.argv[0].rpartition("/")[2]
    try:
        posix.write(2, f"{program}: the report cannot be written: {error.strerror}\n".encode("utf-8", "replace"))
    except OSError:
        pass
    return code or 3
