"""Every fault through the door: probes say of it what they say by themselves, durations apart.

Each fault once, dealt out among the probes; `python -m tests.reliability --door` compares every probe at every fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pace
from tests.reliability import door, matrix
from tests.reliability.peers import FAULTS, Peers

AT_ONCE = 4
CELLS = door.sample()
NAMES = sorted({cell.column.name for cell in CELLS})


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    with Peers(tmp_path_factory.mktemp("peers")) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_of_every_fault_a_worker_says_what_the_executable_says(name, peers, tmp_path: Path):
    limits = matrix.Limits(deadline_s=pace.seconds(3.0), late_s=math.inf, busy=True)
    wanted = [cell for cell in CELLS if cell.column.name == name]
    with door.Door(tmp_path / "door") as worker:
        compared = list(door.compare_all(wanted, peers, tmp_path, limits, worker, at_once=AT_ONCE))
        complaints = worker.complaints(compared)
    assert not [str(each) for each in compared if each.differences]
    assert complaints == []
    for each in compared:
        pace.unjudged += each.unjudged


def test_every_fault_and_every_probe_is_in_the_sample():
    assert {cell.fault for cell in CELLS} == set(FAULTS)
    probes = {column.name for column in matrix.COLUMNS if not column.name.startswith("fedcloud-")}
    assert {cell.column.name for cell in CELLS} == probes
