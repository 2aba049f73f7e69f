"""fedcloud-publish --availability: what it accepts comes into the store of fedcloud-availability, and once only."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT, Report, at, clean_environment, command
from tests.federation.ports import free_port
from tests.federation.stomp_responder import Responder
from tests.pace import AMPLE_S, is_over, seconds, until
from tests.reliability.troubles import unshare

OCTOBER = 1_790_812_800
HOUR, DAY = 3_600, 86_400
HOST, TYPE, METRIC = "swift.example.org", "org.openstack.swift", "eu.egi.cloud.OpenStack-Swift"
SERVICE = f"{METRIC}-ops"


class Host:
    """A monitoring host that publishes to one broker, and has a store of results."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.store = self.state / "availability.sqlite"
        self.spool = self.state / "spool-availability"
        self.options = ["--availability"]
        self.url = f"stomp://127.0.0.1:{free_port()}/queue/results"
        entry = {"host": HOST, "service": SERVICE, "service_type": TYPE, "site": "S", "url": ""}
        (directory / "services.jsonl").write_text(json.dumps(entry) + "\n")

    def words(self, program: str, *more: object) -> list[str]:
        to = ["--publish", self.url, *self.options] if program == "fedcloud-publish" else []
        return command(program, *more, *to, "--state-dir", self.state)

    def run(self, program: str, *more: object, within: object = ()) -> Report:
        done = subprocess.run(
            [*within, *self.words(program, *more)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=AMPLE_S,
            cwd=self.directory,
            env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null", HOME=self.directory),
        )
        return Report(done.returncode, done.stdout, done.stderr)

    def result(self, when: int, status: str = "OK", output: str = "said", *more: object) -> list[object]:
        named = {"hostname": HOST, "service-type": TYPE, "metric": METRIC, "service": SERVICE, "state-type": "HARD"}
        named |= {"time": str(when), "state": status, "output": output}
        return [*(f"--{name}={value}" for name, value in named.items()), *more]

    def keep(self, *result: object) -> None:
        assert self.run("fedcloud-publish", *self.result(*result), "--no-send") == Report(0, "", "")

    def drain(self, *more: object) -> Report:
        return self.run("fedcloud-publish", "--drain", *more)

    def log(self, *lines: tuple[int, str]) -> Path:
        path = self.directory / "nagios.log"
        path.write_text("".join(f"[{when}] {text}\n" for when, text in lines))
        return path

    def imported(self, *words: object) -> Report:
        return self.run("fedcloud-availability", "import", "--services", ".", *words)

    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.spool.glob("*.message"))

    def rows(self) -> list[tuple[object, ...]]:
        """What the store has: (metric, second, status), by time."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=AMPLE_S)) as store:
            try:
                return store.execute(
                    "SELECT metric, at, status FROM change JOIN series ON series = id ORDER BY at"
                ).fetchall()
            except sqlite3.OperationalError:
                return []  # it is made at this moment


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def broker(host):
    with Responder() as responder:
        host.url = f"stomp://127.0.0.1:{responder.port}/queue/results"
        yield responder


def sent(responder: Responder) -> int:
    return sum(name == "SEND" for name, _, _ in responder.frames)


def state(when: int, status: str, what: str = "SERVICE ALERT") -> tuple[int, str]:
    return when, f"{what}: {HOST};{SERVICE};{status};HARD;1;said"


# ---- a result in the store


def test_a_result_is_in_the_store_without_another_command_and_is_sent_as_well(host, broker):
    report = host.run("fedcloud-publish", *host.result(OCTOBER, "CRITICAL"))
    assert report == Report(0, "", "")
    until(lambda: host.rows() and sent(broker) and not host.waiting())
    assert host.rows() == [(SERVICE, OCTOBER, 4)]
    assert host.imported().code == 0
    report = host.run("fedcloud-availability", "why", "S", "--from", "2026-10-01", "--to", "2026-10-01")
    assert "CRITICAL" in report.out and f"{METRIC} on {HOST}: said (result of 2026-10-01T00:00:00Z)" in report.out


def test_without_the_option_nothing_is_appended(host):
    host.options = []
    host.keep(OCTOBER)
    assert not host.spool.exists() and not host.store.exists()


def test_a_soft_state_and_a_service_of_the_monitor_itself_are_not_appended(host):
    for change in ("--state-type=SOFT", "--service-type="):
        assert host.run("fedcloud-publish", *host.result(OCTOBER), "--no-send", change) == Report(0, "", "")
    assert host.waiting() == []


def test_drain_appends_what_waits_and_tells_how_much(host, broker):
    for hour in range(3):
        host.keep(OCTOBER + hour * HOUR, "OK" if hour else "WARNING")
    report = host.drain()
    assert report.code == 0
    assert report.first == (
        f"PUBLISH OK - 3 results sent to {at(host.url)}, none waiting; 3 results appended to the availability store"
    )
    assert report.performance["appended"] == "3;;;0"
    assert report.performance["store_waiting"] == report.performance["store_refused"] == "0;;;0"
    assert report.performance["store_dropped"] == "0c;;;0"
    assert report.performance["store_age"] == "0s;900;21600;0"
    assert [row[1:] for row in host.rows()] == [(OCTOBER, 1), (OCTOBER + HOUR, 0), (OCTOBER + 2 * HOUR, 0)]


# ---- the same results in the spool, in a saved message and in Nagios' log


def test_what_comes_by_the_log_too_counts_once(host, broker):
    times = [OCTOBER, OCTOBER + 5 * HOUR, OCTOBER + 6 * HOUR, OCTOBER + 23 * HOUR]
    statuses = ["OK", "CRITICAL", "OK", "OK"]
    for when, status in zip(times, statuses, strict=True):
        host.keep(when, status)
    [messages] = [path for path in host.state.glob("spool-*") if path != host.spool]
    saved = host.directory / "saved"
    saved.mkdir()
    for path in messages.glob("*.message"):
        (saved / path.name).write_bytes(path.read_bytes())
    assert host.drain().code == 0
    assert host.imported().code == 0
    words = ["--from", "2026-10-01", "--to", "2026-10-01"]
    figures = host.run("fedcloud-availability", "figures", *words)
    why = host.run("fedcloud-availability", "why", "S", *words)
    assert "95.83 %" in figures.out and f"2 changes: {TYPE} {HOST} {METRIC}" in why.out
    # Nagios writes an alert some seconds later, when it has the answer of the check that began then
    log = host.log(
        (OCTOBER, "Nagios 4.4.6 starting... (PID=1)"),
        state(OCTOBER + 4, "OK", "CURRENT SERVICE STATE"),
        state(times[1] + 7, "CRITICAL"),
        state(times[2] + 3, "OK"),
        (OCTOBER + DAY, "Successfully shutdown... (PID=1)"),
    )
    for each in (log, saved):
        assert host.imported(each).code == 0
        assert host.run("fedcloud-availability", "figures", *words) == figures
        assert host.run("fedcloud-availability", "why", "S", *words) == why
    assert len({row[0] for row in host.rows()}) == 1


# ---- a store that is locked, broken or full


def test_a_locked_store_delays_no_message_and_no_handler_and_is_told(host, broker):
    assert host.imported().code == 0
    with closing(sqlite3.connect(host.store, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert host.run("fedcloud-publish", *host.result(OCTOBER)) == Report(0, "", "")
        appender = holder(host)  # first, for it waits no longer than a minute
        until(lambda: is_sent(host, broker, 1))
        os.kill(appender, signal.SIGKILL)
        until(lambda: is_over(appender))
        assert len(host.waiting()) == 1
        report = host.drain("-v")
        assert report.first == (
            f"PUBLISH OK - 0 results sent to {at(host.url)}, none waiting; "
            "0 results appended to the availability store, 1 result waiting"
        )
        assert f"{host.store} is in use by another process for longer than 5 s" in report.out
        os.utime(host.spool / host.waiting()[0], (time.time() - 2 * HOUR,) * 2)
        report = host.drain()
        assert (report.code, report.performance["store_waiting"]) == (1, "1;;;0")
        assert re.fullmatch(
            r"PUBLISH WARNING - results wait for the availability store since 2(\.\d+)? h: "
            rf"{re.escape(str(host.store))} is in use by another process for longer than 5 s \(limit 15m\)",
            report.first,
        ), report.first
        other.execute("ROLLBACK")
    assert host.drain().performance["appended"] == "1;;;0"
    assert host.rows() == [(SERVICE, OCTOBER, 0)]


def holder(host: Host) -> int:
    """The process that appends, once it does: it has the file of the lock open, whose path no other test has."""
    wanted = str(host.spool / "sender")

    def found() -> int:
        for process in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):  # it has ended, or is another user's
                for each in os.listdir(f"/proc/{process}/fd"):
                    if os.readlink(f"/proc/{process}/fd/{each}") == wanted:
                        return int(process)
        return 0

    return until(found)


def is_sent(host: Host, broker: Responder, number: int) -> bool:
    """Whether so many messages came to the broker, and the spool for it is empty again."""
    spools = [path for path in host.state.glob("spool-*/*.message") if path.parent != host.spool]
    return sent(broker) == number and not spools


def test_a_broken_store_is_told_with_the_remedy_and_takes_everything_once_it_is_mended(host, broker):
    host.keep(OCTOBER)
    host.store.write_bytes(b"no database at all" * 100)
    assert host.run("fedcloud-publish", *host.result(OCTOBER + HOUR, "CRITICAL")) == Report(0, "", "")
    until(lambda: is_sent(host, broker, 2) and list(host.spool.glob("put-off")))
    report = host.drain()
    assert report.code == 3
    assert report.first == (
        f"PUBLISH UNKNOWN - {host.store} cannot be read: file is not a database (move it away, and import again what "
        "there is); 2 results waiting for it"
    )
    assert sent(broker) == 2
    host.store.unlink()
    assert host.drain().performance["appended"] == "2;;;0"
    assert [row[1:] for row in host.rows()] == [(OCTOBER, 0), (OCTOBER + HOUR, 4)]


def test_a_mute_broker_leaves_time_for_the_store(host):
    host.keep(OCTOBER)
    with socket.create_server(("127.0.0.1", int(host.url.split(":")[2].split("/")[0]))):
        report = host.drain("-t", seconds(20))
    assert (report.code, report.performance["appended"], report.performance["waiting"]) == (3, "1;;;0", "1;;;0")
    assert host.rows() == [(SERVICE, OCTOBER, 0)]


def test_a_damaged_result_is_counted_as_dropped_and_not_as_appended(host, broker):
    host.keep(OCTOBER)
    host.keep(OCTOBER + HOUR)
    damaged = host.spool / host.waiting()[0]
    damaged.write_bytes(b"no message")
    report = host.drain()
    found = {name: report.performance[name] for name in ("appended", "store_waiting", "store_dropped")}
    assert found == {"appended": "1;;;0", "store_waiting": "0;;;0", "store_dropped": "1c;;;0"}, report.out
    assert len(host.rows()) == 1


FULL = """
mount -t tmpfs -o size=256k,mode=700 none "$STATE"
mkdir -m 700 "$STATE/spool-availability"
mount -t tmpfs -o size=64k,mode=700 none "$STATE/spool-availability"
eval "$KEEP"
dd if=/dev/zero of="$STATE/filler" bs=1k count=300 2>/dev/null || true
eval "$DRAIN" || echo "code $?"
rm "$STATE/filler"
dd if=/dev/zero of="$STATE/spool-availability/filler" bs=1k count=100 2>/dev/null || true
eval "$KEEP" || echo "code $?"
rm "$STATE/spool-availability/filler"
eval "$DRAIN"
"""


def test_a_full_disk_is_told_and_what_could_not_be_kept_is_counted(host, broker):
    mount = unshare("mount")
    if not shutil.which("unshare") or subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets us have no mount namespace of our own")
    host.state.mkdir(0o700)
    keep = host.words("fedcloud-publish", *host.result(OCTOBER), "--no-send")
    drain = host.words("fedcloud-publish", "--drain")
    done = subprocess.run(
        [*mount, "sh", "-ec", FULL],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=AMPLE_S,
        env=clean_environment(
            FEDCLOUD_PROBES_CONFIG="/dev/null", STATE=host.state, KEEP=shlex.join(keep), DRAIN=shlex.join(drain)
        ),
    )
    assert (done.returncode, done.stderr) == (0, "")
    full, code, not_kept, its_code, last = done.stdout.splitlines()
    assert (code, its_code) == ("code 3", "code 3")
    assert full.startswith(f"PUBLISH UNKNOWN - {host.store} cannot be written: No space left on device (make room); ")
    assert not_kept.startswith("PUBLISH UNKNOWN - kept for the broker and not for the availability store: ")
    assert "No space left on device" in not_kept
    assert last.startswith(f"PUBLISH OK - 1 result sent to {at(host.url)}, none waiting; 1 result appended to the ")
    assert " appended=1;;;0 " in last and " store_dropped=1c;;;0 " in last
    assert sent(broker) == 2


# ---- two writers, and writers that are killed


def test_imports_and_results_at_the_same_time_lose_nothing(host, broker):
    log = host.log((OCTOBER, "Nagios 4.4.6 starting... (PID=1)"), *(state(OCTOBER + at, "OK") for at in range(50)))
    words = [host.words("fedcloud-availability", "import", "--services", ".", log)] * 3
    words += [host.words("fedcloud-publish", *host.result(OCTOBER + DAY + at, "CRITICAL")) for at in range(4)]
    started = [
        subprocess.Popen(
            each,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=host.directory,
            env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null"),
        )
        for each in words
    ]
    for each in started:
        out, _ = each.communicate(timeout=AMPLE_S)
        assert each.returncode == 0, out
    assert host.drain().code == 0
    until(lambda: not host.waiting())
    assert [row[1:] for row in host.rows()] == [(OCTOBER, 0), *((OCTOBER + DAY + at, 4) for at in range(4))]


PATCHED = """
import os, runpy, signal, sys
from libprobe.programs.publish import appending
from libprobe.state.spool import Spool
from libprobe.timelines.store import ResultWriter
def killed_at(number, work):
    calls = []
    def patched(*words, **named):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*words, **named)
    return patched
{patch}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
MOMENTS = {
    "before the transaction": "ResultWriter.flush = killed_at(1, ResultWriter.flush)",
    "within the transaction": "ResultWriter._put_runs = killed_at(1, ResultWriter._put_runs)",
    "after the transaction": "Spool.forget_sent = killed_at(1, Spool.forget_sent)",
    "while results are forgotten": "Spool.forget_sent = killed_at(3, Spool.forget_sent)",
    "before the counter": "Spool._counters = killed_at(6, Spool._counters)",
}


