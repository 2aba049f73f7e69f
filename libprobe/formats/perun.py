"""What Perun says of itself: the answer to `utils/getPerunStatus`, and its error objects.

    ["Version of PerunDB: 3.1.27", "Version of Servlet: Apache Tomcat/7.0.28", ...,
     "AuditerConsumer: 'ldapcConsumer' with last processed id='1203'", "LastMessageId: 1204"]

    {"errorId": "1506a4", "name": "PrivilegeException", "message": "..."}

Source: Perun's Api servlet from November 2015 on; `Version of Perun` came in between 2018 and 2019.
"""

from __future__ import annotations

import json
import re

from libprobe.failures import BadData
from libprobe.formats.excerpt import begins, excerpt
from libprobe.records import Record

MAX_LINES = 2_000
MAX_CHARS = 300
_VERSION = re.compile(r"[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}")
_CONSUMER = re.compile(r"AuditerConsumer: '(.{1,200})' with last processed id='([0-9]{1,18})'")
_LAST_MESSAGE = re.compile(r"LastMessageId: ([0-9]{1,18})")


class PerunReport(Record):
    """lines: as Perun gave them. version: of Perun itself, empty where it does not say (before 2019).

    consumers: id of the last message that each consumer of the audit log has processed, by name.
    last_message: id of the newest message of the audit log, None where it is not told.
    """

    lines: list[str]
    database_version: str
    version: str
    consumers: dict[str, int]
    last_message: int | None

    def lags(self) -> dict[str, int]:
        """How many messages each consumer has still to process; none where the newest is not told.

        The lines are not of one instant: a consumer that is ahead of the newest message lags by nothing.
        """
        if self.last_message is None:
            return {}
        return {name: max(0, self.last_message - done) for name, done in self.consumers.items()}


class PerunError(Record):
    """An error of Perun's application. All are text of one line, cut at MAX_CHARS."""

    error_id: str
    name: str
    message: str


def read_answer(body: bytes) -> PerunReport | PerunError:
    """Read an answer by its shape: an array is a status, an object with an errorId an error.

    Raises: BadData for anything else, and for a status without a database version of three numbers.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        if not body:
            raise BadData("empty answer", link="from") from None
        raise BadData("answer that is not JSON", link="from", also=begins(body)) from None
    if isinstance(document, dict) and isinstance(document.get("errorId"), (str, int)):
        name, message = (excerpt(str(document.get(key) or ""), MAX_CHARS) for key in ("name", "message"))
        return PerunError(excerpt(str(document["errorId"]), 40), name or "unnamed error", message)
    if not isinstance(document, list):
        raise BadData("neither a status nor an error of Perun", also=begins(body))
    if len(document) > MAX_LINES or not all(isinstance(line, str) for line in document):
        raise BadData(f"no list of at most {MAX_LINES} lines", also=begins(body))
    return _status([excerpt(line, MAX_CHARS) for line in document])


def _status(lines: list[str]) -> PerunReport:
    database = _text_after(lines, "Version of PerunDB: ")
    if database is None:
        raise BadData("no line `Version of PerunDB`")
    if not _VERSION.fullmatch(database):
        raise BadData(f'PerunDB version "{excerpt(database, 30)}" (not three numbers)')
    consumers = {found[1]: int(found[2]) for line in lines if (found := _CONSUMER.fullmatch(line))}
    newest = [int(found[1]) for line in lines if (found := _LAST_MESSAGE.fullmatch(line))]
    version = _text_after(lines, "Version of Perun: ") or ""
    return PerunReport(lines, database, version, consumers, newest[0] if newest else None)


def _text_after(lines: list[str], beginning: str) -> str | None:
    return next((line[len(beginning) :].strip() for line in lines if line.startswith(beginning)), None)
