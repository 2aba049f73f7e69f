"""The results for people at a terminal: a table there, plain lines in a file, a mail or a pipe.

All text is made safe (`libprobe.text`), and none of it is markup: what a server sends stays what it is.
"""

from __future__ import annotations

from itertools import groupby

from libprobe.failures import OK, STATUS_NAMES
from libprobe.text import duration, number_of, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from libprobe.selfcheck.results import Job, Result, Run

WIDE = 110
"""Columns of a terminal from which on metrics have their full names."""

STYLES = ("green", "yellow", "bold red", "magenta")


def headline(run: Run) -> str:
    """`KR-KISTI-CLOUD: CRITICAL - 1 CRITICAL, 7 OK, 2 in downtime; 10 metrics in 12.3 s`."""
    parts = [f"{count} {STATUS_NAMES[status]}" for status, count in run.tally.items()]
    if run.in_downtime:
        parts.append(f"{run.in_downtime} in downtime")
    counted = ", ".join(parts) or "nothing to check"
    whole = f"{number_of(len(run.results), 'metric')} in {duration(run.seconds)}"
    return f"{safe(run.subject)}: {STATUS_NAMES[run.status]} - {counted}; {whole}"


def footer(run: Run) -> Iterator[str]:
    """Why it ended early, what changed, and the notes, a line each."""
    if run.cut_short:
        yield f"Cut short: {safe(run.cut_short)}."
    yield from changes(run)
    yield from (f"Note: {safe(note)}" for note in run.notes)


def changes(run: Run) -> Iterator[str]:
    """What is not as it was the last time: a heading and a line each; nothing if there was no last time."""
    if run.since:
        since = run.since.strftime("%Y-%m-%d %H:%M UTC")
        new = [each for each in run.results if not each.past]
        if not run.changes and not new and not run.gone:
            yield f"Nothing changed since {since}."
        else:
            yield f"Changed since {since}:"
        for each in run.changes:
            assert each.before
            turned = "worse " if each.is_worse else "better"
            states = f"was {STATUS_NAMES[each.before.status]}, is {each.status_name}"
            yield f"  {turned}  {safe(each.job.metric)} at {_place(each.job)}: {states}"
        for each in new:
            yield f"  new     {safe(each.job.metric)} at {_place(each.job)}: is {each.status_name}"
        for _, hostname, metric in run.gone:
            yield f"  gone    {safe(metric)} at {safe(hostname)}"


def _place(job: Job) -> str:
    return safe(job.hostname)


def took(result: Result) -> str:
    """How long the probe ran, if it did."""
    return duration(result.seconds) if result.seconds else "not run"


def in_downtime(job: Job) -> str:
    """`in downtime until 2026-11-23 12:00 UTC: description`, empty if it is in none."""
    if not job.downtime:
        return ""
    return safe(f"in downtime until {job.downtime.end:%Y-%m-%d %H:%M} UTC: {job.downtime.description}"[:300])


def plain(run: Run, *, details: bool = False) -> str:
    """Lines without colours, for files, mails and pipes. details: the probes' long output too."""
    lines = [headline(run)]
    for job, results in by_endpoint(run):
        lines += ["", _endpoint_line(job)]
        if job.downtime:
            lines.append(f"  {in_downtime(job)}")
        for each in results:
            lines.append(f"  {each.status_name:8}  {safe(each.job.metric):32} {took(each):>8}  {safe(each.sentence)}")
            if each.remedy and each.status != OK:
                lines.append(f"{'':12}-> {safe(each.remedy)}")
            lines += [f"{'':12}{safe(line)}" for line in each.lines if details]
    foot = list(footer(run))
    return "\n".join([*lines, *(["", *foot] if foot else [])]) + "\n"


def table(run: Run, file: Any, *, details: bool = False) -> None:
    """Print to a terminal. details: the probes' long output too."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, highlight=False, markup=False, emoji=False)
    # of a long name what tells it from others; --metric takes it as well
    full = console.width >= WIDE
    names = {each.job.metric: safe(each.job.metric if full else _last_part(each.job.metric)) for each in run.results}
    longest = min(max(map(len, names.values()), default=0) + len(" ▲"), console.width // 3)
    for job, results in by_endpoint(run):
        place = Text(_endpoint_line(job), style="bold")
        if job.downtime:
            place.append(f"\n{in_downtime(job)}", style="cyan")
        console.print(place, overflow="fold")
        part = Table(box=None, pad_edge=False, show_header=False, expand=True, padding=(0, 1))
        part.add_column(width=9, no_wrap=True)
        part.add_column(width=longest, overflow="fold")
        part.add_column(width=8, justify="right", no_wrap=True)
        part.add_column(overflow="fold", ratio=1)
        for each in results:
            style = "dim" if not run.counts(each) else STYLES[each.status]
            said = Text(safe(each.sentence))
            if each.remedy and each.status != OK:
                said.append(f"\n-> {safe(each.remedy)}", style="italic")
            for line in each.lines if details else ():
                said.append(f"\n{safe(line)}", style="dim")
            mark = "" if not each.changed else " ▲" if each.is_worse else " ▼"
            state = Text(each.status_name, style=style)
            part.add_row(state, Text(names[each.job.metric] + mark), Text(took(each), style="dim"), said)
        console.print(part)
        console.print()
    console.print(Text(headline(run), style=STYLES[run.status]))
    for line in footer(run):
        console.print(Text(line))


def _last_part(metric: str) -> str:
    return metric.rpartition(".")[2] or metric


def by_endpoint(run: Run) -> Iterator[tuple[Job, list[Result]]]:
    """The results of one endpoint together, those that need attention first."""
    from libprobe.summaries import SIGNIFICANCE

    def place(result: Result) -> tuple[str, ...]:
        job = result.job
        return (job.site, job.hostname, job.service_type, job.url)

    for _, results in groupby(sorted(run.results, key=place), key=place):
        ordered = sorted(results, key=lambda each: (-SIGNIFICANCE.index(each.status), each.job.metric))
        yield ordered[0].job, ordered


def _endpoint_line(job: Job) -> str:
    return "  ".join(safe(part) for part in (job.hostname, job.service_type, job.site) if part)


class Progress:
    """A bar on a terminal's standard error while probes run; nothing anywhere else."""

    def __init__(self, total: int, file: Any, *, wanted: bool) -> None:
        self._bar: Any = None
        self._problems = 0
        if not wanted or not total:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(file=file, highlight=False, markup=False, emoji=False)
        columns = (
            MofNCompleteColumn(),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, result: Result) -> None:
        if self._bar:
            self._problems += result.status != OK
            found = f"{number_of(self._problems, 'problem')}, " if self._problems else ""
            said = f"{found}{safe(result.job.metric)} at {safe(result.job.hostname)}: {result.status_name}"
            self._bar.update(self._task, advance=1, description=said[:100])
