"""Running probes side by side: what the executable's own tests cannot bring about."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from libprobe.deadline import Deadline
from libprobe.programs.selfcheck import runner
from libprobe.programs.selfcheck.results import MetricJob
from libprobe.programs.selfcheck.runner import JobRunner
from tests.pace import AMPLE_S, is_over, seconds, until


def a_job(script: str, timeout_s: float = AMPLE_S) -> MetricJob:
    return MetricJob("S", "h", "t", "", "", "m", "", ("/bin/sh", "-c", script), timeout_s)


def run(
    *scripts: str, at_once: int = 4, deadline: float = AMPLE_S, timeout_s: float = AMPLE_S
) -> list[runner.ProcessOutcome]:
    ended: dict[int, runner.ProcessOutcome] = {}
    made = JobRunner(at_once, dict(os.environ))
    made.run([a_job(each, timeout_s) for each in scripts], Deadline(deadline), ended.__setitem__)
    return [ended[index] for index in range(len(scripts))]


def test_each_end_is_told_with_its_output():
    fine, bad, killed = run("echo out; echo err >&2", "exit 2", "kill -9 $$")
    assert (fine.code, fine.output, fine.errors, fine.trouble) == (0, "out\n", "err\n", "")
    assert (bad.code, killed.code) == (2, -signal.SIGKILL)


def test_output_beyond_the_limit_is_read_and_thrown_away():
    [ended] = run("head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2; exit 1")
    assert (ended.code, len(ended.output), len(ended.errors)) == (1, runner.MAX_OUTPUT, runner.MAX_ERRORS)


def test_what_is_deaf_to_sigterm_is_killed_with_all_its_children(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "LATE_S", 0.2)
    monkeypatch.setattr(runner, "CLEAN_UP_S", 0.3)
    limit = seconds(0.2)
    script = f"trap '' TERM; sleep 500 & echo $! >{tmp_path}/child; while :; do sleep 0.05; done"
    [ended] = run(script, timeout_s=limit)
    assert ended.code == -signal.SIGKILL
    assert ended.trouble == "it exceeded its own time-out and was killed"
    until(lambda: is_over(int((tmp_path / "child").read_text())))


def test_a_process_whose_start_fails_half_way_does_not_go_on_alone(monkeypatch):
    """There was memory to fork it, and none to read whether it could be started: Popen then leaves it to itself."""
    forked: list[int] = []
    popen_init = subprocess.Popen.__init__

    def fail(self, *args, **kwargs) -> None:
        popen_init(self, *args, **kwargs)
        forked.append(self.pid)
        raise MemoryError

    monkeypatch.setattr(subprocess.Popen, "__init__", fail)
    with pytest.raises(MemoryError):
        run("sleep 500")
    assert is_over(forked[0])
    with pytest.raises(ChildProcessError):
        os.waitpid(forked[0], os.WNOHANG)


def test_two_hundred_at_once_are_all_told_of():
    ended = run(*(f"sleep 0.2; echo {n}" for n in range(200)), at_once=200)
    assert [each.output for each in ended] == [f"{n}\n" for n in range(200)]


def test_signals_and_descriptors_are_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)]
    open_before = len(os.listdir("/proc/self/fd"))
    run("echo", "sleep 0.1")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)] == before
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_bug_in_the_caller_leaves_no_process_behind(tmp_path):
    def done(index: int, ended: runner.ProcessOutcome) -> None:
        raise ZeroDivisionError

    jobs = [a_job("exit 0"), a_job(f"echo $$ >{tmp_path}/pid; exec sleep 500")]
    jobs[0] = a_job(f"while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done")
    with pytest.raises(ZeroDivisionError):
        JobRunner(2, dict(os.environ)).run(jobs, Deadline(AMPLE_S), done)
    until(lambda: is_over(int((tmp_path / "pid").read_text())))
