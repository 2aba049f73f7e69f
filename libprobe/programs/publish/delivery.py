"""Results that wait for a broker: send them, and measure what waits all the same."""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.deadline import OutOfTime
from libprobe.failures import OK, UNKNOWN, WARNING, Failure
from libprobe.formats.address import host_and_port
from libprobe.programs.publish import publishing
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from libprobe.deadline import Deadline
    from libprobe.programs.publish.appending import StoreAppender
    from libprobe.programs.publish.publishing import PublishDestination, Sender
    from libprobe.state.spool import Spool

LOCKED_S = 5.0
"""How long a run waits for another process that writes to the store."""


class Delivery(Check):
    """Sends what is in the spool and yields how much was sent, how much waits and since when.

    session: opens a way to the broker; called as often as one is needed.
    """

    def __init__(
        self,
        spool: Spool,
        broker: PublishDestination,
        session: Callable[[], Sender],
        deadline: Deadline,
        appender: StoreAppender | None = None,
    ) -> None:
        """appender: of --availability, what is to come into the store."""
        super().__init__(deadline)
        self.subject = broker.url
        self.store_trouble = ""
        self._spool = spool
        self._broker = broker
        self._session = session
        self._appender = appender

    def measure(self) -> Iterator[Metric]:
        before = len(self._spool.waiting()) + self._count_lost()
        trouble = self._deliver()
        waiting, dropped, refused = self._spool.waiting(), self._spool.dropped(), len(self._spool.refused())
        sent = max(0, before - len(waiting) - self._count_lost())
        self.facts["sent"] = number_of(sent, "result")
        self.facts["broker"] = self._broker.url
        self.detail(1, f"destination: {self._broker.url}")
        self.facts["waiting"] = f"{number_of(len(waiting), 'result')} waiting" if waiting else "none waiting"
        if trouble:
            status, sentence = trouble
            yield outcome_metric(status, f"{sentence}; {self.facts['waiting']}" if status != OK else sentence)
        if aside := publishing.describe_refused(self._spool, "the broker"):
            yield outcome_metric(WARNING, aside)
        since = self._spool.waiting_since(waiting)
        yield Metric("oldest_age", max(0.0, time.time() - since) if since else 0.0, "s", min=0)
        yield Metric("waiting", len(waiting), min=0, context="count")
        yield Metric("sent", sent, min=0, context="count")
        yield Metric("dropped", dropped, "c", min=0, context="count")
        yield Metric("refused", refused, min=0, context="count")
        self.facts["appended"] = ""
        if self._appender:
            yield from self._append(self._appender)

    def _append(self, appender: StoreAppender) -> Iterator[Metric]:
        """Append what waits for the store of fedcloud-availability, and measure what waits all the same.

        A store that another process writes to is no trouble by itself: an import of much takes minutes.
        """
        from libprobe.timelines.store import StoreInUse

        spool, count, trouble = appender.spool, 0, ""
        try:
            count = appender.append(min(LOCKED_S, self.deadline.remaining() / 2)) or 0
            spool.end_postponement()
        except StoreInUse as failure:
            self.store_trouble = f": {failure}"
            self.detail(1, str(failure))
        except Failure as failure:
            publishing.postpone(spool, failure)
            trouble = str(failure)
        except OutOfTime:
            share = self.deadline.own_share_words()
            trouble = f"not all appended to the availability store within {self.deadline.seconds:g} s{share}"
        waiting, dropped, refused = spool.waiting(), spool.dropped(), len(spool.refused())
        wait = f", {number_of(len(waiting), 'result')} waiting" if waiting else ""
        self.facts["appended"] = f"; {number_of(count, 'result')} appended to the availability store{wait}"
        if trouble:
            yield outcome_metric(UNKNOWN, f"{trouble}; {number_of(len(waiting), 'result')} waiting for it")
        if aside := publishing.describe_refused(spool, "the availability store"):
            yield outcome_metric(WARNING, aside)
        since = spool.waiting_since(waiting)
        yield Metric("store_age", max(0.0, time.time() - since) if since else 0.0, "s", min=0)
        for name, value in (("store_waiting", len(waiting)), ("appended", count), ("store_refused", refused)):
            yield Metric(name, value, min=0, context="count")
        yield Metric("store_dropped", dropped, "c", min=0, context="count")

    def _count_lost(self) -> int:
        """Return how many results were dropped, or refused by the broker and set aside."""
        return self._spool.dropped() + len(self._spool.refused())

    def _deliver(self) -> tuple[int, str] | None:
        """Send what waits; returns status and sentence of what went wrong, None if nothing did."""
        with self._spool.sender() as is_ours:
            if not is_ours:
                self.detail(1, "another process is sending")
                return None
            try:
                publishing.deliver(self._spool, self._session)
                self._spool.end_postponement()
            except Failure as failure:
                publishing.postpone(self._spool, failure)
                self.tell(failure)
                return UNKNOWN, str(publishing.as_helper_failure(failure))
            except OutOfTime:
                share = self.deadline.own_share_words()
                place = host_and_port(self._broker.host, self._broker.port)
                return UNKNOWN, f"not all sent within {self.deadline.seconds:g} s to {place}{share}"
        return None
