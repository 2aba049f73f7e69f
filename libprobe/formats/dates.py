"""Times on pages that people and programs write as they like, of which no specification says the form.

dateutil reads nearly everything, and guesses: what it is not told it takes from a default, `01/12` is January where
nobody says that days come first, and a zone that it does not know is left away. Here it has no choice: a text is read
in every way in which it can be, and is refused unless all of them agree. What has a specification (GLUE 2, image lists,
the GOCDB, certificates) is not read so: there another form is a fault that others stumble over.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from libprobe.failures import BadData
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

MAX_CHARS = 64
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_YEAR_FIRST = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
_TURNED_OFFSET = re.compile(r"[A-Za-z]\s*[+-]\s*\d")
"""`GMT+3`, which POSIX means the other way round than everybody else."""

_WEEKDAY = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)", re.IGNORECASE)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DEFAULTS = (datetime(2001, 1, 1), datetime(2002, 2, 2, 1, 1))
"""They differ in all that a text has to say itself, but for the second."""


class ParsedTime(Record):
    """instant: aware, in UTC. is_day: whether the text is a date alone; the instant is its beginning then."""

    instant: datetime
    is_day: bool


def read_time(text: str) -> ParsedTime:
    """Read a time that can mean one instant only; without a zone it is UTC. Raises: BadData.

    Loads dateutil: whoever knows the usual form looks for that first.
    """
    try:
        return _agreed(text.strip())
    except (ValueError, OverflowError, TypeError, ArithmeticError, IndexError):
        raise BadData(f"{excerpt(text)!r} is not a time that can be read in one way only") from None


def _agreed(text: str) -> ParsedTime:
    from dateutil import parser

    if len(text) > MAX_CHARS or not text.isascii() or len(_YEAR.findall(text)) != 1 or _TURNED_OFFSET.search(text):
        raise ValueError
    # with days first dateutil takes even 2015-12-01 for the twelfth of January
    orders = (False,) if _YEAR_FIRST.match(text) else (False, True)
    readings = [
        [parser.parse(text, default=default, dayfirst=days_first, tzinfos=_zone) for default in _DEFAULTS]
        for days_first in orders
    ]
    first, second = readings[0]
    if any(each != readings[0] for each in readings) or first.date() != second.date():
        raise ValueError
    is_day = first.time() != second.time()
    if is_day and [each.time() for each in (first, second)] != [each.time() for each in _DEFAULTS]:
        raise ValueError  # an hour without its minutes
    named = _WEEKDAY.search(text)
    if named and _WEEKDAYS.index(named[1].lower()) != first.weekday():
        raise ValueError
    return ParsedTime(first.astimezone(UTC).replace(microsecond=0), is_day)


def _zone(name: str | None, offset: int | None) -> tzinfo:
    """Raises: ValueError for abbreviations, of which most are used for several zones."""
    if name not in (None, "UTC", "GMT", "Z"):
        raise ValueError
    return timezone(timedelta(seconds=offset)) if offset else UTC
