"""Executables at the door of a worker of their own user: the same answers, and nobody else's."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from libprobe.probe import door
from libprobe.programs.worker.callers import CheckRequest
from tests.conftest import ROOT, Monitor, Report, clean_environment, command
from tests.pace import AMPLE_S, Watch, excused, until
from tests.programs.worker.handler import Worker, children
from tests.programs.worker.test_same import normal
from tests.programs.worker.test_worker import DEMO

AT_THE_DOOR = DEMO.replace(
    "from libprobe.probe import cli, run\n",
    'from libprobe.probe import door\n\nif __name__ == "__main__":\n    door.ask_worker()\n\n'
    "from libprobe.probe import cli, run\n",
).replace(
    '            elif what == "die":',
    '            elif what == "place":\n'
    "                mask = os.umask(0); os.umask(mask)\n"
    '                own = [os.environ.get(name) for name in ("WORD", "OWN")]\n'
    '                self.detail(0, " ".join(map(str, [os.getcwd(), oct(mask), *own])))\n'
    '            elif what == "make":\n'
    '                where = os.environ["HOME"] + "/" + value\n'
    "                try:\n"
    '                    open(where + ".began", "w").close()\n'
    '                    while not os.path.exists(os.environ["HOME"] + "/go"):\n'
    "                        time.sleep(0.02)\n"
    "                finally:\n"
    '                    open(where + ".cleaned", "w").close()\n'
    '            elif what == "long":\n'
    "                for _ in range(int(value)):\n"
    '                    self.detail(3, "x" * 1000)\n'
    '            elif what == "die":',
)
READS, CREATES = "check_perun", "check_demo"
"""By their names: may be run once more where nobody knows what became of it; must not."""

PATIENT = f"from libprobe.probe import door\ndoor.BUDGET_S = {AMPLE_S}\n"

OTHER_USER = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user too")


class Place:
    """A worker for executables of this user, and two demo probes of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.room = directory / "room"
        self.door = self.room / "door"
        self.workers: list[Worker] = []
        (directory / "patient").mkdir()
        (directory / "patient/sitecustomize.py").write_text(PATIENT)
        self.environment = clean_environment(HOME=directory, FEDCLOUD_PROBES_WORKER=self.door, PYTHONPATH=self.patient)
        for name in (READS, CREATES):
            path = directory / name
            path.write_text(AT_THE_DOOR.format(python=sys.executable))
            path.chmod(0o755)

    @property
    def patient(self) -> str:
        """A PYTHONPATH with which 50 ms are a minute: a busy machine is not what is tried here."""
        return f"{self.directory}/patient:{ROOT}"

    def start(self, *words: object, directory: Path | None = None, **environment: object) -> Worker:
        """A worker that is open."""
        where = directory or self.directory
        arguments = ("--door", self.door, "--directory", where, *words)
        environment = clean_environment(**{"HOME": self.directory, "PYTHONPATH": self.patient, **environment})
        worker = Worker(None, self.directory, *arguments, **environment)
        before = worker.said().count("open to") if worker.journal.exists() else 0
        self.workers.append(worker.start())
        until(lambda: worker.said().count("open to") > before or worker.process.poll() is not None)
        assert worker.process.poll() is None, worker.said()
        return worker

    def call(self, name: str, what: str = "", *words: object, cwd: object = "/tmp", **environment: object):
        arguments = ["-H", what] if what else ["-p", "1"]
        return subprocess.Popen(
            command(str(self.directory / name), *arguments, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**self.environment, **{key: str(value) for key, value in environment.items()}},
            start_new_session=True,
        )

    def run(self, name: str, what: str = "", *words: object, **more: object) -> tuple[Report, bool]:
        """What a demo probe said, and whether a worker ran it."""
        process = self.call(name, what, *words, **more)
        report = ended(process)
        run_by = re.match(r"DEMO OK - done by (\d+)\n", report.out)
        return report, bool(run_by) and int(run_by[1]) != process.pid

    def began(self, name: str) -> bool:
        return (self.directory / f"{name}.began").exists()

    def cleaned(self, name: str) -> bool:
        return (self.directory / f"{name}.cleaned").exists()


