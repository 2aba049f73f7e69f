"""Figures, statuses and outages of sites, from the store: site by site, so memory does not grow with their number."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime

from libprobe.failures import Misconfigured
from libprobe.records import Record
from libprobe.text import likely_meant, safe
from libprobe.timelines import evaluation, figures, lines
from libprobe.timelines.algebra import DOWNTIME, MISSING, OK, STATUSES, UNKNOWN, WARNING
from libprobe.timelines.evaluation import ENDPOINT, METRIC, FigureRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from libprobe.timelines.evaluation import Exclusion, Outage, Segment, TimelineNode, TopologyEndpoint
    from libprobe.timelines.figures import Figures
    from libprobe.timelines.profiles import Profile
    from libprobe.timelines.store import Store

HOUR_S = 3600
WORST = 10


class Period(Record):
    """From a midnight to another, or to now; seconds since 1970. name: `2026-10`, `2026-10-07`, `2026-10-01 to ...`."""

    name: str
    start: int
    end: int


class FigureRow(Record):
    """Figures of one thing for one time. path: names from the site down. at: where that time begins; None for all."""

    ngi: str
    path: tuple[str, ...]
    at: int | None
    figures: Figures


class Cause(Record):
    """What lowered a status: an endpoint and its metric, and what that said. at: when it said so, None if never."""

    service_type: str = ""
    host: str = ""
    metric: str = ""
    at: int | None = None
    sentence: str = ""


class SiteOutage(Record):
    """A time in which a site was not up. share: of what is known of the period, in percent, that it took away."""

    start: int
    end: int
    status: int
    cause: Cause
    downtimes: tuple[Outage, ...]
    exclusions: tuple[Exclusion, ...]
    share: float


class StatusSpan(Record):
    """From when to when something had a status; seconds since 1970."""

    start: int
    end: int
    status: int


class StatusChanges(Record):
    """How often a metric changed its status. path: service type, host, metric."""

    path: tuple[str, ...]
    changes: int


class Explanation(Record):
    """What a site's figures are made of. troubles: in the order of time. flips: the worst first."""

    site: str
    figures: Figures
    troubles: tuple[SiteOutage, ...]
    flips: tuple[StatusChanges, ...]


