"""`python -m tests.cloudmon` as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S, until

from . import pages

pytestmark = pytest.mark.needs("nagios4-core")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A temporary directory with a short name: Nagios' socket has 107 bytes for its path."""
    with tempfile.TemporaryDirectory(prefix="cm-") as path:
        yield Path(path)


@pytest.fixture
def program(whole_machine: None, directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cloudmon", "--no-broker", "--interval-factor", "0.5"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=clean_environment(HOME=directory, TMPDIR=directory),
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=AMPLE_S)


def test_it_tells_its_address_and_changes_and_ctrl_c_leaves_nothing(
    program: subprocess.Popen[str], directory: Path
) -> None:
    assert program.stdout
    said: list[str] = []
    for line in program.stdout:
        said.append(line)
        if re.fullmatch(r"\d\d:\d\d:\d\d PENDING -> OK +\S+\.fedcloud\.test \S+ .* OK - .*\n", line):
            break
    else:
        pytest.fail(f"it ended by itself:\n{''.join(said)}")
    text = "".join(said)
    assert re.search(r"^    curl -X PUT http://localhost:\d+/sites/ooi/faults/quota$", text, re.MULTILINE), text
    if pages.is_installed():
        address = re.search(r"^Its web pages: (http://localhost:\d+/)$", text, re.MULTILINE)
        assert address, text
        with urllib.request.urlopen(address[1], timeout=AMPLE_S) as answer:
            assert b"Current Network Status" in answer.read()
    program.send_signal(signal.SIGINT)
    rest, _ = program.communicate(timeout=AMPLE_S)
    assert program.returncode == 0
    assert rest.endswith("Stopping ...\nNagios and the federation are stopped; nothing is left of them.\n"), rest
    assert not list(directory.glob("cloudmon-*"))
    until(lambda: not running_below(directory), every_s=0.05)


def running_below(directory: Path) -> list[str]:
    """The command lines of processes that name a directory; not those of others on this machine."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{directory}{os.sep}" in line:
            found.append(line)
    return found


def test_a_directory_too_deep_for_nagios_is_told_before_it_crashes_there(directory: Path) -> None:
    deep = directory / ("d" * 100)
    deep.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.cloudmon", "--no-broker"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(HOME=directory, TMPDIR=deep),
        timeout=AMPLE_S,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(
        rf"\n{deep}/cloudmon-\w+/monitor is too long a path for Nagios' socket; set TMPDIR to a shorter one\n$",
        done.stdout,
    ), done.stdout
    assert list(deep.iterdir()) == []
