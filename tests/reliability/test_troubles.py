"""Every executable in every trouble of its own machine: no site is CRITICAL for it, and the sentence says why.

One test a trouble runs all executables, several at once; `make reliability` does the same, and makes a table of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.pace import judge
from tests.reliability import troubles
from tests.reliability.peers import Grid

AT_ONCE = 4


class Ready(NamedTuple):
    grid: Grid
    usual: troubles.Usual


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    directory = tmp_path_factory.mktemp("troubles")
    grid = Grid(directory / "grid")
    yield Ready(grid, troubles.references(grid, directory, at_once=AT_ONCE))


@pytest.mark.parametrize("trouble", troubles.TROUBLES)
def test_a_trouble_of_this_machine_is_no_sites_fault(trouble, ready, tmp_path: Path):
    if why := troubles.why_not(trouble):
        pytest.skip(why)
    results = list(troubles.carry_out_all(trouble, ready.grid, tmp_path, ready.usual, at_once=AT_ONCE))
    assert results
    assert not [str(each) for each in results if each.complaints]
    limit_s = troubles.TROUBLES[trouble].ends_within_s
    for each in results:
        judge(each.outcome.seconds, limit_s / each.column.share, late_s=20.0)


def test_without_any_trouble_each_comes_to_a_result_of_its_own(ready):
    """Else a run that comes through could not be told from one that does not."""
    codes = {name: code for name, (code, _) in ready.usual.items()}
    assert {name for name, code in codes.items() if code == 0} >= {"check_occi_vm", "check_broker", "fedcloud-ncg"}
    assert {name for name, code in codes.items() if code == 3} == set()


def test_every_executable_is_asked():
    """All of probes/ but the worker, whose runners run the same probes."""
    names = {column.name.split()[0] for column in troubles.COLUMNS}
    assert {path.name for path in (ROOT / "probes").iterdir() if path.is_file()} - names == {"fedcloud-worker"}
