"""Small plots as inline SVG: how long a run took, how long earlier runs took and how they ended.

Only numbers and our own words go into them; colours are those of the page's style sheet.
"""

from __future__ import annotations

import re

from libprobe.failures import STATUS_NAMES
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.formats.plugin_output import PerformanceValue
    from libprobe.programs.selfcheck.results import JobResult

WIDTH, HEIGHT = 140, 8
TALL = 24


def took(seconds: float, longest: float) -> str:
    """A bar that is as long as the run took, against the longest on the page."""
    return _bar(seconds, longest, f"{duration(seconds)}; the slowest took {duration(longest)}")


def value(each: PerformanceValue, longest: float) -> str:
    """A bar with its limits as marks, against the longest of its result."""
    limits = [("limit w", _bound(each.warning)), ("limit", _bound(each.critical))]
    scale = max([longest, *(bound for _, bound in limits if bound is not None and bound < 3 * longest)])
    marks = "".join(
        f'<line class="{kind}" x1="{_x(bound, scale)}" x2="{_x(bound, scale)}" y1="0" y2="{HEIGHT}" stroke-width="2"/>'
        for kind, bound in limits
        if bound is not None and 0 < bound <= scale
    )
    return _bar(each.value, scale, duration(each.value), marks)


def history(result: JobResult) -> str:
    """A line through the times of earlier runs and this one, with a dot in the colour of each state."""
    runs = [(each.seconds, each.status) for each in result.past] + [(result.seconds, result.status)]
    longest = max(seconds for seconds, _ in runs) or 1.0
    step = (WIDTH - 8) / max(1, len(runs) - 1)
    points = [
        (4 + index * step, TALL - 4 - (TALL - 8) * seconds / longest, status)
        for index, (seconds, status) in enumerate(runs)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = "".join(f'<circle class="p{status}" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>' for x, y, status in points)
    ended = ", ".join(
        f"{sum(state == status for _, _, state in points)} {name}"
        for status, name in enumerate(STATUS_NAMES)
        if any(state == status for _, _, state in points)
    )
    label = f"the last {len(runs)} runs: {ended}; the longest {duration(longest)}"
    return _svg(TALL, label, f'<polyline class="line" points="{path}" stroke-width="1.5"/>{dots}')


def _bar(seconds: float, longest: float, label: str, marks: str = "") -> str:
    rail = f'<rect class="rail" width="{WIDTH}" height="{HEIGHT}" rx="3"/>'
    bar = f'<rect class="bar" width="{max(2.0, _x(seconds, longest))}" height="{HEIGHT}" rx="3"/>'
    return _svg(HEIGHT, label, rail + bar + marks)


def _svg(height: int, label: str, content: str) -> str:
    return (
        f'<svg width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{content}</svg>"
    )


def _x(seconds: float, longest: float) -> float:
    return round(WIDTH * min(1.0, max(0.0, seconds) / longest), 1) if longest > 0 else 0.0


def _bound(limit: str) -> float | None:
    """The upper bound of a range of performance data, `300` or `0:300`; None if it has none."""
    found = re.fullmatch(r"(?:[0-9.~-]*:)?([0-9]+(?:\.[0-9]+)?)", limit)
    return float(found[1]) if found else None
