"""The soak in short: the whole federation and peers, at a pace at which half a minute shows much."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .soak import CONTEXT, VM, Soak, Subject, Switch


@pytest.fixture
def soak() -> Iterator[Soak]:
    # a short name: Nagios' socket has 107 bytes for its path
    with tempfile.TemporaryDirectory(prefix="soak-") as directory, ExitStack() as stack:
        yield Soak(Path(directory), endpoints=45, pace=240, seed=7, stack=stack)


@pytest.mark.needs("nagios4-core")
def test_whatever_goes_wrong_the_monitor_tells_the_truth_and_nothing_is_left(soak: Soak) -> None:
    soak.run(14, results=250)
    rows = soak.judge(long=False)
    assert soak.violations == []
    for what in (VM, CONTEXT, "org.nagios.CDMI-TCP", "rightly not OK"):
        assert soak.compared[what], rows
    # and a lie would have been found
    for each in soak.subjects:
        each.switches = [Switch(0.0, 0.0, sorted(each.faults)[0])]
    soak.judge(long=False)
    assert len(soak.violations) > 20
    assert all(each.startswith("result: ") for each in soak.violations)


def test_what_is_true_is_known_but_while_it_changes() -> None:
    subject = Subject("x", {"closed": {"TCP": "CRITICAL"}}, lambda fault: None)
    subject.switches += [Switch(100.0, 101.0, "closed"), Switch(200.0, 201.0, "")]
    assert [subject.truth("TCP", *times) for times in ((90, 99), (102, 199), (202, 900))] == ["OK", "CRITICAL", "OK"]
    assert [subject.truth("TCP", *times) for times in ((90, 100.5), (100.5, 100.7), (150, 250), (0, 900))] == [None] * 4
    assert subject.truth("another metric", 102, 199) == "OK"
