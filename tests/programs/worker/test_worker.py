"""The worker between a query handler that a test drives and probes that misbehave on purpose."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from libprobe.probe import door
from libprobe.programs.worker import commands, forkserver, supervisor
from libprobe.programs.worker.callers import CallerConnection, CheckRequest
from libprobe.programs.worker.supervisor import WorkerJob
from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S, Watch, growing, is_over, judge, seconds, until
from tests.programs.worker.handler import Connection, QueryHandler, Worker

DEMO = '''#!{python}
"""Do what -H says."""
import os, signal, sys, time
from libprobe.probe import cli, run

def options(parser):
    cli.endpoint(parser)

def check(args, deadline):
    from nagiosplugin import Metric
    from libprobe.checks.base import Check, outcome_metric
    from libprobe.deadline import Interrupted
    from libprobe.failures import CRITICAL
    from libprobe.judge.summaries import OneLine

    class Subject(Check):
        def measure(self):
            what, _, value = (args.hostname or "ok").partition("=")
            self.facts["pid"] = str(os.getpid())
            if what == "sleep":
                time.sleep(float(value))
            elif what == "meet":  # eight of them: each waits for all others
                open(os.environ["HOME"] + "/met." + value, "w").close()
                while sum(name.startswith("met.") for name in os.listdir(os.environ["HOME"])) < 8:
                    time.sleep(0.02)
            elif what == "wait":
                open(os.environ["HOME"] + "/" + value + ".began", "w").close()
                while not os.path.exists(os.environ["HOME"] + "/" + value + ".go"):
                    time.sleep(0.02)
            elif what == "hang":
                if value:
                    open(os.environ["HOME"] + "/" + value + ".began", "w").close()
                while True:
                    try:
                        time.sleep(3600)
                    except BaseException:
                        pass
            elif what == "clean":
                try:
                    open(os.environ["HOME"] + "/" + value + ".began", "w").close()
                    time.sleep(3600)
                except Interrupted:
                    open(os.environ["HOME"] + "/" + value + ".cleaned", "w").close()
                    raise
            elif what == "die":
                time.sleep(float(value or 0))
                os.kill(os.getpid(), signal.SIGKILL)
            elif what == "exit":
                sys.exit(1)
            elif what == "eat":
                hoard = bytearray(1 << 40)
            elif what == "fill":
                hoard = []
                while True:
                    hoard.append(bytearray(8 << 20))
                    time.sleep(0.01)
            elif what == "keep":
                sys.kept = b"x" * (int(value) << 20)
            elif what == "leak":
                for _ in range(200):
                    os.dup(0)
            elif what == "shout":
                os.write(2, b"a word on standard error")
                for _ in range(30):
                    self.detail(0, "x" * 1000)
            elif what == "child":
                if not os.fork():
                    time.sleep(600)
                    os._exit(0)
            if what == "bug":
                yield Metric("number", 1, context="no such context")
            yield outcome_metric(CRITICAL if what == "bad" else 0, "done")

    yield Subject(deadline)
    yield OneLine("done by {{pid}}")

if __name__ == "__main__":
    run.probe("DEMO", options, check, doc=__doc__, timeout=600)
'''
THREADS, FORKED = "check_perun", "check_demo"
"""Run in threads because of its name, and forked because of its name."""


class Place:
    """A worker with two demo probes, and the Nagios that it talks to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.handler = QueryHandler(directory / "qh")
        self.workers: list[Worker] = []
        for name in (THREADS, FORKED):
            path = directory / name
            path.write_text(DEMO.format(python=sys.executable))
            path.chmod(0o755)

    def start(self, *arguments: object, probes: tuple[str, ...] = (THREADS,), **environment: object) -> Worker:
        words = [word for name in probes for word in ("--probe", name)]
        worker = Worker(
            self.handler.path,
            self.directory,
            "--directory",
            self.directory,
            *words,
            *arguments,
            **clean_environment(HOME=self.directory, **environment),
        )
        self.workers.append(worker)
        return worker.start()

    def command(self, name: str, what: str = "") -> str:
        return f"{self.directory}/{name}" + (f" -H {what}" if what else " -p 1")


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    for each in made.workers:
        each.kill()


def ask(connection: Connection, place: Place, name: str, what: str = "", **more) -> dict[str, str]:
    connection.order(1, place.command(name, what), **more)
    return connection.answer()


