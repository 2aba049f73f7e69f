"""The property that every target has: an input gives a value or a Failure, and what is printed of it is harmless."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from libprobe.deadline import Deadline
from libprobe.failures import Failure
from libprobe.judge import nagios
from libprobe.probe import output

nagios.load_model()

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""When every input is judged, so that a file of the corpus always means the same."""


def judge(read: Callable[[bytes], object], data: bytes) -> str:
    """Let a target read; returns what it came to, for a person. Raises: whatever is a defect."""
    try:
        read(data)
    except Failure as failure:
        report = output.render("FUZZ", failure.status, str(failure), [], [])
        expect_harmless(report)
        return report.rstrip("\n")
    return "read"


def expect_harmless(report: str) -> None:
    """A report is at most 8 KiB of lines that no terminal, browser or Nagios takes for anything but text."""
    assert len(report.encode()) <= output.MAX_BYTES, "a report that is too long"
    assert report.endswith("\n"), "a report without its end"
    for line in report[:-1].split("\n"):
        assert line.isprintable(), f"not printable: {line!r}"
        assert not set(line) & set("<>"), f"markup: {line!r}"
    assert report.count("|") <= 1, "more than one beginning of performance data"


def check(resource: object, *metrics: str) -> str:
    """Evaluate a check as a run does and return its report, with everything that -vv says of it.

    metrics: names of the numbers that it yields.
    """
    from libprobe.judge.contexts import Scalar
    from libprobe.judge.evaluation import Evaluation

    evaluation = Evaluation()
    for each in (resource, *map(Scalar, metrics)):
        evaluation.add(each)
    evaluation.evaluate()
    sentence = evaluation.sentence() or "fine"
    lines = [text for _, text in resource.details]  # type: ignore[attr-defined]
    assert evaluation.status in (0, 1, 2, 3)
    report = output.render("FUZZ", evaluation.status, sentence, evaluation.performance, lines)
    expect_harmless(report)
    return report


def deadline() -> Deadline:
    return Deadline(60.0)


def pieces(data: bytes, size: int) -> list[bytes]:
    """The data as it may come from a socket: in pieces of some bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]