def killed(host: Host, patch: str, *words: object) -> None:
    script = PATCHED.replace("{patch}", patch)
    python, *arguments = host.words("fedcloud-publish", *words)
    done = subprocess.run(
        [python, "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=AMPLE_S,
        cwd=ROOT,
        env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null"),
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_killed_while_it_appends_loses_nothing_and_counts_nothing_twice(host, moment):
    results = [(OCTOBER + at, "CRITICAL" if at % 2 else "OK") for at in range(5)]
    for each in results:
        host.keep(*each)
    killed(host, MOMENTS[moment], "--drain")
    report = host.drain()
    assert report.performance["store_waiting"] == report.performance["store_refused"] == "0;;;0", report
    assert report.performance["store_dropped"] == "0c;;;0"
    assert [row[1:] for row in host.rows()] == [(at, 4 if status == "CRITICAL" else 0) for at, status in results]


def test_a_handler_that_is_killed_before_it_kept_the_result_for_the_store_has_kept_the_message(host, broker):
    killed(host, "appending.put = killed_at(1, appending.put)", *host.result(OCTOBER, "CRITICAL"), "--no-send")
    assert host.waiting() == []
    assert host.drain().performance["sent"] == "1;;;0"
    log = host.log((OCTOBER, "Nagios 4.4.6 starting... (PID=1)"), state(OCTOBER + 4, "CRITICAL"))
    assert host.imported(log).code == 0
    assert host.rows() == [(SERVICE, OCTOBER + 4, 4)]


# ---- what the store does not take


def test_a_result_from_the_future_is_set_aside_with_the_reason(host, broker):
    host.keep(int(time.time()) + 20 * HOUR)
    host.keep(OCTOBER)
    report = host.drain()
    assert report.code == 1
    assert report.first == (
        f"PUBLISH WARNING - 1 result that the availability store refused is set aside in {host.spool}, the last with: "
        "its time is in the future, by this machine's clock"
    )
    assert (report.performance["appended"], report.performance["store_refused"]) == ("1;;;0", "1;;;0")
    assert host.rows() == [(SERVICE, OCTOBER, 0)]
