"""Timelines: the statuses that something had from a start to an end, as lists of changes.

A line is a list of whole numbers, `at << 6 | status << 3 | status before`, one for each change. `at` counts seconds
from the start of the time that is looked at, so that the numbers of a month are small, which sorts them and calculates
with them twice as fast. The first change is at 0 and has NONE before it; instants rise, and at each of them the status
is another than before. The end is not in it. To have what was before in the same number makes it unnecessary to look
at two changes where lines are joined: all changes of all of them are sorted and gone through once.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right

from libprobe.timelines.algebra import MISSING, NONE, STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from libprobe.timelines.algebra import Operation

    Line = list[int]
    Span = tuple[int, int]

DAY_S = 86_400
"""Of every day, as ARGO has it, and the clock of Unix."""

BITS = 3
MASK = (1 << BITS) - 1
CHANGE_BITS = 2 * BITS
_CHANGE = (1 << CHANGE_BITS) - 1
"""What of a change is about statuses."""


def make_entry(at: int, status: int) -> int:
    """A result, as `line_of_results` takes them."""
    return at << BITS | status


def constant_line(status: int) -> Line:
    return [status << BITS | NONE]


def line_of_results(results: Sequence[int], before: int = MISSING) -> Line:
    """The line that results make: each holds until the next.

    results: entries in the order of time, none before 0 and at most one for each instant.
    before:  the status until the first of them.
    """
    line = constant_line(before)
    line += [new << BITS | old & MASK for old, new in itertools.pairwise((before, *results)) if (new ^ old) & MASK]
    if len(line) > 1 and not line[1] >> CHANGE_BITS:  # the first result is at the very start
        line[:2] = constant_line(line[1] >> BITS)
    return line


def line_of_points(points: Iterable[Span]) -> Line:
    """The line of (instant, status) each, in the order of time, from 0 on; of two at one instant the later counts."""
    kept: list[Span] = []
    for at, status in points:
        if kept and kept[-1][0] == at:
            kept.pop()
        if not kept or kept[-1][1] != status:
            kept.append((at, status))
    before = (NONE, *(status for _, status in kept))
    return [at << CHANGE_BITS | status << BITS | old for (at, status), old in zip(kept, before, strict=False)]


def points(line: Line, start: int = 0) -> list[Span]:
    """(instant, status) of each change. start: the instant that the line counts from."""
    return [(start + (each >> CHANGE_BITS), each >> BITS & MASK) for each in line]


def join(lines: Sequence[Line], operation: Operation) -> Line:
    """One line of several of the same time, at least one.

    Of several a status may be NONE: it makes no difference to the others; where all are NONE the joint one is MISSING.
    """
    if len(lines) == 1:
        return lines[0]
    joint = operation.counts(len(lines))
    changes = sorted(itertools.chain.from_iterable(lines))  # the first of each line come first, as they are at 0
    change = joint.change
    counts = sum(change[each & _CHANGE] for each in changes[: len(lines)])
    last = joint[counts]
    joined = constant_line(last)
    for each in changes[len(lines) :]:
        counts += change[each & _CHANGE]
        status = joint[counts]
        if status == last:
            continue
        if each >> CHANGE_BITS == joined[-1] >> CHANGE_BITS:  # another line changed in the same second
            last = joined.pop() & MASK
        if status != last:
            joined.append(each & ~_CHANGE | status << BITS | last)
            last = status
    return joined


def unite_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that meet made one, and empty ones left out."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def cover_spans(line: Line, spans: Sequence[Span], status: int, end: int) -> Line:
    """The line with a status in the place of its own in some spans, whatever it had there. end: of the line."""
    if not spans:
        return line
    covered = [(max(start, 0), min(stop, end)) for start, stop in unite_spans(spans) if start < end and stop > 0]
    if not covered:
        return line
    own = points(line)
    made: list[Span] = []
    at = 0  # of the next of its own points that is not looked at yet
    holds = own[0][1]
    for start, stop in covered:
        while at < len(own) and own[at][0] < start:
            made.append(own[at])
            holds = own[at][1]
            at += 1
        made.append((start, status))
        while at < len(own) and own[at][0] <= stop:
            holds = own[at][1]
            at += 1
        if stop < end:
            made.append((stop, holds))
    return line_of_points([*made, *own[at:]])


def status_at(line: Line, at: int) -> int:
    """The status at an instant, counted as the line counts."""
    return line[bisect_right(line, at << CHANGE_BITS | _CHANGE) - 1] >> BITS & MASK


def seconds(line: Line, bounds: Sequence[int]) -> list[list[int]]:
    """How many seconds each status had, for each two bounds that follow each other; the first of them is 0."""
    made = []
    at, holds = 1, line[0] >> BITS
    for start, end in itertools.pairwise(bounds):
        held = [0] * len(STATUSES)
        while at < len(line) and (until := line[at] >> CHANGE_BITS) < end:
            held[holds] += until - start
            start, holds = until, line[at] >> BITS & MASK
            at += 1
        held[holds] += end - start
        made.append(held)
    return made
