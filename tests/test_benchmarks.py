"""Every benchmark can be started: what it takes from the tests and the library is there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

import pytest

from benchmarks import soak_worker, walk
from tests.conftest import ROOT, clean_environment, command
from tests.pace import AMPLE_S

PROGRAMS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "measure")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_can_be_started(name):
    words = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"usage: .*\b{name}\b", done.stdout)


def test_the_soak_knows_what_the_probe_says(tmp_path):
    """A result of another address, or of another state, is wrong; so it has to know the right ones word by word."""
    said = {}
    with socket.create_server((soak_worker.address(1), 0)) as listener:
        port = listener.getsockname()[1]
        for number, at in ((0, 1), (1, port)):
            words = command("check_endpoint_tcp", "-H", soak_worker.address(number), "-p", at)
            done = subprocess.run(words, capture_output=True, text=True, env=clean_environment(), timeout=AMPLE_S)
            said[number] = f"{done.returncode}\t{done.stdout}"
    results = tmp_path / "results"
    results.write_text(f"0\t{said[0]}1\t{said[1]}")
    assert soak_worker.judge(results, port) == (1, 0, 0)
    results.write_text(f"0\t{said[1]}1\t{said[0]}2\t{said[0]}3\t{said[1]}")
    assert soak_worker.judge(results, port) == (0, 4, 0)


def test_a_walk_comes_back_to_a_place_that_it_has_left():
    assert walk.counted(["a", "b", "b", "a", "c", "b"]) == (3, 6, 2)
    assert walk.counted([]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("before", "called", "up"),
    [
        ("probes/check_perun", "libprobe/probe/run.py", False),
        ("libprobe/probe/run.py", "probes/check_perun", True),
        ("libprobe/formats/occi/query.py", "libprobe/text.py", False),
        ("libprobe/formats/occi/query.py", "libprobe/clients/occi.py", True),
        ("", "libprobe/probe/door.py", False),
    ],
)
def test_a_step_up_the_map_is_one_to_a_folder_above(before, called, up):
    assert walk.is_upwards((before, called)) is up
