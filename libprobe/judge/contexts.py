"""Evaluation: what a measured value means, as contexts of nagiosplugin.

Values that cannot be judged (NaN, infinities) are UNKNOWN here; in nagiosplugin they are OK. Numbers
are printed in plain decimals; nagiosplugin prints 0.30000000000000004s and 1e-07s.
"""

from __future__ import annotations

from nagiosplugin import Context, Critical, Metric, Ok, Performance, Resource, Result, Unknown, Warn

from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING
from libprobe.text import decimal, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from libprobe.judge.ranges import Limit, Range

PLACES = 3
"""Decimals of performance data: a millisecond is as exact as a probe can be."""

STATES = {OK: Ok, WARNING: Warn, CRITICAL: Critical, UNKNOWN: Unknown}


class Judgement:
    """A status that the check itself decided, with the sentence that says why.

    beside: how it is told behind a worse result, which must not hide it, each form shorter than the one before: what a
            run has left behind. Empty for what only -v tells then.
    """

    __slots__ = ("beside", "sentence", "status")

    def __init__(self, status: int, sentence: str, *, beside: Sequence[str] = ()) -> None:
        self.status = status
        self.sentence = sentence
        self.beside = tuple(beside)


class Outcome(Context):  # type: ignore[misc]
    """Passes a Judgement through: for what is decided by what happened, not by a number."""

    def evaluate(self, metric: Metric, resource: Resource) -> Result:
        return Result(STATES[metric.value.status], metric.value.sentence, metric)


class Scalar(Context):  # type: ignore[misc]
    """Judges a number by two ranges, the critical one first.

    words:    how a value is said (`41.2 s`, `12 d`).
    sentence: how a value outside its range is reported: called with the value in words and the resource.
    graphed:  whether the value is performance data too.
    places:   decimals of it.
    """

    def __init__(
        self,
        name: str,
        warning: Range | Limit | None = None,
        critical: Range | Limit | None = None,
        *,
        words: Callable[[float], str] = decimal,
        sentence: Callable[[str, Any], str] | None = None,
        graphed: bool = True,
        places: int = PLACES,
    ) -> None:
        super().__init__(name)
        self._graphed = graphed
        self._places = places
        self.warning = warning
        self.critical = critical
        self._words = words
        self._sentence = sentence or (lambda value, _: f"{name} is {value}")

    def evaluate(self, metric: Metric, resource: Resource) -> Result:
        for state, limit in ((Critical, self.critical), (Warn, self.warning)):
            try:
                decimal(metric.value)  # refuses NaN and infinities, which not all words do
                said = self._words(metric.value)
                if limit is None or not limit.alerts(metric.value):
                    continue
            except (ValueError, TypeError):
                return Result(Unknown, f"{metric.name} is {metric.value!r}, not a number that can be judged", metric)
            sentence = self._sentence(said, resource)
            return Result(state, f"{sentence} (limit {limit.spec})", metric)
        return Result(Ok, None, metric)

    def performance(self, metric: Metric, resource: Resource) -> Performance | None:
        if not self._graphed:
            return None
        try:
            value = decimal(metric.value, self._places)
        except (ValueError, TypeError):
            return None
        return Performance(
            metric.name,
            value,
            metric.uom,
            str(self.warning or ""),
            str(self.critical or ""),
            "" if metric.min is None else decimal(metric.min),
            "" if metric.max is None else decimal(metric.max),
        )


class ResponseTime(Scalar):
    """Judges how long an endpoint took, by the two ranges of --response-time, or by none.

    did: what it took so long for, as it begins the sentence: `answered only after 2.1 s on host:443 (limit 2s)`.
    at: the attribute of the check that names host and port.
    """

    def __init__(
        self, name: str, limits: tuple[Range, Range] | None, *, did: str = "answered", at: str = "place"
    ) -> None:
        warning, critical = limits or (None, None)
        super().__init__(
            name,
            warning,
            critical,
            words=duration,
            sentence=lambda seconds, check: f"{did} only after {seconds} on {getattr(check, at)}",
        )


class Freshness(Scalar):
    """Judges an age: one that reaches a limit has the worse state, as the historic probes had it."""

    def __init__(
        self,
        name: str,
        warning: Limit | None,
        critical: Limit | None,
        *,
        sentence: Callable[[str, Any], str] | None = None,
    ) -> None:
        super().__init__(name, warning, critical, words=duration, sentence=sentence)
