"""A report that cannot be written, as to a full disk: its exit code must not stand for a good result."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import command
from tests.executables import clean_environment
from tests.pace import AMPLE_S, is_over, state_of, until

WHY = "the report cannot be written: No space left on device"


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def written_to_a_full_disk(directory: Path, *words: object) -> tuple[int, str]:
    """Exit code and standard error of a command line whose output goes to a file system without room."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            list(map(str, words)),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(HOME=directory),
            cwd=directory,
            timeout=AMPLE_S,
        )
    return done.returncode, done.stderr


def test_a_probe_whose_result_is_lost_is_not_ok(tmp_path, port):
    words = command("check_endpoint_tcp", "-H", "127.0.0.1", "-p", port)
    assert written_to_a_full_disk(tmp_path, *words) == (3, f"check_endpoint_tcp: {WHY}\n")


def test_a_result_that_is_not_ok_keeps_its_exit_code(tmp_path):
    with socket.socket() as held:  # so that nobody else listens there meanwhile
        held.bind(("127.0.0.1", 0))
        words = command("check_endpoint_tcp", "-H", "127.0.0.1", "-p", held.getsockname()[1])
        assert written_to_a_full_disk(tmp_path, *words) == (2, f"check_endpoint_tcp: {WHY}\n")


def test_a_program_whose_report_is_lost_has_not_succeeded(tmp_path):
    (tmp_path / "log").write_text("[1790812800] Nagios 4.4.6 starting... (PID=1)\n")
    (tmp_path / "state").mkdir(mode=0o700)
    words = command("fedcloud-availability", "import", "log", "--state-dir", "state")
    code, said = written_to_a_full_disk(tmp_path, *words)
    assert (code, said) == (3, f"fedcloud-availability: {WHY}\n")
    words = command("fedcloud-leftovers", "--state-dir", "state")
    assert written_to_a_full_disk(tmp_path, *words) == (3, f"fedcloud-leftovers: {WHY}\n")


def test_so_it_is_where_a_resident_worker_had_the_result(tmp_path):
    code = "import sys; sys.argv = ['/opt/check_x']; from libprobe.probe import door; door.print_and_exit({}, b'said')"
    for given, expected in ((0, 3), (1, 1), (2, 2)):
        words = [sys.executable, "-c", code.format(given)]
        assert written_to_a_full_disk(tmp_path, *words) == (expected, f"check_x: {WHY}\n")


def waiting_bytes(pipe: int) -> int:
    """How much is in a pipe that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize(
    "call",
    [
        "door.print_and_exit(0, report)",
        "output.print_and_exit(0, report.decode())",
        "from libprobe.programs.selfcheck import command; command._write('-', report.decode())",
    ],
)
def test_a_reader_who_is_slow_gets_all_of_a_report(call):
    """A terminal, or a pipe that somebody has set so, does not block who writes: then it is waited for."""
    begin = "import os; from libprobe.probe import door, output; os.set_blocking(1, False); report = b'x' * 300_000"
    code = f"{begin}; {call}"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    pipe = process.stdout.fileno()
    until(lambda: is_over(process.pid) or (waiting_bytes(pipe) and state_of(process.pid) == "S"))
    report = b""
    while more := os.read(pipe, 1 << 16):
        report += more
    assert (len(report), process.wait(AMPLE_S), process.stderr.read()) == (300_000, 0, b"")