def run_by(answer: dict[str, str]) -> int:
    match = re.fullmatch(r"DEMO OK - done by (\d+)\n", answer["outstd"])
    assert match, answer
    return int(match[1])


# ---- registering


def test_each_probe_has_a_connection_of_its_own_and_no_process_id_to_be_killed_by(place):
    place.start(probes=(THREADS, FORKED))
    pairs = [place.handler.accept().pairs for _ in range(2)]
    assert {each["plugin"] for each in pairs} == {f"{place.directory}/{name}" for name in (THREADS, FORKED)}
    assert all(set(each) == {"name", "max_jobs", "plugin"} for each in pairs)


def test_an_executable_that_cannot_be_loaded_is_left_to_nagios(place):
    (place.directory / FORKED).write_text("#!/bin/sh\necho no python\n")
    worker = place.start(probes=(THREADS, FORKED))
    place.handler.registered(THREADS)
    assert f"{place.directory}/{FORKED} cannot be loaded: SyntaxError" in worker.said()
    time.sleep(0.5)
    assert FORKED not in [os.path.basename(each.plugin) for each in place.handler.connections]


def test_orders_that_come_with_the_confirmation_are_run(place):
    place.start()
    connection = place.handler.accept()
    order = b"job_id=5\0type=0\0command=%s\0timeout=900\0\1\0\0\0" % place.command(THREADS).encode()
    connection.socket.sendall(b"OK\0" + order[:20])
    connection.socket.sendall(order[20:])
    assert connection.answer()["job_id"] == "5"


def test_after_a_reload_it_registers_again_and_results_of_before_are_not_sent(place):
    place.start()
    connection = place.handler.registered(THREADS)
    connection.order(41, place.command(THREADS, "wait=before"))
    until((place.directory / "before.began").exists)
    place.handler.go_away()
    (place.directory / "before.go").touch()
    place.handler.listen()
    connection = place.handler.registered(THREADS)
    connection.order(42, place.command(THREADS))
    assert connection.answer()["job_id"] == "42"
    assert connection.is_idle(0.5)


@pytest.mark.parametrize("greeting", [b"404: no such handler\0", b"x" * 5000, b"OK\0nonsense\0\1\0\0\0", b""])
def test_whatever_the_query_handler_says_it_tries_again(place, greeting, monkeypatch):
    place.start()
    connection = place.handler.accept()
    connection.socket.sendall(greeting)
    connection.socket.close()
    again = place.handler.registered(THREADS)
    assert ask(again, place, THREADS)["wait_status"] == "0"


def test_it_waits_for_a_nagios_that_is_not_there_yet(place):
    place.handler.go_away()
    worker = place.start()
    until(lambda: "nobody answers at Nagios' query socket" in worker.said())
    time.sleep(0.5)
    assert worker.said().count("nobody answers") == 1
    place.handler.listen()
    assert ask(place.handler.registered(THREADS), place, THREADS)["wait_status"] == "0"


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(place):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(place.directory / "notify"))
    listener.settimeout(AMPLE_S)
    worker = place.start(NOTIFY_SOCKET=place.directory / "notify")

    def wait_for(what: bytes) -> None:
        while what not in listener.recv(4096).split(b"\n"):
            pass

    wait_for(b"WATCHDOG=1")
    wait_for(b"READY=1")
    place.handler.registered(THREADS)
    wait_for(b"STATUS=registered with Nagios")
    assert worker.stop() == 0
    wait_for(b"STOPPING=1")


# ---- running


@pytest.mark.parametrize("name", [THREADS, FORKED])
@pytest.mark.parametrize(("what", "status"), [("ok", 0), ("bad", 512), ("bug", 768)])
def test_status_and_times_are_given_as_nagios_wants_them(place, name, what, status):
    place.start(probes=(name,))
    before = time.time()
    answer = ask(place.handler.registered(name), place, name, what)
    assert (answer["exited_ok"], answer["wait_status"], answer["outerr"]) == ("1", str(status), "")
    assert not [key for key in answer if key.startswith("ru_")]
    assert before <= float(answer["start"]) <= float(answer["stop"]) <= time.time()
    assert float(answer["runtime"]) == pytest.approx(float(answer["stop"]) - float(answer["start"]), abs=1e-5)


