"""Timelines: lists of whole numbers, each an instant and the status that holds from then on.

An entry is `at << 3 | status`, at in seconds since 1970 (UTC), status as in `algebra`. A line of a span [start, end)
begins with an entry at `start`; instants rise, and each entry has another status than the one before it. The end is
not in it. One number for each change, because a month of a federation has half a million of them.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right

from libprobe.timelines.algebra import MISSING, STATUSES

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
_CHANGE_MASK = (1 << 2 * BITS) - 1


def make_entry(at: int, status: int) -> int:
    return at << BITS | status


def constant_line(start: int, status: int) -> Line:
    return [make_entry(start, status)]


def line_of_results(results: Iterable[int], start: int, before: int | None = None) -> Line:
    """The line that results make: each holds until the next.

    results: entries in the order of time, none before start; of two at one instant the later in order counts.
    before:  the status of the last result before start; without one it is MISSING until the first.
    """
    line = [make_entry(start, MISSING if before is None else before)]
    last = line[0] & MASK
    for each in results:
        if each & MASK == last:
            continue
        if each >> BITS == line[-1] >> BITS:
            last = _append(line, each)
        else:
            line.append(each)
            last = each & MASK
    return line


def _append(line: Line, new: int) -> int:
    """Add an entry at the end, which takes the place of one at the same instant; returns the status that holds then."""
    if line[-1] >> BITS == new >> BITS:
        line.pop()
    if not line or line[-1] & MASK != new & MASK:
        line.append(new)
    return line[-1] & MASK


def join(lines: Sequence[Line], operation: Operation) -> Line:
    """One line of several of the same span, at least one."""
    if len(lines) == 1:
        return lines[0]
    joint = operation.counts(len(lines))
    counts = sum(joint.one[line[0] & MASK] for line in lines)
    last = joint[counts]
    joined = [lines[0][0] & ~MASK | last]
    events: list[int] = []
    for line in lines:
        events += [new << BITS | old & MASK for old, new in itertools.pairwise(line)]
    events.sort()
    change = joint.change
    for event in events:
        counts += change[event & _CHANGE_MASK]
        status = joint[counts]
        if status == last:
            continue
        if event >> 2 * BITS == joined[-1] >> BITS:
            last = _append(joined, event >> 2 * BITS << BITS | status)
        else:
            joined.append(event >> 2 * BITS << BITS | status)
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
    painted = [
        (max(start, line[0] >> BITS), min(stop, end))
        for start, stop in unite_spans(spans)
        if start < end and stop > line[0] >> BITS
    ]
    if not painted:
        return line
    made: Line = []
    at = 0  # of the next entry that is not looked at yet
    holds = line[0] & MASK
    for start, stop in painted:
        while at < len(line) and line[at] >> BITS < start:
            _append_to(made, line[at])
            holds = line[at] & MASK
            at += 1
        _append_to(made, make_entry(start, status))
        while at < len(line) and line[at] >> BITS <= stop:
            holds = line[at] & MASK
            at += 1
        if stop < end:
            _append_to(made, make_entry(stop, holds))
    for each in line[at:]:
        _append_to(made, each)
    return made


def _append_to(made: Line, new: int) -> None:
    if made:
        _append(made, new)
    else:
        made.append(new)


def status_at(line: Line, at: int) -> int:
    """The status at an instant that is not before the line's start."""
    return line[bisect_right(line, make_entry(at, MASK)) - 1] & MASK


def seconds(line: Line, end: int) -> list[int]:
    """How many seconds each status had, from the line's start to an end after it."""
    held = [0] * len(STATUSES)
    before = line[0]
    for each in line[1:]:
        held[before & MASK] += (each >> BITS) - (before >> BITS)
        before = each
    held[before & MASK] += end - (before >> BITS)
    return held


def split_line(line: Line, bounds: Sequence[int]) -> list[Line]:
    """The line cut into one for each two bounds that follow each other; the first bound is the line's start."""
    made: list[Line] = []
    at, holds = 0, line[0] & MASK
    for start, end in itertools.pairwise(bounds):
        while at < len(line) and line[at] >> BITS <= start:
            holds = line[at] & MASK
            at += 1
        part = [make_entry(start, holds)]
        while at < len(line) and line[at] >> BITS < end:
            part.append(line[at])
            at += 1
        holds = part[-1] & MASK
        made.append(part)
    return made


def append_line(line: Line, more: Line) -> Line:
    """Two lines as one, the second of which begins where the first ends."""
    if not line or line[-1] & MASK != more[0] & MASK:
        return line + more
    return line + more[1:]