def ended(process: subprocess.Popen[bytes]) -> Report:
    try:
        out, err = process.communicate(timeout=AMPLE_S)
    finally:
        process.kill()
    return Report(process.returncode, out.decode(), err.decode())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for each in made.workers:
        each.kill()


# ---- the same


@pytest.fixture(scope="module")
def opened(shared_federation, tmp_path_factory) -> Iterator[tuple[Place, Worker]]:
    """A worker with all probes, which knows nothing of the federation: that stands in the environment of who asks."""
    made = Place(tmp_path_factory.mktemp("opened"))
    worker = made.start(directory=ROOT / "probes")
    yield made, worker
    for each in made.workers:
        each.kill()


SAME = [
    ("check_endpoint_tcp", "-H localhost -p {ooi}"),
    ("check_endpoint_tcp", "-u https://localhost:{ooi}/ --tls -vvv"),
    ("check_endpoint_tcp", "-H localhost -p 1 -v"),
    ("check_endpoint_tcp", "-H localhost -p 1 -v --severity warn"),
    (
        "check_endpoint_tcp",
        "-u https://ooi.fedcloud.test --tls --connect-to 127.0.0.1:{ooi} --source-address 127.0.0.5",
    ),
    ("check_endpoint_tcp", "-H localhost -p 1 --nonsense -v"),
    ("check_endpoint_tcp", "--help"),
    ("check_endpoint_tcp", "-V"),
    ("check_endpoint_tcp", "-H \udcff\udcfe -p 1"),
    ("check_occi_context", "-H ooi.fedcloud.test"),
    ("check_occi_context", "-H occi-os.fedcloud.test -vvv"),
    ("check_occi_context", "-H ooi.fedcloud.test --require missing"),
    ("check_occi_context", "-H ooi.fedcloud.test --cert beside/me.pem"),
    ("check_occi_vm", "-H ooi.fedcloud.test -v"),
    ("check_occi_vm", "-H nowhere.invalid"),
    ("check_perun", "-H perun.fedcloud.test"),
    ("check_apel_pub", "--site NOBODY -v"),
    ("check_appdb_update", "-u {appdb}"),
    ("check_openstack_swift", "-H stack.fedcloud.test -v"),
    ("check_credential", "-v"),
]


@pytest.mark.parametrize(("name", "arguments"), SAME, ids=[" ".join(each).encode("utf-8", "replace") for each in SAME])
def test_with_a_worker_the_executable_says_what_it_says_without(federation, opened, tmp_path, name, arguments):
    place, _ = opened
    federation.accounting.reset([site.gocdb_name for site in federation.sites.values()])
    monitor = Monitor(federation, tmp_path)
    words = arguments.format(ooi=federation.sites["ooi"].web.port, appdb=federation.appdb_url).split()
    place_of_all = {"PYTHONPATH": place.patient, "HOME": place.directory}
    monitor.run(name, *words)  # so that both find the GOCDB's answer in the cache
    alone = monitor.run(name, *words, **place_of_all)
    for _ in range(3):  # in a process, in one that is kept or in a thread, and in what served the second one
        before = called(place)
        served = monitor.run(name, *words, **place_of_all, FEDCLOUD_PROBES_WORKER=place.door)
        assert called(place) == before + 1, "the worker did not run it"
        assert (served.code, normal(served.out), served.err) == (alone.code, normal(alone.out), "")
    assert monitor.remembered() == []


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "probes").glob("check_*")))
def test_every_executable_asks_before_it_loads_anything(opened, name):
    place, _ = opened
    python, *words = command(name, "--version")
    for where, loads in ((place.door, False), ("no", True)):
        environment = {**place.environment, "FEDCLOUD_PROBES_WORKER": str(where)}
        done = subprocess.run([python, "-X", "importtime", *words], capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stdout.split()[0]) == (3, name)
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert ("argparse" in loaded or "libprobe.probe.run" in loaded or "socket" in loaded) == loads


def called(place: Place) -> int:
    """How many callers the worker has served."""
    return json.loads(status(place, "json"))["calls"]["served"]


