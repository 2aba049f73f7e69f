"""A check evaluated within the tests' process, as a run evaluates it."""

from __future__ import annotations

from typing import Any, NamedTuple

from libprobe.judge.contexts import Scalar
from libprobe.judge.evaluation import Evaluation
from libprobe.judge.summaries import OneLine


class Judged(NamedTuple):
    """status: exit code. sentence: of the status line. values: by the metric's name, as performance data has them.

    others: the results that are worse than OK and not in the sentence. details: by their level.
    """

    status: int
    sentence: str
    values: dict[str, str]
    others: list[str]
    details: list[tuple[int, str]]


def judge(check: Any, summary: str, *contexts: object) -> Judged:
    """Evaluate a check. contexts: contexts, or names of those that judge nothing."""
    evaluation = Evaluation()
    for each in (check, *contexts):
        evaluation.add(Scalar(each) if isinstance(each, str) else each)
    evaluation.add(OneLine(summary))
    evaluation.evaluate()
    values = dict(each.split("=", 1) for each in evaluation.performance)
    others = evaluation.summary.verbose(evaluation.results)
    return Judged(evaluation.status, evaluation.sentence(), values, others, check.details)


class Registered:
    """Stands in for the GOCDB: what it has of a host, by service type; "" for any type. asked: the types, in order."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known
        self.asked: list[str] = []

    def __call__(self, args: Any, deadline: Any, cache: Any, service_type: str = "") -> tuple[Any, list[str]]:
        assert args.hostname and deadline is not None and cache is not None
        self.asked.append(service_type)
        return self.known.get(service_type), [f"asked for {service_type or 'any'}"]
