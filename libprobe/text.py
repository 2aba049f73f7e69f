"""Text and numbers as they may be printed: one line, harmless, in plain decimals.

Whatever came from outside can hold terminal escapes, HTML, a `|` that would start performance data,
or marks that reverse the reading direction. Everything printed passes through here.
"""

from __future__ import annotations

import math
import re

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)
_MARKUP = str.maketrans({"|": "/", "<": "[", ">": "]"})


def safe(text: object) -> str:
    """One line without control characters, reading-direction marks, markup or `|`."""
    plain = _TERMINAL.sub(" ", str(text))
    if not plain.isprintable():
        plain = "".join(char if char.isprintable() else " " for char in plain)
    return " ".join(plain.translate(_MARKUP).split())


def shortened(text: object, limit: int) -> str:
    """`safe` text of at most `limit` characters, cut visibly."""
    line = safe(str(text)[: limit * 8])
    return line if len(line) <= limit else line[: max(0, limit - 3)].rstrip() + "..."


def decimal(value: float, places: int = 6) -> str:
    """A number in plain decimals: no exponent, no binary noise (0.30000000000000004), no -0.

    Raises: ValueError for NaN and infinities, which are not measurements.
    """
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be judged")
    digits = f"{value:.{places}f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits in ("-0", "") else digits


def duration(seconds: float) -> str:
    """A length of time as people say it: `3 ms`, `0.41 s`, `41.2 s`, `12 min`, `3.5 h`, `41 d`.

    Raises: ValueError for NaN and infinities.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds} is not a length of time")
    size = abs(seconds)
    if 0 < size < 0.1:
        return f"{decimal(seconds * 1000, 0 if size >= 0.01 else 1)} ms"
    if size < 10:
        return f"{decimal(seconds, 2)} s"
    if size < 180:
        return f"{decimal(seconds, 1)} s"
    for unit, length in (("min", 60.0), ("h", 3600.0), ("d", 86400.0)):
        below = {"min": 120 * 60.0, "h": 48 * 3600.0, "d": math.inf}[unit]
        if size < below:
            return f"{decimal(seconds / length, 1 if size < 10 * length else 0)} {unit}"
    raise AssertionError("unreachable")


def number_of(count: int, noun: str) -> str:
    """`1 VM`, `2 VMs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
