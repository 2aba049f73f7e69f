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
from itertools import chain

from libprobe.programs.availability import result_import
from libprobe.timelines.algebra import NUMBERS
from libprobe.timelines.store import CHANGE_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from libprobe.programs.availability.result_import import ResultImporter

_USUAL = re.compile(
    rb"\[([0-9]{10})\] (?:(S)ERVICE ALERT|(?:CURRENT|INITIAL) SERVICE STATE): "
    rb"([ -:<-~]+;[ -:<-~]+);(OK|WARNING|CRITICAL|UNKNOWN);(?:HARD|(SOFT));[0-9];(.*)\n"
    rb"|(.*)\n"
)
"""A line of a state as nearly all are, or, as the last group, any other. Groups: the time; S of SERVICE ALERT, else
empty; host and service; state; SOFT or empty; output."""

_STAMPED = re.compile(rb"\[([0-9]{1,11})\] ")
_LINE = re.compile(
    rb"\[(?P<at>[0-9]{1,11})\] (?:(?:(?P<alert>SERVICE ALERT)|(?:CURRENT|INITIAL) SERVICE STATE): "
    rb"(?P<said>[^;]*;[^;]*);(?P<state>OK|WARNING|CRITICAL|UNKNOWN);(?:HARD|(?P<soft>SOFT));[0-9]+;(?P<output>.*)"
    rb"|(?P<event>Nagios .* starting\.\.\. .*|LOG ROTATION: .*|Successfully shutdown.*"
    rb"|Auto-save of retention data .*))"
)
_OF_STATES = re.compile(rb"\[[0-9]{1,11}\] (?:SERVICE ALERT|(?:CURRENT|INITIAL) SERVICE STATE): ")
_STATUS = {name.encode(): NUMBERS[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN")}
_OK = NUMBERS["OK"]
_NULL = b"(null)"
NEWLINE = b"\n"
BACK_S = 2
"""A clock that goes back by less was only corrected."""

MAX_SENTENCES = 10_000
MAX_KEPT_OUTPUT = 4_096
"""Bytes of an output whose sentence is looked up by it: a plugin can say a thousand times as much."""

MAX_CHANGES = 10_000
"""From this number on they are handed to the store: they come from one piece of a file more at most."""

MAX_NAMED = 100_000
"""Services whose names are kept as the log has them."""

PIECE = 1 << 16
"""Bytes whose lines are cut at once: so few that they and their parts fit into the nearest cache of a processor."""

MAX_BLOCK_LINE = 1 << 16
_BY_EXIT_CODE = tuple(NUMBERS[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN"))


def is_log(head: bytes) -> bool:
    return bool(_STAMPED.match(head))


def log_start(head: bytes) -> int:
    """The time of a log's first line, by which logs are put in order."""
    found = _STAMPED.match(head)
    return int(found[1]) if found else 0


class _Service:
    """A service of the monitor, as its log has shown it so far.

    series: its number in the store. status: the last, -1 where it is not known.
    since: from when on Nagios has run with it, None where it does not. latest: when its status changed last since then.
    is_resting: whether Nagios ran with it until it ended, so that it does so again when it starts.
    listed: the number of the last list of all states that had it. newest: no change was later, of any log; the store
    takes whatever is later than that.
    """

    __slots__ = ("is_resting", "latest", "listed", "newest", "series", "since", "status")

    def __init__(self, series: int, newest: int) -> None:
        self.series = series
        self.status = -1
        self.since: int | None = None
        self.latest = 0
        self.is_resting = False
        self.listed = 0
        self.newest = newest


class LogReader:
    """Reads logs, the oldest first; what it knows of one goes on in the next. `end` has to be called after the last."""

    def __init__(self, importer: ResultImporter) -> None:
        self._importer = importer
        self._services: dict[int, _Service] = {}
        self._named: dict[bytes, _Service | None] = {}
        self._strangers: set[tuple[str, str]] = set()
        self._sentences: dict[bytes, int] = {}
        self._changes: list[int] = []  # as `ResultWriter.add_new` takes them
        self._list = 0
        self._is_listing = False
        self._last = 0

    def read(self, file: BinaryIO, path: str) -> None:
        """Raises: BrokenFile for one that cannot be read to its end; what is before that place counts."""
        number = 0
        is_first = True
        try:
            for data in result_import.read_chunks(file, path):
                if is_first and log_start(data) < self._last:
                    self._forget_states()  # what this one says is not what held after the one before
                    self._last = 0
                is_first = False
                if not data.endswith(b"\n"):
                    data = data[: data.rfind(b"\n") + 1]
                    where = f"{path}:{number + data.count(NEWLINE) + 1}"
                    self._importer.problems.note("lines that are cut off, or too long to be one", where)
                    self._importer.lines += 1
                number += self._take(data, path, number)
                if len(self._changes) >= CHANGE_COLUMNS * MAX_CHANGES:
                    self._hand_over()
        except result_import.BrokenFile:
            self._forget_states()  # what held in the rest of it is not known
            raise
        finally:
            self._importer.lines += number

    def _forget_states(self) -> None:
        for each in self._services.values():
            self._forget_state(each)
        self._close(self._last)

    def _forget_state(self, service: _Service) -> None:
        service.status = -1
        self._importer.writer.may_repeat.add(service.series)  # the next may be the same again

    def end(self) -> None:
        self._hand_over()
        self._close(self._last)

    def _hand_over(self) -> None:
        if self._changes:
            self._importer.writer.add_new(self._changes)
            self._changes.clear()

    def _take(self, data: bytes, path: str, before: int) -> int:
        """Take the lines of some data that ends with a whole one; returns how many.

        before: how many lines of the file came earlier.

        One regular expression cuts a piece of the data into lines and these into what they say; what it does not know
        the form of is matched by one that knows all.
        """
        importer, named, sentences = self._importer, self._named, self._sentences
        earliest, latest, with_soft = result_import.EARLIEST, importer.latest, importer.soft
        change = self._changes.extend
        last, at, stamp = self._last, 0, b""
        service: _Service | None
        number = before
        for number, (digits, alert, said, state, soft, output, other) in enumerate(_cut(data), before + 1):
            if digits:
                if digits != stamp:
                    at = int(digits)
                    is_usual = at >= last and earliest <= at <= latest
                    if not is_usual and not self._is_credible(at, last, path, number):
                        stamp = b""
                        continue
                    last, stamp = at, digits
            else:
                found = self._match(other, path, number)
                if found is None:
                    continue
                stamp, at = b"", int(found["at"])
                if not self._is_credible(at, last, path, number):
                    continue
                if found["event"] is not None:
                    self._handle_event(found["event"], at, last)
                    last = at
                    continue
                last = at
                alert, said, state, soft, output = found.group("alert", "said", "state", "soft", "output")
            try:
                service = named[said]
            except KeyError:
                service = self._service_of(said)
            if service is None:
                self._note_unlisted(said, f"{path}:{number}")
                continue
            status = _STATUS[state]
            if alert:
                if self._is_listing:
                    self._end_list()
            elif status == _OK and (not output or output == _NULL):
                continue
            else:
                service.listed = self._list
            if service.since is None:
                service.since = at
            if service.status == status or (soft and not with_soft):
                continue
            service.status = status
            if at < service.since:
                importer.writer.note_confirmed(service.series, at, at)
            if at > service.newest:
                service.newest = service.latest = at
                sentence = sentences.get(output)
                if sentence is None:
                    sentence = self._number_of_sentence(output)
                change((service.series, at, status, sentence))
            else:
                service.latest = max(at, service.latest)
                self._add_again(service.series, at, status, output, f"{path}:{number}")
        stamped = _STAMPED.match(data, data.rfind(NEWLINE, 0, -1) + 1)
        if stamped and max(last, earliest - 1) < int(stamped[1]) <= latest:
            last = int(stamped[1])
        self._last = last
        return number - before

    def _add_again(self, series: int, at: int, status: int, output: bytes, where: str) -> None:
        """Add a change that is not later than all that was added: of one at its instant, it takes the place."""
        for each in range(0, len(self._changes), CHANGE_COLUMNS):
            if self._changes[each] == series and self._changes[each + 1] == at:
                del self._changes[each : each + CHANGE_COLUMNS]
                break  # there is one at most: each is later than the one before it
        self._hand_over()
        sentence = result_import.clean_sentence(output.decode("utf-8", "replace"))
        if not self._importer.writer.add(series, at, status, sentence, is_day_noted=True):
            self._importer.note_settled(where)

    def _match(self, line: bytes, path: str, number: int) -> re.Match[bytes] | None:
        """A line of a state or an event; None for any other, which is noted if it should not be there."""
        found = _LINE.fullmatch(line)
        if found is None and line:
            if not _STAMPED.match(line):
                self._importer.problems.note("lines that are not of a Nagios log", f"{path}:{number}")
            elif _OF_STATES.match(line):
                self._importer.problems.note("lines of a state that cannot be read", f"{path}:{number}")
        return found

    def _is_credible(self, at: int, last: int, path: str, number: int) -> bool:
        """Whether a time can be that of a result; what is odd about it is noted. last: the time before it."""
        if at < last - BACK_S:
            self._importer.problems.note(
                "times at which the clock went back: each result counts at its own time",
                f"{path}:{number}, by {last - at} s",
            )
        return self._importer.is_plausible(at, f"{path}:{number}")

    def _number_of_sentence(self, output: bytes) -> int:
        """The store's number of a sentence, which is kept for the next time: most of them are said over and over."""
        if len(self._sentences) >= MAX_SENTENCES:
            self._sentences.clear()
        said = result_import.clean_sentence(output.decode("utf-8", "replace"))
        number = self._importer.writer.number_of_sentence(said)
        if len(output) <= MAX_KEPT_OUTPUT:
            self._sentences[output] = number
        return number

    def _service_of(self, said: bytes) -> _Service | None:
        """The service of a line of a state, by its host and name; None where the list of services does not have it."""
        host, name = _named(said)
        service_type = self._importer.services.type_of(host, name)
        service = None
        if service_type:
            writer = self._importer.writer
            series = writer.series(host, service_type, name)
            service = self._services.setdefault(series, _Service(series, writer.open_from - 1))
        if len(self._named) >= MAX_NAMED:
            self._named.clear()
        self._named[said] = service
        return service

    def _note_unlisted(self, said: bytes, where: str) -> None:
        host, name = _named(said)
        if (host, name) not in self._strangers:
            self._strangers.add((host, name))
            self._importer.problems.note("services missing from the list of services", f"{name} on {host}, {where}")

    def _handle_event(self, event: bytes, at: int, last: int) -> None:
        if event.startswith(b"Auto-save"):
            return
        if self._is_listing:
            self._end_list()
        if event.startswith(b"LOG ROTATION"):
            self._list += 1
            self._is_listing = True
        elif event.startswith(b"Successfully"):
            self._close(at)
        elif event.startswith(b"Nagios"):  # it starts; without a word of its end it ran until its last line at least
            self._close(last)
            for each in self._services.values():
                if each.is_resting:
                    each.since, each.is_resting = at, False

    def _running(self) -> list[_Service]:
        return [each for each in self._services.values() if each.since is not None]

    def _end_list(self) -> None:
        """The list of a new file is complete: what it does not have is gone. One without any was not written."""
        self._is_listing = False
        running = self._running()
        gone = [each for each in running if each.listed != self._list]
        if len(gone) < len(running):
            for each in gone:
                self._close_service(each, 0)
                self._forget_state(each)

    def _close(self, until: int) -> None:
        """Nagios ended, or what came before is no part of what comes now."""
        for each in self._running():
            self._close_service(each, until)
            each.is_resting = True

    def _close_service(self, service: _Service, until: int) -> None:
        """until: Nagios ran with it until then, and until its status changed last at least."""
        until = max(until, service.latest)
        if service.since is not None and until >= service.since:
            self._importer.writer.note_confirmed(service.series, service.since, until)
        service.since, service.latest = None, 0


def _named(said: bytes) -> tuple[str, str]:
    """The host and the service of a line of a state."""
    host, _, name = said.decode("utf-8", "replace").partition(";")
    return host, name


def _cut(data: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]]:
    """The groups of _USUAL, of each line of some data that ends with a whole one."""
    return chain.from_iterable(_USUAL.findall(data, start, end) for start, end in _pieces(data))


def _pieces(data: bytes) -> Iterator[tuple[int, int]]:
    """Where pieces of some lines begin and end."""
    start = 0
    while start < len(data):
        end = data.find(NEWLINE, start + PIECE) + 1 or len(data)
        yield start, end
        start = end


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
