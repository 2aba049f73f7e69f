"""A report that cannot be written, as to a full disk: its exit code must not stand for a good result."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import command
from tests.executables import clean_environment
from tests.pace import AMPLE_S

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
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    words = command("check_endpoint_tcp", "-H", "127.0.0.1", "-p", closed)
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
