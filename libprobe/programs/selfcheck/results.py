"""What the self-check knows when it is done: the one form that all reports are made of."""

from __future__ import annotations

from typing import NamedTuple

from libprobe.failures import CRITICAL, OK, STATUS_NAMES
from libprobe.formats.plugin_output import PerformanceValue
from libprobe.judge.summaries import SIGNIFICANCE
from libprobe.programs.selfcheck.advice import advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

MAX_HISTORY = 30


class RunningDowntime(NamedTuple):
    """A running downtime of an endpoint. end: aware UTC instant. classification: SCHEDULED or UNSCHEDULED."""

    description: str
    classification: str
    end: datetime
    portal_url: str


class MetricJob(NamedTuple):
    """One metric to be run at one endpoint.

    argv:      the command line, the executable first; empty where `problem` says why there is none.
    timeout_s: by when the probe ends by itself.
    downtime:  the outage that the endpoint is in, if it is in one.
    problem, remedy: what is wrong with the registration, so that the metric cannot even be asked.
    vo, nagios_name: for whom it acts, if for a VO, and what Nagios calls it; for messages.
    """

    site: str
    hostname: str
    service_type: str
    url: str
    roc: str
    metric: str
    docurl: str
    argv: tuple[str, ...]
    timeout_s: float
    downtime: RunningDowntime | None = None
    problem: str = ""
    remedy: str = ""
    vo: str = ""
    nagios_name: str = ""
    is_published: bool = True

    @property
    def key(self) -> str:
        """What stays the same from run to run."""
        return "\t".join((self.site, self.hostname, self.service_type, self.url, self.metric))


class EarlierRun(NamedTuple):
    """How an earlier run ended. at: seconds since the epoch. seconds: how long it took."""

    at: float
    status: int
    seconds: float
    sentence: str = ""


class JobResult(NamedTuple):
    """How one job ended.

    status:     exit code, 0 to 3.
    sentence:   the reason in one line; remedy: what to do, empty if nobody said.
    seconds:    how long the probe took; started: aware UTC instant.
    is_measured:   whether the probe came to a result by itself; else there is nothing to tell others.
    past:       earlier runs, the oldest first.
    """

    job: MetricJob
    status: int
    sentence: str
    remedy: str
    performance: tuple[PerformanceValue, ...]
    lines: tuple[str, ...]
    seconds: float
    started: datetime
    past: tuple[EarlierRun, ...] = ()
    is_measured: bool = True

    @property
    def status_name(self) -> str:
        return STATUS_NAMES[self.status]

    @property
    def advice(self) -> str:
        """What to do about it, for a reader who sees nothing else; empty if it is OK."""
        if self.status == OK:
            return ""
        return advice(self.sentence, self.remedy, critical=self.status == CRITICAL, page=self.job.docurl)

    @property
    def before(self) -> EarlierRun | None:
        """The run before this one, None if it is the first."""
        return self.past[-1] if self.past else None

    @property
    def is_changed(self) -> bool:
        return self.before is not None and self.before.status != self.status

    @property
    def is_worse(self) -> bool:
        return self.before is not None and SIGNIFICANCE.index(self.status) > SIGNIFICANCE.index(self.before.status)


class SelfCheckRun(NamedTuple):
    """One self-check.

    subject:  `KR-KISTI-CLOUD`, `host cloud.example.org` or `all sites`.
    notes:    what the reader should know besides: endpoints without metrics, a stale GOCDB...
    gone:     what was there the last time and is no more: (site, host, metric).
    since:    when the run before was, None without --repeat or at the first time.
    counted_downtimes: whether endpoints in downtime count for the exit code.
    cut_short: why it ended early, empty if it did not.
    """

    subject: str
    results: tuple[JobResult, ...]
    started: datetime
    seconds: float
    monitor: str
    gocdb: str
    notes: tuple[str, ...] = ()
    gone: tuple[tuple[str, str, str], ...] = ()
    since: datetime | None = None
    counted_downtimes: bool = False
    cut_short: str = ""

    def is_counted(self, result: JobResult) -> bool:
        """Whether a result decides the exit code: what is announced as down may be down."""
        return self.counted_downtimes or result.job.downtime is None

    @property
    def status(self) -> int:
        """The worst state; UNKNOWN if it was cut short or there was nothing to run."""
        states = [result.status for result in self.results if self.is_counted(result)]
        if self.cut_short or not self.results:
            states.append(3)
        return worst(states)

    @property
    def tally(self) -> dict[int, int]:
        """How many results there are of each state, the worst first, without those in downtime."""
        counted = [result.status for result in self.results if self.is_counted(result)]
        return {status: counted.count(status) for status in reversed(SIGNIFICANCE) if status in counted}

    @property
    def in_downtime(self) -> int:
        return sum(not self.is_counted(result) for result in self.results)

    @property
    def changes(self) -> list[JobResult]:
        """The results whose state is not what it was, those that became worse first."""
        return sorted((each for each in self.results if each.is_changed), key=lambda each: not each.is_worse)


def worst(states: Iterable[int]) -> int:
    """The most significant of some exit codes: CRITICAL > UNKNOWN > WARNING > OK; OK of none."""
    return max(states, key=SIGNIFICANCE.index, default=0)
