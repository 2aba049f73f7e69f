"""The harness itself: what a run uses and leaves behind is seen."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.reliability.runs import run

UNTIDY = """
import os, pathlib, sys, time
pathlib.Path(os.environ["HOME"], "file").touch()
pathlib.Path(os.environ["TMPDIR"], "file").touch()
used = bytearray(100 << 20)
print("first | a=1\\nsecond", flush=True)
print("oops", file=sys.stderr, flush=True)
if not os.fork():
    os.setsid()
    os.closerange(0, 3)
    time.sleep(60)
os._exit(2)
"""


def test_a_run_that_leaves_files_and_a_process_behind_and_uses_much_memory_is_seen(tmp_path: Path):
    outcome = run([sys.executable, "-c", UNTIDY], tmp_path)
    assert (outcome.code, outcome.sentence, outcome.err) == (2, "first", "oops\n")
    assert outcome.left == ("home/file", "tmp/file", "a process")
    assert outcome.peak_kib > 100 << 10


def test_a_tidy_run_leaves_nothing_and_is_measured_without_whoever_started_it(tmp_path: Path):
    kept = bytearray(100 << 20)
    outcome = run([sys.executable, "-c", "import time; time.sleep(0.3)"], tmp_path, GREETING="hello")
    del kept
    assert (outcome.code, outcome.out, outcome.err, outcome.left) == (0, "", "", ())
    assert outcome.peak_kib < 64 << 10
    assert outcome.seconds >= 0.3
