"""From resources to results: asks each resource, lets the contexts judge, keeps what was judged.

The part of nagiosplugin's Check that a probe needs. Unlike there, a metric that follows a critical one
cannot hide it, and performance data that cannot be printed is left out instead of raising.
"""

from __future__ import annotations

from nagiosplugin import Context, Resource, Result, Summary

from libprobe.failures import OK
from libprobe.judge.contexts import STATES, Outcome
from libprobe.judge.summaries import RankedResults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nagiosplugin import Metric


class Evaluation:
    """The resources, contexts and summary of one check, and its results so far."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self.results = RankedResults()
        self.summary = Summary()
        self._contexts: dict[str, Context] = {"outcome": Outcome("outcome")}
        self._performance: list[str] = []

    def add(self, each: object) -> None:
        """Take in a resource, a context or a summary. Raises: TypeError for anything else."""
        if isinstance(each, Resource):
            self.resources.append(each)
        elif isinstance(each, Context):
            self._contexts[each.name] = each
        elif isinstance(each, Summary):
            self.summary = each
        else:
            raise TypeError(f"{each!r} is neither a resource nor a context nor a summary")

    def evaluate(self) -> None:
        """Ask every resource; what was judged before an exception stays."""
        for resource in self.resources:
            for metric in resource.probe():
                self._evaluate(metric, resource)

    def _evaluate(self, metric: Metric, resource: Resource) -> None:
        context = self._contexts[metric.context]
        known = metric.replace(contextobj=context, resource=resource)
        self.results.add(known.evaluate())
        performance = known.performance()
        if performance:
            self._performance.append(str(performance))

    def judge(self, status: int, sentence: str) -> None:
        """Add a result that no resource yielded."""
        self.results.add(Result(STATES[status], sentence))

    @property
    def status(self) -> int:
        """Exit code of the most significant result."""
        return self.results.status

    @property
    def performance(self) -> list[str]:
        """Performance data, sorted by label."""
        return sorted(self._performance)

    def sentence(self) -> str:
        """The status line's sentence."""
        said = self.summary.ok(self.results) if self.status == OK else self.summary.problem(self.results)
        return str(said)
