"""Checks that create something follow each other in a process, and each finds it as if it had been made for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Monitor
from tests.federation.stomp_responder import Responder
from tests.pace import AMPLE_S, is_over, state_of, until
from tests.programs.worker import test_door, test_worker
from tests.programs.worker.handler import Connection, QueryHandler, Worker
from tests.programs.worker.test_door import CREATES, Place, ended, place, served_by  # noqa: F401 - a fixture
from tests.programs.worker.test_worker import FORKED, ask, run_by

PERMANENT = 4
"""Supervisor, fork server and two runners."""

SETTINGS = """
from libprobe.programs.worker import check_process, forkserver
forkserver.MAX_IDLE_S = {idle_s}
check_process.MAX_CHECKS = {checks}
"""


class Ordered:
    """A worker of Nagios whose checks have processes."""

    def __init__(self, directory: Path, *, idle_s: float = 3600.0, checks: int = 1_000_000) -> None:
        self.place = test_worker.Place(directory)
        demo = directory / FORKED
        demo.write_text(
            demo.read_text().replace(
                '            if what == "bug":',
                '            elif what == "thread":\n'
                "                import threading\n"
                "                threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
                '            elif what == "look-up":\n'
                "                import _thread\n"
                "                _thread.start_new_thread(time.sleep, (3600,))\n"
                '            elif what == "one-of-two":\n'
                "                lower, _higher = os.dup(0), os.dup(0)\n"
                "                os.close(lower)\n"
                '            elif what == "environment":\n'
                '                os.environ["LEFT"] = "behind"\n'
                '            elif what == "directory":\n'
                '                os.chdir(os.environ["HOME"])\n'
                '            elif what == "mask":\n'
                "                os.umask(0o027)\n"
                '            elif what == "handler":\n'
                "                signal.signal(signal.SIGTERM, lambda *_: None)\n"
                '                print("a word that stays in the buffer", end="")\n'
                '            if what == "bug":',
            )
        )
        (directory / "settings").mkdir()
        (directory / "settings/sitecustomize.py").write_text(SETTINGS.format(idle_s=idle_s, checks=checks))
        self.worker = self.place.start(probes=(FORKED,), PYTHONPATH=f"{directory}/settings:{ROOT}")
        self.connection: Connection = self.place.handler.registered(FORKED)
        until(lambda: len(self.worker.family()) == PERMANENT)

    def ask(self, what: str = "", **more: object) -> dict[str, str]:
        return ask(self.connection, self.place, FORKED, what, **more)

    def process_that_waits(self) -> int:
        """The process that took the last check and takes the next."""
        return repeated(lambda: run_by(self.ask()))


def repeated(run: Callable[[], int]) -> int:
    """The process that ran two checks, one after the other: it is free a moment after it was answered for."""
    found = [0]

    def has_repeated() -> bool:
        found.append(run())
        return found[-1] == found[-2]

    until(has_repeated, every_s=0.05)
    return found[-1]


@pytest.fixture
def ordered(tmp_path: Path):
    made: list[Ordered] = []

    def make(**settings: float) -> Ordered:
        made.append(Ordered(tmp_path, **settings))
        return made[-1]

    yield make
    for each in made:
        each.worker.kill()


@pytest.mark.parametrize("what", ["ok", "bad", "shout", "handler"])
def test_a_check_that_came_to_its_end_is_followed_by_others(ordered, what):
    running = ordered()
    for _ in range(20):
        running.ask(what)
    found = {run_by(running.ask()) for _ in range(10)}
    assert len(found) < 10
    answers = [running.ask() for _ in range(3)]
    assert {(each["wait_status"], each["outerr"], each["outstd"].count("\n")) for each in answers} == {("0", "", 1)}


@pytest.mark.parametrize(
    "what",
    [
        *("thread", "look-up", "child", "leak", "one-of-two", "environment", "directory", "mask"),
        *("keep=64", "bug", "eat", "exit", "die"),
    ],
)
def test_a_process_that_is_not_as_it_was_before_takes_no_other_check(ordered, what):
    running = ordered()
    before = running.process_that_waits()
    answers = []

    def is_over_with_its_check() -> bool:
        answers.append(running.ask(what)["outstd"])
        assert sum(f"done by {before}\n" in each for each in answers) <= 1
        return before not in running.worker.family()

    until(is_over_with_its_check)
    after = {run_by(running.ask()) for _ in range(3)}
    assert before not in after


def test_a_check_with_an_environment_of_its_own_and_one_with_vvv_have_a_process_to_themselves(ordered):
    running = ordered()
    before = running.process_that_waits()
    alone = {run_by(running.ask(environment=("MACRO=value",))) for _ in range(3)}
    assert len(alone | {before}) == 4
    running.connection.order(1, running.place.command(FORKED) + " -vvv")
    assert f"done by {before}" not in running.connection.answer()["outstd"]
    until(lambda: run_by(running.ask()) == before)


def test_a_process_that_is_killed_while_it_waits_costs_no_result(ordered):
    running = ordered()
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        waits = running.process_that_waits()
        until(lambda waits=waits, number=number: ended_by(waits, number))
        assert run_by(running.ask()) != waits
    assert running.worker.said().count("died") == 0


def test_a_check_whose_process_is_killed_before_it_takes_it_is_run_by_another(ordered):
    running = ordered()
    waits = running.process_that_waits()
    stop_waiting_process(waits, lambda: running.ask("", environment=("MACRO=value",)))
    running.connection.order(1, running.place.command(FORKED))
    running.connection.order(2, running.place.command(FORKED))
    assert running.connection.answer()["job_id"] == "2"  # by then the first was handed over
    os.kill(waits, signal.SIGKILL)
    answer = running.connection.answer()
    assert answer["job_id"] == "1"
    assert run_by(answer) != waits


def test_only_some_processes_wait_and_not_for_ever(ordered, tmp_path):
    running = ordered(idle_s=0.5)
    for key in range(8):
        running.connection.order(key, running.place.command(FORKED, f"wait={key}"))
    until(lambda: len(list(tmp_path.glob("*.began"))) == 8)
    for key in range(8):
        (tmp_path / f"{key}.go").touch()
    assert len({run_by(each) for each in running.connection.answers(8).values()}) == 8
    until(lambda: len(running.worker.family()) <= PERMANENT + 4)
    until(lambda: len(running.worker.family()) == PERMANENT)


def test_a_process_ends_after_a_number_of_checks(ordered):
    running = ordered(checks=3)
    found = [run_by(running.ask()) for _ in range(30)]
    assert max(found.count(pid) for pid in found) <= 3
    assert len(set(found)) >= 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_with_the_fork_server_or_the_worker_a_process_that_waits_ends(ordered, number):
    running = ordered()
    waits = running.process_that_waits()
    os.kill(running.worker.family()[1], signal.SIGKILL)
    until(lambda: is_over(waits))
    until(lambda: len(running.worker.family()) == PERMANENT)
    waits = running.process_that_waits()
    assert running.worker.process is not None
    running.worker.process.send_signal(number)
    until(lambda: is_over(waits))


def stop_waiting_process(pid: int, ask_another: Callable[[], object]) -> None:
    """Let a process that waits stand still, so that it is handed its next check and does not take it.

    ask_another: runs a check that has a process to itself: then the fork server has read that the first one is free.
    """
    until(lambda: state_of(pid) == "S")
    ask_another()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state_of(pid) == "T")


def ended_by(pid: int, number: int) -> bool:
    """Send a signal; it is ignored from the end of a check until the process waits for the next."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    return is_over(pid)


