"""Events of Sensu Go: JSON, one after the other or as one array, as sensuctl, a handler's input and its API have them.

An event is taken for the service that the labels of its check name, or of its entity: `hostname`, `service` (the type),
`metric`; so do the checks that fedcloud-ncg writes, and those of argo-scg. Without labels an entity `TYPE__HOST` tells.

Each event has the last results of its check as well, `history`: a list of all events, taken every few hours, misses
none of them. A result counts at the second at which its check was executed, in an event and in a history alike.

Sensu confirms nothing by repetition: a status other than OK counts as confirmed where the check failed as often as the
annotation `attempts` says, which is what Nagios has max_check_attempts for. Silenced events count as others do.
Source: Sensu Go 6, core/v2, its reference of events; no Sensu was run.
"""

from __future__ import annotations

import codecs
import json
import re

from libprobe.programs.availability import result_import
from libprobe.timelines.algebra import NUMBERS
from libprobe.timelines.evaluation import is_series_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from libprobe.programs.availability.result_import import ResultImporter

MAX_EVENT_CHARS = 4 << 20
CHUNK = 1 << 20
MAX_TEXT_BEFORE = 8 << 10
"""Characters that may stand before a value: for each that cannot be read, json counts the lines of all of them."""
MAX_INDENT = 256
MAX_HISTORY = 100
"""Entries of a history that are looked at, the last; Sensu keeps 21."""

KEEPALIVE = "keepalive"
"""What the agents' own signs of life are called."""

_HEAD = re.compile(rb'\s*\[?\s*\{.*?"(?:check|entity|spec)"\s*:\s*\{', re.DOTALL)
_OF_SENSU = re.compile(
    rb'"(?:core/v2|is_silenced|issued|executed|entity_class|check_hooks|occurrences|runtime_assets)"'
)
_BETWEEN = re.compile(r"[\s\[\],]*")
_NEAR_END = 16
"""How far before the end of a text the place may lie at which its parser says that more has to come."""

_OK = NUMBERS["OK"]
_BY_STATUS = tuple(NUMBERS[name] for name in ("OK", "WARNING", "CRITICAL", "UNKNOWN"))


def is_events(head: bytes) -> bool:
    return bool(_HEAD.match(head) and _OF_SENSU.search(head))


def read(file: BinaryIO, path: str, importer: ResultImporter) -> None:
    """Take the results of a file."""
    newest: dict[int, int] = {}
    for event, where in _events(file, path, importer):
        _import_event(event, where, importer, newest)


def _events(file: BinaryIO, path: str, importer: ResultImporter) -> Iterator[tuple[Any, str]]:
    """Each JSON value and its place, one in memory at a time; anything else is noted, with its line skipped."""
    decoder = json.JSONDecoder()
    to_text = codecs.getincrementaldecoder("utf-8")("replace")
    text, at, number, is_complete = "", 0, 1, False
    sought = ""
    while True:
        if sought:
            found = text.find(sought, at)
            start = found + 1 if found >= 0 else max(at, len(text) - len(sought) + 1)
        else:
            start = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        number += text.count("\n", at, start)
        if start > MAX_TEXT_BEFORE:
            text, start = _without_read(text, start)
        if sought and found >= 0:
            at, sought = start, ""
            continue
        value, at, problem = (None, -1, "") if sought else _next_value(decoder, text, start, is_complete=is_complete)
        if problem:
            importer.problems.note(problem, f"{path}:{number}")
            at, sought = start, _begin_of_next(text, start)
        elif at >= 0:
            where = f"{path}:{number}"
            number += text.count("\n", start, at)
            yield value, where
        elif is_complete:
            number += text.count("\n", start)
            break
        else:
            data = file.read(CHUNK)
            is_complete = not data
            text, at = _without_read(text, start)
            text += to_text.decode(data, final=is_complete)
    importer.lines += number - 1


def _without_read(text: str, at: int) -> tuple[str, int]:
    """The text from the value at that place on, with the indentation before it, and the new place of the value."""
    begin = max(text.rfind("\n", 0, at) + 1, at - MAX_INDENT)
    if not text[begin:at].isspace():
        begin = at
    return text[begin:], at - begin


