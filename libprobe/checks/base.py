"""What every check shares: facts for the status line, details for -v, and its failures made results."""

from __future__ import annotations

from nagiosplugin import Metric, Resource

from libprobe.deadline import OVERLOADED, Deadline, OutOfTime
from libprobe.failures import CRITICAL, UNKNOWN, WARNING, EndpointFailure, Failure
from libprobe.formats.address import host_port_of
from libprobe.judge.contexts import Judgement
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Check(Resource):  # type: ignore[misc]
    """Asks an endpoint something and yields metrics.

    A subclass writes `measure`. A Failure in it becomes one more result, so that what was measured
    before keeps its own judgement; OutOfTime, the timer behind the deadline, ends here too.

    facts:    words for the status line, by name.
    details:  (level, text) for long output: 1 with -v, 2 with -vv, 3 with -vvv.
    caveats: what the reader of a failure has to know of how the endpoint was found: that it was guessed, most often.
    """

    subject = "the endpoint"

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.facts: dict[str, str] = {}
        self.details: list[tuple[int, str]] = []
        self.caveats: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The subject as sentences name it: of a URL host and port."""
        return (host_port_of(self.subject) if "://" in self.subject else "") or self.subject

    @property
    def login_place(self) -> str:
        """Where it logs in, as sentences name it."""
        return self.place

    def measure(self) -> Iterator[Metric]:
        raise NotImplementedError

    def detail(self, level: int, text: str) -> None:
        self.details.append((level, text))

    def probe(self) -> Iterator[Metric]:
        try:
            yield from self.measure()
        except Failure as failure:
            caveats = self.caveats if isinstance(failure, EndpointFailure) else ()
            yield self.failed(failure, *caveats)
        except OutOfTime:
            status, said = self.out_of_time()
            caveats = self.caveats if status == CRITICAL else ()
            yield outcome_metric(status, "; ".join((said, *caveats)))

    def failed(self, failure: Failure, *notes: str, status: int | None = None) -> Metric:
        """A failure as a result: its sentence and the notes, and with -v what was asked.

        status: another than the failure's own.
        """
        self.tell(failure)
        return outcome_metric(failure.status if status is None else status, "; ".join((str(failure), *notes)))

    def tell(self, failure: Failure) -> None:
        """Tell with -v what a failure does not say in the status line: what was asked, and where the time went."""
        for line in failure.details:
            if (1, line) not in self.details:
                self.detail(1, line)

    def judge_project(self, caveat: str) -> Iterator[Metric]:
        """A WARNING where we act in a project that seems to be another VO's. caveat: the login's, mostly empty."""
        if caveat:
            yield outcome_metric(WARNING, f"{caveat}, on {self.login_place} (if it is meant, name it with --project)")

    def out_of_time(self, place: str = "") -> tuple[int, str]:
        """The verdict when the timer behind the deadline went off: by whose the larger part of the time was.

        place: who was asked at last, where that is not the subject.
        """
        deadline, place = self.deadline, place or self.place
        seconds, ours, theirs = duration(deadline.seconds), duration(deadline.own_s()), duration(deadline.waited_s())
        if deadline.is_mostly_ours():
            others = f", and {place} {theirs}" if deadline.waited_s() else ""  # a file of ours takes no part of it
            return (
                UNKNOWN,
                f"not finished within {seconds} by this machine, which took {ours} of it{others} ({OVERLOADED})",
            )
        return CRITICAL, f"not finished within {seconds} by {place} (raise -t to wait longer)"


def outcome_metric(status: int, sentence: str, *, beside: Sequence[str] = ()) -> Metric:
    """A result that the check decided itself; needs the context `Outcome("outcome")`, always there.

    beside: how the status line tells it behind a worse result, each form shorter than the one before.
    """
    return Metric("outcome", Judgement(status, sentence, beside=beside))  # its context has the same name