def status(place: Place, form: str) -> str:
    words = command("fedcloud-worker", "--status", "--as", form, "--door", place.door)
    done = subprocess.run(words, capture_output=True, text=True, env=place.environment, timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_directory_umask_and_environment_are_those_of_who_asks(place, tmp_path):
    place.start(WORD="the worker's", OWN="kept from others")
    mask = os.umask(0o027)
    try:
        report, served = place.run(READS, "place", cwd=tmp_path, WORD="who asks")
    finally:
        os.umask(mask)
    assert served
    assert report.lines == [f"{tmp_path} 0o27 who asks None"]


def test_long_output_arrives_whole(place):
    place.start()
    report, served = place.run(READS, "long=900", "-vvv")
    assert served
    assert report.lines.count("x" * 1000) == 900


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_makes_no_difference(place, closed):
    place.start()
    words = command(str(place.directory / READS), "-H", "bad")
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *words]
    done = subprocess.run(shell, capture_output=True, env=place.environment, timeout=AMPLE_S)
    assert done.returncode == 2
    assert done.stdout.decode() == ("" if ">&-" in closed else "DEMO CRITICAL - done\n")
    assert done.stderr == b""


NO_FORK_SERVER = """
from libprobe.programs.worker import forkserver, supervisor

send = supervisor.Supervisor._send_order

def fail_once(self, what, *more):
    if what != forkserver.CALL or hasattr(self, "has_failed"):
        return send(self, what, *more)
    self.has_failed = True
    return False

supervisor.Supervisor._send_order = fail_once
"""


def test_a_check_that_no_process_could_be_started_for_is_run_by_its_caller(place):
    """As in the moment in which a fork server was killed: nothing of it has begun, so even this one may be run."""
    with (place.directory / "patient/sitecustomize.py").open("a") as file:
        file.write(NO_FORK_SERVER)
    place.start()
    report, served = place.run(CREATES)
    assert report.code == 0, report
    assert not served
    assert place.run(CREATES)[1]


def test_nothing_of_the_callers_environment_is_in_the_journal(place):
    worker = place.start()
    report, served = place.run(
        READS, "shout", OS_PASSWORD="a-password-of-nobody", BEARER_TOKEN="eyJhbGciOi.eyJzdWIi.c2ln"
    )
    assert served
    assert report.err == "a word on standard error"
    worker.stop()
    assert "nobody" not in worker.said()
    assert "eyJ" not in worker.said()


# ---- what it tells of itself


def test_a_worker_tells_what_it_does(place):
    worker = place.start("--calls", 3)
    for name in (READS, READS, READS, CREATES):
        assert place.run(name)[0].code == 0
    place.run(READS, OPENSSL_CONF="/nowhere")
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(str(place.door))
        made.sendall(b"GET / HTTP/1.0\r\n\r\n")
        made.settimeout(AMPLE_S)
        assert made.recv(1) == b""
    process = place.call(CREATES, "wait=it", WORD="of nobody's business")
    until(lambda: place.began("it"))
    told = json.loads(status(place, "json"))
    assert (told["pid"], told["door"]) == (worker.process.pid, str(place.door))
    assert told["checks"]["done"] == 4
    assert told["checks"]["running"] == 1
    assert set(told["checks"]["duration_s"]) == {"p50", "p90", "p99", "max"}
    assert told["calls"] == {
        "served": 5,
        "now": 1,
        "refused": {"full": 0, "different": 1, "other_user": 0, "no_request": 1, "late": 0},
    }
    assert told["runners"] == {"nagios": 0, "callers": 1, "replaced": 0}
    assert told["nagios"] == {"registered": 0, "probes": 0}
    assert 10 << 20 < told["memory_bytes"] < 1 << 30
    table, samples = status(place, "table"), status(place, "prometheus")
    assert f"{place.door}; 5 calls served, 1 now" in table
    assert "1 another version, or from elsewhere, 1 no request" in table
    assert "# TYPE fedcloud_worker_calls_total counter\nfedcloud_worker_calls_total 5\n" in samples
    assert '\nfedcloud_worker_calls_refused_total{why="different"} 1\n' in samples
    assert all(re.fullmatch(r"#.*|\w+(\{\w+=\"\w+\"\})? [\d.e+-]+", line) for line in samples.splitlines())
    assert "business" not in table + samples
    (place.directory / "it.go").touch()
    assert ended(process).code == 0