def _next_value(decoder: json.JSONDecoder, text: str, at: int, *, is_complete: bool) -> tuple[Any, int, str]:
    """The value, where it ends, and why it cannot be read; the end is -1 where more of the text is needed."""
    if at == len(text):
        return None, -1, ""
    try:
        return *decoder.raw_decode(text, at), ""
    except RecursionError:
        return None, at, "events that cannot be read"
    except json.JSONDecodeError as error:
        may_go_on = error.pos >= len(text) - _NEAR_END or error.msg.startswith("Unterminated string")
        if may_go_on and not is_complete and len(text) - at <= MAX_EVENT_CHARS:
            return None, -1, ""
        is_cut = may_go_on and is_complete
        return None, at, f"events that {'are cut off at the end of a file' if is_cut else 'cannot be read'}"


def _begin_of_next(text: str, at: int) -> str:
    """How the next value begins after one that cannot be read: on a line that is indented as that one."""
    begin = max(text.rfind("\n", 0, at) + 1, at - MAX_INDENT)
    return f"\n{text[begin:at] if text[begin:at].isspace() else ''}{{"


def _import_event(event: Any, where: str, importer: ResultImporter, newest: dict[int, int]) -> None:
    """newest: when the newest result of each series was had of those that this file had so far."""
    try:
        event = event.get("spec") or event
        check = event.get("check")
        if not check:
            if "metrics" not in event:
                raise ValueError
            return
        named = _named(check, event.get("entity") or {})
        if named is None:
            if _name_of(check) != KEEPALIVE:
                importer.problems.note("events of checks that do not name a service", where)
            return
        results = list(_results(check, int(event.get("timestamp") or 0)))
        said = str(check.get("output") or "").partition("\n")[0].partition("|")[0]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, IndexError):
        importer.problems.note("events that are not of Sensu Go, or lack a status or time", where)
        return
    at, status, is_confirmed = results.pop()
    if not importer.is_plausible(at, where):
        return
    series = importer.writer.series(*named)
    before = newest.get(series, 0)
    newest[series] = max(at, before)
    _add(series, at, status, result_import.clean_sentence(said), where, importer, is_confirmed=is_confirmed)
    for at, status, is_confirmed in results:
        if before < at <= importer.latest and at >= result_import.EARLIEST:
            _add(series, at, status, "", where, importer, is_confirmed=is_confirmed)


def _add(
    series: int, at: int, status: int, said: str, where: str, importer: ResultImporter, *, is_confirmed: bool
) -> None:
    if is_confirmed or importer.soft:
        importer.add(series, at, status, said, where)
    else:
        importer.writer.note_confirmed(series, at, at)


def _results(check: Any, timestamp: int) -> Iterator[tuple[int, int, bool]]:
    """When, with which status, and whether confirmed, the oldest first; the last is that of the event itself."""
    now = int(check.get("executed") or timestamp or check["issued"])
    attempts = _attempts(check)
    status = _status_of(check["status"])
    history = [
        (int(each["executed"]), _status_of(each.get("status", 0)))
        for each in (check.get("history") or [])[-MAX_HISTORY:]
        if each.get("executed")
    ]
    if not history or history[-1][0] != now:
        history.append((now, status))
    failures = 0
    for at, each in history[:-1]:
        failures = 0 if each == _OK else failures + 1
        yield at, each, failures == 0 or failures >= attempts
    failures = 0 if status == _OK else max(failures + 1, int(check.get("occurrences") or 0))
    yield now, status, failures == 0 or failures >= attempts


def _attempts(check: Any) -> int:
    try:
        return int(((check.get("metadata") or {}).get("annotations") or {})["attempts"])
    except (KeyError, ValueError):
        return 1


def _status_of(number: object) -> int:
    """Sensu's own statuses are 0 to 2; all else is UNKNOWN. Raises: ValueError."""
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(number)
    return _BY_STATUS[min(number, 3)]


def _named(check: Any, entity: Any) -> tuple[str, str, str] | None:
    """Host, service type and name of the service; None where an event does not tell."""
    of_check, of_entity = ((each.get("metadata") or {}) for each in (check, entity))
    labels = {**(of_entity.get("labels") or {}), **(of_check.get("labels") or {})}
    service_type, _, host = str(check.get("proxy_entity_name") or of_entity.get("name") or "").rpartition("__")
    host, service_type = str(labels.get("hostname") or host), str(labels.get("service") or service_type)
    metric = str(labels.get("metric") or "")
    name = _name_of(check).removeprefix(f"{host}_")
    if metric and not is_series_of(name, metric):
        name = metric
    return (host, service_type, name) if host and service_type and name else None


def _name_of(check: Any) -> str:
    return str((check.get("metadata") or {}).get("name") or "")
