"""The tests beside much else: that there is a load, that the ports are taken, and that nothing of it stays."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S, is_over, state_of, until

LOOK = """
import os, socket, sys
parent = os.getppid()
with open(f"/proc/{parent}/task/{parent}/children") as file:
    print("children", *[pid for pid in file.read().split() if int(pid) != os.getpid()])
for address in ("127.0.0.1", "127.0.0.2"):
    with socket.create_connection((address, 8787)) as made:
        print(made.makefile().readline().strip())
print("=== this machine is too busy: 2 tests skipped ===")
print("=== 7 passed ===")
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 5])
def test_each_run_is_a_line_and_nothing_of_the_load_stays(tmp_path, code):
    words = ["--load", "3", "--runs", "2", "--logs", tmp_path, sys.executable, "-c", LOOK, code]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/under-load", *map(str, words)],
        capture_output=True,
        text=True,
        env=clean_environment(HOME=tmp_path),
        timeout=AMPLE_S,
    )
    assert (done.returncode, done.stderr) == (int(code != 0), "")
    first, *runs = done.stdout.splitlines()
    assert re.fullmatch(r"beside 3 busy processes on \d+ processors, \d+ ports taken", first)
    for number, line in enumerate(runs, 1):
        assert re.fullmatch(
            rf"run {number} of 2: exit code {code}; 7 passed; this machine is too busy: 2 tests skipped; "
            rf"[\d.]+ min, load \d+; {tmp_path}/{number}\.log",
            line,
        ), line
    children, *answers = (tmp_path / "2.log").read_text().splitlines()
    pids = children.split()[1:]
    assert len(pids) == 4  # one of them has the ports
    if os.geteuid() == 0:
        assert answers[:2] == ["HTTP/1.1 404 Not Found"] * 2
    assert not [pid for pid in pids if not is_over(int(pid))]


def test_a_command_is_needed(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/under-load"], capture_output=True, text=True, env=clean_environment()
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "which command?" in done.stderr


def test_what_needs_the_network_of_this_machine_has_it_and_no_port_is_taken(tmp_path):
    """Such as .ci/run, which installs packages."""
    look = "import os; print('network', os.stat('/proc/self/ns/net').st_ino)"
    words = ["--load", "1", "--runs", "1", "--this-network", "--logs", tmp_path, sys.executable, "-c", look]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/under-load", *map(str, words)],
        capture_output=True,
        text=True,
        env=clean_environment(HOME=tmp_path),
        timeout=AMPLE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"beside 1 busy processes on \d+ processors, 0 ports taken\n", done.stdout)
    assert (tmp_path / "1.log").read_text() == f"network {os.stat('/proc/self/ns/net').st_ino}\n"


FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path

def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

def has_stood(pid):
    while state(pid) != "T":
        time.sleep(0.001)
    while state(pid) == "T":
        time.sleep(0.001)

mother = subprocess.Popen([sys.executable, "-c", "import subprocess, sys; child = subprocess.Popen(['sleep', '3600']); "
                           "print(child.pid, flush=True); child.wait()"], stdout=subprocess.PIPE)
child = int(mother.stdout.readline())
for pid in (mother.pid, child):
    has_stood(pid)
print("limit", os.environ["UNDER_LOAD_PAUSES"])
print("family", mother.pid, child, flush=True)
os.kill(child, signal.SIGKILL)
mother.wait()
print("=== 1 passed ===")
"""


def test_with_pauses_what_the_command_started_stands_still_and_goes_on_and_times_are_not_judged(tmp_path):
    words = ["--load", 0, "--pauses", 2, "--runs", 1, "--logs", tmp_path, sys.executable, "-c", FAMILY]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/under-load", *map(str, words)],
        capture_output=True,
        text=True,
        env=clean_environment(HOME=tmp_path),
        timeout=AMPLE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    _, line = done.stdout.splitlines()
    told = re.fullmatch(
        rf"run 1 of 1: exit code 0; 1 passed; (\d+) pauses; [\d.]+ min, load \d+; {tmp_path}/1\.log", line
    )
    assert told, line
    assert int(told[1]) >= 2
    limit, family, _ = (tmp_path / "1.log").read_text().splitlines()
    assert limit == "limit 1.5"
    until(lambda: all(is_over(int(pid)) for pid in family.split()[1:]))


def test_neither_the_command_nor_what_a_test_lets_stand_still_is_paused():
    """What a test has stopped itself would go on after a pause."""
    found = runpy.run_path(str(ROOT / "scripts/under-load"))["running_below"]
    with subprocess.Popen(["sh", "-c", "read x"], stdin=subprocess.PIPE) as child:
        until(lambda: child.pid in found(os.getpid()))
        assert os.getpid() not in found(os.getpid())
        child.send_signal(signal.SIGSTOP)
        until(lambda: state_of(child.pid) == "T")
        assert child.pid not in found(os.getpid())
        child.send_signal(signal.SIGCONT)
        until(lambda: child.pid in found(os.getpid()))
        child.kill()


def test_what_stands_still_goes_on_when_the_run_is_ended(tmp_path):
    """Otherwise it would be there for ever: a process that stands still does not end by SIGTERM."""
    code = "import subprocess; child = subprocess.Popen(['sleep', '3600']); print(child.pid, flush=True); child.wait()"
    words = ["--load", 0, "--pauses", 1, "--runs", 1, "--this-network", "--logs", tmp_path, sys.executable, "-c", code]
    running = subprocess.Popen(
        [sys.executable, ROOT / "scripts/under-load", *map(str, words)],
        stdout=subprocess.DEVNULL,
        env=clean_environment(HOME=tmp_path),
    )
    log = tmp_path / "1.log"
    try:
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        child = int(log.read_text())
        until(lambda: state_of(child) == "T")
        running.terminate()
        assert running.wait(AMPLE_S) == 1
        until(lambda: is_over(child))
    finally:
        running.kill()
        running.wait()