LATE = """
import socket, sys
from libprobe.probe import door
where, sys.argv = sys.argv[1], sys.argv[2:]
request = door._request()
with socket.socket(socket.AF_UNIX) as made:
    made.connect(where)
    made.sendall(request)
    print(made.recv(1))
    made.sendall({more!r})
"""
"""An executable that gives up: it hears that its check is taken, and does not say GO. more: what it says instead."""


@pytest.mark.parametrize("more", [b"", b"\xff\0nonsense"], ids=["nothing", "nonsense"])
def test_who_does_not_wait_to_be_taken_is_counted_once_whatever_it_sends(place, more):
    place.start()
    words = [sys.executable, "-c", LATE.format(more=more), str(place.door), str(place.directory / READS), "-p", "1"]
    done = subprocess.run(words, capture_output=True, text=True, env=place.environment, timeout=AMPLE_S)
    assert (done.stdout, done.stderr) == (f"{door.AGAIN}\n", "")
    until(lambda: json.loads(status(place, "json"))["calls"]["refused"]["late"] == 1)
    assert called(place) == 0
    assert place.run(READS)[1]
    assert json.loads(status(place, "json"))["calls"]["refused"] == {
        "full": 0,
        "different": 0,
        "other_user": 0,
        "no_request": 0,
        "late": 1,
    }


def test_where_no_worker_is_the_status_says_so(place):
    words = command("fedcloud-worker", "--status", "--door", place.door)
    done = subprocess.run(words, capture_output=True, text=True, env=place.environment)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(f"fedcloud-worker: no worker of this user is at {place.door}")


# ---- in threads


def served_by(place: Place, name: str, **environment: object) -> int:
    """The process that ran a check for a caller from the same directory and with the same environment."""
    report = ended(place.call(name, **environment))
    match = re.match(r"DEMO OK - done by (\d+)\n", report.out)
    assert match, report
    return int(match[1])


def test_who_only_reads_and_comes_again_from_the_same_place_is_served_by_a_thread(place):
    worker = place.start()
    processes = [served_by(place, READS, WORD="same") for _ in range(4)]
    assert len(set(processes)) == 2, "the first has a process of its own, the others share one"
    assert processes[-1] in worker.family()
    assert served_by(place, CREATES, WORD="same") not in processes
    others = [served_by(place, READS, WORD="other") for _ in range(3)]
    assert not set(others) & set(processes)
    assert served_by(place, READS, WORD="same") == processes[-1]