class Calculation:
    """What a profile makes of a store, for a period."""

    def __init__(
        self, store: Store, profile: Profile, period: Period, results: evaluation.ResultSource | None = None
    ) -> None:
        """results: where they are, if they are not taken from the store."""
        self.period = period
        self._store = store
        self._results = results or store
        self.rules = FigureRules(profile, store.outages(period.start, period.end), list(store.exclusions().values()))
        self._sites: dict[str, list[TopologyEndpoint]] = {}
        types = profile.service_types
        for each in store.endpoints():
            if each.service_type in types and each.start < period.end and each.end > period.start:
                self._sites.setdefault(each.site, []).append(each)

    @property
    def sites(self) -> list[str]:
        return list(self._sites)

    def choose_sites(self, names: Sequence[str]) -> list[str]:
        """The sites of some names, all for none. Raises: Misconfigured for one that there is not."""
        for name in names:
            if name not in self._sites:
                near = likely_meant(name, self._sites)
                hint = f"did you mean {near[0]}?" if near else "import a topology that has it"
                raise Misconfigured(f"no endpoint of {safe(name)[:100]} counts in {self.period.name}", remedy=hint)
        return list(names) or self.sites

    def endpoints_of(self, site: str) -> Sequence[TopologyEndpoint]:
        """Those that count, of whatever days of the period."""
        return self._sites[site]

    def ngi_of(self, site: str) -> str:
        """The last that it was in."""
        return max(self._sites[site], key=lambda each: each.start).ngi

    def segments(self, site: str) -> Iterator[Segment]:
        period = self.period
        return evaluation.segments(self._sites[site], self.rules, self._results, period.start, period.end)

    # ---- figures

    def seconds(self, site: str) -> list[int]:
        """How many seconds of the period the site had each status; of days on which it had endpoints."""
        held = [0] * len(STATUSES)
        for segment in self.segments(site):
            (more,) = lines.seconds(segment.site.line, [0, segment.end - segment.start])
            held = [a + b for a, b in zip(held, more, strict=True)]
        return held

    def figures(self, site: str) -> Figures:
        """The figures of the whole period. Raises: Misconfigured where the site had no endpoint in it."""
        found = [row.figures for row in self.rows([site], evaluation.SITE, "period")]
        if not found:
            raise Misconfigured(f"no endpoint of {safe(site)[:100]} counts in {self.period.name}")
        return found[0]

    def rows(self, sites: Iterable[str], level: str, by: str) -> Iterator[FigureRow]:
        """The figures of all things of a level. by: `hour`, `day`, `month` or `period`."""
        for site in sites:
            found: dict[tuple[str, ...], list[tuple[int, Figures]]] = {}
            for segment in self.segments(site):
                for path, node in evaluation.nodes_at_level(segment.site, level):
                    step = HOUR_S if by == "hour" else None
                    days = evaluation.day_figures(node, segment.start, segment.end, step)
                    found.setdefault(path, []).extend(days)
            for path, days in found.items():
                for at, value in self._merged(days, by):
                    yield FigureRow(self.ngi_of(site), path, at, value)

    def _merged(self, days: list[tuple[int, Figures]], by: str) -> Iterator[tuple[int | None, Figures]]:
        if by in ("hour", "day"):
            yield from days
        elif by == "period":
            yield None, merge_days(days, self.period.end)
        else:
            for month, those in itertools.groupby(days, key=lambda day: month_of(day[0])):
                yield month, merge_days(list(those), self.period.end)

    def groups(self, rows: Iterable[FigureRow], weights: dict[str, float]) -> Iterator[FigureRow]:
        """The figures of the groups of sites, and of all sites together under an empty name, from those of sites."""
        found: dict[tuple[str, int | None], list[tuple[Figures, float]]] = {}
        for row in rows:
            weighted = (row.figures, weights.get(row.path[0], 1.0))
            for name in dict.fromkeys((row.ngi, "")):
                found.setdefault((name, row.at), []).append(weighted)
        for name, at in sorted(found, key=lambda key: (key[0] == "", key[0], key[1] or 0)):
            yield FigureRow(name, (), at, figures.figures_of_sites(found[name, at]))

    # ---- statuses

    def lines(self, site: str, level: str) -> dict[tuple[str, ...], list[StatusSpan]]:
        """Timelines of all things of a level. Where one was not in the topology there is no span."""
        found: dict[tuple[str, ...], list[StatusSpan]] = {}
        for segment in self.segments(site):
            _append_spans(found, segment, level)
        return found

    # ---- why

    def explain(self, site: str) -> Explanation:
        days: list[tuple[int, Figures]] = []
        spans: list[tuple[StatusSpan, Segment]] = []  # and where each begins
        of_metrics: dict[tuple[str, ...], list[StatusSpan]] = {}
        for segment in self.segments(site):
            days += evaluation.day_figures(segment.site, segment.start, segment.end)
            for span in _spans_of(segment.site, segment):
                if spans and spans[-1][0][1:] == (span.start, span.status):
                    before, begins = spans.pop()
                    spans.append((before._replace(end=span.end), begins))
                else:
                    spans.append((span, segment))
            _append_spans(of_metrics, segment, METRIC)
        if not days:
            raise Misconfigured(f"no endpoint of {safe(site)[:100]} counts in {self.period.name}")
        value = merge_days(days, self.period.end)
        known = sum(span.end - span.start for span, _ in spans) * (1 - value.unknown) or 1.0
        troubles = tuple(
            SiteOutage(
                *span,
                self._cause(segment, span.start),
                self._downtimes(site, span.start, span.end),
                self._exclusions(site, span.start, span.end) if span.status == UNKNOWN else (),
                0.0 if span.status in (UNKNOWN, MISSING) else round(100 * (span.end - span.start) / known, 3),
            )
            for span, segment in spans
            if span.status not in (OK, WARNING)
        )
        flips = Counter(
            {path[2:]: sum(a.end == b.start for a, b in itertools.pairwise(line)) for path, line in of_metrics.items()}
        )
        worst = tuple(StatusChanges(path, count) for path, count in flips.most_common(WORST) if count > 1)
        return Explanation(site, value, troubles, worst)

    def _cause(self, segment: Segment, at: int) -> Cause:
        """The first of those below that has the status of the whole, down to a metric."""
        node, instant = segment.site, at - segment.start
        status = lines.status_at(node.line, instant)
        names: dict[str, str] = {}
        while node.children:
            below = [each for each in node.children if lines.status_at(each.line, instant) == status]
            if not below:
                break  # an outage or an exclusion gave it its status, not what is below
            node = below[0]
            names[node.level] = node.name
        service_type, host, metric = (names.get(each, "") for each in (evaluation.SERVICE, ENDPOINT, METRIC))
        if status == DOWNTIME:
            metric = ""
        said = self._store.sentence(host, service_type, metric, at) if metric else None
        return Cause(service_type, host, metric, said and said[0], said[2] if said and said[1] == status else "")

    def _downtimes(self, site: str, start: int, end: int) -> tuple[Outage, ...]:
        found = {
            each.id: each
            for key in {(each.host, each.service_type) for each in self._sites[site]}
            for each in self.rules.outages.get(key, ())
            if each.start < end and each.end > start
        }
        return tuple(sorted(found.values(), key=lambda each: each.start))

    def _exclusions(self, site: str, start: int, end: int) -> tuple[Exclusion, ...]:
        there = [each for each in self.rules.exclusions if each.start < end and each.end > start]
        return tuple(
            each for each in there if any(each.concerns(endpoint, each.metric) for endpoint in self._sites[site])
        )


def _append_spans(found: dict[tuple[str, ...], list[StatusSpan]], segment: Segment, level: str) -> None:
    """Add what things of a level had in a segment; what goes on from the segment before is one span."""
    for path, node in evaluation.nodes_at_level(segment.site, level):
        spans = found.setdefault(path, [])
        for span in _spans_of(node, segment):
            if spans and spans[-1][1:] == (span.start, span.status):
                span = span._replace(start=spans.pop().start)
            spans.append(span)


def _spans_of(node: TimelineNode, segment: Segment) -> list[StatusSpan]:
    """What a node of a segment had, from its start to its end."""
    points = lines.points(node.line, segment.start)
    ends = (*(at for at, _ in points[1:]), segment.end)
    return [StatusSpan(start, end, status) for (start, status), end in zip(points, ends, strict=True)]


def merge_days(days: Sequence[tuple[int, Figures]], end: int) -> Figures:
    """The figures of several days, each with its midnight. end: of the last, which may not be over."""
    return figures.figures_of_days(
        [value for _, value in days], [min(lines.DAY_S, end - midnight) for midnight, _ in days]
    )


def month_of(at: int) -> int:
    """When the month of an instant began."""
    return int(datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())
