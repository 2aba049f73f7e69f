"""Text and numbers as they may be printed: one line, harmless, in plain decimals.

Whatever came from outside can hold terminal escapes, HTML, a `|` that would start performance data,
marks that reverse the reading direction, or letters that nobody sees. Everything printed passes through here.
"""

from __future__ import annotations

import math
import re
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[@-~]?|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|.)?", re.DOTALL)
"""ECMA-48's control sequences and strings; a string without its end must not swallow what we say after it."""

_MARKUP = str.maketrans({"|": "/", "<": "[", ">": "]"})
_UNSEEN = {
    **dict.fromkeys([0x34F, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), 0x16FE4]),
    **dict.fromkeys(range(0xE0100, 0xE01F0)),
    **dict.fromkeys([0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x1D159], " "),
}
"""What Python calls printable and no font shows: joiners and variation selectors, and letters that are blank."""

MAX_COMPARED, MAX_COMPARED_CHARS = 300, 200
"""How many words of others are compared with one of ours, and how much of each: more of either takes its time."""

MAX_MARKS = 4
"""Combining marks on one letter that are kept; no script needs more, and hundreds cover the lines around them."""


def safe(text: object) -> str:
    """One line without control characters, reading-direction marks, markup, `|` or what cannot be seen."""
    plain = _TERMINAL.sub(" ", str(text))
    if not plain.isascii():
        plain = _limit_marks(plain.translate(_UNSEEN))
    if not plain.isprintable():
        plain = "".join(char if char.isprintable() else " " for char in plain)
    return " ".join(plain.translate(_MARKUP).split())


def without_invisible(text: str) -> str:
    """The text without what nobody sees, and with nothing in its place: a secret can be interspersed with it."""
    plain = _TERMINAL.sub("", text)
    if plain.isascii():
        return plain
    from unicodedata import category

    return "".join(char for char in plain if char.isascii() or (ord(char) not in _UNSEEN and category(char) != "Cf"))


def _limit_marks(text: str) -> str:
    from unicodedata import category

    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if category(char) in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)


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


def size(count: int) -> str:
    """A number of bytes as people say it: `512 bytes`, `1 MiB`, `1.5 GiB`."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << shift:
            return f"{decimal(count / (1 << shift), 1)} {unit}"
    return number_of(count, "byte")


def number_of(count: int | str, noun: str, plural: str = "") -> str:
    """`1 VM`, `2 VMs`. plural: of a noun that has another than with an s, `entries`."""
    return f"{count} {noun}" if str(count) == "1" else f"{count} {plural or f'{noun}s'}"


def similar(
    word: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.6, most: int = MAX_COMPARED
) -> list[str]:
    """Those of the words that others named that are most like one, at most `count`, the likeliest first.

    cutoff: how alike they have to be, from 0 to 1 (difflib's ratio). most: how many are looked at.
    """
    import difflib

    compared = [each[:MAX_COMPARED_CHARS] for each in islice(known, most)]
    return difflib.get_close_matches(word[:MAX_COMPARED_CHARS], compared, n=count, cutoff=cutoff)


def likely_meant(word: str, known: Collection[str]) -> list[str]:
    """The name that was meant, if any is like it: one that differs in its capitals only, else the most similar."""
    return [each for each in known if each.lower() == word.lower()] or similar(word, known)


def some_to_choose(word: str, known: Sequence[str]) -> str:
    """At most five of the names that there are, where one is missing: those like it, else the first; empty for none."""
    return ", ".join(similar(word, known, count=5, cutoff=0.5) or known[:5])