@pytest.mark.parametrize("secret", [{"BEARER_TOKEN": "short"}, {"WORD": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2lnbmF0dXJl"}])
@pytest.mark.parametrize("name", [READS, CREATES])
def test_an_environment_with_a_secret_in_it_ends_with_its_check(place, name, secret):
    worker = place.start()
    assert len({served_by(place, name, **secret) for _ in range(4)}) == 4
    until(lambda: len(worker.family()) == 2)


def test_a_thread_is_where_its_caller_is(place, tmp_path):
    place.start()
    mask = os.umask(0o027)
    try:
        reports = [place.run(READS, "place", cwd=tmp_path, WORD="who asks")[0] for _ in range(3)]
    finally:
        os.umask(mask)
    assert [each.lines for each in reports] == [[f"{tmp_path} 0o27 who asks None"]] * 3


@pytest.fixture
def threaded(place) -> Worker:
    """A worker whose next caller that only reads, from the usual place, is served by a thread."""
    worker = place.start()
    served_by(place, READS)
    served_by(place, READS)
    return worker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_caller_of_a_thread_says_so_at_once(place, threaded, number):
    process = place.call(READS, "wait=it", "-v")
    until(lambda: place.began("it"))
    process.send_signal(number)
    report = ended(process)
    assert (report.code, report.out) == (
        3,
        f"DEMO UNKNOWN - interrupted by {number.name}\nwhat it means, and what to do: "
        "https://github.com/EGI-Federation/fedcloud-probes/blob/main/docs/check_perun.md\n",
    )
    (place.directory / "it.go").touch()
    assert served_by(place, READS) in threaded.family()


def test_a_caller_of_a_thread_may_be_killed(place, threaded):
    process = place.call(READS, "wait=it")
    until(lambda: place.began("it"))
    process.kill()
    process.wait()
    (place.directory / "it.go").touch()
    assert served_by(place, READS) == served_by(place, READS)
    assert threaded.process.poll() is None


def test_a_runner_of_callers_that_is_killed_loses_no_check(place, threaded):
    process = place.call(READS, "wait=it")
    until(lambda: place.began("it"))
    os.kill(served_by(place, READS), signal.SIGKILL)
    (place.directory / "it.go").touch()
    assert ended(process).code == 0
    assert served_by(place, READS) in threaded.family()


def test_a_thread_that_hangs_is_given_up_within_its_limit_and_its_runner_replaced(place, threaded):
    before = served_by(place, READS)
    report = ended(place.call(READS, "hang", "-t", "1"))
    assert report.code == 3
    assert re.match("DEMO UNKNOWN - the (check did not end within 1 s|resident worker)", report.first)
    until(lambda: served_by(place, READS) != before)


# ---- where it is, and whether it is asked


def test_option_environment_and_settings_say_where_the_worker_is_in_this_order(place, tmp_path):
    place.start()
    settings = tmp_path / "probes.ini"
    settings.write_text(f"[gocdb]\ncache_hours = 1\n[worker]\nsocket = {place.door}\n")
    unset = {"FEDCLOUD_PROBES_WORKER": ""}
    assert place.run(READS)[1]
    assert not place.run(READS, "", "--worker", "no")[1]
    assert not place.run(READS, FEDCLOUD_PROBES_WORKER="no")[1]
    assert place.run(READS, "", f"--worker={place.door}", FEDCLOUD_PROBES_WORKER="no")[1]
    assert place.run(READS, FEDCLOUD_PROBES_CONFIG=settings, **unset)[1]
    assert place.run(READS, "", "--config", settings, **unset)[1]
    settings.write_text("[worker]\nsocket = no\n")
    assert not place.run(READS, "", "--config", settings, **unset)[1]
    assert place.run(READS, "", "--config", settings)[1]


def test_a_place_that_cannot_be_meant_is_refused(place, tmp_path):
    report, _ = place.run(READS, "", "--worker", "door")
    assert report.first.startswith("DEMO UNKNOWN - usage: argument --worker: 'door' is not `no` or the absolute path")
    settings = tmp_path / "probes.ini"
    settings.write_text("[worker]\nsocket = door\n")
    report, _ = place.run(READS, "", "--config", settings)
    assert report.first.endswith("[worker] socket is not `no` or the absolute path of a socket")


def test_a_link_of_another_name_runs_by_itself(place, tmp_path):
    place.start()
    (tmp_path / "check_other").symlink_to(tmp_path / READS)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / READS).symlink_to(tmp_path / READS)
    assert not place.run("check_other")[1]
    assert place.run(f"elsewhere/{READS}")[1]


def test_an_executable_that_was_changed_since_runs_by_itself(place):
    place.start()
    path = place.directory / READS
    path.write_text(path.read_text().replace("done by", "done anew by"))
    report, served = place.run(READS)
    assert not served
    assert report.out.startswith("DEMO OK - done anew by")


@pytest.mark.parametrize("change", [{"PYTHONPATH": ROOT}, {"OPENSSL_CONF": "/nowhere"}])
def test_who_would_read_other_libraries_runs_by_itself(place, change):
    place.start()
    report, served = place.run(READS, **change)
    assert report.code == 0
    assert not served


# ---- nobody there, or somebody else


def test_nobody_there_is_nothing_to_be_said(place):
    for make in (lambda: None, place.room.mkdir, lambda: place.door.write_text("no socket"), place.door.unlink):
        make()
        report, served = place.run(READS)
        assert (report.code, report.err, served) == (0, "", False)


class Peer:
    """Somebody else at the place of the socket; whoever connects is kept in `seen`, with what he says first."""

    def __init__(self, place: Place, backlog: int = 5) -> None:
        place.room.mkdir(mode=0o700, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(place.door))
        self.socket.listen(backlog)

    def answer(self, data: bytes | None) -> bytes:
        self.socket.settimeout(AMPLE_S)
        made, _ = self.socket.accept()
        with made:
            made.settimeout(AMPLE_S)
            said = made.recv(1 << 20)
            if data is not None:
                made.sendall(data)
            else:
                while made.recv(1 << 20):
                    pass
            return said


@pytest.mark.parametrize("said", [None, b"", b"x", b"9" * 9, b"2" + b"\xff" * 8], ids=str)
def test_a_worker_that_is_mute_or_talks_otherwise_costs_no_time_and_no_word(place, said):
    peer = Peer(place)
    process = place.call(READS, PYTHONPATH=ROOT if said is None else place.patient)
    peer.answer(said)
    watch = Watch()
    report = ended(process)
    watch.ended_within(1.0)
    assert report.out == f"DEMO OK - done by {process.pid}\n"


def test_a_worker_that_takes_nobody_any_more_is_not_waited_for(place):
    peer = Peer(place, backlog=0)
    with socket.socket(socket.AF_UNIX) as first:
        first.connect(str(place.door))
        process = place.call(READS)
        assert ended(process).out == f"DEMO OK - done by {process.pid}\n"
    peer.socket.close()


def test_a_stale_socket_is_nobody_and_the_next_worker_takes_its_place(place):
    Peer(place).socket.close()
    assert place.run(READS)[0].code == 0
    place.start()
    assert place.run(READS)[1]


def test_there_is_one_worker_at_a_place(place):
    place.start()
    second = Worker(None, place.directory, "--door", place.door, "--directory", place.directory).start()
    assert second.process.wait(AMPLE_S) == 3
    assert f"another worker listens at {place.door}" in second.said()
    assert place.run(READS)[1]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_directory_that_others_may_enter_is_used_by_neither(place, mode):
    peer = Peer(place)
    place.room.chmod(mode)
    process = place.call(READS)
    assert ended(process).out == f"DEMO OK - done by {process.pid}\n"
    peer.socket.close()
    worker = Worker(None, place.directory, "--door", place.door, "--directory", place.directory).start()
    assert worker.process.wait(AMPLE_S) == 3
    assert f"{place.room} has to be a directory of this user alone" in worker.said()


@as_root
@pytest.mark.parametrize("whose", ["room", "door"])
def test_a_place_of_another_user_is_not_even_asked(place, whose):
    peer = Peer(place)
    os.chown(getattr(place, whose), OTHER_USER, -1)
    process = place.call(READS)
    assert ended(process).out == f"DEMO OK - done by {process.pid}\n"
    peer.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.socket.accept()


@as_root
def test_a_process_of_another_user_at_the_right_place_is_told_nothing(place):
    """The socket is ours, who listens is not: so the kernel says who he is, and not the file."""
    peer = Peer(place)
    child = os.fork()
    if not child:
        try:
            os.setuid(OTHER_USER)
            peer.socket.listen(5)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    process = place.call(READS)
    made, _ = peer.socket.accept()
    assert made.recv(1 << 20) == b""
    assert ended(process).out == f"DEMO OK - done by {process.pid}\n"


@as_root
def test_a_caller_of_another_user_is_not_served():
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory))
        try:
            refuses_others(place)
        finally:
            place.workers[0].kill()


