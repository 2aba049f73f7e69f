"""The results as one self-contained HTML page: no script, nothing loaded, readable on a telephone and in the dark.

All text from outside is escaped, and the page's policy (CSP) allows nothing but its own style sheet, so
that even an escape forgotten here could run nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from itertools import groupby
from urllib.parse import urlsplit

from libprobe import __version__
from libprobe.failures import STATUS_NAMES
from libprobe.judge.summaries import SIGNIFICANCE
from libprobe.programs.selfcheck import console, plots
from libprobe.programs.selfcheck.results import worst
from libprobe.text import decimal, duration, number_of, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.formats.plugin_output import PerformanceValue
    from libprobe.programs.selfcheck.results import JobResult, MetricJob, SelfCheckRun

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5a6676; --line: #dfe3e9; --link: #0b57b0;
  --s0: #1a7f4b; --s1: #8a5a00; --s2: #c02626; --s3: #6b4fb8; --sd: #3d6b8f;
  --b0: #e4f4ea; --b1: #fdf0d2; --b2: #fde5e3; --b3: #ede8fa; --bd: #e2edf5;
  --bar: #7a9cc6; --rail: #e6eaf0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --card: #1a2029; --ink: #e6eaf0; --soft: #9aa7b8; --line: #2c3542; --link: #7db4ff;
    --s0: #5fd096; --s1: #f0bf5a; --s2: #ff8a82; --s3: #b9a3ff; --sd: #8cc0e6;
    --b0: #16301f; --b1: #382a0c; --b2: #3d1a1a; --b3: #2a2245; --bd: #182b3a;
    --bar: #5b80b0; --rail: #28303c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.45;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
main, header, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.75rem; }
header + main { margin-top: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; display: flex; gap: .75rem; align-items: center; flex-wrap: wrap; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; display: flex; gap: .6rem; align-items: center; flex-wrap: wrap; }
h3 { font-size: 1rem; margin: 0; font-weight: 600; }
a { color: var(--link); text-underline-offset: .15em; }
.soft { color: var(--soft); font-size: .875rem; }
.badge { display: inline-block; border-radius: .375rem; padding: .1rem .5rem; font-size: .75rem; font-weight: 700;
  letter-spacing: .03em; white-space: nowrap; }
h1 .badge { font-size: .95rem; padding: .2rem .65rem; }
.s0 { color: var(--s0); background: var(--b0); } .s1 { color: var(--s1); background: var(--b1); }
.s2 { color: var(--s2); background: var(--b2); } .s3 { color: var(--s3); background: var(--b3); }
.sd { color: var(--sd); background: var(--bd); }
.tally { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; margin: 1rem 0 0; }
.tally li { border-radius: .5rem; padding: .45rem .8rem; min-width: 5.5rem; font-size: .8rem; font-weight: 600; }
.tally b { display: block; font-size: 1.45rem; line-height: 1.1; font-weight: 700; }
.sites { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .4rem; padding: 0;
  list-style: none; margin: 0; }
.sites a { display: flex; justify-content: space-between; gap: .5rem; align-items: center; text-decoration: none;
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .6rem; color: inherit; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; margin: 0 0 1rem;
  overflow: hidden; }
.card > .head { padding: .8rem 1rem; border-bottom: 1px solid var(--line); }
.down { margin: .5rem 0 0; padding: .4rem .6rem; border-radius: .4rem; font-size: .875rem; }
.results { list-style: none; margin: 0; padding: 0; }
.results > li { display: grid; grid-template-columns: 6.2rem minmax(11rem, 16rem) 9.5rem 1fr; gap: .3rem 1rem;
  padding: .7rem 1rem; border-top: 1px solid var(--line); align-items: start; }
.results > li:first-child { border-top: 0; }
.results .metric { font-weight: 600; font-size: .925rem; }
.changed { display: block; font-weight: 400; font-size: .8rem; color: var(--soft); }
.took { font-variant-numeric: tabular-nums; font-size: .875rem; }
.took svg { display: block; margin-top: .2rem; }
.said p { margin: 0; font-size: .925rem; }
.said .remedy { margin-top: .3rem; padding-left: .7rem; border-left: 3px solid var(--s1); }
details { margin-top: .4rem; font-size: .85rem; }
summary { cursor: pointer; color: var(--soft); }
.values { border-collapse: collapse; margin: .4rem 0; }
.values td, .values th { text-align: left; padding: .1rem .9rem .1rem 0; font-weight: 400; vertical-align: middle; }
.values td { overflow-wrap: normal; }
.values td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums; }
pre { margin: .4rem 0 0; white-space: pre-wrap; font: .8rem/1.4 ui-monospace, "DejaVu Sans Mono", monospace;
  background: var(--paper); border-radius: .4rem; padding: .5rem .7rem; }
.log { margin: 0; padding: .7rem 1rem .7rem 2rem; font-size: .925rem; }
footer { padding-top: 1rem; padding-bottom: 2.5rem; }
svg .rail { fill: var(--rail); } svg .bar { fill: var(--bar); } svg .line { stroke: var(--bar); fill: none; }
svg .limit { stroke: var(--s2); } svg .limit.w { stroke: var(--s1); }
svg .p0 { fill: var(--s0); } svg .p1 { fill: var(--s1); } svg .p2 { fill: var(--s2); } svg .p3 { fill: var(--s3); }
@media (max-width: 64rem) {
  .results > li { grid-template-columns: auto 1fr; gap: .25rem .7rem; }
  .results .metric { align-self: center; }
  .took { grid-column: 1 / -1; display: flex; gap: .8rem; align-items: center; color: var(--soft); }
  .took svg { margin: 0; }
  .said { grid-column: 1 / -1; }
}
@media (max-width: 48rem) {
  main, header, footer { padding-left: .8rem; padding-right: .8rem; }
  h1 { font-size: 1.3rem; }
  .tally { display: grid; grid-template-columns: repeat(auto-fit, minmax(5.2rem, 1fr)); }
  .tally li { min-width: 0; }
}
@media print { body { background: none; } .card { break-inside: avoid; } }
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def render(run: SelfCheckRun) -> str:
    """The whole page, ending in a newline."""
    return "\n".join(_page(run)) + "\n"


def _page(run: SelfCheckRun) -> Iterator[str]:
    title = f"{STATUS_NAMES[run.status]}: {safe(run.subject)}"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield from _header(run)
    yield "<main>"
    yield from _changes(run)
    sites = [(site, list(results)) for site, results in groupby(_in_order(run), key=lambda each: each.job.site)]
    sites.sort(key=lambda each: -SIGNIFICANCE.index(_state(run, each[1])))  # of one state by name
    if len(sites) > 1:
        yield from _overview(run, sites)
    slowest = max((each.seconds for each in run.results), default=0.0)
    for number, (site, results) in enumerate(sites):
        yield from _site(run, f"site-{number}", site, results, slowest)
    yield "</main>"
    yield from _footer(run)
    yield "</body>\n</html>"


def _in_order(run: SelfCheckRun) -> list[JobResult]:
    return [each for _, results in console.by_endpoint(run) for each in results]


def _header(run: SelfCheckRun) -> Iterator[str]:
    yield f"<header>\n<h1>{_text(run.subject)} {_badge(run.status)}</h1>"
    when = f"{run.started:%Y-%m-%d %H:%M} UTC"
    whole = f"{number_of(len(run.results), 'metric')} in {duration(run.seconds)}"
    yield f'<p class="soft">Checked {when} from {_text(run.monitor)}: {whole}.</p>'
    if run.cut_short:
        yield f'<p class="down s3">Cut short: {_text(run.cut_short)}.</p>'
    yield '<ul class="tally">'
    for status, count in run.tally.items():
        yield f'<li class="s{status}"><b>{count}</b>{STATUS_NAMES[status]}</li>'
    if run.in_downtime:
        yield f'<li class="sd"><b>{run.in_downtime}</b>in downtime</li>'
    yield "</ul>\n</header>"


def _changes(run: SelfCheckRun) -> Iterator[str]:
    """What is not as it was the last time, and what else is to be noted."""
    heading, *lines = [line.strip() for line in console.changes(run)] or [""]
    yield from _list(heading.rstrip(":."), [re.sub(r"^(\w+) +", r"\1: ", line) for line in lines])
    if run.notes:
        yield from _list("Notes", run.notes)


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if heading:
        yield f"<h2>{_text(heading)}</h2>"
    if lines:
        yield '<div class="card"><ul class="log">'
        yield from (f"<li>{_text(line)}</li>" for line in lines)
        yield "</ul></div>"


def _overview(run: SelfCheckRun, sites: list[tuple[str, list[JobResult]]]) -> Iterator[str]:
    yield f'<h2>{number_of(len(sites), "site")}</h2>\n<ul class="sites">'
    for number, (site, results) in enumerate(sites):
        badge = _badge_of(run, results)
        yield f'<li><a href="#site-{number}"><span>{_text(site or "no site")}</span>{badge}</a></li>'
    yield "</ul>"


def _state(run: SelfCheckRun, results: list[JobResult]) -> int:
    return worst(each.status for each in results if run.is_counted(each))


def _badge_of(run: SelfCheckRun, results: list[JobResult]) -> str:
    """The state of a site, unless none of its results counts for it."""
    if any(run.is_counted(each) for each in results):
        return _badge(_state(run, results))
    return '<span class="badge sd">in downtime</span>'


def _site(run: SelfCheckRun, anchor: str, site: str, results: list[JobResult], slowest: float) -> Iterator[str]:
    badge = _badge_of(run, results)
    yield f'<section id="{anchor}">'
    if site != run.subject:
        yield f"<h2>{_text(site or 'no site')} {badge}</h2>"
    of_endpoints = [
        list(group)
        for _, group in groupby(results, key=lambda each: (each.job.hostname, each.job.service_type, each.job.url))
    ]
    for of_endpoint in sorted(of_endpoints, key=lambda group: -SIGNIFICANCE.index(_state(run, group))):
        yield from _endpoint(run, of_endpoint[0].job, of_endpoint, slowest)
    yield "</section>"


def _endpoint(run: SelfCheckRun, job: MetricJob, results: list[JobResult], slowest: float) -> Iterator[str]:
    yield f'<article class="card"><div class="head"><h3>{_text(job.hostname)}</h3>'
    yield f'<div class="soft">{_text(job.service_type)}{"<br>" if job.url else ""}{_text(job.url)}</div>'
    if job.downtime:
        text = console.in_downtime(job)
        more = _link(job.downtime.portal_url, "in the GOCDB")
        yield f'<p class="down sd">{_text(text[:1].upper() + text[1:])}{" (" + more + ")" if more else ""}</p>'
    yield '</div>\n<ul class="results">'
    for result in results:
        yield from _result(run, result, slowest)
    yield "</ul></article>"


def _result(run: SelfCheckRun, result: JobResult, slowest: float) -> Iterator[str]:
    job = result.job
    yield f"<li><div>{_badge(result.status, quiet=not run.is_counted(result))}</div>"
    name = _link(job.docurl, job.metric) or _text(job.metric)
    yield f'<div class="metric">{name}{_changed(result)}</div>'
    plot = plots.history(result) if len(result.past) > 1 else plots.took(result.seconds, slowest)
    plot = plot if result.seconds else ""
    yield f'<div class="took"><span>{console.took(result)}</span>{plot}</div>'
    yield f'<div class="said"><p>{_text(result.sentence)}</p>'
    if result.advice:
        yield f'<p class="remedy"><strong>What to do:</strong> {_text(result.advice)}</p>'
    yield from _details(result)
    yield "</div></li>"


def _changed(result: JobResult) -> str:
    if not result.is_changed or result.before is None:
        return ""
    return f'<span class="changed">was {STATUS_NAMES[result.before.status]}</span>'


def _details(result: JobResult) -> Iterator[str]:
    if not result.performance and not result.lines:
        return
    yield "<details><summary>Measured values and details</summary>"
    if result.performance:
        yield '<table class="values">'
        longest = max((each.value for each in result.performance if each.unit == "s"), default=0.0)
        for each in result.performance:
            plot = plots.value(each, longest) if each.unit == "s" else ""
            yield f"<tr><th>{_text(each.label)}</th><td>{_text(_measured(each))}</td><td>{plot}</td></tr>"
        yield "</table>"
    if result.lines:
        yield f"<pre>{_text_lines(result.lines)}</pre>"
    yield "</details>"


def _measured(each: PerformanceValue) -> str:
    return duration(each.value) if each.unit == "s" else f"{decimal(each.value)} {each.unit}".strip()


def _footer(run: SelfCheckRun) -> Iterator[str]:
    counted = "" if run.counted_downtimes else " Endpoints in downtime do not count."
    yield (
        f'<footer class="soft"><p>fedcloud-selfcheck {__version__}; endpoints from {_text(run.gocdb)}. '
        f"The state is the worst of all: CRITICAL, then UNKNOWN, WARNING, OK.{counted}</p></footer>"
    )


def _badge(status: int, *, quiet: bool = False) -> str:
    return f'<span class="badge {"sd" if quiet else f"s{status}"}">{STATUS_NAMES[status]}</span>'


def _link(url: str, text: str) -> str:
    """A link, if it is one that leads to a page and not into a script; else empty."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc or not url.isprintable() or " " in url:
        return ""
    return f'<a href="{escape(url, quote=True)}" rel="noopener noreferrer">{_text(text)}</a>'


def _text(text: str) -> str:
    return escape(safe(text), quote=True)


def _text_lines(lines: tuple[str, ...]) -> str:
    return "\n".join(map(_text, lines))
