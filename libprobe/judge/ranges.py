"""Threshold ranges of the Nagios plugin guidelines, whose bounds may carry a unit.

10      alerts outside 0..10         7d      above seven days
10:     below 10                     14d:    below fourteen days
~:10    above 10                     10:20   outside 10..20
@10:20  inside 10..20, both ends included
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

from libprobe.text import decimal

DURATION = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE = {
    "": 1.0,
    "B": 1.0,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
}
NUMBER = {"": 1.0}

FORMS = "a range is END (from 0), START:, ~:END, START:END, or @START:END for its inside"

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")


class BadRange(ValueError):
    """A threshold that cannot be understood; the text says why."""


def quantity(text: str, units: dict[str, float]) -> float:
    """Return a number with an optional unit in the base unit: `7d` is 604800.0.

    Raises: BadRange for anything that is not a plain decimal number with a known unit.
    """
    stripped = text.strip()
    digits = stripped.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = stripped[len(digits) :]
    known = ", ".join(name for name in units if name)
    if not digits.strip():
        raise BadRange(f"{text!r} is not a number" + (f", alone or with a unit ({known})" if known else ""))
    if unit not in units:
        raise BadRange(f"{text!r} has the unit {unit!r}" + (f"; known are {known}" if known else ", but takes none"))
    plain = digits.strip()
    if not _DECIMAL.fullmatch(plain):
        raise BadRange(f"{text!r} is not a number")
    value = float(plain) * units[unit]
    if not math.isfinite(value):
        raise BadRange(f"{text!r} is too large")
    return value


class Range:
    """A range that alerts outside (or, with `@`, inside) its bounds; an empty one never alerts.

    spec:  the range as the user wrote it; units: what its bounds may be followed by.
    Raises: BadRange.
    """

    __slots__ = ("end", "inside", "spec", "start")

    def __init__(self, spec: str, units: dict[str, float] = NUMBER) -> None:
        self.spec = spec.strip()
        text = self.spec
        self.inside = text.startswith("@")
        if self.inside:
            text = text[1:]
        if self.inside and not text:
            raise BadRange("'@' needs a range after it")
        if text.count(":") > 1:
            raise BadRange(f"{spec!r} has more than one ':'; {FORMS}")
        first, colon, second = text.partition(":")
        if not colon:
            first, second = "0", text
        elif not first and not second:
            raise BadRange(f"{spec!r} has no bound; {FORMS}")
        self.start = -math.inf if first.strip() == "~" else quantity(first or "0", units)
        self.end = quantity(second, units) if second.strip() else math.inf
        if self.start > self.end:
            raise BadRange(f"{spec!r} starts above its end; {FORMS}")

    def alerts(self, value: float) -> bool:
        """Whether the value deserves an alert. Raises: ValueError for NaN, which no range can judge."""
        if math.isnan(value):
            raise ValueError("NaN cannot be judged")
        if self.is_empty:
            return False
        return (self.start <= value <= self.end) == self.inside

    @property
    def is_empty(self) -> bool:
        return not self.spec

    @property
    def bounds(self) -> tuple[float, ...]:
        return (self.start, self.end)

    def __str__(self) -> str:
        """The range in base units and plain decimals, for performance data."""
        if self.is_empty:
            return ""
        start = "~" if math.isinf(self.start) else decimal(self.start)
        end = "" if math.isinf(self.end) else decimal(self.end)
        mark = "@" if self.inside else ""
        return f"{mark}{end}" if start == "0" and end else f"{mark}{start}:{end}"


class Limit:
    """A value from which on a state holds; exactly the value is the worse state, unlike with a Range.

    spec: the value as the user wrote it.
    """

    __slots__ = ("spec", "value")

    def __init__(self, value: float, spec: str) -> None:
        self.value = value
        self.spec = spec

    def alerts(self, value: float) -> bool:
        """Whether the value has reached the limit. Raises: ValueError for NaN, which no limit can judge."""
        if math.isnan(value):
            raise ValueError("NaN cannot be judged")
        return value >= self.value

    @property
    def is_empty(self) -> bool:
        return False

    @property
    def bounds(self) -> tuple[float, ...]:
        return (self.value,)

    def __str__(self) -> str:
        """The limit in base units and plain decimals, for performance data, where it means "above"."""
        return decimal(self.value)


def is_out_of_reach(limit: Range | Limit | None, most: float) -> bool:
    """Whether a limit that alerts at something does so at no value from 0 to MOST: whoever set it never hears of it."""
    if not limit or limit.is_empty:
        return False
    bounds = sorted({0.0, most, *(each for each in limit.bounds if 0 <= each <= most)})
    between = [(one + other) / 2 for one, other in pairwise(bounds)]
    beyond = (*limit.bounds, max(limit.bounds) + 1)
    alerts_at_all = any(limit.alerts(each) for each in beyond if math.isfinite(each) and each >= 0)
    return alerts_at_all and not any(limit.alerts(each) for each in (*bounds, *between))


def is_hidden(warning: Range | Limit | None, critical: Range | Limit | None) -> bool:
    """Whether a warning limit would never be seen: every value from 0 on that it alerts at is critical already.

    One that alerts at no such value hides behind nothing.
    """
    if not warning or not critical or warning.is_empty or critical.is_empty:
        return False
    bounds = sorted({0.0, *(each for each in (*warning.bounds, *critical.bounds) if 0 <= each < math.inf)})
    between = [(one + other) / 2 for one, other in pairwise(bounds)]
    at = [each for each in (*bounds, *between, bounds[-1] + 1) if warning.alerts(each)]
    return bool(at) and all(critical.alerts(each) for each in at)