def refuses_others(place: Place) -> None:
    place.start()
    for each in (place.directory, place.room, place.door):
        each.chmod(0o777)
    ask = f"""
import os, socket
os.setuid({OTHER_USER})
made = socket.socket(socket.AF_UNIX)
made.connect({str(place.door)!r})
made.sendall({door.MAGIC!r} + bytes(3) + b"x")
print(len(made.recv(100)))
"""
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=AMPLE_S)
    assert done.stdout == "0\n" or "ConnectionResetError" in done.stderr or "BrokenPipeError" in done.stderr
    place.room.chmod(0o700)
    assert place.run(READS)[1]


@pytest.mark.parametrize("body", [b"", b"\0" * 5, b"a\0b\0c\0d\0e\0f", b"a\0b\0c\0d\0\x31\0-1", b"\xff" * 500])
def test_what_is_no_request_is_refused_and_the_next_is_served(place, body):
    place.start()
    for sent in (
        door.MAGIC + len(body).to_bytes(4, "big") + body,
        body,
        b"GET / HTTP/1.0\r\n\r\n",
        door.MAGIC + b"\xff" * 9,
    ):
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(AMPLE_S)
            made.connect(str(place.door))
            made.sendall(sent)
            made.shutdown(socket.SHUT_WR)
            try:
                assert made.recv(1) == b""
            except ConnectionResetError:
                pass
    assert place.run(READS)[1]


