"""Nagios' log and its archives, and the states that it retains (status.dat, retention.dat).

The log has changes, not results: `SERVICE ALERT` when a state changes, `CURRENT SERVICE STATE` of all services when a
new file is begun, `INITIAL SERVICE STATE` when Nagios starts, where log_initial_states is on. Between them a state
holds as long as Nagios runs, which each of its lines shows, so a day without any line of a service is one with results.
A service that a new file's list has no longer was removed with an earlier restart.

As seen with Nagios 4.4.6:

- A service that was never checked has `INITIAL SERVICE STATE: ...;OK;HARD;1;(null)`: that is no result.
- `PASSIVE SERVICE CHECK` has the state before the result and not the result's: it is not read.
- Times are seconds since 1970, whatever the zone of the host; the names of archives are of the host's zone.
"""

from __future__ import annotations

import re

from libprobe.programs.availability import result_import
from libprobe.timelines.algebra import NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from libprobe.programs.availability.result_import import ResultImporter

_STAMPED = re.compile(rb"^\[[0-9]{1,11}\] ", re.MULTILINE)
_STATE = re.compile(
    rb"^\[([0-9]{1,11})\] (?:(?:(SERVICE ALERT)|(?:CURRENT|INITIAL) SERVICE STATE): "
    rb"([^;\n]*;[^;\n]*);(OK|WARNING|CRITICAL|UNKNOWN);(HARD|SOFT);[0-9]+;(.*)"
    rb"|(Nagios .* starting\.\.\. .*|LOG ROTATION: .*|Successfully shutdown.*|Auto-save of retention data .*))$",
    re.MULTILINE,
)
_OF_STATES = re.compile(rb"^\[[0-9]{1,11}\] (?:SERVICE ALERT|(?:CURRENT|INITIAL) SERVICE STATE): ", re.MULTILINE)
_FIRST = re.compile(rb"\[([0-9]{1,11})\] ")
_STATUS = {name.encode(): NUMBERS[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN")}
_NEVER_CHECKED = (b"", b"(null)")
NEWLINE = b"\n"
BACK_S = 2
"""A clock that goes back by less was only corrected."""

MAX_SENTENCES = 10_000
MAX_BLOCK_LINE = 1 << 16
_BY_EXIT_CODE = tuple(NUMBERS[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN"))


def is_log(head: bytes) -> bool:
    return bool(_FIRST.match(head))


def log_start(head: bytes) -> int:
    """The time of a log's first line, by which logs are put in order."""
    found = _FIRST.match(head)
    return int(found[1]) if found else 0


class LogReader:
    """Reads logs, the oldest first; what it knows of one goes on in the next. `end` has to be called after the last."""

    def __init__(self, importer: ResultImporter) -> None:
        self._importer = importer
        self._series: dict[bytes, int] = {}
        self._sentences: dict[bytes, str] = {}
        self._status: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._resting: set[int] = set()
        self._unlisted: set[int] | None = None
        self._last = 0

    def read(self, file: BinaryIO, path: str) -> None:
        """Raises: Misconfigured for a file that cannot be read to its end."""
        number = 0
        is_first = True
        for data in result_import.read_chunks(file, path):
            if is_first and log_start(data) < self._last:
                self._status.clear()  # what this one says is not what held after the one before
                self._close(self._last)
                self._last = 0
            is_first = False
            if not data.endswith(b"\n"):
                data = data[: data.rfind(b"\n") + 1]
                where = f"{path}:{number + data.count(NEWLINE) + 1}"
                self._importer.problems.note("lines that are cut off, or too long to be one", where)
                self._importer.lines += 1
            count = data.count(NEWLINE)
            self._note_strange_lines(data, count, path, number)
            self._take(data, path, number)
            number += count
        self._importer.lines += number

    def end(self) -> None:
        self._close(self._last)

    def _note_strange_lines(self, data: bytes, count: int, path: str, before: int) -> None:
        """Note a line that is not of the log, or a line of a state without a state."""
        blank = data.count(b"\n\n") + data.startswith(b"\n")
        stamped = sum(1 for _ in _STAMPED.finditer(data))
        states = sum(1 for _ in _OF_STATES.finditer(data))
        if stamped + blank == count and states == sum(1 for each in _STATE.finditer(data) if each[3] is not None):
            return
        for at, line in enumerate(data.split(b"\n")[:count], before + 1):
            if line and not _STAMPED.match(line):
                self._importer.problems.note("lines that are not of a Nagios log", f"{path}:{at}")
            elif _OF_STATES.match(line) and not _STATE.match(line):
                self._importer.problems.note("lines of a state that cannot be read", f"{path}:{at}")

    def _take(self, data: bytes, path: str, before: int) -> None:
        now = self._importer.now + result_import.FUTURE_S
        last = self._last
        for each in _STATE.finditer(data):
            stamp, alert, service, status, kind, output, event = each.groups()
            at = int(stamp)
            if at < last - BACK_S:
                self._importer.problems.note(
                    "times at which the clock went back: each result counts at its own time",
                    f"{path}:{self._line_of(each.start(), data, before)}, by {last - at} s",
                )
            if not result_import.EARLIEST <= at <= now:
                self._importer.is_plausible(at, f"{path}:{self._line_of(each.start(), data, before)}")
                continue
            if event is not None:
                self._handle_event(event, at, last)
                last = at
                continue
            last = at
            series = self._series.get(service)
            if series is None:
                series = self._series_of(service)
                if not series:
                    self._note_unlisted(service, f"{path}:{self._line_of(each.start(), data, before)}")
            if not series:
                continue
            if alert is None:
                if status == b"OK" and output in _NEVER_CHECKED:
                    continue
                if self._unlisted is not None:
                    self._unlisted.discard(series)
            elif self._unlisted is not None:
                self._forget_unlisted()
            if series not in self._since:
                self._since[series] = at
            if kind == b"SOFT" and not self._importer.soft:
                continue
            number = _STATUS[status]
            if self._status.get(series) != number:
                self._status[series] = number
                # to count lines for a place that nobody will read takes longer than all the rest
                is_open = self._importer.writer.is_open(series, at)
                where = "" if is_open else f"{path}:{self._line_of(each.start(), data, before)}"
                self._importer.add(series, at, number, self._cleaned(output), where)
        stamp = _FIRST.match(data, data.rfind(NEWLINE, 0, -1) + 1)
        if stamp and last < int(stamp[1]) <= now:
            last = int(stamp[1])
        self._last = last

    def _cleaned(self, output: bytes) -> str:
        """A sentence, made safe; most of them are said over and over."""
        said = self._sentences.get(output)
        if said is None:
            if len(self._sentences) >= MAX_SENTENCES:
                self._sentences.clear()
            said = self._sentences[output] = result_import.clean_sentence(output.decode("utf-8", "replace"))
        return said

    @staticmethod
    def _line_of(start: int, data: bytes, before: int) -> int:
        return before + data.count(NEWLINE, 0, start) + 1

    def _series_of(self, service: bytes) -> int:
        """The number of a service's series, 0 where the list of services does not have it."""
        host, _, name = service.decode("utf-8", "replace").partition(";")
        service_type = self._importer.services.type_of(host, name)
        self._series[service] = self._importer.writer.series(host, service_type, name) if service_type else 0
        return self._series[service]

    def _note_unlisted(self, service: bytes, where: str) -> None:
        host, _, name = service.decode("utf-8", "replace").partition(";")
        self._importer.problems.note("services missing from the list of services", f"{name} on {host}, {where}")

    def _handle_event(self, event: bytes, at: int, last: int) -> None:
        if event.startswith(b"Auto-save"):
            return
        if event.startswith(b"LOG ROTATION"):
            if self._unlisted is not None:
                self._forget_unlisted()
            self._unlisted = set(self._since)
            return
        if self._unlisted is not None:
            self._forget_unlisted()
        if event.startswith(b"Successfully"):
            self._close(at)
        elif event.startswith(b"Nagios"):  # it starts; without a word of its end it ran until its last line at least
            self._close(last)
            self._since = dict.fromkeys(self._resting, at)
            self._resting.clear()

    def _forget_unlisted(self) -> None:
        """The list of a new file is complete: what it does not have is gone. One without any was not written."""
        gone, self._unlisted = self._unlisted or set(), None
        if len(gone) < len(self._since):
            for series in gone:
                del self._since[series]
                self._status.pop(series, None)

    def _close(self, until: int) -> None:
        for series, since in self._since.items():
            if until >= since:
                self._importer.writer.note_confirmed(series, since, until)
        self._resting |= self._since.keys()
        self._since.clear()


def is_status(head: bytes) -> bool:
    return any(word in head for word in (b"NAGIOS STATE RETENTION FILE", b"NAGIOS STATUS FILE"))


def read_status(file: BinaryIO, path: str, importer: ResultImporter) -> None:
    """What status.dat or retention.dat says: each service's last hard state, from its change to the last check."""
    block: dict[str, str] | None = None
    number = 0
    while line := file.readline(MAX_BLOCK_LINE):
        number += 1
        text = line.decode("utf-8", "replace").strip()
        if text in ("servicestatus {", "service {"):
            block = {}
        elif block is not None and text == "}":
            _import_block(block, f"{path}:{number}", importer)
            block = None
        elif block is not None:
            name, _, value = text.partition("=")
            block[name] = value
    importer.lines += number
    if block is not None:
        importer.problems.note("services that are cut off at the end of a file", f"{path}:{number}")


def _import_block(block: dict[str, str], where: str, importer: ResultImporter) -> None:
    try:
        host, service = block["host_name"], block["service_description"]
        checked, changed = int(block["last_check"]), int(block["last_hard_state_change"])
        is_hard = int(block["state_type"]) == 1
        status = _BY_EXIT_CODE[int(block["current_state" if is_hard or importer.soft else "last_hard_state"])]
        has_been_checked = int(block["has_been_checked"])
    except (KeyError, ValueError, IndexError):
        importer.problems.note("services whose state cannot be read", where)
        return
    if not has_been_checked or not importer.is_plausible(checked, where):
        return
    service_type = importer.services.type_of(host, service)
    if not service_type:
        importer.problems.note("services missing from the list of services", f"{service} on {host}, {where}")
        return
    series = importer.writer.series(host, service_type, service)
    since = changed if result_import.EARLIEST <= changed <= checked else checked
    importer.add(
        series, since, status, result_import.clean_sentence(block.get("plugin_output", "")) if is_hard else "", where
    )
    importer.writer.note_confirmed(series, since, checked)
