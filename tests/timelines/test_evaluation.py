from __future__ import annotations

import random

import pytest
from hypothesis import given, settings

from libprobe.timelines import evaluation, figures, lines, profiles
from libprobe.timelines.algebra import CRITICAL, DOWNTIME, MISSING, OK, UNKNOWN, WARNING
from libprobe.timelines.evaluation import Exclusion, FigureRules, MeasuredResults, Outage, TopologyEndpoint
from libprobe.timelines.figures import Figures
from tests.executables import ROOT
from tests.timelines import slow
from tests.timelines.cases import PROFILE, STATUSES, cases, site_figures

DAY = lines.DAY_S
HOUR = 3600


@settings(max_examples=300, deadline=None)
@given(cases())
def test_figures_are_those_of_counting_seconds(case):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lines, "DAY_S", case.day)
        found = site_figures(case)
    expected = {number: slow.day(case, number) for number in range(case.days)}
    assert found == {number: day for number, day in expected.items() if day}
    if found:
        joint = figures.figures_of_days([Figures(*found[number]) for number in sorted(found)])
        assert tuple(joint) == slow.period([found[number] for number in sorted(found)])


def test_a_real_day_is_counted_to_the_second_as_well():
    chance = random.Random(4)
    results = {
        ("vm", host, metric): sorted((chance.randrange(DAY), chance.choice(STATUSES)) for _ in range(40))
        for host in "ab"
        for metric in ("boot", "port")
    }
    there = {("vm", "a"): {0}, ("vm", "b"): {0}}
    case = slow.Case(
        DAY, 1, {"vm": ["boot", "port"]}, {"compute": ["vm"]}, there, results, [slow.Out("a", "vm", 7_001, 19_999)], []
    )
    assert site_figures(case) == {0: slow.day(case, 0)}


class Told:
    """Results of one host as they are told, by metric."""

    def __init__(self, **metrics: MeasuredResults | list[MeasuredResults]) -> None:
        self.metrics = metrics

    def measured(self, wanted, start, end):
        found = {key: self.metrics[key[2]] for key in wanted if key[2] in self.metrics and key[0] == "a"}
        return {key: each if isinstance(each, list) else [each] for key, each in found.items()}


def site_line(results, *, outages=(), exclusions=(), end=DAY):
    rules = FigureRules(PROFILE, {("a", "disk"): outages} if outages else {}, exclusions)
    (segment,) = evaluation.segments([TopologyEndpoint("S", "disk", "a", 0, 9 * DAY)], rules, results, 0, end)
    return lines.points(segment.site.line)


def at(hour, status):
    return lines.make_entry(hour * HOUR, status)


def test_a_result_holds_until_the_next_and_before_the_first_it_is_missing():
    told = Told(store=MeasuredResults(None, [at(2, OK), at(5, CRITICAL), at(6, CRITICAL), at(7, WARNING)]))
    assert site_line(told) == [(0, MISSING), (2 * HOUR, OK), (5 * HOUR, CRITICAL), (7 * HOUR, WARNING)]


def test_midnight_has_the_status_of_the_last_result_before():
    assert site_line(Told(store=MeasuredResults(WARNING, [at(2, OK)]))) == [(0, WARNING), (2 * HOUR, OK)]


def test_a_day_without_a_result_is_missing_whatever_was_before():
    told = Told(store=MeasuredResults(OK, [at(49, CRITICAL)], [(DAY, 2 * DAY)]))
    found = site_line(told, end=3 * DAY)
    assert found == [(0, OK), (DAY, MISSING), (2 * DAY, OK), (49 * HOUR, CRITICAL)]


def test_a_metric_that_nobody_measured_is_missing():
    assert site_line(Told()) == [(0, MISSING)]


def test_a_metric_whose_series_has_another_name_now_is_not_missing():
    """The first ends on the second day, when the other begins; on the fourth nothing was measured at all."""
    before = MeasuredResults(OK, [at(30, CRITICAL)], [(2 * DAY, 5 * DAY)])
    now = MeasuredResults(None, [at(40, WARNING), at(60, OK), at(100, WARNING)], [(0, DAY), (3 * DAY, 4 * DAY)])
    found = site_line(Told(store=[before, now]), end=5 * DAY)
    assert found == [
        (0, OK), (30 * HOUR, CRITICAL), (2 * DAY, WARNING), (60 * HOUR, OK), (3 * DAY, MISSING), (4 * DAY, OK),
        (100 * HOUR, WARNING),
    ]  # fmt: skip


