"""The results as JUnit's XML, for the systems that show test results.

CRITICAL is a failure, UNKNOWN an error, a result in downtime is skipped; WARNING passes and says so.
"""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from libprobe.failures import CRITICAL, UNKNOWN, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from libprobe.programs.selfcheck.results import JobResult, SelfCheckRun


def render(run: SelfCheckRun) -> str:
    """The document, ending in a newline."""
    root = ElementTree.Element("testsuites", {"name": _text(f"fedcloud-selfcheck {run.subject}")})
    _count(root, run, run.results, run.seconds)
    for (site, hostname), results in groupby(run.results, key=lambda each: (each.job.site, each.job.hostname)):
        of_host = list(results)
        suite = ElementTree.SubElement(root, "testsuite", {"name": _text(f"{site} {hostname}".strip())})
        suite.set("timestamp", run.started.strftime("%Y-%m-%dT%H:%M:%S"))
        suite.set("hostname", _text(run.monitor))
        _count(suite, run, of_host, sum(each.seconds for each in of_host))
        for result in of_host:
            _add_case(suite, run, result)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _count(element: Element, run: SelfCheckRun, results: Sequence[JobResult], seconds: float) -> None:
    counted = [each.status for each in results if run.is_counted(each)]
    element.set("tests", str(len(results)))
    element.set("failures", str(counted.count(CRITICAL)))
    element.set("errors", str(counted.count(UNKNOWN)))
    element.set("skipped", str(len(results) - len(counted)))
    element.set("time", f"{seconds:.3f}")


def _add_case(suite: Element, run: SelfCheckRun, result: JobResult) -> None:
    job = result.job
    case = SubElement(suite, "testcase", {"classname": _text(f"{job.hostname}.{job.service_type}")})
    case.set("name", _text(job.metric))
    case.set("time", f"{result.seconds:.3f}")
    text = "\n".join(part for part in (result.sentence, result.advice and f"What to do: {result.advice}") if part)
    if not run.is_counted(result):
        ends = job.downtime.end.strftime("%Y-%m-%d %H:%M UTC") if job.downtime else ""
        SubElement(case, "skipped", {"message": _text(f"{result.status_name} in downtime until {ends}: {text}")})
    elif result.status in (CRITICAL, UNKNOWN):
        kind = "failure" if result.status == CRITICAL else "error"
        SubElement(case, kind, {"message": _text(result.sentence), "type": result.status_name}).text = _text(text)
    elif result.status == WARNING:
        SubElement(case, "system-out").text = _text(f"WARNING: {text}")


def _text(text: str) -> str:
    """Without the characters that XML 1.0 has no way to hold, or that a terminal would obey."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
