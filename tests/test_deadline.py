from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from libprobe import deadline
from libprobe.deadline import Deadline, Interrupted, OutOfTime, end_on_signals
from tests.conftest import clean_environment
from tests.pace import AMPLE_S, Watch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_earlier_deadline_follows_the_whole_one():
    clock = Clock()
    whole = Deadline(60, clock=clock)
    work = whole.earlier_by(20)
    clock.now += 10
    assert (whole.remaining(), work.remaining(), work.elapsed()) == (50, 30, 10)
    whole.end_within(25)
    assert (whole.remaining(), work.remaining()) == (25, 5)
    clock.now += 5
    assert work.has_passed()
    assert not whole.has_passed()
    whole.end_within(1000)
    assert whole.remaining() == 20


def test_an_earlier_deadline_of_an_earlier_one_follows_the_whole_one_too():
    clock = Clock()
    whole = Deadline(60, clock=clock)
    clock.now += 10
    part = whole.earlier_by(20).earlier_by(5)
    assert (part.remaining(), part.elapsed()) == (25, 10)
    whole.end_within(30)
    assert part.remaining() == 5


def test_within_which_time_is_that_of_a_run_that_was_told_to_end_and_not_all_of_its_limit():
    now = [100.0]
    whole = Deadline(20.0, clock=lambda: now[0])
    part = whole.earlier_by(5.0)
    now[0] = 101.0
    whole.end_within(60.0)  # later than its end: nothing changes
    part.end_within(4.0)
    assert (whole.within(), part.within()) == (1.0, 1.0)
    now[0] = 105.0
    assert whole.has_passed()
    assert (whole.within(), part.within()) == (5.0, 5.0)
    other = Deadline(20.0, clock=lambda: now[0])
    other.end_within(60.0)
    now[0] = 200.0
    assert (other.within(), other.earlier_by(5.0).within()) == (20.0, 15.0)


def test_what_the_start_took_and_what_is_kept_for_the_end_are_part_of_the_whole():
    clock = Clock()
    whole = Deadline(10, spent=2, kept=0.3, clock=clock)
    assert (whole.remaining(), whole.elapsed(), whole.within()) == (pytest.approx(7.7), 2, 2)
    assert (whole.own_s(), whole.waited_s()) == (2, 0), "nobody else has been waited for yet"
    work = whole.earlier_by(3)
    assert (work.remaining(), work.elapsed()) == (pytest.approx(4.7), 2)
    clock.now += 4.75
    assert (work.has_passed(), work.within(), whole.within()) == (True, 7, 6.75)
    clock.now += 2.95
    assert (whole.has_passed(), whole.within()) == (True, 10), "the sentence says what was asked for"


def test_a_start_that_took_all_of_the_time_leaves_none():
    late = Deadline(2, spent=3, kept=0.2)
    assert (late.remaining(), late.is_mostly_ours(), late.remedy()) == (0, True, deadline.OVERLOADED)


def test_whose_time_it_was_is_told_where_it_was_mostly_this_machines():
    clock = Clock()
    whole = Deadline(10, clock=clock)
    clock.now += 6
    said = "this machine took 6 s of it and others 0 s"
    assert (whole.own_share(), whole.own_share_words()) == (said, f"; {said} ({deadline.OVERLOADED})")
    whole.waits.add(4, 4)
    assert (whole.own_share(), whole.own_share_words()) == ("", "")


@pytest.mark.parametrize(("seconds", "kept"), [(0.5, 0.05), (1, 0.1), (2, 0.2), (3, 0.3), (5, 0.3), (420, 0.3)])
def test_the_timer_goes_off_within_what_is_kept(monkeypatch, seconds, kept):
    """So that there is time to say so before -t, also where no wait has ended by itself."""
    assert deadline.kept_seconds(seconds) == pytest.approx(kept)
    timers: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda _which, first, *_: timers.append(first) or (0.0, 0.0))
    with Deadline(seconds, kept=deadline.kept_seconds(seconds), clock=Clock()).enforced():
        assert timers == [pytest.approx(seconds - kept / 3)]


@pytest.mark.parametrize(
    ("age", "ran", "waited", "spent"),
    [
        (0.25, 0.05, 0, 0.25),
        (0.25, 0.3, 0, 0.25),
        (3600, 0.05, 0, 1.05),
        (3600, 2.5, 0, 3.5),
        (4.0, 0.05, 0, 1.05),
        (4.0, 0.05, 3.5, 4.0),
        (-1, 0.05, 0, 0),
    ],
    ids=["quick", "busy", "wrapper", "wrapper that computed", "wrapper that waited", "lost worker", "no age"],
)
def test_the_age_of_a_process_counts_as_far_as_it_was_its_own(monkeypatch, age, ran, waited, spent):
    with open("/proc/self/stat", "rb") as file:
        began = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: began + age)
    monkeypatch.setattr(deadline, "_schedstat", lambda: [b"%d" % (ran * 0.6e9), b"%d" % (ran * 0.4e9), b"9"])
    assert deadline.since_start(waited=waited) == pytest.approx(spent)


