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
from libprobe.timelines.algebra import DOWNTIME, MISSING, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Protocol

    from libprobe.timelines.algebra import Operation
    from libprobe.timelines.figures import Figures
    from libprobe.timelines.lines import Line, Span
    from libprobe.timelines.profiles import Profile

    class ResultSource(Protocol):
        """Where measured results come from."""

        def measured(self, endpoint: TopologyEndpoint, metric: str, start: int, end: int) -> list[MeasuredResults]:
            """What there is of a metric at an endpoint: one entry for each VO or the like; none without a result."""


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
    """A period that an operator took out of the figures, with the reason. Empty names stand for any: with all of them
    empty it was the monitor itself that was broken."""

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
    """before: status of the last result before the span, None without one. results: entries of `lines` within it.

    unseen: the days of the span without any result, as spans.
    """

    before: int | None
    results: Sequence[int]
    unseen: Sequence[Span] = ()


class TimelineNode(Record):
    """The timeline of one thing, and of what it was made of. level: one of LEVELS."""

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
    by_type: dict[str, dict[str, TimelineNode]] = {}
    for each in endpoints:
        kept = by_type.setdefault(each.service_type, {})
        if each.host not in kept:
            kept[each.host] = _endpoint(each, rules, results, start, end)
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
    endpoint: TopologyEndpoint, rules: FigureRules, results: ResultSource, start: int, end: int
) -> TimelineNode:
    metrics = tuple(
        _metric(endpoint, name, rules, results, start, end) for name in rules.profile.metrics[endpoint.service_type]
    )
    line = lines.join([each.line for each in metrics], rules.profile.metric_operation)
    if out := rules.outages.get((endpoint.host, endpoint.service_type)):
        line = lines.cover_spans(line, [(each.start, each.end) for each in out], DOWNTIME, end)
    excluded = [(each.start, each.end) for each in rules.exclusions if each.concerns(endpoint)]
    if excluded:
        line = lines.cover_spans(line, excluded, UNKNOWN, end)
    return TimelineNode(ENDPOINT, endpoint.host, line, metrics)


def _metric(
    endpoint: TopologyEndpoint, name: str, rules: FigureRules, results: ResultSource, start: int, end: int
) -> TimelineNode:
    measured = results.measured(endpoint, name, start, end)
    if not measured:
        line = lines.constant_line(start, MISSING)
    else:
        line = lines.join(
            [
                lines.cover_spans(lines.line_of_results(each.results, start, each.before), each.unseen, MISSING, end)
                for each in measured
            ],
            rules.profile.metric_operation,
        )
    excluded = [(each.start, each.end) for each in rules.exclusions if each.metric and each.concerns(endpoint, name)]
    return TimelineNode(METRIC, name, lines.cover_spans(line, excluded, UNKNOWN, end) if excluded else line)


def walk(node: TimelineNode, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TimelineNode]]:
    """A node and all below it, each with the names of the nodes down to it."""
    path = (*above, node.name)
    yield path, node
    for child in node.children:
        yield from walk(child, path)


def day_figures(node: TimelineNode, start: int, end: int, step: int | None = None) -> list[tuple[int, Figures]]:
    """The figures of each day of a node's timeline, by the day's midnight. end: of the timeline.

    step: seconds of what takes the place of a day, such as 3600; it begins at a multiple of itself.
    """
    step = step or lines.DAY_S
    bounds = [start, *range(start - start % step + step, end, step), end]
    return [
        (begin, figures.figures_of_time(lines.seconds(part, stop)))
        for part, (begin, stop) in zip(lines.split_line(node.line, bounds), itertools.pairwise(bounds), strict=True)
    ]
