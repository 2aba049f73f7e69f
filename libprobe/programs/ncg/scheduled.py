"""Downtimes as a monitor has them, and what is asked of one that has them."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

AUTHOR = "fedcloud-downtimes"
MAX_DESCRIPTION = 150

HostAndService = tuple[str, str]
"""(host, name of the service)"""


class ScheduledDowntime(NamedTuple):
    """A downtime of one service of the monitor.

    number:     the GOCDB's, "" in one of ours whose comment somebody changed
    start, end: Unix time
    handle:     how the monitor calls it; empty before it is scheduled
    """

    host: str
    service: str
    number: str
    start: int
    end: int
    comment: str = ""
    handle: str = ""

    @property
    def what(self) -> tuple[str, str, str, int, int]:
        """What makes it the same downtime: one that is moved is another."""
        return self[:5]


class MonitorState(NamedTuple):
    """What a monitor knows.

    services: those it has, of the ones it was asked for. own_downtimes: what AUTHOR scheduled.
    """

    services: frozenset[HostAndService]
    own_downtimes: list[ScheduledDowntime]


class Monitor(Protocol):
    """Nagios or Icinga. Raises, from every method: Failure."""

    name: str

    def known(self, services: Collection[HostAndService]) -> MonitorState: ...

    def schedule(self, downtimes: Iterable[ScheduledDowntime]) -> None: ...

    def end(self, downtimes: Iterable[ScheduledDowntime]) -> None: ...


def comment(number: str, classification: str, description: str) -> str:
    """One line in which no monitor, shell or web page sees more than text."""
    plain = " ".join(re.sub(r"[^A-Za-z0-9 .,:/()_-]", " ", description).split())
    kind = "unscheduled" if classification == "UNSCHEDULED" else "scheduled"
    return f"GOCDB downtime {number}, {kind}: {plain[:MAX_DESCRIPTION].rstrip() or 'no reason given'}"


def number_in(text: str) -> str:
    """The GOCDB's number in a comment, empty if there is none."""
    found = re.match(r"GOCDB downtime ([0-9]{1,18}),", text)
    return found[1] if found else ""
