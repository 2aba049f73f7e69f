"""What every check shares: facts for the status line, details for -v, and its failures made results."""

from __future__ import annotations

from nagiosplugin import Metric, Resource

from libprobe.contexts import Judgement
from libprobe.deadline import Deadline, OutOfTime
from libprobe.failures import CRITICAL, EndpointFailure, Failure
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Check(Resource):  # type: ignore[misc]
    """Asks an endpoint something and yields metrics.

    A subclass writes `measure`. A Failure in it becomes one more result, so that what was measured
    before keeps its own judgement; OutOfTime, the timer behind the deadline, ends here too.

    facts:    words for the status line, by name.
    details:  (level, text) for long output: 1 with -v, 2 with -vv, 3 with -vvv.
    provisos: what the reader of a failure has to know of how the endpoint was found: that it was guessed, most often.
    """

    subject = "the endpoint"

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.facts: dict[str, str] = {}
        self.details: list[tuple[int, str]] = []
        self.provisos: tuple[str, ...] = ()

    def measure(self) -> Iterator[Metric]:
        raise NotImplementedError

    def detail(self, level: int, text: str) -> None:
        self.details.append((level, text))

    def probe(self) -> Iterator[Metric]:
        try:
            yield from self.measure()
        except EndpointFailure as failure:
            yield judged(failure.status, "; ".join((str(failure), *self.provisos)))
        except Failure as failure:
            yield judged(failure.status, str(failure))
        except OutOfTime:
            said = f"{self.subject} did not let us finish within {duration(self.deadline.seconds)}"
            yield judged(CRITICAL, "; ".join((said, "raise -t to wait longer", *self.provisos)))


def judged(status: int, sentence: str) -> Metric:
    """A result that the check decided itself; needs the context `Outcome("outcome")`, always there."""
    return Metric("outcome", Judgement(status, sentence), context="outcome")