def test_the_age_of_a_process_is_that_of_this_one(monkeypatch, tmp_path):
    code = "import time; from libprobe.deadline import since_start; print(since_start() - time.process_time())"
    watch = Watch()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=AMPLE_S,
        check=True,
    )
    assert -0.02 <= float(done.stdout) <= watch.seconds()
    monkeypatch.setattr(deadline, "SCHEDULED", str(tmp_path / "none"))
    assert deadline.since_start() == 0


def test_sleep_does_not_outlast_the_deadline():
    watch = Watch()
    Deadline(0.05).sleep(10)
    watch.ended_within(5)


def test_what_other_threads_compute_is_not_the_peers_time():
    waits = Deadline(900).waits
    waits.begin_reading()

    def compute() -> None:
        while time.thread_time() < 0.3:
            pass

    began = time.thread_time()
    other = threading.Thread(target=compute)
    other.start()
    other.join()
    assert waits.seconds <= time.thread_time() - began + 0.01


def test_to_be_late_by_a_little_after_each_wait_adds_up_to_our_own_time(monkeypatch):
    """As of a starved process: 15 ms without a processor are not to be seen of a single wait."""
    delayed = [0.0]
    monkeypatch.setattr(deadline, "_processor_wait", lambda: delayed[0])
    clock = Clock()
    whole = Deadline(900, clock=clock)
    for _ in range(100):
        clock.now += 0.025
        whole.waits.add(0.025, 0.01)
        delayed[0] += 0.015
    assert whole.elapsed() == pytest.approx(2.5)
    assert whole.own_s() == pytest.approx(1.5, abs=0.05)
    assert whole.waited_s() == pytest.approx(1.0, abs=0.05)
    assert whole.earlier_by(5).own_s() == pytest.approx(1.5, abs=0.05)


def test_the_kernel_tells_how_long_a_thread_waits_for_a_processor(monkeypatch, tmp_path):
    if os.path.exists(deadline.SCHEDULED):
        assert deadline._processor_wait() > 0
    for content in ("", "1", "1 x 2"):
        (tmp_path / "schedstat").write_text(content)
        monkeypatch.setattr(deadline, "SCHEDULED", str(tmp_path / "schedstat"))
        assert deadline._processor_wait() == 0
    monkeypatch.setattr(deadline, "SCHEDULED", str(tmp_path / "none"))
    assert deadline._processor_wait() == 0


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


class Ended:
    """An attribute within whose class, while it is made, the run ends."""

    def __init__(self, end: BaseException) -> None:
        self.end = end

    def __set_name__(self, owner: type, name: str) -> None:
        raise self.end


@pytest.mark.parametrize("end", [OutOfTime(), Interrupted("interrupted by SIGTERM")])
def test_what_ends_a_run_while_a_module_is_loaded_is_no_other_error(end):
    """Before Python 3.12 a RuntimeError says that something was raised there."""
    with pytest.raises(type(end)) as raised, Deadline(AMPLE_S).enforced():
        type("Loaded", (), {"attribute": Ended(end)})
    assert raised.value is end
    with pytest.raises(RuntimeError, match="another"), Deadline(AMPLE_S).enforced():
        raise RuntimeError("another")


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


def test_a_signal_as_soon_as_the_timer_is_armed_leaves_none_behind(monkeypatch):
    """Between arming and the block: nobody else would disarm it, and it would end whatever comes later."""
    before, set_timer = signal.getsignal(signal.SIGALRM), signal.setitimer
    armed = []

    def interrupted_after(*args):
        done = set_timer(*args)
        if not armed:
            armed.append(signal.getitimer(signal.ITIMER_REAL)[0])
            raise Interrupted
        return done

    monkeypatch.setattr(signal, "setitimer", interrupted_after)
    with pytest.raises(Interrupted), Deadline(30).enforced():
        pytest.fail("the block was entered")
    assert armed[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) in (before, signal.SIG_IGN)


INSTALLED = {
    "a program": "from libprobe.deadline import end_on_signals; end_on_signals()",
    "a probe": "from libprobe.probe.run import _EndOnSignals; _EndOnSignals().install()",
}


@pytest.mark.parametrize("who", INSTALLED)
def test_nohup_is_respected_and_the_other_signals_still_end_the_run(who):
    """Whoever starts us with SIGHUP ignored wants us to outlive the terminal."""
    code = (
        f"import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {INSTALLED[who]}; "
        "os.kill(os.getpid(), signal.SIGHUP); print('goes on', flush=True); "
        "os.kill(os.getpid(), signal.SIGTERM); print('never')"
    )
    done = subprocess.run([sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True)
    assert done.stdout == "goes on\n"
    assert "Interrupted: interrupted by SIGTERM" in done.stderr
