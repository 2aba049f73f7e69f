"""The results for people at a terminal: a table there, plain lines in a file, a mail or a pipe.

All text is made safe (`libprobe.text`), and none of it is markup: what a server sends stays what it is.
"""

from __future__ import annotations

from itertools import groupby

from libprobe.failures import OK, STATUS_NAMES
from libprobe.judge.summaries import SIGNIFICANCE
from libprobe.programs.selfcheck.results import worst
from libprobe.text import duration, number_of, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from libprobe.programs.selfcheck.results import JobResult, MetricJob, SelfCheckRun

WIDE = 110
"""Columns of a terminal from which on metrics have their full names."""

STYLES = ("green", "yellow", "bold red", "magenta")


def headline(run: SelfCheckRun) -> str:
    """`KR-KISTI-CLOUD: CRITICAL - 1 CRITICAL, 7 OK, 2 in downtime; 10 metrics in 12.3 s`."""
    parts = [f"{count} {STATUS_NAMES[status]}" for status, count in run.tally.items()]
    if run.in_downtime:
        parts.append(f"{run.in_downtime} in downtime")
    counted = ", ".join(parts) or "nothing to check"
    whole = f"{number_of(len(run.results), 'metric')} in {duration(run.seconds)}"
    return f"{safe(run.subject)}: {STATUS_NAMES[run.status]} - {counted}; {whole}"


def footer(run: SelfCheckRun) -> Iterator[str]:
    """Why it ended early, what changed, and the notes, a line each."""
    if run.cut_short:
        yield f"Cut short: {safe(run.cut_short)}."
    yield from changes(run)
    yield from (f"Note: {safe(note)}" for note in run.notes)


def changes(run: SelfCheckRun) -> Iterator[str]:
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


def _place(job: MetricJob) -> str:
    return safe(job.hostname)


def took(result: JobResult) -> str:
    """How long the probe ran, if it did."""
    return duration(result.seconds) if result.seconds else "not run"


def in_downtime(job: MetricJob) -> str:
    """`in downtime until 2026-11-23 12:00 UTC: description`, empty if it is in none."""
    if not job.downtime:
        return ""
    return safe(f"in downtime until {job.downtime.end:%Y-%m-%d %H:%M} UTC: {job.downtime.description}"[:300])


def render_plain(run: SelfCheckRun, *, details: bool = False) -> str:
    """Lines without colours, for files, mails and pipes. details: the probes' long output too."""
    lines = [headline(run)]
    for job, results in by_endpoint(run):
        lines += ["", _endpoint_line(job)]
        if job.downtime:
            lines.append(f"  {in_downtime(job)}")
        for each in results:
            lines.append(f"  {each.status_name:8}  {safe(each.job.metric):32} {took(each):>8}  {safe(each.sentence)}")
            if each.advice:
                lines.append(f"{'':12}-> {safe(each.advice)}")
            lines += [f"{'':12}{safe(line)}" for line in each.lines if details]
    foot = list(footer(run))
    return "\n".join([*lines, *(["", *foot] if foot else [])]) + "\n"


def print_table(run: SelfCheckRun, file: Any, *, details: bool = False) -> None:
    """Print to a terminal. details: the probes' long output too.

    A result has one line if its sentence fits beside its name, else the whole width below: nothing is broken
    within a word, so that an address that is longer than a line can be copied as one. What is worst stands last,
    above the sum of all, where a terminal leaves the eye.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False, markup=False, emoji=False)
    width = console.width
    # of a long name what tells it from others; --metric takes it as well
    full = width >= WIDE
    names = {each.job.metric: safe(each.job.metric if full else _last_part(each.job.metric)) for each in run.results}
    longest = min(max(map(len, names.values()), default=0) + len(" ▲"), width // 2)

    def say(text: Text) -> None:
        console.print(text, soft_wrap=True)  # what is longer than a line is the terminal's to fold

    def below(text: str, first: str, style: str) -> None:
        if Text(first + text).cell_len <= width:
            say(Text(first + text, style=style))
            return
        for number, line in enumerate(_wrapped(text, width - len(first))):
            say(Text((" " * len(first) if number else first) + line, style=style))

    for job, results in reversed(list(by_endpoint(run))):
        below(_endpoint_line(job), "", "bold")
        if job.downtime:
            below(in_downtime(job), "", "cyan")
        for each in results:
            style = "dim" if not run.is_counted(each) else STYLES[each.status]
            mark = "" if not each.is_changed else " ▲" if each.is_worse else " ▼"
            line = Text(f"{each.status_name:8}", style=style)
            line.append(f"  {names[each.job.metric] + mark:{longest}}", style="not dim default")
            line.append(f"{took(each):>9}", style="dim default")
            sentence = safe(each.sentence)
            if line.cell_len + 2 + Text(sentence).cell_len <= width:
                line.append(f"  {sentence}", style="not dim not bold default")
                sentence = ""
            line.rstrip()
            say(line)
            if sentence:
                below(sentence, "  ", "")
            if each.advice:
                below(safe(each.advice), "  -> ", "italic")
            for detail in each.lines if details else ():
                below(safe(detail), "  ", "dim")
        say(Text(""))
    below(headline(run), "", STYLES[run.status])
    for each_line in footer(run):
        say(Text(each_line))


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most this number of columns, broken only between words: a longer one has its own line."""
    from rich.cells import cell_len

    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _last_part(metric: str) -> str:
    return metric.rpartition(".")[2] or metric


def by_endpoint(run: SelfCheckRun) -> Iterator[tuple[MetricJob, list[JobResult]]]:
    """The results of one endpoint together; those that need attention first: sites, endpoints of one, and results."""

    def place(result: JobResult) -> tuple[str, ...]:
        job = result.job
        return (job.site, job.hostname, job.service_type, job.url)

    def urgency(results: list[JobResult]) -> int:
        return -SIGNIFICANCE.index(worst(each.status for each in results if run.is_counted(each)))

    of_sites = []
    for _, of_site in groupby(sorted(run.results, key=place), key=lambda each: each.job.site):
        of_endpoints = [list(results) for _, results in groupby(of_site, key=place)]
        of_sites.append(sorted(of_endpoints, key=urgency))
    for of_endpoints in sorted(of_sites, key=lambda each: min(map(urgency, each))):
        for results in of_endpoints:
            yield results[0].job, sorted(results, key=lambda each: (urgency([each]), each.job.metric))


def _endpoint_line(job: MetricJob) -> str:
    return "  ".join(safe(part) for part in (job.hostname, job.service_type, job.site) if part)


class ProgressBar:
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

    def __enter__(self) -> ProgressBar:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, result: JobResult) -> None:
        if self._bar:
            self._problems += result.status != OK
            found = f"{number_of(self._problems, 'problem')}, " if self._problems else ""
            said = f"{found}{safe(result.job.metric)} at {safe(result.job.hostname)}: {result.status_name}"
            self._bar.update(self._task, advance=1, description=said[:100])
