"""The results as one JSON document, for programs. Names in it are stable; `version` grows when one changes."""

from __future__ import annotations

import json

from libprobe.failures import STATUS_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from libprobe.programs.selfcheck.results import JobResult, SelfCheckRun

VERSION = 1


def render(run: SelfCheckRun) -> str:
    """The document, ending in a newline. Times are UTC in ISO 8601, lengths of time in seconds."""
    document = {
        "version": VERSION,
        "subject": run.subject,
        "state": STATUS_NAMES[run.status],
        "started": _instant(run.started),
        "seconds": round(run.seconds, 3),
        "monitor": run.monitor,
        "gocdb": run.gocdb,
        "tally": {STATUS_NAMES[status]: count for status, count in run.tally.items()},
        "in_downtime": run.in_downtime,
        "cut_short": run.cut_short or None,
        "compared_with": _instant(run.since) if run.since else None,
        "gone": [dict(zip(("site", "hostname", "metric"), each, strict=True)) for each in run.gone],
        "notes": list(run.notes),
        "results": [_result(run, each) for each in run.results],
    }
    return _harmless(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def _harmless(document: str) -> str:
    """The document with escapes for what a terminal would obey, or UTF-8 cannot hold; to a program it is the same."""
    document = document.replace("\x7f", "\\u007f")
    if document.isascii():
        return document  # JSON has escapes for ASCII's other controls
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in document)


def _result(run: SelfCheckRun, result: JobResult) -> dict[str, object]:
    job = result.job
    return {
        "site": job.site,
        "hostname": job.hostname,
        "service_type": job.service_type,
        "url": job.url,
        "metric": job.metric,
        "state": result.status_name,
        "counts": run.is_counted(result),
        "reason": result.sentence,
        "remedy": result.advice or None,
        "before": STATUS_NAMES[result.before.status] if result.before else None,
        "started": _instant(result.started),
        "seconds": round(result.seconds, 3),
        "performance": [each._asdict() for each in result.performance],
        "details": list(result.lines),
        "downtime": {**job.downtime._asdict(), "end": _instant(job.downtime.end)} if job.downtime else None,
        "documentation": job.docurl or None,
    }


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
