"""The switches: what can be ordered, and when a fault strikes."""

from __future__ import annotations

import threading

import pytest

from .faults import CATALOGUE, OCCI, WIRE, Faults


def test_every_fault_is_described_with_its_parameters() -> None:
    assert set(CATALOGUE) >= set(WIRE) | set(OCCI)
    for name, fault in {**WIRE, **OCCI}.items():
        assert all(parameter in CATALOGUE[name] for parameter in fault.parameters)


def test_an_unknown_fault_is_refused_with_the_nearest() -> None:
    faults = Faults()
    for ask in (faults.on, faults.off, faults.get):
        with pytest.raises(ValueError, match="mute-accept"):
            ask("mute-acept")
    with pytest.raises(ValueError, match="there are mute-accept, close-accept"):
        faults.on("zzz")


def test_parameters_are_checked_and_converted() -> None:
    faults = Faults()
    for name, parameters in (
        ("slow", {"secondes": 1}),
        ("slow", {"seconds": "long"}),
        ("redirect", {}),
        ("slow", {"times": 0}),
        ("mute-accept", {"path": "/compute/"}),
    ):
        with pytest.raises(ValueError, match=name):
            faults.on(name, **parameters)
    assert faults.active() == {}
    faults.on("status", code="429", times="2")
    assert faults.active() == {"status": {"code": 429, "body": "", "headers": {}, "times": 2}}


def test_filters_decide_which_request_is_struck() -> None:
    faults = Faults()
    faults.on("slow", method="post", path="/compute/")
    assert faults.take("slow", "GET", "/compute/") is None
    assert faults.take("slow", "POST", "/network/") is None
    assert faults.take("slow", "POST", "/occi1.1/compute/") is not None
    assert faults.get("slow") is not None


def test_a_fault_switches_itself_off_after_its_uses() -> None:
    faults = Faults()
    faults.on("mute", times=5)
    taken = []

    def take() -> None:
        taken.extend(faults.take("mute", "GET", "/") for _ in range(5))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(parameters is not None for parameters in taken) == 5
    assert faults.get("mute") is None


def test_off_and_clear_end_faults() -> None:
    faults = Faults()
    faults.on("mute")
    faults.on("slow")
    faults.off("mute")
    assert list(faults.active()) == ["slow"]
    assert (faults.switched_off("mute"), faults.switched_off("slow")) == (1, 0)
    faults.on("mute")
    faults.clear()
    assert faults.active() == {}
    assert (faults.switched_off("mute"), faults.switched_off("slow")) == (2, 1)
