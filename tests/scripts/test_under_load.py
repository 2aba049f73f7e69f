"""The tests beside much else: that there is a load, that the ports are taken, and that nothing of it stays."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S, is_over

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
