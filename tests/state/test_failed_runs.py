from __future__ import annotations

import json
import os

import pytest

from libprobe.state.failed_runs import KEPT_S, FailedRunCount, FailedRuns
from libprobe.state.files import StateDirectory

CLOUD = "https://cloud.example.org:8787"
NOW = 1_800_000_000.0


@pytest.fixture
def directory(tmp_path):
    return StateDirectory(str(tmp_path / "state"))


@pytest.fixture
def runs(directory):
    return FailedRuns(directory)


def test_failed_runs_in_a_row_are_counted_from_the_first(runs):
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW) == FailedRunCount(1, 0.0, 0.0)
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW + 3600) == FailedRunCount(2, 3600.0, 3600.0)
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW + 5400) == FailedRunCount(3, 1800.0, 5400.0)


def test_each_kind_of_run_and_each_endpoint_is_counted_by_itself(runs):
    runs.note_failed_run("vm", CLOUD, 300.0, NOW)
    for kind, endpoint in (("keypair", CLOUD), ("vm", "https://other.example.org:8787")):
        assert not runs.is_noted(kind, endpoint, NOW)
        assert runs.note_failed_run(kind, endpoint, 300.0, NOW + 60).runs == 1
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW + 60).runs == 2


def test_a_run_that_waited_less_than_half_as_long_proves_nothing(runs):
    runs.note_failed_run("vm", CLOUD, 149.0, NOW)
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW + 60) == FailedRunCount(1)
    assert runs.note_failed_run("vm", CLOUD, 600.0, NOW + 120).runs == 2  # exactly half as long counts
    # the longest wait of the row counts: short runs in between do not make the next long one the first
    assert runs.note_failed_run("vm", CLOUD, 10.0, NOW + 180).runs == 3
    assert runs.note_failed_run("vm", CLOUD, 600.0, NOW + 240) == FailedRunCount(4, 60.0, 180.0)


def test_a_vm_that_became_active_ends_the_row(runs, directory):
    runs.clear("vm", CLOUD)  # of which nothing is known
    runs.note_failed_run("vm", CLOUD, 300.0, NOW)
    assert runs.is_noted("vm", CLOUD, NOW)
    runs.clear("vm", CLOUD)
    assert not runs.is_noted("vm", CLOUD, NOW)
    assert os.listdir(directory.path) == []
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW + 60).runs == 1


@pytest.mark.parametrize(
    ("seconds", "is_the_run_before"), [(0.0, True), (KEPT_S, True), (KEPT_S + 1, False), (-1.0, False)]
)
def test_a_run_of_days_ago_or_of_a_clock_that_was_ahead_is_not_the_run_before(runs, seconds, is_the_run_before):
    runs.note_failed_run("vm", CLOUD, 300.0, NOW)
    assert runs.is_noted("vm", CLOUD, NOW + seconds) is is_the_run_before


def test_two_days_are_kept():
    assert KEPT_S == 2 * 24 * 3600


def test_the_file_says_of_which_endpoint_it_is_and_its_name_stays_the_same(runs, directory):
    """An earlier version's file is found by the name, and a person who looks finds the endpoint."""
    runs.note_failed_run("vm", CLOUD, 300.0, NOW)
    runs.note_failed_run("vm", CLOUD, 200.0, NOW + 60)
    [name] = os.listdir(directory.path)
    assert name == "late-vm-05dd51fd3bbea354.json"
    content = directory.read(name, 4096)
    assert content.endswith(b"}\n")
    assert json.loads(content) == {"endpoint": CLOUD, "at": NOW + 60, "since": NOW, "times": 2, "waited": 300.0}


@pytest.mark.parametrize(
    "change",
    [
        {"at": "soon"},
        {"at": None},
        {"times": float("inf")},
        {"waited": float("nan")},
        {"since": NOW + 1},
        {"times": 10**400},
        {"padding": "x" * 5000},
    ],
    ids=str,
)
def test_a_damaged_file_counts_as_none(runs, directory, change):
    runs.note_failed_run("vm", CLOUD, 300.0, NOW)
    [name] = os.listdir(directory.path)
    said = json.loads(directory.read(name, 4096))
    directory.write(name, json.dumps(said | change).encode())
    assert not runs.is_noted("vm", CLOUD, NOW)
    assert runs.note_failed_run("vm", CLOUD, 300.0, NOW) == FailedRunCount(1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"{}", b"[" * 4000])
def test_a_file_of_something_else_counts_as_none(runs, directory, content):
    runs.note_failed_run("vm", CLOUD, 300.0, NOW)
    [name] = os.listdir(directory.path)
    directory.write(name, content)
    assert not runs.is_noted("vm", CLOUD, NOW)