def test_a_full_worker_lets_its_callers_run_by_themselves(place):
    place.start("--calls", 1)
    first = place.call(READS, "wait=first")
    until(lambda: place.began("first"))
    assert not place.run(READS)[1]
    (place.directory / "first.go").touch()
    assert ended(first).code == 0
    assert place.run(READS)[1]


# ---- signals, and who is killed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_caller_has_its_check_cleaned_up_and_says_so(place, number):
    place.start()
    process = place.call(CREATES, "clean=it", "-v")
    until(lambda: place.began("it"))
    process.send_signal(number)
    report = ended(process)
    assert (report.code, report.first) == (3, f"DEMO UNKNOWN - interrupted by {number.name}")
    assert place.cleaned("it")
    alone = place.call(CREATES, "clean=alone", "-v", FEDCLOUD_PROBES_WORKER="no")
    until(lambda: place.began("alone"))
    alone.send_signal(number)
    assert report == ended(alone)


@pytest.mark.parametrize("name", [READS, CREATES])
def test_a_caller_that_is_killed_has_its_check_cleaned_up(place, name):
    worker = place.start()
    process = place.call(name, "clean=it")
    until(lambda: place.began("it"))
    process.kill()
    process.wait()
    until(lambda: place.cleaned("it"))
    until(lambda: len(worker.family()) == 2, "nothing is left of it")
    assert place.run(name)[1]


def test_the_vm_of_a_caller_that_is_killed_is_removed(federation, opened, tmp_path):
    place, worker = opened
    site = federation.site("ooi")
    site.faults.on("build-endless")
    monitor = Monitor(federation, tmp_path)
    process = monitor.start(
        "check_occi_vm", "-H", site.hostname, PYTHONPATH=place.patient, FEDCLOUD_PROBES_WORKER=place.door
    )
    until(lambda: site.occi.vms() or process.poll() is not None)
    process.kill()
    process.wait()
    given_up = time.monotonic() + 60  # a signal leaves it some seconds
    until(lambda: not site.occi.vms() or time.monotonic() > given_up)
    until(lambda: json.loads(status(place, "json"))["checks"]["running"] == 0)
    site.faults.clear()
    if site.occi.vms() and excused("removed within the seconds that a signal leaves"):
        monitor.run("check_occi_vm", "-H", site.hostname)
    assert site.occi.vms() == []
    assert worker.process.poll() is None


def test_a_check_whose_process_is_killed_is_unknown(place):
    worker = place.start()
    process = place.call(CREATES, "clean=it")
    until(lambda: place.began("it"))
    os.kill(children(children(worker.process.pid)[0])[0], signal.SIGKILL)
    report = ended(process)
    assert report.code == 3
    assert re.match(r"DEMO UNKNOWN - the probe's process was killed by SIGKILL after [\d.]+ s", report.first)


def test_a_check_that_only_reads_is_run_by_its_caller_when_the_worker_is_killed(place):
    worker = place.start()
    process = place.call(READS, "wait=it")
    until(lambda: place.began("it"))
    (place.directory / "it.go").touch()
    worker.kill()
    assert ended(process).out == f"DEMO OK - done by {process.pid}\n" or process.returncode == 0


def test_another_check_is_unknown_when_the_worker_is_killed_and_ends_by_itself(place):
    worker = place.start()
    process = place.call(CREATES, "wait=it", "-v")
    until(lambda: place.began("it"))
    os.kill(worker.process.pid, signal.SIGKILL)
    report = ended(process)
    (place.directory / "it.go").touch()
    assert report.code == 3
    assert re.match(r"DEMO UNKNOWN - the resident worker that was to run it is lost after [\d.]+ s", report.first)
    assert report.lines[0].startswith("what it means, and what to do: ")


