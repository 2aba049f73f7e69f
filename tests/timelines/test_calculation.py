from __future__ import annotations

import pytest

from libprobe.state.files import StateDirectory
from libprobe.timelines import lines
from libprobe.timelines.algebra import CRITICAL, OK
from libprobe.timelines.calculation import Calculation, Period
from libprobe.timelines.store import Store
from tests.timelines.cases import PROFILE

DAY, HOUR = lines.DAY_S, 3600
MIDNIGHT = 1_790_812_800
"""2026-10-01."""


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "state"
    path.mkdir(0o700)
    with Store(StateDirectory(str(path)), create=True) as opened:
        yield opened


def add(kept, *results, host="a"):
    """Add results of one metric: (second of October, status) each, and that there were some on each day between."""
    with kept.writer() as writer:
        series = writer.series(host, "disk", "store")
        for at, status in results:
            writer.add(series, MIDNIGHT + at, status)
        writer.note_confirmed(series, MIDNIGHT + results[0][0], MIDNIGHT + results[-1][0])


def put(kept, day, *hosts):
    """The endpoints from a day of October on."""
    kept.put_topology(MIDNIGHT // DAY + day - 1, [("S", "disk", host, "NGI") for host in hosts])


def calculation(kept, end):
    return Calculation(kept, PROFILE, Period("2026-10", MIDNIGHT, MIDNIGHT + end))


@pytest.mark.parametrize("by", ["period", "month"])
def test_the_day_that_is_going_on_counts_by_the_part_that_is_over(kept, by):
    """A day up, and an hour down: 24 of 25 hours, and not half of two days."""
    put(kept, 1, "a")
    add(kept, (0, OK), (DAY, CRITICAL))
    (row,) = calculation(kept, DAY + HOUR).rows(["S"], "site", by)
    assert tuple(row.figures) == (96.0, 96.0, 0.96, 0.0, 0.0)
    assert calculation(kept, DAY + HOUR).explain("S").figures == row.figures
    (row,) = calculation(kept, 2 * DAY).rows(["S"], "site", by)
    assert row.figures.availability == 50.0


def test_a_line_ends_where_its_endpoint_leaves_the_topology_and_begins_anew(kept):
    put(kept, 1, "a", "b")
    put(kept, 3, "b")
    put(kept, 5, "a", "b")
    for host in "ab":
        add(kept, (0, CRITICAL), (6 * DAY - 1, CRITICAL), host=host)
    found = {
        path[-1]: [tuple(each) for each in line]
        for path, line in calculation(kept, 6 * DAY).lines("S", "endpoint").items()
    }
    end = MIDNIGHT + 6 * DAY
    assert found == {
        "a": [(MIDNIGHT, MIDNIGHT + 2 * DAY, CRITICAL), (MIDNIGHT + 4 * DAY, end, CRITICAL)],
        "b": [(MIDNIGHT, end, CRITICAL)],
    }


def test_a_change_at_the_midnight_of_a_new_topology_is_one(kept):
    """Four changes: two in the middle of a day, and two when other endpoints came and went."""
    put(kept, 1, "a")
    put(kept, 2, "a", "b")
    put(kept, 3, "a")
    add(kept, (0, OK), (DAY, CRITICAL), (DAY + HOUR, OK), (2 * DAY, CRITICAL), (2 * DAY + HOUR, OK))
    (worst,) = calculation(kept, 3 * DAY).explain("S").flips
    assert tuple(worst) == (("disk", "a", "store"), 4)
