"""This month's availability and reliability of a site so far, and how much outage it can still have."""

from __future__ import annotations

from datetime import UTC, datetime

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.failures import OK, UNKNOWN
from libprobe.text import duration
from libprobe.timelines import algebra
from libprobe.timelines.calculation import Calculation, Period, month_of
from libprobe.timelines.figures import NO_DATA
from libprobe.timelines.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from libprobe.deadline import Deadline
    from libprobe.state.files import StateDirectory
    from libprobe.timelines.profiles import Profile

DAY_S = 86_400


class SiteAvailability(Check):
    """Yields the figures of a site in the month that is going on, in percent.

    target: the availability that is to be reached, in percent. now: seconds since 1970.
    stale_s: how long ago the last day with a result may have ended.
    """

    def __init__(
        self,
        site: str,
        directory: StateDirectory,
        profile: Profile,
        deadline: Deadline,
        *,
        target: float,
        stale_s: float,
        now: float,
    ) -> None:
        super().__init__(deadline)
        self.subject = site
        self._directory = directory
        self._profile = profile
        self._target = target
        self._stale_s = stale_s
        self._now = int(now)

    def measure(self) -> Iterator[Metric]:
        start = month_of(self._now)
        end = month_of(start + 32 * DAY_S)
        month = datetime.fromtimestamp(start, UTC).strftime("%Y-%m")
        with Store(self._directory) as store:
            last = store.last_day()
            if last is None or self._now - (last + DAY_S) > self._stale_s:
                since = "ever" if last is None else f"since {datetime.fromtimestamp(last, UTC):%Y-%m-%d}"
                yield outcome_metric(
                    UNKNOWN, f"no result {since} imported for {self.subject} (run fedcloud-availability import)"
                )
                return
            found = Calculation(store, self._profile, Period(month, start, self._now))
            found.choose_sites([self.subject])
            if last < start and self._now - start < DAY_S:
                self.facts["said"] = f"{month} has only begun, no result of it is imported yet for {self.subject}"
                yield outcome_metric(OK, "")
                return
            figures, held = found.figures(self.subject), found.seconds(self.subject)
        if figures.availability == NO_DATA:
            yield outcome_metric(UNKNOWN, f"no data of {month} for {self.subject} (run its metrics)")
            return
        left = self._outage_left(held, end)
        budget = describe_budget(left, self._target)
        reliable = "" if figures.reliability == NO_DATA else f", reliable {figures.reliability:.2f} %"
        was = f"{self.subject} was available {figures.availability:.2f} % of {month} so far{reliable}"
        self.facts["month"], self.facts["left"], self.facts["said"] = month, budget, f"{was}; {budget}"
        yield Metric("availability", figures.availability, "%", min=0, max=100)
        if figures.reliability != NO_DATA:
            yield Metric("reliability", figures.reliability, "%", min=0, max=100)
        yield Metric("unknown", 100 * figures.unknown, "%", min=0, max=100, context="share")
        yield Metric("outage_left", left, "s", context="share")

    def _outage_left(self, held: list[int], end: int) -> float:
        """Seconds of outage, declared or not, until the month misses its target, if all that comes is known."""
        up = held[algebra.OK] + held[algebra.WARNING]
        known = sum(held) - held[algebra.UNKNOWN] - held[algebra.MISSING]
        whole = known + end - self._now
        return float(min(whole * (100 - self._target) / 100 - (known - up), end - self._now))


def describe_budget(left: float, target: float) -> str:
    if left < 0:
        return f"{target:g} % cannot be reached any more this month"
    return f"{target:g} % is kept with up to {duration(left)} more of outage this month"
