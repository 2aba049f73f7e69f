"""Random months of a small site, and the same put to the timelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from libprobe.timelines import evaluation, lines
from libprobe.timelines.algebra import NUMBERS, Operation
from libprobe.timelines.evaluation import Exclusion, FigureRules, MeasuredResults, Outage, TopologyEndpoint
from libprobe.timelines.profiles import Profile, ProfileGroup
from tests.timelines import slow

if TYPE_CHECKING:
    from collections.abc import Sequence

SITE = "EXAMPLE-SITE"
METRICS = {"vm": ["boot", "port"], "disk": ["store"], "index": ["query"]}
GROUPS = {"compute": ["vm"], "storage": ["disk", "index"]}
STATUSES = ("OK", "WARNING", "UNKNOWN", "CRITICAL")
OPERATIONS = {
    name: Operation(name, {(NUMBERS[a], NUMBERS[b]): NUMBERS[x] for (a, b), x in table.items()})
    for name, table in slow.TABLES.items()
}
PROFILE = Profile(
    "test",
    {name: tuple(metrics) for name, metrics in METRICS.items()},
    OPERATIONS["AND"],
    OPERATIONS["AND"],
    tuple(
        ProfileGroup(name, OPERATIONS["OR"], dict.fromkeys(types, OPERATIONS["OR"])) for name, types in GROUPS.items()
    ),
)


@st.composite
def cases(draw: st.DrawFn) -> slow.Case:
    day, days = draw(st.integers(3, 40)), draw(st.integers(1, 4))
    seconds = st.integers(0, day * days)
    hosts = [("vm", "a"), ("vm", "b"), ("disk", "a"), ("index", "c"), ("nothing", "d")]
    there = {key: draw(st.sets(st.integers(0, days - 1))) for key in hosts}
    results = {
        (service_type, host, metric): sorted(
            draw(st.dictionaries(st.integers(0, day * days - 1), st.sampled_from(STATUSES), max_size=12)).items()
        )
        for service_type, host in hosts
        for metric in METRICS.get(service_type, [])
    }
    outages = draw(
        st.lists(
            st.builds(slow.Out, st.sampled_from(["a", "b", "c"]), st.sampled_from(["vm", "disk"]), seconds, seconds)
        )
    )
    excluded = draw(
        st.lists(
            st.tuples(
                seconds, seconds, st.sampled_from(["", "vm", "disk"]), st.sampled_from(["", "a"]),
                st.sampled_from(["", "boot", "store"]),
            ),
            max_size=3,
        )
    )  # fmt: skip
    return slow.Case(day, days, METRICS, GROUPS, there, results, outages, excluded)


def endpoints(case: slow.Case) -> list[TopologyEndpoint]:
    return [
        TopologyEndpoint(SITE, service_type, host, number * case.day, (number + 1) * case.day)
        for (service_type, host), days in case.there.items()
        for number in days
    ]


def rules(case: slow.Case) -> FigureRules:
    outages: dict[tuple[str, str], list[Outage]] = {}
    for each in case.outages:
        outages.setdefault((each.host, each.service_type), []).append(
            Outage(each.host, each.service_type, each.start, each.end)
        )
    excluded = [Exclusion(a, b, "why", "", kind, host, metric) for a, b, kind, host, metric in case.excluded]
    return FigureRules(PROFILE, outages, excluded)


class Given:
    """The results of a case, as the timelines ask for them."""

    def __init__(self, case: slow.Case) -> None:
        self.case = case

    def measured(
        self, wanted: Sequence[evaluation.MetricKey], start: int, end: int
    ) -> dict[evaluation.MetricKey, list[MeasuredResults]]:
        return {key: self.of_metric(*key, start, end) for key in wanted}

    def of_metric(self, host: str, service_type: str, metric: str, start: int, end: int) -> list[MeasuredResults]:
        results = self.case.results.get((service_type, host, metric), [])
        if not results:
            return []
        before = [NUMBERS[status] for at, status in results if at < start]
        within = [lines.make_entry(at - start, NUMBERS[status]) for at, status in results if start <= at < end]
        seen = {at // lines.DAY_S for at, _ in results}
        days = range(start // lines.DAY_S, -(-end // lines.DAY_S))
        unseen = [(day * lines.DAY_S - start, (day + 1) * lines.DAY_S - start) for day in days if day not in seen]
        return [MeasuredResults(before[-1] if before else None, within, unseen)]


def site_figures(case: slow.Case, results: evaluation.ResultSource | None = None) -> dict[int, tuple[float, ...]]:
    """The figures of each day by its number, as libprobe has them; `lines.DAY_S` has to be the case's."""
    found = {}
    for each in evaluation.segments(endpoints(case), rules(case), results or Given(case), 0, case.day * case.days):
        for at, figures in evaluation.day_figures(each.site, each.start, each.end):
            found[at // case.day] = tuple(figures)
    return found