def test_results_for_several_vos_are_joined():
    ops, other = MeasuredResults(OK, [at(5, CRITICAL)]), MeasuredResults(None, [at(2, WARNING), at(7, UNKNOWN)])
    assert site_line(Told(store=[ops, other])) == [(0, OK), (2 * HOUR, WARNING), (5 * HOUR, CRITICAL)]


def test_an_outage_replaces_what_was_measured_and_ends_to_the_second():
    told = Told(store=MeasuredResults(OK, [at(3, CRITICAL)]))
    found = site_line(told, outages=[Outage("a", "disk", 2 * HOUR, 4 * HOUR + 7)])
    assert found == [(0, OK), (2 * HOUR, DOWNTIME), (4 * HOUR + 7, CRITICAL)]


def test_what_is_excluded_is_unknown_even_in_an_outage():
    told = Told(store=MeasuredResults(OK, [at(3, CRITICAL)]))
    found = site_line(
        told,
        outages=[Outage("a", "disk", HOUR, 3 * HOUR)],
        exclusions=[Exclusion(2 * HOUR, 5 * HOUR, "why")],
    )
    assert found == [(0, OK), (HOUR, DOWNTIME), (2 * HOUR, UNKNOWN), (5 * HOUR, CRITICAL)]


@pytest.mark.parametrize(
    "where, counts",
    [({"site": "S"}, True), ({"site": "T"}, False), ({"host": "a"}, True), ({"service_type": "vm"}, False)]
    + [({"metric": "store"}, True), ({"metric": "boot"}, False)],
)
def test_an_exclusion_is_of_what_it_names(where, counts):
    found = site_line(Told(store=MeasuredResults(CRITICAL, [])), exclusions=[Exclusion(0, DAY, "why", **where)])
    assert found == [(0, UNKNOWN if counts else CRITICAL)]


def test_an_exclusion_of_the_results_for_one_vo_is_of_those():
    told = Told(
        store=[
            MeasuredResults(CRITICAL, [], name="store-ops"),
            MeasuredResults(OK, [at(7, CRITICAL)], name="store-other"),
        ]
    )
    found = site_line(told, exclusions=[Exclusion(5 * HOUR, 9 * HOUR, "why", metric="store-ops")])
    assert found == [(0, CRITICAL), (5 * HOUR, UNKNOWN), (7 * HOUR, CRITICAL)]
    found = site_line(told, exclusions=[Exclusion(5 * HOUR, 9 * HOUR, "why", metric="store")])
    assert found == [(0, CRITICAL), (5 * HOUR, UNKNOWN), (9 * HOUR, CRITICAL)]


def test_service_types_that_the_profile_does_not_name_count_nowhere():
    endpoints = [TopologyEndpoint("S", "other", "a", 0, DAY)]
    assert not list(evaluation.segments(endpoints, FigureRules(PROFILE), Told(), 0, DAY))


def test_a_long_period_is_looked_at_in_pieces():
    endpoints = [TopologyEndpoint("S", "disk", "a", 0, 400 * DAY)]
    found = list(evaluation.segments(endpoints, FigureRules(PROFILE), Told(), 0, 365 * DAY))
    assert max(each.end - each.start for each in found) == evaluation.MAX_SEGMENT_DAYS * DAY
    assert [found[0].start, found[-1].end] == [0, 365 * DAY]


def test_the_figures_of_hours():
    (segment,) = evaluation.segments(
        [TopologyEndpoint("S", "disk", "a", 0, DAY)],
        FigureRules(PROFILE),
        Told(store=MeasuredResults(OK, [lines.make_entry(5400, CRITICAL)])),
        0,
        3 * HOUR,
    )
    found = evaluation.day_figures(segment.site, 0, 3 * HOUR, HOUR)
    assert [(at // HOUR, each.availability) for at, each in found] == [(0, 100.0), (1, 50.0), (2, 0.0)]


def test_the_packaged_profile_has_the_reference_tables_and_metrics_that_are_defined():
    from libprobe.programs import catalogue

    profile = profiles.read()
    for operation in (profile.operation, profile.groups[0].operation):
        names = slow.TABLES[operation.name]
        for (a, b), x in names.items():
            assert operation.join([profiles.NUMBERS[a], profiles.NUMBERS[b]]) == profiles.NUMBERS[x]
    defined = {metric.name: metric.service_types for metric in catalogue.read(str(ROOT / "etc/ncg"))}
    for service_type, metrics in profile.metrics.items():
        assert all(service_type in defined[name] for name in metrics)
