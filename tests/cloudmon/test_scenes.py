"""When a state that is not as it should be is a failure, and when a check that came too late."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from tests import pace
from tests.nagios import Service

from .scenes import expect_states

GOOD, BAD = Service("a.test", "A"), Service("b.test", "B")


class Monitor:
    """Has the next of the given states after each round. asked: what the rounds were of."""

    def __init__(self, *states: dict[Service, str]) -> None:
        self._states = list(states)
        self.asked: list[set[Service]] = []

    def status(self) -> dict[Service, SimpleNamespace]:
        return {service: SimpleNamespace(state=state) for service, state in self._states[0].items()}

    def round(self, services: Iterable[Service]) -> None:
        self.asked.append(set(services))
        self._states = self._states[1:] or self._states


LATE = {GOOD: "UNKNOWN", BAD: "CRITICAL"}
RIGHT = {GOOD: "OK", BAD: "CRITICAL"}


def test_a_state_that_is_not_expected_is_a_failure_at_once(monkeypatch):
    monkeypatch.setattr(pace, "demand", lambda: pace.OWN_DEMAND)
    monitor = Monitor(LATE, RIGHT)
    with pytest.raises(AssertionError, match="UNKNOWN"):
        expect_states(monitor, {BAD: "CRITICAL"})
    assert (monitor.asked, pace.unjudged) == ([], [])


def test_on_a_busy_machine_it_is_checked_again_and_counted(monkeypatch):
    counted: list[str] = []
    monkeypatch.setattr(pace, "demand", lambda: 20.0)
    monkeypatch.setattr(pace, "unjudged", counted)
    monitor = Monitor(LATE, RIGHT)
    expect_states(monitor, {BAD: "CRITICAL"})
    assert monitor.asked == [{GOOD}]
    assert counted == ["this machine is too busy: states had to be checked again, 20 processes per processor"]
    with pytest.raises(AssertionError):
        expect_states(Monitor(LATE), {BAD: "CRITICAL"})
    monkeypatch.undo()
    assert pace.unjudged == []  # this machine has judged all
