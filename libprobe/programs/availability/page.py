"""Figures as one self-contained HTML page: days by site, and below each site its timelines with the outages on them.

No script, nothing loaded, readable on a telephone and in the dark. All text from outside is escaped, and the page's
policy allows nothing but its own style sheet.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from html import escape

from libprobe.programs.availability import report
from libprobe.text import decimal, number_of, safe
from libprobe.timelines.algebra import MISSING, OK, STATUSES, UNKNOWN, WARNING
from libprobe.timelines.calculation import merge_days
from libprobe.timelines.evaluation import ENDPOINT, SERVICE, SITE
from libprobe.timelines.figures import NO_DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.timelines.calculation import Calculation, Explanation, Period, StatusSpan
    from libprobe.timelines.figures import Figures

DAY_S = 86_400
MAX_MARKS = 300
"""On one timeline; of more the longest are drawn."""

WIDTH = 1000
SMALLEST_SHARE = 1e-5
"""Of a day: figures are kept with five decimals."""

GRADES = ((99.0, "g0"), (95.0, "g1"), (80.0, "g2"), (0.0, "g3"))
"""From which availability of a day on a cell has which colour."""

STYLE = """
:root { color-scheme: light dark;
  --paper: #f6f7f9; --card: #fff; --ink: #1c2430; --soft: #5a6676; --line: #dfe3e9; --rail: #cfe6d8;
  --g0: #cdeed9; --g1: #e9efc0; --g2: #fbdfa8; --g3: #f5b3ad; --gn: #e6e8ec;
  --CRITICAL: #c02626; --UNKNOWN: #8b74cf; --MISSING: #a5aab3; --DOWNTIME: #3d7fb8; --WARNING: #d9a72c; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #12161c; --card: #1a2029; --ink: #e6eaf0; --soft: #9aa7b8; --line: #2c3542; --rail: #1e4a30;
  --g0: #1d4a30; --g1: #4a4c16; --g2: #614310; --g3: #7a2622; --gn: #2b323c;
  --CRITICAL: #ff6f66; --UNKNOWN: #a48df0; --MISSING: #6d7683; --DOWNTIME: #5aa6e6; --WARNING: #e6bd55; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.25rem; background: var(--paper); color: var(--ink);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); font-size: .875rem; }
a { color: inherit; }
.wide { overflow-x: auto; margin: 1rem 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
table { border-collapse: separate; border-spacing: 2px; font-variant-numeric: tabular-nums; font-size: .8rem; }
th { text-align: left; white-space: nowrap; padding: .25rem .5rem; font-weight: 600; }
tbody th { position: sticky; left: 0; background: var(--card); }
td { text-align: center; min-width: 2.1rem; padding: .25rem .15rem; border-radius: .2rem; }
.g0 { background: var(--g0); } .g1 { background: var(--g1); }
.g2 { background: var(--g2); } .g3 { background: var(--g3); }
.gn { background: var(--gn); color: var(--soft); }
details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0;
  padding: .5rem 1rem; }
summary { cursor: pointer; font-weight: 600; }
.name { font-size: .8rem; margin: .6rem 0 .1rem; }
svg { display: block; width: 100%; height: .9rem; border-radius: .2rem; background: var(--rail); }
.CRITICAL { fill: var(--CRITICAL); } .UNKNOWN { fill: var(--UNKNOWN); } .MISSING { fill: var(--MISSING); }
.DOWNTIME { fill: var(--DOWNTIME); } .WARNING { fill: var(--WARNING); }
.key svg { display: inline-block; width: 1rem; vertical-align: middle; margin: 0 .25rem 0 .75rem; }
ul { padding-left: 1.1rem; } li { margin: .4rem 0; }
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def render(found: Calculation, sites: Sequence[str]) -> Iterator[str]:
    """The page in pieces: a site's timelines are forgotten when they are written."""
    period = found.period
    title = _text(f"Availability, {period.name}")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f'<meta name="referrer" content="no-referrer">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n'
    until = "" if period.end % DAY_S == 0 else f", until {report.instant(period.end)}"
    yield f"<body>\n<h1>{title}</h1>\n"
    yield f'<p class="soft">{number_of(len(sites), "site")}{until}; days of UTC, percent of what is known</p>\n'
    days = range(period.start, period.end, DAY_S)
    numbers = "".join(f"<th>{datetime.fromtimestamp(day, UTC).day}</th>" for day in days)
    yield f'<div class="wide"><table>\n<thead><tr><th>site</th><th>all</th>{numbers}</tr></thead>\n<tbody>\n'
    for number, site in enumerate(sites):
        of_day = {row.at: row.figures for row in found.rows([site], SITE, "day") if row.at is not None}
        cells = "".join(_cell(of_day.get(day), _date(day)) for day in days)
        all_ = merge_days(list(of_day.items()), period.end) if of_day else None
        yield f'<tr><th><a href="#s{number}">{_text(site)}</a></th>{_cell(all_, period.name)}{cells}</tr>\n'
    yield "</tbody></table></div>\n"
    yield f'<p class="soft key">{"".join(f"{_mark(status)}{status.lower()}" for status in STATUSES[1:])}</p>\n'
    for number, site in enumerate(sites):
        yield from _site(found, site, number)
    yield "</body>\n</html>\n"


def _mark(status: str) -> str:
    return f'<svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{status}" width="10" height="10"/></svg>'


def _cell(figures: Figures | None, when: str) -> str:
    if figures is None:
        return "<td></td>"
    value = figures.availability
    said = (
        f"{when}: availability {report.percent(value)}, reliability {report.percent(figures.reliability)}, "
        f"unknown {100 * figures.unknown:.2f} %, downtime {100 * figures.down:.2f} %"
    )
    if value == NO_DATA:
        return f'<td class="gn" title="{_text(said)}">–</td>'
    grade = next(name for least, name in GRADES if value >= least)
    # Rounded down, so that what is not whole does not say 100. What was up all the time that is known is whole, though
    # the 1e-8 of ARGO's web API takes something off it where little is known.
    shown = 100 if figures.up + figures.unknown > 1 - SMALLEST_SHARE / 2 else int(value)
    return f'<td class="{grade}" title="{_text(said)}">{decimal(shown)}</td>'


def _site(found: Calculation, site: str, number: int) -> Iterator[str]:
    why = found.explain(site)
    values = f"availability {report.percent(why.figures.availability)}, reliability "
    values += report.percent(why.figures.reliability)
    yield f'<details><summary>{_text(site)}: {values}</summary>\n<p id="s{number}"></p>\n'
    for level in (SITE, SERVICE, ENDPOINT):
        for path, line in found.lines(site, level).items():
            yield f'<p class="name">{_text(" on ".join(reversed(path[2:])) or site)}</p>\n'
            yield _timeline(line, found.period)
    yield from _outages(why)
    yield "</details>\n"


def _timeline(line: Sequence[StatusSpan], period: Period) -> str:
    """A bar as long as the period; what was not OK stands on it."""
    spans = [each for each in line if each.status != OK]
    if len(spans) > MAX_MARKS:
        spans = sorted(spans, key=lambda each: each[0] - each[1])[:MAX_MARKS]
    scale = WIDTH / (period.end - period.start)
    marks = "".join(
        f'<rect class="{STATUSES[status]}" x="{decimal((at - period.start) * scale, 2)}" '
        f'width="{decimal(max((end - at) * scale, 0.8), 2)}" height="10">'
        f"<title>{report.instant(at)} to {report.instant(end)}: {STATUSES[status]}</title></rect>"
        for at, end, status in spans
    )
    said = f"{number_of(len(spans), 'time')} not OK"
    return f'<svg viewBox="0 0 {WIDTH} 10" preserveAspectRatio="none" role="img" aria-label="{said}">{marks}</svg>\n'


def _outages(why: Explanation) -> Iterator[str]:
    counted = [each for each in why.troubles if each.status not in (OK, WARNING, UNKNOWN, MISSING)]
    worst = sorted(counted, key=lambda each: each.end - each.start, reverse=True)[: report.WORST]
    if not worst:
        return
    yield f'<p class="name">{"the longest outages" if len(counted) > len(worst) else "outages"}</p>\n<ul>\n'
    for each in worst:
        lines = [report.describe_outage(each), *report.cause_lines(each)]
        yield f"<li>{'<br>'.join(map(_text, lines))}</li>\n"
    yield "</ul>\n"


def _date(at: int) -> str:
    return report.instant(at)[:10]


def _text(text: str) -> str:
    return escape(safe(text))