def test_probes_that_only_read_share_a_process_and_others_have_one_each(place):
    worker = place.start("--runners", 1, probes=(THREADS, FORKED))
    connections = {os.path.basename(each.plugin): each for each in (place.handler.accept(), place.handler.accept())}
    for each in connections.values():
        each.accept()
    for key in range(4):
        connections[FORKED].order(key, place.command(FORKED, f"wait={key}"))
    until(lambda: len(list(place.directory.glob("*.began"))) == 4)
    threads = {run_by(ask(connections[THREADS], place, THREADS)) for _ in range(4)}
    for key in range(4):
        (place.directory / f"{key}.go").touch()
    processes = {run_by(each) for each in connections[FORKED].answers(4).values()}
    assert (len(threads), len(processes)) == (1, 4)
    assert threads <= set(worker.family())


def test_all_threads_of_all_runners_work_at_once(place):
    place.start("--runners", 2, "--threads", 4)
    connection = place.handler.registered(THREADS)
    for key in range(8):
        connection.order(key, place.command(THREADS, f"meet={key}"))
    runners = {run_by(each) for each in connection.answers(8).values()}
    assert len(runners) == 2


def test_when_all_threads_are_taken_more_runners_are_started(place):
    place.start("--runners", 1, "--max-runners", 3, "--threads", 1)
    connection = place.handler.registered(THREADS)
    for key in range(4):
        connection.order(key, place.command(THREADS, f"wait={key}"))
    until(lambda: len(list(place.directory.glob("*.began"))) == 3)
    for key in range(4):
        (place.directory / f"{key}.go").touch()
    assert len({run_by(each) for each in connection.answers(4).values()}) == 3


def test_output_is_cut_and_standard_error_is_passed_on(place):
    place.start(probes=(FORKED,))
    answer = ask(place.handler.registered(FORKED), place, FORKED, "shout")
    assert 18_900 < len(answer["outstd"].encode()) <= 20_000
    assert answer["outerr"] == "a word on standard error"


def test_a_command_for_a_shell_is_given_to_one(place):
    place.start()
    connection = place.handler.registered(THREADS)
    connection.order(
        1,
        f'{place.command(THREADS)} >/dev/null; echo "$MACRO"; echo oops >&2; head -c 99999 /dev/zero; exit 7',
        environment=("MACRO=a=b",),
    )
    answer = connection.answer()
    assert (answer["wait_status"], answer["outstd"], answer["outerr"]) == (str(7 << 8), "a=b\n", "oops\n")


def test_a_process_that_leaves_another_behind_is_answered_for_at_once(place):
    place.start(probes=(FORKED,))
    watch = Watch()
    run_by(ask(place.handler.registered(FORKED), place, FORKED, "child"))
    watch.ended_within(10)
    assert watch.seconds() < 600


def test_orders_are_read_though_nobody_reads_the_results(place):
    place.start("--threads", 4)
    connection = place.handler.registered(THREADS)
    connection.socket.settimeout(AMPLE_S)
    for key in range(3000):
        connection.order(key, place.command(THREADS, "--"))
    answers = connection.answers(3000)
    assert set(answers) == set(range(3000))
    assert {each["wait_status"] for each in answers.values()} == {"768"}


# ---- what goes wrong


def test_a_check_that_kills_its_process_takes_no_other_with_it(place):
    place.start("--runners", 1, "--threads", 8)
    connection = place.handler.registered(THREADS)
    for key in range(6):
        connection.order(key, place.command(THREADS, "sleep=1"))
    connection.order(6, place.command(THREADS, "die=0.3"))
    answers = connection.answers(7)
    for key in range(6):
        run_by(answers[key])
    assert answers[6]["wait_status"] == "768"
    assert re.fullmatch(
        r"DEMO UNKNOWN - the probe's process was killed by SIGKILL after \d+\.\d s; the machine may be out of memory\n",
        answers[6]["outstd"],
    )
    run_by(ask(connection, place, THREADS))


def test_a_check_that_hangs_is_timed_out_and_its_runner_replaced(place):
    worker = place.start("--runners", 1)
    connection = place.handler.registered(THREADS)
    before = run_by(ask(connection, place, THREADS))
    limit = int(seconds(1))
    connection.order(7, place.command(THREADS, "hang"), timeout=limit)
    connection.order(8, place.command(THREADS, "sleep=0.2"))
    assert run_by(connection.answer()) == before
    answer = connection.answer()
    assert (answer["job_id"], answer["exited_ok"], answer["error_code"]) == ("7", "0", "62")
    judge(float(answer["runtime"]), limit + 2.0, not_before=limit, late_s=0)
    assert run_by(ask(connection, place, THREADS)) != before
    until(lambda: before not in worker.family())