# ---- the probes themselves


@pytest.mark.parametrize("name", ["check_broker", "check_occi_vm", "check_openstack_swift", "check_openstack_vm"])
def test_a_good_check_of_a_probe_leaves_its_process_as_it_found_it(federation, tmp_path, name):
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings/sitecustomize.py").write_text(SETTINGS.format(idle_s=3600.0, checks=1_000_000))
    handler, monitor = QueryHandler(tmp_path / "qh"), Monitor(federation, tmp_path)
    python_path = f"{tmp_path}/settings:{ROOT}"
    worker = Worker(handler.path, tmp_path, "--probe", name, **{**monitor.environment, "PYTHONPATH": python_path})
    with Responder() as broker:
        stack = f"-H {federation.cloud('stack').hostname}"
        words = {
            "check_broker": f"-u stomp://127.0.0.1:{broker.port}",
            "check_occi_vm": f"-u '{federation.sites['ooi'].url}'",
        }
        where = " ".join(map(str, monitor.keeping(name)))
        worker.start()
        try:
            connection = handler.registered(name)
            until(lambda: len(worker.family()) == PERMANENT)
            permanent = set(worker.family())

            def run() -> None:
                connection.order(1, f"{ROOT}/probes/{name} {where} {words.get(name, stack)} -t {AMPLE_S:g}")
                answer = connection.answer()
                assert answer["wait_status"] == "0", answer["outstd"]

            run()
            until(lambda: set(worker.family()) > permanent)
            waiting = set(worker.family()) - permanent
            for _ in range(3):
                run()
                assert waiting & set(worker.family()), "it ended with its check"
        finally:
            worker.kill()


# ---- at the door


def test_checks_of_callers_from_the_same_place_follow_each_other(place: Place):  # noqa: F811
    place.start()
    served_by(place, CREATES, WORD="same")  # of a place that comes once nothing is kept
    process = repeated(lambda: served_by(place, CREATES, WORD="same"))
    assert process not in {served_by(place, CREATES, WORD="other") for _ in range(3)}
    report, served = place.run(CREATES, "place", cwd=place.directory, WORD="another")
    assert (served, report.lines) == (True, [f"{place.directory} 0o22 another None"])


def test_a_caller_whose_process_is_killed_before_it_takes_the_check_runs_it(place: Place):  # noqa: F811
    with (place.directory / "patient/sitecustomize.py").open("a") as file:
        file.write("from libprobe.programs.worker import forkserver\nforkserver.MAX_IDLE_S = 3600.0\n")
    place.start()
    served_by(place, CREATES, WORD="same")
    waits = repeated(lambda: served_by(place, CREATES, WORD="same"))
    stop_waiting_process(waits, lambda: place.run(CREATES))
    before = test_door.called(place)
    caller = place.call(CREATES, WORD="same")
    until(lambda: test_door.called(place) == before + 1)
    assert served_by(place, CREATES, WORD="same") != waits  # by then the first was handed over
    os.kill(waits, signal.SIGKILL)
    report = ended(caller)
    assert (report.code, report.first.rpartition(" ")[0]) == (0, "DEMO OK - done by")
    assert report.first != f"DEMO OK - done by {waits}"


MOMENTS, STEP_S = 40, 0.003


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_meets_the_check_of_its_caller_and_never_the_next(place: Place, number):  # noqa: F811
    """Whoever is ended when his check is just done: the next one in the same process comes to its end."""
    worker: Worker = place.start()
    (place.directory / "go").touch()
    for moment in range(MOMENTS):
        caller = place.call(CREATES, "make=it")
        time.sleep(STEP_S * moment)
        caller.send_signal(number)
        following = place.call(CREATES, "make=it", "-v")
        report = ended(following)
        assert (report.code, report.err) == (0, ""), report
        assert ended(caller).code in (0, 3, -number)
    assert worker.process is not None
    assert worker.process.poll() is None
    until(lambda: test_door.called(place) >= MOMENTS)
