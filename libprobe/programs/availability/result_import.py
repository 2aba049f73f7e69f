"""What comes in: results of a monitor on their way to the store. What cannot be taken is counted, by file and line."""

from __future__ import annotations

import os
import re
import stat
import zlib
from contextlib import contextmanager

from libprobe import redact
from libprobe.failures import Misconfigured
from libprobe.records import Record
from libprobe.text import number_of, safe, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from libprobe.programs.ncg.index import MonitoredEntry
    from libprobe.timelines.store import ResultWriter

FUTURE_S = 300
"""How far a result may be ahead of our clock: two clocks that are kept differ by less."""

EARLIEST = 946_684_800
"""2000: what is older was stamped by a clock that had not been set."""

SPOOL_SUFFIXES = (".message", ".refused")
ARCHIVE_SUFFIXES = (".log", ".log.gz")
CHUNK = 1 << 20
MAX_SENTENCE_CHARS = 2_000
_NOUN = re.compile(r"^((?:empty )?[a-z]+)s\b")

BROKEN = (OSError, EOFError, zlib.error)
"""What a file raises that cannot be read to its end, or not unpacked."""


RARELY = (100_000, 50, 50)
"""Thresholds of Python's search for garbage in circles, of which results make none: it took 4 % of an import."""


class BrokenFile(Misconfigured):
    """A file that cannot be read to its end."""


def clean_sentence(text: str) -> str:
    """What a plugin said, as it is kept: safe to print, without what looks like a secret."""
    words = safe(text[:MAX_SENTENCE_CHARS]).split(" ")
    return " ".join(redact.BLANK if len(word) >= 16 and redact.looks_secret(word) else word for word in words)


@contextmanager
def garbage_sought_rarely() -> Iterator[None]:
    import gc

    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


_PHRASES_OF_ONE = (
    ("that are not metric results", "that is no metric result"),
    ("that are not events ", "that is no event "),
    ("that are ", "that is "),
    ("that contradict ", "that contradicts "),
    (" or lack ", " or lacks "),
    ("of checks that do ", "of a check that does "),
)


def _of_one(kind: str) -> str:
    """A kind of problem in the singular: `line that ...`."""
    for plural, singular in _PHRASES_OF_ONE:
        kind = kind.replace(plural, singular)
    return _NOUN.sub(r"\1", kind, count=1)


class ImportProblems:
    """What was not taken, by its kind: how often, and where first."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, str]] = {}

    def note(self, kind: str, where: str, count: int = 1) -> None:
        """kind: in the plural, as `lines that ...`. where: file and line, or what else names it."""
        before, first = self._kinds.get(kind, (0, where))
        self._kinds[kind] = (before + count, first)

    def sentences(self) -> list[str]:
        return [
            f"{number_of(count, _of_one(kind), kind)}, the first: {shortened(where, 300)}"
            for kind, (count, where) in self._kinds.items()
            if count
        ]


class ServiceLookup:
    """Which service type and site a service of the monitor belongs to, from the list that fedcloud-ncg writes."""

    def __init__(self, entries: Iterable[MonitoredEntry] = ()) -> None:
        self.endpoints: set[tuple[str, str, str, str]] = set()
        self._types: dict[tuple[str, str], str] = {}
        for entry in entries:
            self._types[entry.host.lower(), entry.service] = entry.service_type
            self.endpoints.add((entry.site, entry.service_type, entry.host.lower(), ""))

    def type_of(self, host: str, service: str) -> str:
        """Empty where there is no such service."""
        return self._types.get((host.lower(), service), "")

    def __len__(self) -> int:
        return len(self._types)


class ResultImporter:
    """Takes results, and hands them to the store.

    now: seconds since 1970. soft: whether a state counts that Nagios has not confirmed yet.
    """

    def __init__(self, writer: ResultWriter, services: ServiceLookup, now: int, *, soft: bool = False) -> None:
        self.writer = writer
        self.services = services
        self.latest = now + FUTURE_S
        self.soft = soft
        self.problems = ImportProblems()
        self.lines = 0

    def is_plausible(self, at: int, where: str) -> bool:
        """Whether a time can be that of a result; if not, it is noted."""
        if EARLIEST <= at <= self.latest:
            return True
        if at < EARLIEST:
            self.problems.note("results from before the year 2000, by a clock that was not set", where)
        else:
            self.problems.note("results from the future, by this machine's clock", where)
        return False

    def add(self, series: int, at: int, status: int, sentence: str, where: str) -> None:
        """sentence: of `clean_sentence`."""
        if not self.is_plausible(at, where):
            return
        if not self.writer.add(series, at, status, sentence):
            self.note_settled(where)

    def note_settled(self, where: str) -> None:
        """Note what `ResultWriter.add` did not take."""
        self.problems.note("results that contradict ones settled already", where)

    def summary(self) -> str:
        added, known, _ = self.writer.counts
        return f"{number_of(self.lines, 'line')} read, {number_of(added, 'result')} added, {known} known already"


class DirectoryFiles(Record):
    """What a directory has for an import, by name. passed_over: archives that are too old to have anything new."""

    files: list[str]
    passed_over: list[str]


def files_of_directory(path: str, since: int) -> DirectoryFiles:
    """The files of a directory that can have results: messages of a spool, waiting or refused, and archives of Nagios.

    since: archives that were last written to before this instant, seconds since 1970, are passed over: as a rule they
    have been read.
    Raises: Misconfigured.
    """
    found = DirectoryFiles([], [])
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(SPOOL_SUFFIXES):
                    found.files.append(entry.path)
                elif entry.name.startswith("nagios-") and entry.name.endswith(ARCHIVE_SUFFIXES):
                    is_old = entry.stat().st_mtime < since
                    (found.passed_over if is_old else found.files).append(entry.path)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
    return DirectoryFiles(sorted(found.files), sorted(found.passed_over))


def without_missing(paths: Sequence[str]) -> list[str]:
    """Those of some paths that are there. Raises: Misconfigured where some are missing and no file is there.

    Only what does not exist is left out: what may not be looked at fails where it is read, with its reason.
    """
    there = []
    for path in paths:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            pass
        there.append(path)
    missing = [path for path in paths if path not in there]
    if missing and all(map(os.path.isdir, there)):  # a monitor's archives without its log
        raise Misconfigured(f"no log is there: {', '.join(missing)}", remedy="name the monitor's log")
    return there


def open_result_file(path: str) -> BinaryIO:
    """A file to read, unpacked if it was packed by gzip. Raises: Misconfigured."""
    try:
        # without O_NONBLOCK, a FIFO would hold the run
        file = open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")  # noqa: SIM115
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise Misconfigured(f"{path} is not a file")
        if file.peek(2)[:2] == b"\x1f\x8b":
            import gzip

            return gzip.open(file)  # type: ignore[return-value]
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
    return file


def read_chunks(file: BinaryIO, path: str) -> Iterator[bytes]:
    """The file in pieces that end where a line ends, but for the last. A line longer than CHUNK is given in pieces.

    Raises: BrokenFile for what breaks off, or cannot be unpacked.
    """
    rest = b""
    while True:
        try:
            data = file.read1(CHUNK)  # type: ignore[attr-defined]
        except (*BROKEN, ValueError) as error:
            raise BrokenFile(str(error)) from None
        if not data:
            break
        data = rest + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) > CHUNK:
            end = len(data)
        rest = data[end:]
        if end:
            yield data[:end]
    if rest:
        yield rest