def test_more_hanging_checks_than_threads_do_not_stop_the_others(place):
    place.start("--runners", 1, "--max-runners", 2, "--threads", 2)
    connection = place.handler.registered(THREADS)
    for key in range(6):
        connection.order(key, place.command(THREADS, "hang"), timeout=1)
    assert {each["error_code"] for each in connection.answers(6).values()} == {"62"}
    run_by(ask(connection, place, THREADS))


def test_a_check_without_memory_is_unknown_and_no_other_is(place):
    place.start("--runners", 1)
    connection = place.handler.registered(THREADS)
    connection.order(1, place.command(THREADS, "sleep=0.5"))
    connection.order(2, place.command(THREADS, "eat"))
    answers = connection.answers(2)
    run_by(answers[1])
    assert answers[2]["wait_status"] == "768"
    assert answers[2]["outstd"].startswith("DEMO UNKNOWN - monitoring host out of memory")


def test_a_check_that_eats_up_the_memory_of_its_runner_spoils_no_other(place):
    """It fills the runner's share little by little, while others begin and end."""
    place.start("--runners", 1, "--max-runners", 1)
    connection = place.handler.registered(THREADS)
    connection.order(99, place.command(THREADS, "fill"))
    for key in range(60):
        connection.order(key, place.command(THREADS, f"sleep={key % 7 / 10}"))
    answers = connection.answers(61)
    for key in range(60):
        run_by(answers[key])
    assert answers[99]["wait_status"] == "768"
    assert answers[99]["outstd"].startswith("DEMO UNKNOWN - monitoring host out of memory")


def test_a_runner_that_has_grown_is_replaced(place):
    worker = place.start("--runners", 1)
    connection = place.handler.registered(THREADS)
    before = run_by(ask(connection, place, THREADS, "keep=200"))
    until(lambda: before not in worker.family())
    assert run_by(ask(connection, place, THREADS)) != before
    assert "a runner takes more than 160 MiB and is replaced" in worker.said()


def test_checks_that_leak_descriptors_get_their_runner_replaced_in_time(place):
    worker = place.start("--runners", 1, "--threads", 4)
    connection = place.handler.registered(THREADS)
    runners = {run_by(ask(connection, place, THREADS, "leak")) for _ in range(40)}
    assert len(runners) > 5
    assert "Traceback" not in worker.said()


def test_a_runner_is_replaced_after_so_many_checks_and_none_is_lost(place):
    place.start("--runners", 1, "--jobs", 10, "--threads", 4)
    connection = place.handler.registered(THREADS)
    for key in range(60):
        connection.order(key, place.command(THREADS))
    runners = [run_by(each) for each in connection.answers(60).values()]
    assert len(set(runners)) >= 5


def test_runners_killed_from_outside_cost_no_result(place):
    worker = place.start("--runners", 2, "--threads", 8)
    connection = place.handler.registered(THREADS)
    for key in range(12):
        connection.order(key, place.command(THREADS, f"wait={key}"))
    until(lambda: len(list(place.directory.glob("*.began"))) == 12)
    for pid in worker.family()[2:]:
        os.kill(pid, signal.SIGKILL)
    for key in range(12):
        (place.directory / f"{key}.go").touch()
    for each in connection.answers(12).values():
        run_by(each)


def test_when_the_fork_server_dies_running_checks_keep_their_results_and_new_ones_find_another(place):
    worker = place.start(probes=(FORKED,))
    connection = place.handler.registered(FORKED)
    connection.order(1, place.command(FORKED, "wait=it"))
    until((place.directory / "it.began").exists)
    fork_server = worker.family()[1]
    os.kill(fork_server, signal.SIGKILL)
    until(lambda: "the fork server died" in worker.said())
    (place.directory / "it.go").touch()
    run_by(connection.answer())

    def answered() -> dict[str, str] | None:
        answer = ask(connection, place, FORKED)
        assert answer["wait_status"] == "0" or "the worker could not start a process" in answer["outstd"]
        return answer if answer["wait_status"] == "0" else None

    run_by(until(answered, every_s=0.1))


