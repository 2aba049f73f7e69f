"""Running an executable once, alone in its own directories, and seeing what it used and what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.conftest import clean_environment

# Between us and the executable stands a small process: a child's peak begins with that of whoever forked it, and
# what outlives the executable becomes a child of this one (PR_SET_CHILD_SUBREAPER, 36), where it can be seen.
LAUNCH = """
import ctypes, json, os, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
began = time.monotonic()
child = os.fork()
if not child:
    os.setsid()
    if sys.argv[2]:
        with open(sys.argv[2] + "~", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[2] + "~", sys.argv[2])
    os.execvp(sys.argv[3], sys.argv[3:])
_, status, usage = os.wait4(child, 0)
seconds = time.monotonic() - began
try:
    outlived = os.waitpid(-1, os.WNOHANG) == (0, 0)
except ChildProcessError:
    outlived = False
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss, outlived], file)
os._exit(0)
"""

GIVEN_UP_AFTER_S = 900


class Outcome(NamedTuple):
    """What came of a run. code: exit code, negative for a signal. left: what it left behind, in words."""

    code: int
    out: str
    err: str
    seconds: float
    peak_kib: int
    left: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The first line without performance data."""
        return self.out.split("\n", 1)[0].split(" | ", 1)[0]


def run(command: Sequence[str], directory: Path, *, pid_file: Path | None = None, **environment: object) -> Outcome:
    """Run a command in an environment as small as Nagios' own.

    directory: gets a HOME and a TMPDIR, unless others are given, in which the run must leave nothing;
    `directory/state` is its own.
    pid_file:  gets the number of its process as soon as there is one.
    """
    home, scratch = directory / "home", directory / "tmp"
    for each in (home, scratch):
        each.mkdir(parents=True, exist_ok=True)
    measured = directory / "measured"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCH, str(measured), str(pid_file or ""), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=GIVEN_UP_AFTER_S,
        cwd="/tmp",
        env=clean_environment(**{"HOME": home, "TMPDIR": scratch, **environment}),
    )
    # both pipes came to their end: nobody holds a descriptor of the run any more
    code, seconds, peak_kib, outlived = json.loads(measured.read_text())
    left = [str(path.relative_to(directory)) for each in (home, scratch) for path in sorted(each.rglob("*"))]
    left += [str(path.relative_to(directory)) for path in sorted(directory.glob("state/**/*.vm"))]
    if outlived:
        left.append("a process")
    return Outcome(code, done.stdout.decode(), done.stderr.decode(), seconds, peak_kib, tuple(left))


def processors() -> int:
    return len(os.sched_getaffinity(0))
