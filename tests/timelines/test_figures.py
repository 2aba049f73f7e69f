from __future__ import annotations

import pytest

from libprobe.timelines import figures
from libprobe.timelines.algebra import STATUSES
from libprobe.timelines.figures import NO_DATA, Figures

DAY = 86_400


def of(**seconds):
    held = [seconds.get(name, 0) for name in STATUSES]
    return tuple(figures.figures_of_time(held))


@pytest.mark.parametrize(
    "seconds, expected",
    [
        ({"OK": DAY}, (100.0, 100.0, 1.0, 0.0, 0.0)),
        ({"OK": DAY - 600, "CRITICAL": 600}, (99.30556, 99.30556, 0.99306, 0.0, 0.0)),
        ({"WARNING": DAY // 2, "UNKNOWN": DAY // 4, "MISSING": DAY // 4}, (100.0, 100.0, 0.5, 0.5, 0.0)),
        ({"OK": DAY // 2, "DOWNTIME": DAY // 2}, (50.0, 100.0, 0.5, 0.0, 0.5)),
        ({"OK": 21600, "DOWNTIME": 21600, "UNKNOWN": 21600, "CRITICAL": 21600}, (33.33333, 50.0, 0.25, 0.25, 0.25)),
        ({"CRITICAL": DAY}, (0.0, 0.0, 0.0, 0.0, 0.0)),
        ({"MISSING": DAY}, (NO_DATA, NO_DATA, 0.0, 1.0, 0.0)),
        ({"DOWNTIME": DAY}, (0.0, NO_DATA, 0.0, 0.0, 1.0)),
        ({"OK": 1, "CRITICAL": 199_999}, (0.0005, 0.0005, 0.00001, 0.0, 0.0)),  # half a unit goes up
    ],
)
def test_a_days_figures_by_hand(seconds, expected):
    assert of(**seconds) == expected


def test_a_month_is_made_of_fractions_and_not_of_percentages():
    half_known = figures.figures_of_time([DAY // 2, 0, DAY // 2, 0, 0, 0])  # 100 % of what is known
    down = figures.figures_of_time([0, 0, 0, 0, DAY, 0])
    assert figures.figures_of_days([half_known, down]).availability == 33.33333  # not 50


def test_a_month_has_the_addition_of_the_web_api():
    up = figures.figures_of_time([DAY, 0, 0, 0, 0, 0])
    assert figures.figures_of_days([up] * 30).availability == 100.0  # 99.999999 with eight decimals
    almost = figures.figures_of_days([up, *[Figures(NO_DATA, NO_DATA, 0.0, 1.0, 0.0)] * 30])
    assert almost.availability == 99.99997


def test_a_month_of_which_nothing_is_known_has_no_figure():
    nothing = Figures(NO_DATA, NO_DATA, 0.0, 1.0, 0.0)
    assert tuple(figures.figures_of_days([nothing, nothing])) == (NO_DATA, NO_DATA, 0.0, 1.0, 0.0)
    with pytest.raises(ValueError):
        figures.figures_of_days([])


def test_sites_count_by_their_weight_and_not_without_data():
    good, bad = Figures(100.0, 100.0, 1.0, 0.0, 0.0), Figures(50.0, 80.0, 0.5, 0.0, 0.1)
    nothing = Figures(NO_DATA, NO_DATA, 0.0, 1.0, 0.0)
    assert tuple(figures.figures_of_sites([(good, 3), (bad, 1), (nothing, 9)])) == (87.5, 95.0, 0.875, 0.0, 0.025)
    assert figures.figures_of_sites([(nothing, 1)]).availability == NO_DATA


def test_a_site_that_was_in_downtime_all_the_time_has_no_reliability_to_be_counted():
    good, down = Figures(90.0, 90.0, 0.9, 0.0, 0.0), Figures(0.0, NO_DATA, 0.0, 0.0, 1.0)
    assert tuple(figures.figures_of_sites([(good, 1), (down, 1)])) == (45.0, 90.0, 0.45, 0.0, 0.5)
    assert tuple(figures.figures_of_sites([(down, 1), (down, 2)])) == (0.0, NO_DATA, 0.0, 0.0, 1.0)
    assert figures.figures_of_sites([(good, 0), (down, 0)]).availability == NO_DATA