@pytest.mark.parametrize("name", [READS, CREATES])
def test_a_worker_that_stands_still_holds_nobody_longer_than_its_limit(place, name):
    worker = place.start()
    process = place.call(name, "wait=it", "-t", "2")
    until(lambda: place.began("it") or process.poll() is not None)
    os.kill(worker.process.pid, signal.SIGSTOP)
    watch = Watch()
    report = ended(process)
    os.kill(worker.process.pid, signal.SIGCONT)
    watch.ended_within(3.0)
    assert report.code == 3
    (place.directory / "it.go").touch()


def test_a_check_that_hangs_is_ended_by_the_worker_within_its_limit(place):
    place.start()
    process = place.call(CREATES, "hang", "-t", "1")
    report = ended(process)
    assert report.code == 3
    # whichever is first, where both find that it is late already
    assert re.match(
        r"DEMO UNKNOWN - the (check did not end within 1 s|resident worker .* does not answer)", report.first
    )


def test_a_worker_that_is_stopped_answers_for_what_it_runs_and_takes_no_more(place):
    worker = place.start()
    process = place.call(CREATES, "wait=it")
    until(lambda: place.began("it"))
    os.kill(worker.process.pid, signal.SIGTERM)
    until(lambda: not place.door.exists())
    assert not place.run(READS)[1]
    (place.directory / "it.go").touch()
    report = ended(process)
    assert report.code == 0
    assert report.out != f"DEMO OK - done by {process.pid}\n"
    assert worker.process.wait(AMPLE_S) == 0


def test_the_fork_server_is_killed_and_checks_keep_their_results(place):
    worker = place.start()
    process = place.call(CREATES, "wait=it")
    until(lambda: place.began("it"))
    os.kill(children(worker.process.pid)[0], signal.SIGKILL)
    until(lambda: "the fork server died" in worker.said())
    (place.directory / "it.go").touch()
    assert ended(process).code == 0
    until(lambda: place.run(READS)[1])


# ---- systemd


@pytest.mark.needs("systemd")
def test_it_is_started_by_the_first_who_asks_and_serves_the_next(place):
    """Who asks while systemd listens runs by himself: as far as he sees it is not his user that listens."""
    place.room.mkdir(mode=0o700)
    journal = place.directory / "journal"
    program = command("fedcloud-worker", "--local", "--directory", place.directory)
    words = ["systemd-socket-activate", "--listen", str(place.door)]
    names = [each for key in place.environment for each in ("-E", key)]
    with open(journal, "wb") as written:
        running = subprocess.Popen([*words, *names, *program], env=place.environment, stderr=written, stdout=written)
    try:
        until(place.door.exists)
        assert place.run(READS)[0].code == 0
        until(lambda: b"open to" in journal.read_bytes())
        assert place.run(READS)[1]
        running.terminate()
        assert running.wait(AMPLE_S) == 0
        assert place.door.exists(), "it is systemd's, who goes on listening"
    finally:
        running.kill()


# ---- limits


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ([], 30),
        (["-t", "5"], 5),
        (["-t5m"], 300),
        (["-vt", "5"], 5),
        (["--timeout=1h"], 3600),
        (["--timeout", "7", "-t", "8"], 8),
        (["-t", "nonsense"], 30),
        (["-t"], 30),
        (["-t", "0"], 30),
        (["-t", "9d"], 86400),
    ],
)
def test_the_limit_of_a_call_is_that_of_its_options(words, limit):
    body = b"\0".join(
        [b"identity", b"/x/check_perun", b"1 1", b"/", b"18", b"%d" % len(words), *map(str.encode, words), b"A=b"]
    )
    call = CheckRequest(body)
    call.set_limit(30)
    assert (call.words, call.limit, call.environment) == (words, limit, [b"A=b"])
    assert call.timeout < limit + door.PATIENCE_S


def test_a_call_that_is_late_by_another_signal_is_not_begun(place):
    """Before GO a signal ends the run here, and the worker has begun nothing."""
    peer = Peer(place)
    process = place.call(CREATES, "clean=it", PYTHONPATH=ROOT)
    peer.socket.settimeout(AMPLE_S)
    made, _ = peer.socket.accept()
    process.send_signal(signal.SIGTERM)
    report = ended(process)
    assert report.code in (3, -signal.SIGTERM)
    made.settimeout(AMPLE_S)
    said = b""
    while data := made.recv(1 << 20):
        said += data
    assert not said.endswith(door.GO)
    assert not place.began("it") or place.cleaned("it")
