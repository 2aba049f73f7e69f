"""From results to the timelines of a site: metric, endpoint, service type, group, site.

    metrics    results, each holding until the next; MISSING on a day that has none
    endpoint   its metrics by the profile's metric operation; then DOWNTIME where an outage covers it; then UNKNOWN
               where an operator excluded it
    service    its endpoints; group: its service types; site: its groups

A site's endpoints may change from day to day, so a period is looked at in segments of days with the same endpoints.
"""

from __future__ import annotations

import itertools

from libprobe.records import Record
from libprobe.timelines import figures, lines
from libprobe.timelines.algebra import DOWNTIME, MISSING, NONE, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Protocol

    from libprobe.timelines.algebra import Operation
    from libprobe.timelines.figures import Figures
    from libprobe.timelines.lines import Line, Span
    from libprobe.timelines.profiles import Profile

    MetricKey = tuple[str, str, str]  # host, service type, metric

    class ResultSource(Protocol):
        """Where measured results come from."""

        def measured(self, wanted: Sequence[MetricKey], start: int, end: int) -> Mapping[MetricKey, Measured]:
            """What there is of some metrics: of each one entry for each VO or the like; none without a result."""

    Measured = Sequence["MeasuredResults"]


METRIC, ENDPOINT, SERVICE, GROUP, SITE = LEVELS = ("metric", "endpoint", "service", "group", "site")

MAX_SEGMENT_DAYS = 31
"""Days whose timelines are in memory at a time, however long the period is."""


def is_series_of(name: str, metric: str) -> bool:
    """Whether results of a name are those of a metric: its own name, or that of the metric for a VO, `metric-ops`."""
    return name == metric or (name.startswith(f"{metric}-") and name[len(metric) + 1 :].islower())


class TopologyEndpoint(Record):
    """A service of one type on one host, as it stood in the topology from one day to another.

    start, end: midnights, seconds since 1970; the end is the first at which it was no longer there.
    ngi:        the group of sites that its site is in; empty where that is not known.
    """

    site: str
    service_type: str
    host: str
    start: int
    end: int
    ngi: str = ""


class Outage(Record):
    """A declared downtime of severity OUTAGE. id: of the GOCDB."""

    host: str
    service_type: str
    start: int
    end: int
    id: str = ""
    description: str = ""


class Exclusion(Record):
    """A period that an operator took out of the figures, with the reason.

    Empty names stand for any: with all of them empty it was the monitor itself that was broken. metric: as a profile
    names it, or as it is run for one VO, `metric-ops`.
    """

    start: int
    end: int
    reason: str
    site: str = ""
    service_type: str = ""
    host: str = ""
    metric: str = ""

    def concerns(self, endpoint: TopologyEndpoint, metric: str = "") -> bool:
        """Whether it is about an endpoint as a whole or, where one is named, about that metric of it."""
        return self.metric == metric and all(
            not wanted or wanted == there
            for wanted, there in (
                (self.site, endpoint.site),
                (self.service_type, endpoint.service_type),
                (self.host, endpoint.host),
            )
        )


class MeasuredResults(Record):
    """before: status of the last result before the time that was asked for, None without one.

    results: entries of `lines` within it. unseen: its days without any result, as spans. Both count from its start.
    name: of the series, if it is not the metric's: `metric-ops`.
    """

    before: int | None
    results: Sequence[int]
    unseen: Sequence[Span] = ()
    name: str = ""


class TimelineNode(Record):
    """The timeline of one thing, and of what it was made of.

    level: one of LEVELS, each below the one above it. line: counts from the start of its segment.
    """

    level: str
    name: str
    line: Line
    children: tuple[TimelineNode, ...] = ()


class Segment(Record):
    """Days with the same endpoints: from a midnight to another, or to now."""

    start: int
    end: int
    site: TimelineNode


class FigureRules(Record):
    """What figures are made by, beside the results. outages: by host and service type."""

    profile: Profile
    outages: Mapping[tuple[str, str], Sequence[Outage]] = {}
    exclusions: Sequence[Exclusion] = ()


def segments(
    endpoints: Sequence[TopologyEndpoint], rules: FigureRules, results: ResultSource, start: int, end: int
) -> Iterator[Segment]:
    """The timelines of one site, in the order of time; nothing for days on which nothing of it counts.

    endpoints: all of the site, of whatever days. start: a midnight. end: a midnight, or now.
    """
    types = rules.profile.service_types
    counted = [each for each in endpoints if each.service_type in types]
    step = MAX_SEGMENT_DAYS * lines.DAY_S
    bounds = {start, end, *range(start, end, step)}
    bounds |= {each.start for each in counted} | {each.end for each in counted}
    cuts = sorted(cut for cut in bounds if start <= cut <= end)
    for begin, stop in itertools.pairwise(cuts):
        there = [each for each in counted if each.start <= begin < each.end]
        if there:
            yield Segment(begin, stop, _site(there, rules, results, begin, stop))


