"""What every check shares: facts for the status line, details for -v, and its failures made results."""

from __future__ import annotations

from nagiosplugin import Metric, Resource

from libprobe.contexts import Judgement
from libprobe.deadline import Deadline, OutOfTime
from libprobe.failures import CRITICAL, Failure
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Check(Resource):  # type: ignore[misc]
    """Asks an endpoint something and yields metrics.

    A subclass writes `measure`. A Failure in it becomes one more result, so that what was measured
    before keeps its own judgement; OutOfTime, the timer behind the deadline, ends here too.

    facts:   words for the status line, by name.
    details: (level, text) for long output: 1 with -v, 2 with -vv, 3 with -vvv.
    """

    subject = "the endpoint"

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.facts: dict[str, str] = {}
        self.details: list[tuple[int, str]] = []

    def measure(self) -> Iterator[Metric]:
        raise NotImplementedError

    def detail(self, level: int, text: str) -> None:
        self.details.append((level, text))

    def probe(self) -> Iterator[Metric]:
        try:
            yield from self.measure()
        except Failure as failure:
            yield judged(failure.status, str(failure))
        except OutOfTime:
            limit = duration(self.deadline.seconds)
            yield judged(CRITICAL, f"{self.subject} did not let us finish within {limit}; raise -t to wait longer")


def judged(status: int, sentence: str) -> Metric:
    """A result that the check decided itself; needs the context `Outcome("outcome")`, always there."""
    return Metric("outcome", Judgement(status, sentence), context="outcome")
