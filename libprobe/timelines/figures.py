"""Availability and reliability, and what they are made of, from timelines: ARGO's rules, exact in whole numbers.

    availability = up / (all - unknown)          up = OK and WARNING; unknown = UNKNOWN and MISSING
    reliability  = up / (all - unknown - down)   down = DOWNTIME

Fractions have five decimals, halves up, and so have percentages. A period of days has the means of its days'
fractions, not the mean of their percentages, with what ARGO's web API adds to the 1 so that it need not divide by 0.
Where nothing is left to divide by, a figure is NO_DATA, as ARGO's days have it; its web API says 0 there for a month.
Source: argo-streaming a8c3a6b, TimelineIntegrator; argo-web-api, app/results/queries.go.
"""

from __future__ import annotations

from fractions import Fraction

from libprobe.records import Record
from libprobe.timelines.algebra import DOWNTIME, MISSING, OK, UNKNOWN, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNIT = 100_000
"""Of a fraction: five decimals."""

NO_DATA = -1.0
API_PARTS = 10**8
"""ARGO's web API adds one part in this many to a month of which all is known."""


class Figures(Record):
    """availability, reliability: in percent, NO_DATA where nothing is known. up, unknown, down: fractions, 0 to 1."""

    availability: float
    reliability: float
    up: float
    unknown: float
    down: float


def figures_of_time(held: Sequence[int]) -> Figures:
    """The figures of one day, or of any time that is looked at as a whole. held: seconds by status, not all 0."""
    up, unknown, down = held[OK] + held[WARNING], held[UNKNOWN] + held[MISSING], held[DOWNTIME]
    whole = sum(held)
    return Figures(
        _percent(up, whole - unknown, is_known=unknown < whole),
        _percent(up, whole - unknown - down, is_known=unknown + down < whole),
        *(_ratio(part, whole) for part in (up, unknown, down)),
    )


def figures_of_days(days: Sequence[Figures], seconds: Sequence[int] = ()) -> Figures:
    """The figures of several days. Raises: ValueError for none.

    seconds: how long each was, if they are not equally long: a day that is not over counts by what there is of it.
    """
    if not days:
        raise ValueError("no day to make figures of")
    lengths = seconds or [1] * len(days)
    whole = sum(lengths) * UNIT
    up, unknown, down = (
        sum(_units(day[at]) * length for day, length in zip(days, lengths, strict=True)) for at in (2, 3, 4)
    )
    known = whole * (API_PARTS + 1) - unknown * API_PARTS
    return Figures(
        _percent(up * API_PARTS, known, is_known=unknown < whole),
        _percent(up * API_PARTS, known - down * API_PARTS, is_known=unknown + down < whole),
        *(_ratio(part, whole) for part in (up, unknown, down)),
    )


def figures_of_sites(sites: Iterable[tuple[Figures, float]]) -> Figures:
    """The figures of several sites, each with its weight; one without data does not count.

    A site that was in a declared downtime all the time has an availability and no reliability: it counts for the one.
    Only availability and reliability are ARGO's: it has no up, unknown and down of a group. Ours are weighted likewise.
    """
    known = [(figures, Fraction(weight)) for figures, weight in sites if figures.availability != NO_DATA]
    availability = _weighted_mean((each.availability, weight) for each, weight in known)
    if availability is None:
        return Figures(NO_DATA, NO_DATA, 0.0, 1.0, 0.0)
    reliability = _weighted_mean((each.reliability, weight) for each, weight in known if each.reliability != NO_DATA)
    shares = [_weighted_mean((each[at], weight) for each, weight in known) or 0.0 for at in (2, 3, 4)]
    return Figures(availability, NO_DATA if reliability is None else reliability, *shares)


def _weighted_mean(values: Iterable[tuple[float, Fraction]]) -> float | None:
    """None where nothing has a weight."""
    kept = [(_units(value), weight) for value, weight in values]
    whole = sum(weight for _, weight in kept)
    return _rounded(sum(units * weight for units, weight in kept) / whole / UNIT) if whole else None


def _percent(part: int, whole: int, *, is_known: bool) -> float:
    return _ratio(part * 100, whole) if is_known else NO_DATA


def _ratio(part: int, whole: int) -> float:
    """As `_rounded` of their fraction, without making one: a month of a federation has tens of thousands."""
    return (2 * UNIT * part + whole) // (2 * whole) / UNIT


def _rounded(value: Fraction) -> float:
    """With five decimals, halves up; the nearest float."""
    return ((value * UNIT * 2 + 1) // 2) / UNIT


def _units(value: float) -> int:
    """What `_rounded` made, as the whole number it was made of."""
    return round(value * UNIT)
