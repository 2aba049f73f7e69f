"""Every executable against every fault: exit code, sentence, time, memory, standard error, and nothing left.

One test an executable runs all its cells, several at once, for most of them wait. What `make reliability` does beyond:
all faults of each executable, and strict limits on time, for it has the machine to itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pace import judge, seconds
from tests.reliability import matrix, sentences
from tests.reliability.peers import FAULTS, Peers

AT_ONCE = 4


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    with Peers(tmp_path_factory.mktemp("peers")) as running:
        yield running


@pytest.mark.parametrize("column", matrix.COLUMNS, ids=lambda column: column.name)
def test_every_fault_ends_in_time_in_a_sentence_that_says_why_and_whose(column, peers, tmp_path: Path):
    wanted = matrix.cells(column, sampled=True)
    limits = matrix.Limits(deadline_s=seconds(3.0), late_s=math.inf, busy=True)
    results = list(matrix.carry_out_all(wanted, peers, tmp_path, limits, at_once=AT_ONCE))
    assert results
    assert not [str(each) for each in results if each.complaints]
    too_long = [str(each) for each in sentences.all_said(results) if len(each.sentence) > sentences.NONE_ABOVE]
    assert not too_long
    for each in results:
        judge(each.outcome.seconds, limits.deadline_s * (1 if each.cell.waits else 10), late_s=20.0)


def test_every_fault_befalls_somebody_and_every_exception_is_one():
    befalls = {(column.name, cell.fault) for column in matrix.COLUMNS for cell in matrix.cells(column)}
    assert {fault for _, fault in befalls} == set(FAULTS)
    assert set(matrix.EXCEPTIONS) <= befalls
    assert set(FAULTS) >= matrix.WAITS
