"""The clock of the tests themselves: what is stretched, what is judged, and that nothing is left out in silence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import pace
from tests.conftest import ROOT, clean_environment


@pytest.fixture
def wanted(monkeypatch):
    """Say how many processes want each processor."""
    monkeypatch.setattr(pace.os, "nice", lambda more: 0)
    monkeypatch.setattr(pace, "PAUSED", False)
    return lambda value: monkeypatch.setattr(pace, "demand", lambda: value)


@pytest.mark.parametrize(("demand", "stretched"), [(0, 2.5), (2.5, 2.5), (5, 5), (6, 6), (13, 23), (900, 90)])
def test_a_time_is_stretched_by_what_else_wants_the_processors(wanted, demand, stretched):
    wanted(demand)
    assert pace.seconds(2.5) == stretched


def test_whoever_gives_way_to_others_has_twice_the_time(wanted, monkeypatch):
    wanted(5)
    monkeypatch.setattr(pace.os, "nice", lambda more: 19)
    assert pace.seconds(2.5) == 10


def test_limits_for_what_has_to_begin_grow_and_are_stretched(wanted):
    wanted(1.0)
    assert list(pace.growing(0.5)) == [0.5, 2, 8, 32, 128]
    wanted(6)
    assert list(pace.growing(0.5)) == [2, 5, 20, 77, 128]


def test_what_ends_too_early_or_late_on_a_quiet_machine_is_a_failure(wanted):
    wanted(1.0)
    pace.judge(7.9, 3)
    with pytest.raises(AssertionError, match=r"took 8\.00 s, the limit is 3 s"):
        pace.judge(8, 3)
    pace.judge(2.9, 3, late_s=0)
    with pytest.raises(AssertionError, match=r"took 3\.10 s, the limit is 3 s"):
        pace.judge(3.1, 3, late_s=0)
    for load in (1.0, 100.0):
        wanted(load)
        with pytest.raises(AssertionError, match=r"took 1\.00 s, not as long as 2 s"):
            pace.judge(1, 3, not_before=2)
    assert pace.unjudged == []


def test_where_processes_are_paused_a_time_is_stretched_and_none_is_judged(wanted, monkeypatch):
    wanted(1.0)
    monkeypatch.setattr(pace, "PAUSED", True)
    assert (pace.seconds(2.5), pace.seconds(0.1)) == (10, 1)
    pace.judge(8, 3)
    with pytest.raises(AssertionError, match=r"took 1\.00 s, not as long as 2 s"):
        pace.judge(1, 3, not_before=2)
    assert pace.unjudged == ["this machine is too busy: took 8.0 s, limit 3 s, processes are paused"]
    pace.unjudged.clear()


def test_what_is_waited_for_is_returned_and_what_never_comes_is_said():
    values = iter([0, "", 7])
    assert pace.until(lambda: next(values)) == 7
    with pytest.raises(AssertionError, match="not within 0 s: the end of the world"):
        pace.until(lambda: False, "the end of the world", patience_s=0)


def test_the_demand_is_that_of_this_machine():
    assert 0 < pace.demand() < 1000


LATE = """
import pytest
from tests import pace

def test_late(monkeypatch):
    monkeypatch.setattr(pace, "demand", lambda: 20.0)
    pace.judge(70.5, 3)

def test_skipped():
    pytest.skip(f"{pace.TOO_BUSY}: no use")
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_not_judged_is_counted_at_the_end_of_a_run(tmp_path, workers):
    (tmp_path / "test_late.py").write_text(LATE)
    words = ["-p", "no:cacheprovider", "-p", "tests.conftest", "-n", workers, "-c", ROOT / "pyproject.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, words), f"--rootdir={tmp_path}", str(tmp_path / "test_late.py")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(HOME=tmp_path),
    )
    assert done.returncode == 0, done.stdout
    assert "this machine is too busy: 1 tests skipped, 1 limits of time not judged" in done.stdout
    assert "test_late: this machine is too busy: took 70.5 s, limit 3 s, 20 processes per processor" in done.stdout
