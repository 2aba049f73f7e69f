"""What somebody types in the first hour: what `make federation` says, as it says it, in a shell of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S, until


@pytest.fixture
def welcome(tmp_path: Path) -> Iterator[str]:
    """What a federation in the foreground says when it is up; it is stopped by Ctrl-C."""
    said = tmp_path / "said"
    with open(said, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.federation"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(HOME=tmp_path),
        )
    until(lambda: "Stop it with Ctrl-C" in said.read_text() or process.poll() is not None, every_s=0.1)
    assert process.poll() is None, said.read_text()
    yield said.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(AMPLE_S) == 0
    assert said.read_text().endswith("stopping\n")


def test_the_commands_that_a_running_federation_names_work_as_they_stand_there(welcome: str, tmp_path: Path) -> None:
    typed = [line.strip() for line in welcome.splitlines() if line.startswith("    ")]
    exports = [line for line in typed if line.startswith("export ")]
    commands = [line for line in typed if line.startswith(("check_", "fedcloud-"))]
    faults = [line for line in typed if line.startswith("curl ")]
    assert len(exports) == 4
    assert sorted(typed) == sorted(exports + commands + faults)

    def shell(*lines: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.defpath, "HOME": str(tmp_path)}  # nothing that a developer's shell would have
        script = "\n".join([*exports, *lines])
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd="/", env=environment)

    done = shell(next(line for line in commands if line.startswith("check_occi_vm ")))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith("OCCI-VM OK - VM active after ")
    for line in faults:
        done = shell(re.sub(r"^curl", "curl -sS --fail", line))
        assert done.returncode == 0, done.stderr
