"""Icinga 2's results: its event stream as a client saved it, and the file of its state.

The stream (`/v1/events`, types CheckResult or StateChange) is one JSON object a line and has every result, for as long
as a client listens. The file icinga2.state has the last result of each service and when its hard state changed last;
Icinga writes it every five minutes, at a reload and when it ends. It is netstrings: `LENGTH:JSON,`.

As seen with Icinga 2.13.6:

- A reload ends the stream like a complete answer. What happens until the client asks again is in no stream, but the
  file of the state has it.
- The time of a result is `execution_end`. That of a passive result may be in the past or in the future.
- `exit_status` of a passive result is 0, whatever it was: `state` has it.
- `last_state_change` is 0 for a service that was UNKNOWN from its first result on; `last_hard_state_change` is not.
- icinga2.log has no results. Writers for InfluxDB and Graphite have no output of plugins.
"""

from __future__ import annotations

import json
import re

from libprobe.programs.availability import result_import
from libprobe.timelines.algebra import NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from libprobe.programs.availability.result_import import ResultImporter

MAX_EVENT_BYTES = 4 << 20
MAX_LENGTH_DIGITS = 12
_START = b'{"acknowledgement":'
"""How an event begins; inside of one it cannot stand, for there quotation marks have a backslash before them."""

_EVENT = re.compile(
    rb'^\{[^\n]*"(?:check_result": ?[{]|type": ?"(?:CheckResult|StateChange|Notification|Flapping|'
    rb"Acknowledgement(?:Set|Cleared)|Comment(?:Added|Removed)|Downtime(?:Added|Removed|Started|Triggered)|"
    rb'Object(?:Created|Modified|Deleted))")',
    re.MULTILINE,
)
_OBJECT = re.compile(rb'[0-9]{1,12}:\{"name":')
_WITH_RESULT = ("CheckResult", "StateChange")
_BY_STATE = tuple(NUMBERS[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN"))


class _ServicesOfFile:
    """The services that a file names; one that the list of services lacks is noted once."""

    def __init__(self, importer: ResultImporter) -> None:
        self.importer = importer
        self._strangers: set[tuple[str, str]] = set()

    def series(self, host: str, service: str, where: str) -> int | None:
        """The number of a service's series; None where the list does not have it."""
        service_type = self.importer.services.type_of(host, service)
        if service_type:
            return self.importer.writer.series(host, service_type, service)
        if (host, service) not in self._strangers:
            self._strangers.add((host, service))
            self.importer.problems.note("services missing from the list of services", f"{service} on {host}, {where}")
        return None


def is_events(head: bytes) -> bool:
    """Whether any line is an event: the first may be empty, or the rest of one whose beginning was cut off."""
    return bool(_EVENT.search(head))


def is_state(head: bytes) -> bool:
    return bool(_OBJECT.match(head))


def read_events(file: BinaryIO, path: str, importer: ResultImporter) -> None:
    """Take the results of a saved event stream; events of other kinds and results of hosts are passed over."""
    services = _ServicesOfFile(importer)
    number = 0
    while line := file.readline(MAX_EVENT_BYTES):
        number += 1
        where = f"{path}:{number}"
        if not line.endswith(b"\n"):
            importer.problems.note("lines that are cut off, or too long to be one", where)
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_EVENT_BYTES)
            continue
        _import_line(line, where, services)
    importer.lines += number


def _import_line(line: bytes, where: str, services: _ServicesOfFile) -> None:
    importer = services.importer
    if not line.strip():
        return
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        # where a client was ended within a line, the first event of the next one follows on the same line
        importer.problems.note("lines that are not events of Icinga", where)
        start = line.rfind(_START)
        if start > 0:
            _import_line(line[start:], where, services)
        return
    try:
        if event["type"] not in _WITH_RESULT or "service" not in event:
            return
        host, service, result = str(event["host"]), str(event["service"]), event["check_result"]
        at, status = int(result["execution_end"]), _status_of(result["state"])
        is_hard = int(result["vars_after"]["state_type"]) == 1
        said = _first_line(result)
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        importer.problems.note("events whose result cannot be read", where)
        return
    series = services.series(host, service, where)
    if series is None or not importer.is_plausible(at, where):
        return
    if is_hard or importer.soft:
        importer.add(series, at, status, result_import.clean_sentence(said), where)
    else:
        importer.writer.note_confirmed(series, at, at)


def read_state(file: BinaryIO, path: str, importer: ResultImporter) -> None:
    """Take each service's last hard state, from its change to the last result."""
    services = _ServicesOfFile(importer)
    number = 0
    while (data := _next_object(file, f"{path}, object {number + 1}", importer)) is not None:
        number += 1
        where = f"{path}, object {number}"
        try:
            document = json.loads(data)
            kind, name, state = document["type"], str(document["name"]), document["update"]
        except (KeyError, TypeError, ValueError, RecursionError):
            importer.problems.note("objects that cannot be read", where)
            continue
        if kind == "Service":
            _import_state(name, state, where, services)
    importer.lines += number


def _next_object(file: BinaryIO, where: str, importer: ResultImporter) -> bytes | None:
    """The JSON of the next netstring, empty where it is too long to be kept; None at the end or where none follows."""
    digits = b""
    while (byte := file.read(1)).isdigit() and len(digits) < MAX_LENGTH_DIGITS:
        digits += byte
    if not byte and not digits:
        return None
    left = length = int(digits) if digits and byte == b":" else -1
    data = b""
    while left > 0 and (piece := file.read(min(left, MAX_EVENT_BYTES))):
        left -= len(piece)
        data = data + piece if length <= MAX_EVENT_BYTES else b""
    if left or file.read(1) != b",":
        importer.problems.note("files that cannot be read to the end", where)
        return None
    return data


def _import_state(name: str, state: Any, where: str, services: _ServicesOfFile) -> None:
    importer = services.importer
    try:
        result = state["last_check_result"]
        if result is None:
            return  # it was never checked
        host, _, service = name.partition("!")
        is_hard = int(state["state_type"]) == 1
        is_last = is_hard or importer.soft
        status = _status_of(state["state_raw" if is_last else "last_hard_state_raw"])
        checked = int(result["execution_end"])
        changed = int(state["last_hard_state_change" if is_hard or not is_last else "last_state_change"])
        said = _first_line(result) if is_last else ""
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        importer.problems.note("services whose state cannot be read", where)
        return
    series = services.series(host, service, where)
    if series is None or not importer.is_plausible(checked, where):
        return
    if not is_hard and not importer.soft and not changed:
        importer.writer.note_confirmed(series, checked, checked)  # it never had a hard state
        return
    since = changed if result_import.EARLIEST <= changed <= checked else checked
    importer.add(series, since, status, result_import.clean_sentence(said), where)
    importer.writer.note_confirmed(series, since, checked)


def _status_of(state: object) -> int:
    """Raises: ValueError, IndexError, TypeError."""
    number = float(state)  # type: ignore[arg-type]
    if not number.is_integer() or number < 0:
        raise ValueError(state)
    return _BY_STATE[int(number)]


def _first_line(result: Any) -> str:
    """Of what a plugin said; of a passive result it may still have performance data."""
    return str(result.get("output") or "").partition("\n")[0].partition("|")[0]