def _site(
    endpoints: Sequence[TopologyEndpoint], rules: FigureRules, results: ResultSource, start: int, end: int
) -> TimelineNode:
    metrics = rules.profile.metrics
    wanted = [(each.host, each.service_type, metric) for each in endpoints for metric in metrics[each.service_type]]
    measured = results.measured(wanted, start, end)
    by_type: dict[str, dict[str, TimelineNode]] = {}
    for each in endpoints:
        kept = by_type.setdefault(each.service_type, {})
        if each.host not in kept:
            kept[each.host] = _endpoint(each, rules, measured, start, end)
    groups = []
    for group in rules.profile.groups:
        services = tuple(
            _join_nodes(SERVICE, name, by_type[name].values(), operation)
            for name, operation in group.services.items()
            if name in by_type
        )
        if services:
            groups.append(_join_nodes(GROUP, group.name, services, group.operation))
    return _join_nodes(SITE, endpoints[0].site, groups, rules.profile.operation)


def _join_nodes(level: str, name: str, children: Iterable[TimelineNode], operation: Operation) -> TimelineNode:
    below = tuple(children)
    return TimelineNode(level, name, lines.join([each.line for each in below], operation), below)


def _endpoint(
    endpoint: TopologyEndpoint, rules: FigureRules, measured: Mapping[MetricKey, Measured], start: int, end: int
) -> TimelineNode:
    host, service_type = endpoint.host, endpoint.service_type
    metrics = []
    for name in rules.profile.metrics[service_type]:
        line = _metric_line(endpoint, measured.get((host, service_type, name), ()), rules, start, end)
        metrics.append(TimelineNode(METRIC, name, _exclude(line, endpoint, name, rules, start, end)))
    line = lines.join([each.line for each in metrics], rules.profile.metric_operation)
    if out := rules.outages.get((host, service_type)):
        line = lines.cover_spans(line, _spans(out, start), DOWNTIME, end - start)
    return TimelineNode(ENDPOINT, host, _exclude(line, endpoint, "", rules, start, end), tuple(metrics))


def _metric_line(endpoint: TopologyEndpoint, measured: Measured, rules: FigureRules, start: int, end: int) -> Line:
    """The line of a metric. Of several series of it, those that have no result on a day make no difference to it.

    Such as a VO for which it is not run any more, or its former name.
    """
    if not measured:
        return lines.constant_line(MISSING)
    absent = MISSING if len(measured) == 1 else NONE
    of_each = []
    for each in measured:
        line = lines.line_of_results(each.results, absent if each.before is None else each.before)
        line = lines.cover_spans(line, each.unseen, absent, end - start)
        of_each.append(_exclude(line, endpoint, each.name, rules, start, end) if each.name else line)
    return lines.join(of_each, rules.profile.metric_operation)


def _exclude(line: Line, endpoint: TopologyEndpoint, metric: str, rules: FigureRules, start: int, end: int) -> Line:
    """The line of an endpoint, or of a metric or series of it, with what an operator excluded of just that."""
    if not rules.exclusions:
        return line
    excluded = [each for each in rules.exclusions if each.concerns(endpoint, metric)]
    return lines.cover_spans(line, _spans(excluded, start), UNKNOWN, end - start)


def _spans(times: Iterable[Outage | Exclusion], start: int) -> list[Span]:
    """As lines count that start then."""
    return [(each.start - start, each.end - start) for each in times]


def nodes_at_level(site: TimelineNode, level: str) -> list[tuple[tuple[str, ...], TimelineNode]]:
    """All nodes of a level, each with the names of the nodes from the site down to it."""
    found: list[tuple[tuple[str, ...], TimelineNode]] = [((site.name,), site)]
    while found and found[0][1].level != level:
        found = [((*path, child.name), child) for path, node in found for child in node.children]
    return found


def day_figures(node: TimelineNode, start: int, end: int, step: int | None = None) -> list[tuple[int, Figures]]:
    """The figures of each day of a node's timeline, by the day's midnight. end: of the timeline.

    step: seconds of what takes the place of a day, such as 3600; it begins at a multiple of itself.
    """
    step = step or lines.DAY_S
    bounds = [0, *range(step - start % step, end - start, step), end - start]
    return [
        (start + begin, figures.figures_of_time(held))
        for begin, held in zip(bounds, lines.seconds(node.line, bounds), strict=False)
    ]