def test_a_fork_server_that_dies_with_orders_unread_does_not_take_the_worker_along(place):
    """Its end, and that of the pipes of checks that it had not begun, are told to the supervisor at the same moment."""
    worker = place.start(probes=(FORKED,))
    connection = place.handler.registered(FORKED)
    until(lambda: len(worker.family()) == 4)
    worker_pid, fork_server = worker.family()[:2]
    descriptors = Path(f"/proc/{worker_pid}/fd")
    until(lambda: run_by(ask(connection, place, FORKED)))
    before = len(list(descriptors.iterdir()))
    os.kill(fork_server, signal.SIGSTOP)
    for key in range(3):
        connection.order(key, place.command(FORKED))
    until(lambda: len(list(descriptors.iterdir())) == before + 3 * 2)
    os.kill(worker_pid, signal.SIGSTOP)
    os.kill(fork_server, signal.SIGKILL)
    until(lambda: is_over(fork_server))
    os.kill(worker_pid, signal.SIGCONT)
    said = {answer["outstd"].partition("-")[2] for answer in connection.answers(3).values()}
    not_sent = " the worker could not start a process for this check\n"  # if it stands still just before the third one
    assert said - {not_sent} == {" the worker's fork server died before this check began\n"}
    run_by(until(lambda: found if (found := ask(connection, place, FORKED))["wait_status"] == "0" else None))
    assert "bug" not in worker.said()


REQUEST = b"\0".join([b"", b"/nowhere/check_demo", b"", b"/", b"18", b"0"])
SAME_PROCESS = 1


@pytest.mark.parametrize("unread", [True, False], ids=["with an order unread", "with none"])
def test_what_a_fork_server_told_before_it_died_is_not_lost(monkeypatch, unread):
    """Two checks that followed each other in a process, which ended with the fork server: each has its own exit code.

    The kernel tells first that an order was not read, and then the news that came before. The supervisor is late.
    """
    tells = supervisor.Supervisor("", [], supervisor.Limits(), lambda _: None)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    tells._control = ours
    tells._selector.register(ours, selectors.EVENT_READ, lambda _: tells._read_forkserver())
    callers = {}
    for number, said in ((1, b"CRITICAL"), (2, b"OK")):
        link = callers[number] = CallerConnection(socket.socket(socket.AF_UNIX))
        job = WorkerJob(number, link, CheckRequest(REQUEST), commands.PROCESS, ["/nowhere/check_demo"])
        tells._jobs[number] = job
        tells._fork(job)
        _, pipes, _, _ = socket.recv_fds(theirs, 65536, 2)
        os.write(pipes[0], said)
        for each in pipes:
            os.close(each)
    for what, number, value in (
        (forkserver.STARTED, 1, SAME_PROCESS),
        (forkserver.ENDED, 1, 2 << 8),
        (forkserver.STARTED, 2, SAME_PROCESS),
    ):
        theirs.send(forkserver.ORDER.pack(what, number, value))
    if unread:
        tells._send_order(forkserver.KILL, 3, signal.SIGTERM)
    theirs.close()
    monkeypatch.setattr(forkserver, "ended_children", lambda: iter([(SAME_PROCESS, 0)]))
    tells._reap()
    while events := tells._selector.select(0):
        for key, mask in events:
            key.data(mask)
    size = struct.calcsize(door.ANSWER)
    answers = {
        number: (*struct.unpack(door.ANSWER, link.unsent[:size])[:2], bytes(link.unsent[size:]))
        for number, link in callers.items()
        if link.unsent
    }
    assert answers == {1: (door.DONE, 2, b"CRITICAL"), 2: (door.DONE, 0, b"OK")}


def test_a_check_whose_pipes_end_before_its_fork_server_is_answered_for():
    """Both ends come at the same moment, in either order: it was not begun, and does not wait for its limit."""
    tells = supervisor.Supervisor("", [], supervisor.Limits(), lambda _: None)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    tells._control = ours
    tells._selector.register(ours, selectors.EVENT_READ, lambda _: tells._read_forkserver())
    link = CallerConnection(socket.socket(socket.AF_UNIX))
    link.plugin = "/nowhere/check_demo"
    job = WorkerJob(1, link, CheckRequest(REQUEST), commands.PROCESS, ["/nowhere/check_demo"])
    tells._jobs[1] = job
    tells._fork(job)
    _, pipes, _, _ = socket.recv_fds(theirs, 65536, 2)
    for each in pipes:
        os.close(each)
    for descriptor in list(job.pipes):
        tells._read_pipe(job, descriptor)
    assert (job.pipes, link.unsent) == ({}, b"")
    theirs.close()
    while events := tells._selector.select(0):
        for key, mask in events:
            key.data(mask)
    size = struct.calcsize(door.ANSWER)
    assert struct.unpack(door.ANSWER, link.unsent[:size])[:2] == (door.DONE, 3)
    said = b"check_demo UNKNOWN - the worker's fork server died before this check began\n"
    assert (bytes(link.unsent[size:]), tells._jobs) == (said, {})


