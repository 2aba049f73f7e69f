"""What a worker tells of itself: each figure, in each form."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from libprobe.programs.worker import status

TOLD: dict[str, Any] = {
    "version": "1.0.0",
    "pid": 4321,
    "uptime_s": 93784.5,
    "memory_bytes": 61_234_567,
    "door": "/run/fedcloud-probes/door",
    "checks": {
        "done": 12_345_678,
        "per_s": 205.761,
        "duration_s": {"p50": 0.0312, "p90": 0.41, "p99": 2.5, "max": 30.0},
        "running": 17,
        "waiting": 4,
    },
    "calls": {
        "served": 7_654_321,
        "now": 6,
        "refused": {"full": 3, "different": 2, "other_user": 1, "no_request": 0, "late": 5},
    },
    "runners": {"nagios": 2, "callers": 1, "replaced": 9},
    "nagios": {"registered": 13, "probes": 14},
}

TABLE = """\
worker: fedcloud-worker 1.0.0, process 4321, for 26 h
memory: 58 MiB
checks: 12345678, 205.761 a second in the last minute
duration: p50 31 ms, p90 0.41 s, p99 2.5 s, max 30 s
now: 17 running, 4 waiting
door: /run/fedcloud-probes/door; 7654321 calls served, 6 now
let run by themselves: 3 there were too many, 2 another version, or from elsewhere, \
1 of another user, 5 not taken in time
runners: 2 for Nagios, 1 for callers, 9 replaced
Nagios: registered for 13 of 14
"""

SAMPLES = """\
fedcloud_worker_uptime_seconds 93784.5
fedcloud_worker_memory_bytes 61234567
fedcloud_worker_checks_total 12345678
fedcloud_worker_checks_per_second 205.761
fedcloud_worker_checks_running 17
fedcloud_worker_checks_waiting 4
fedcloud_worker_check_duration_seconds{part="p50"} 0.0312
fedcloud_worker_check_duration_seconds{part="p90"} 0.41
fedcloud_worker_check_duration_seconds{part="p99"} 2.5
fedcloud_worker_check_duration_seconds{part="max"} 30
fedcloud_worker_calls_total 7654321
fedcloud_worker_calls_refused_total{why="full"} 3
fedcloud_worker_calls_refused_total{why="different"} 2
fedcloud_worker_calls_refused_total{why="other_user"} 1
fedcloud_worker_calls_refused_total{why="no_request"} 0
fedcloud_worker_calls_refused_total{why="late"} 5
fedcloud_worker_runners{of="nagios"} 2
fedcloud_worker_runners{of="callers"} 1
fedcloud_worker_runners_replaced_total 9
fedcloud_worker_nagios_registered 13
"""


def test_the_table_has_every_figure():
    assert status.render_status(TOLD, "table") == TABLE


def test_prometheus_gets_every_figure_whole():
    lines = status.render_status(TOLD, "prometheus").splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#")) == SAMPLES
    named = [re.split(r"[{ ]", line)[0] for line in SAMPLES.splitlines()]
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == list(dict.fromkeys(named))
    counters = {line.split()[2] for line in lines if line.startswith("# TYPE") and line.split()[3] == "counter"}
    assert counters == {name for name in named if name.endswith("_total")}


def test_json_is_what_was_told():
    assert json.loads(status.render_status(TOLD, "json")) == TOLD


def test_a_worker_at_rest_without_nagios_says_so():
    told = copy.deepcopy(TOLD)
    told["checks"]["duration_s"] = {}
    told["calls"]["refused"] = dict.fromkeys(status.REFUSED, 0)
    told["nagios"] = {"registered": 0, "probes": 0}
    told["door"] = ""
    lines = status.render_status(told, "table").splitlines()
    assert lines[3] == "duration: none in the last minute"
    assert lines[5:7] == ["door: closed; 7654321 calls served, 6 now", "let run by themselves: none"]
    assert lines[8] == "Nagios: none"
    assert "\nfedcloud_worker_check_duration_seconds" not in status.render_status(told, "prometheus")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(status.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_durations_are_those_of_the_last_minute(clock):
    figures = status.WorkerStatistics()
    assert figures.checks() == {"done": 0, "per_s": 0.0, "duration_s": {}}
    figures.add(since=clock[0] - 9.0)
    clock[0] += 100.0
    for number in range(1, 121):
        figures.add(since=clock[0] - number / 100)
    assert figures.checks() == {
        "done": 121,
        "per_s": 2.0,
        "duration_s": {"p50": 0.61, "p90": 1.09, "p99": 1.19, "max": 1.2},
    }
    clock[0] += 61.0
    assert figures.checks() == {"done": 121, "per_s": 0.0, "duration_s": {}}


def test_in_its_first_minute_a_worker_counts_by_its_age(clock):
    figures = status.WorkerStatistics()
    clock[0] += 10.0
    for _ in range(50):
        figures.add(since=clock[0] - 0.5)
    assert figures.checks()["per_s"] == 5.0


def test_where_more_was_done_than_is_kept_the_rate_is_that_of_what_is_kept(clock, monkeypatch):
    monkeypatch.setattr(status, "MAX_KEPT", 100)
    figures = status.WorkerStatistics()
    clock[0] += 100.0
    for _ in range(1000):
        clock[0] += 0.01
        figures.add(since=clock[0])
    assert figures.checks()["per_s"] == pytest.approx(101, abs=0.2)
