from __future__ import annotations

import signal
import threading
import time

import pytest

from libprobe.deadline import Deadline, Interrupted, OutOfTime, end_on_signals
from tests.pace import Watch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_earlier_deadline_follows_the_whole_one():
    clock = Clock()
    whole = Deadline(60, clock=clock)
    work = whole.before(20)
    clock.now += 10
    assert (whole.remaining(), work.remaining(), work.elapsed()) == (50, 30, 10)
    whole.end_within(25)
    assert (whole.remaining(), work.remaining()) == (25, 5)
    clock.now += 5
    assert work.passed()
    assert not whole.passed()
    whole.end_within(1000)
    assert whole.remaining() == 20


def test_an_earlier_deadline_of_an_earlier_one_follows_the_whole_one_too():
    clock = Clock()
    whole = Deadline(60, clock=clock)
    clock.now += 10
    part = whole.before(20).before(5)
    assert (part.remaining(), part.elapsed()) == (25, 10)
    whole.end_within(30)
    assert part.remaining() == 5


def test_sleep_does_not_outlast_the_deadline():
    watch = Watch()
    Deadline(0.05).sleep(10)
    watch.ended_within(5)


def test_an_enforced_deadline_ends_what_never_looks_at_it_and_the_outer_timer_goes_on():
    outer = Deadline(900)
    with outer.enforced():
        with pytest.raises(OutOfTime), Deadline(0.01).enforced():
            while True:
                try:
                    time.sleep(10)
                except Exception:
                    pytest.fail("no Exception can catch it")
        left, again = signal.getitimer(signal.ITIMER_REAL)
        assert 600 < left < 901
        assert again == 1.0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_of_the_main_thread_nothing_is_enforced_and_nothing_breaks():
    done = []

    def work() -> None:
        with Deadline(0.01).enforced():
            time.sleep(0.4)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_timer_that_goes_off_while_the_block_is_left_is_disarmed_all_the_same(monkeypatch):
    set_timer = signal.setitimer
    disarmed = []

    def late(which, seconds, *interval):
        if not seconds:
            disarmed.append(seconds)
            if len(disarmed) == 1:
                raise OutOfTime
        return set_timer(which, seconds, *interval)

    monkeypatch.setattr(signal, "setitimer", late)
    with Deadline(30).enforced():
        pass
    assert len(disarmed) == 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) != signal.SIG_DFL


def test_of_several_signals_the_first_ends_the_run_and_is_told_once():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    end_on_signals()
    try:
        with pytest.raises(Interrupted, match=r"^interrupted by SIGINT$"):
            signal.raise_signal(signal.SIGINT)
        for number in numbers:
            signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
