"""Every benchmark can be started: what it takes from the tests and the library is there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S

PROGRAMS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "measure")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_can_be_started(name):
    words = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"usage: .*\b{name}\b", done.stdout)