def test_a_process_beyond_its_limit_may_clean_up_and_is_then_gone(place):
    worker = place.start(probes=(FORKED,))
    connection = place.handler.registered(FORKED)
    for number, limit in enumerate(growing(1)):
        connection.order(number + 1, place.command(FORKED, "clean=mark"), timeout=int(limit))
        answer = connection.answer()
        assert (answer["exited_ok"], answer["error_code"]) == ("0", "62")
        if (place.directory / "mark.began").exists():
            break
    until((place.directory / "mark.cleaned").exists)
    until(lambda: len(worker.family()) == 4)


# ---- the end


def test_sigterm_lets_what_runs_finish_and_takes_no_more(place):
    worker = place.start(probes=(THREADS, FORKED))
    connections = [place.handler.accept(), place.handler.accept()]
    for each in connections:
        each.accept()
        each.order(1, f"{each.plugin} -H wait={os.path.basename(each.plugin)}")
    until(lambda: len(list(place.directory.glob("*.began"))) == 2)
    family = worker.family()
    assert worker.process is not None
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: all(each.is_refused() for each in connections))
    for name in (THREADS, FORKED):
        (place.directory / f"{name}.go").touch()
    for each in connections:
        run_by(each.answer())
        with pytest.raises(ConnectionError):
            each.answer()
    assert worker.process.wait(AMPLE_S) == 0
    until(lambda: not [pid for pid in family if not is_over(pid)])
    assert worker.said().endswith("stopped after 2 checks\n")


def test_sigterm_makes_what_takes_too_long_clean_up_and_say_so(place):
    worker = place.start("--drain", "0.2", probes=(FORKED,))
    connection = place.handler.registered(FORKED)
    connection.order(1, place.command(FORKED, "clean=mark"))
    until((place.directory / "mark.began").exists)
    assert worker.stop() == 0
    answer = connection.answer()
    assert (answer["wait_status"], answer["outstd"]) == ("768", "DEMO UNKNOWN - interrupted by SIGTERM\n")
    assert (place.directory / "mark.cleaned").exists()


def test_sigterm_ends_even_what_does_not_want_to_end(place):
    worker = place.start("--drain", "0", probes=(THREADS, FORKED))
    connections = [place.handler.accept(), place.handler.accept()]
    for each in connections:
        each.accept()
        each.order(1, f"{each.plugin} -H hang={os.path.basename(each.plugin)}")
    until(lambda: len(list(place.directory.glob("*.began"))) == 2)
    family = worker.family()
    assert worker.stop() == 0
    assert {each.answer()["wait_status"] for each in connections} == {"768"}
    until(lambda: not [pid for pid in family if not is_over(pid)])


def test_when_the_supervisor_is_killed_nothing_of_it_stays(place):
    worker = place.start()
    place.handler.registered(THREADS)
    until(lambda: len(worker.family()) == 4)
    family = worker.family()
    os.kill(family[0], signal.SIGKILL)
    worker.process.wait()
    until(lambda: not [pid for pid in family if not is_over(pid)])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--threads", "0"], "argument --threads: '0' is not a number from 1 to 1000000"),
        (
            ["--socket", "/nowhere", "--directory", "/proc/nonexistent"],
            "--directory /proc/nonexistent is not a directory",
        ),
        (["--sokcet", "x"], "unknown argument --sokcet; did you mean --socket?"),
        (
            ["--socket", "/nowhere", "--directory", "/usr"],
            "no probes found; name their directory with --directory",
        ),
    ],
)
def test_a_set_up_that_cannot_work_is_refused_in_one_line(tmp_path, arguments, sentence):
    done = subprocess.run(
        [sys.executable, ROOT / "probes/fedcloud-worker", *arguments],
        capture_output=True,
        text=True,
        env=clean_environment(HOME=tmp_path),
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (3, "", 1)
    assert sentence in done.stdout
