"""Worker, runner and caller are killed at fifty moments each: nothing is lost, nothing is left, and nobody hangs.

A moment is a number of milliseconds after a caller was started, and falls into another part of its call on each
machine; what is expected holds at every moment, so that it does not matter which it was.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Report
from tests.pace import judge, seconds, until
from tests.programs.worker.handler import Worker
from tests.programs.worker.test_door import CREATES, READS, Place, ended, served_by, status

MOMENTS = 50
STEP_S = 0.004
"""Starting a caller takes 20 ms and more, and its check begins 10 ms later where nothing else runs."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    (tmp_path / "go").touch()
    for each in made.workers:
        each.kill()


def processes_of(place: Place) -> list[int]:
    """All that belong to a worker of this place, or are executables of it."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if bytes(place.directory) + b"/" in each.read_bytes():
                found.append(int(each.parent.name))
        except OSError:
            continue
    return found


def expect_nothing_left(place: Place, names: Set[str] | None = None) -> None:
    """Every check that began has cleaned up. names: those that are looked at, all by default."""

    def marked(word: str) -> set[str]:
        found = {path.stem for path in place.directory.glob(f"*.{word}")}
        return found if names is None else found.intersection(names)

    until(lambda: marked("began") == marked("cleaned"), "each check that began has cleaned up")


AT_ONCE = 5


class Call(NamedTuple):
    """How a call came out. took_s: from its start to its end."""

    name: str
    pid: int
    report: Report
    took_s: float


def follow(name: str, process: subprocess.Popen[bytes], began: float) -> Call:
    report = ended(process)
    return Call(name, process.pid, report, time.monotonic() - began)


@pytest.mark.parametrize("limit", [600, 3], ids=["who comes to his end", "who does not"])
def test_a_worker_that_is_killed_at_any_moment_loses_no_check_and_holds_nobody(place, limit):
    """Nobody comes to his end before the kill, so that it befalls everybody; a new worker follows each."""
    comes_to_its_end = limit > 60
    limit_s = limit if comes_to_its_end else seconds(limit)
    with ThreadPoolExecutor(MOMENTS) as pool:
        following = []
        for begin in range(0, MOMENTS, AT_ONCE):
            worker = place.start()
            for number in range(begin, begin + AT_ONCE):
                name, began = CREATES if number % 2 else READS, time.monotonic()
                process = place.call(name, f"make={number}", "-t", f"{limit_s:g}", "-v")
                following.append(pool.submit(follow, name, process, began))
                time.sleep(STEP_S * (1 + begin // AT_ONCE))
            os.kill(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
        if comes_to_its_end:
            (place.directory / "go").touch()
        calls = [each.result() for each in following]
    for name, pid, report, took_s in calls:
        judge(took_s, limit_s + 1.0)
        assert report.err == ""
        if not comes_to_its_end:
            assert report.code == 3, report
        elif name == READS or report.code == 0:
            assert (report.code, report.first) == (0, f"DEMO OK - done by {pid}")
        else:
            assert report.code == 3
            assert report.first.startswith("DEMO UNKNOWN - the resident worker that was to run it is lost after ")
    # who only reads has nothing to clean up, and its thread ends with the runner
    expect_nothing_left(place, {str(each) for each in range(1, MOMENTS, 2)})
    until(lambda: processes_of(place) == [], "nothing is left of the workers")
    place.start()
    (place.directory / "go").touch()
    assert place.run(CREATES, "make=last")[1]


def runner_of(place: Place, worker: Worker) -> int:
    """The process whose threads serve who only reads: the one that two callers, one after the other, had."""
    found = [0, served_by(place, READS)]
    while found[-1] != found[-2] or found[-1] not in worker.family():
        found.append(served_by(place, READS))
    return found[-1]


def test_a_runner_that_is_killed_at_any_moment_loses_no_check(place):
    worker = place.start()
    for number in range(MOMENTS):
        runner = runner_of(place, worker)
        reads = place.call(READS, f"make={number}")
        creates = place.call(CREATES, f"make={number}-beside")
        time.sleep(STEP_S * number)
        os.kill(runner, signal.SIGKILL)
        (place.directory / "go").touch()
        for process in (reads, creates):
            report = ended(process)
            assert (report.code, report.err) == (0, "")
            assert report.out != f"DEMO OK - done by {process.pid}\n", "the worker did not run it"
        (place.directory / "go").unlink()
    expect_nothing_left(place)
    until(lambda: json.loads(status(place, "json"))["runners"]["replaced"] == MOMENTS)
    told = json.loads(status(place, "json"))
    assert (told["calls"]["now"], told["checks"]["running"]) == (0, 0)
    assert worker.process.poll() is None


@pytest.mark.parametrize("name", [READS, CREATES])
def test_callers_that_are_killed_at_any_moment_leave_nothing(place, name):
    """In a thread a check comes to its end; a process is told to clean up."""
    worker = place.start()
    if name == READS:
        runner_of(place, worker)
        (place.directory / "go").touch()
    for number in range(MOMENTS):
        process = place.call(name, f"make={number}")
        time.sleep(STEP_S * number)
        process.kill()
        process.communicate()
    until(lambda: json.loads(status(place, "json"))["calls"]["now"] == 0)
    until(lambda: json.loads(status(place, "json"))["checks"]["running"] == 0)
    until(lambda: len(worker.family()) == (3 if name == READS else 2), "nothing is left but the worker itself")
    expect_nothing_left(place)
    assert place.run(name)[1]
