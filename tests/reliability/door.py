"""The fault matrix through the door of a worker: every executable says there what it says by itself, durations apart.

A cell is run three times against the same peer: by the executable itself, by a process of the worker, and, where the
executable only reads, by a thread of a runner. A worker lets a caller run by itself without a word, so its own count
of those whom it served is what shows that it was not the same run each time.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from libprobe.programs.worker.commands import IN_THREADS
from tests.executables import ROOT, clean_environment, command
from tests.pace import AMPLE_S, until
from tests.programs.worker.handler import Worker
from tests.programs.worker.test_same import normal
from tests.reliability import matrix
from tests.reliability.matrix import Cell, Limits
from tests.reliability.peers import FAULTS, Peers
from tests.reliability.runs import Outcome

PATIENT = f"from libprobe.probe import door\ndoor.BUDGET_S = {AMPLE_S}\n"
"""The 50 ms within which a worker has to accept: on a busy machine all callers would run by themselves."""

ENDED_FIRST = re.compile(r"the check did not end within [\d.]+ s|the resident worker that was to run it is lost")
"""What is said where the machine let half a second pass after the deadline of a check before it let the check end."""

CHANCE = [
    # which of the two comes of it that a peer closes while it is written to
    (r"connection (?:closed|reset)(?: (?:before an answer|within the answer|before any answer to CONNECT))?", "CUT"),
    (r"CUT (?:from|by)", "CUT"),
    (r"\bsize=\d+B", "size=BYTES"),  # a signature is made anew for each request
    (r"; TIME of it (?:were this machine's own|went to [^;(|]*)", ""),
]
"""What differs from run to run beside what `normal` knows."""

TRIES = 4
"""A difference that comes of chance is gone when the runs are repeated; one that comes of the worker is not."""


class Door:
    """A worker with all executables, for callers of this user."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "room/door"
        self.home, self.scratch = directory / "home", directory / "tmp"
        patient = directory / "patient"
        for each in (self.home, self.scratch, patient):
            each.mkdir(parents=True)
        (patient / "sitecustomize.py").write_text(PATIENT)
        self.python_path = f"{patient}:{ROOT}"
        environment = clean_environment(HOME=directory, PYTHONPATH=self.python_path)
        self._worker = Worker(None, directory, "--door", self.path, "--directory", ROOT / "probes", **environment)

    def __enter__(self) -> Door:
        process = self._worker.start().process
        until(lambda: "open to" in self._worker.said() or process is None or process.poll() is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.kill()

    def environment(self, *, thread: bool) -> dict[str, object]:
        """What lets a run be one of the worker's. thread: in the home that all have in common."""
        found: dict[str, object] = {"FEDCLOUD_PROBES_WORKER": self.path, "PYTHONPATH": self.python_path}
        return found | ({"HOME": self.home, "TMPDIR": self.scratch} if thread else {})

    def status(self) -> dict[str, Any]:
        words = command("fedcloud-worker", "--status", "--as", "json", "--door", self.path)
        told = subprocess.run(words, capture_output=True, env=clean_environment(), timeout=AMPLE_S, check=True)
        return json.loads(told.stdout)  # type: ignore[no-any-return]

    def complaints(self, compared: list[Compared]) -> list[str]:
        """What is wrong with all runs together: not each was the worker's, or something was left."""
        calls, runners = self.status()["calls"], self.status()["runners"]
        runs = sum(each.tries * len(each.served) for each in compared)
        found = [f"{path} was left" for path in self._left()]
        if calls["served"] != runs:
            found.append(f"{calls['served']} of {runs} runs served, refused: {calls['refused']}")
        return found + ([f"{runners['replaced']} runners replaced"] if runners["replaced"] else [])

    def _left(self) -> list[str]:
        """What the runs left in the home that they had in common."""
        return [str(path) for each in (self.home, self.scratch) for path in sorted(each.rglob("*"))]


class Compared(NamedTuple):
    """How a cell came out. alone, served: by the executable itself, and by the worker, in a process or a thread.

    differences: in words; none where all is the same. unjudged: why a run could not be compared, as on a busy machine.
    tries: how often it was run, see TRIES.
    """

    cell: Cell
    alone: Outcome
    served: dict[str, Outcome]
    differences: list[str]
    unjudged: list[str]
    tries: int = 1

    def __str__(self) -> str:
        said = "\n".join(f"    {way}: {each.out[:400]}" for way, each in [("alone", self.alone), *self.served.items()])
        return f"{self.cell.column.name} x {self.cell.fault}: {'; '.join(self.differences)}\n{said}"


def cells(only: Iterable[Cell]) -> list[Cell]:
    """Those whose executable asks a worker: the probes."""
    return [each for each in only if not each.column.name.startswith("fedcloud-")]


def sample() -> list[Cell]:
    """Every fault once, dealt out so that each executable has about as many."""
    dealt: dict[str, int] = {column.name: 0 for column in matrix.COLUMNS}
    found: list[Cell] = []
    of_all = cells(cell for column in matrix.COLUMNS for cell in matrix.cells(column))
    faults_of = Counter(each.column.name for each in of_all)
    for fault in FAULTS:
        able = [each for each in of_all if each.fault == fault]
        if able[0].waits:  # a part of the time for who is asked makes the whole longer
            able = [each for each in able if each.column.share == 1]
        chosen = min(able, key=lambda each: (dealt[each.column.name], faults_of[each.column.name]))
        dealt[chosen.column.name] += 1
        found.append(chosen)
    return found


def compare_all(
    wanted: Iterable[Cell], peers: Peers, directory: Path, limits: Limits, door: Door, *, at_once: int
) -> Iterator[Compared]:
    """Yield how cells compare, in their order."""

    def one(numbered: tuple[int, Cell]) -> Compared:
        number, cell = numbered
        return compare(cell, peers, directory / str(number), limits, door)

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, enumerate(wanted))


def compare(cell: Cell, peers: Peers, directory: Path, limits: Limits, door: Door) -> Compared:
    """Run a cell by itself and through the door; again where it came out otherwise, for that may be chance."""
    for number in range(1, TRIES + 1):
        found = _compare_once(cell, peers, directory / str(number), limits, door)
        if not found.differences:
            break
    return found._replace(tries=number)


def _compare_once(cell: Cell, peers: Peers, directory: Path, limits: Limits, door: Door) -> Compared:
    def run(way: str, environment: dict[str, object]) -> Outcome:
        return matrix.carry_out(cell, peers.grid, peer, directory / way, limits, **environment).outcome

    peer = peers.of(cell.maker)
    ways = {"alone": {"PYTHONPATH": door.python_path}, "process": door.environment(thread=False)}
    if cell.column.arguments(matrix.Place("", 0, cell.secure))[0] in IN_THREADS:
        ways["thread"] = door.environment(thread=True)
    with ThreadPoolExecutor(len(ways) if cell.waits else 1) as pool:
        served = dict(zip(ways, pool.map(run, ways, ways.values()), strict=True))
    alone = served.pop("alone")
    differences: list[str] = []
    unjudged: list[str] = []
    for way, outcome in served.items():
        found = [f"in a {way}, {each}" for each in _differences(alone, outcome, directory, way)]
        late = any(matrix.BUSY.search(each.out) or ENDED_FIRST.search(each.out) for each in (alone, outcome))
        if found and limits.busy and cell.waits and late:
            unjudged.append(f"{cell.column.name} x {cell.fault}: its time was up before it came to the fault")
        else:
            differences += found
    return Compared(cell, alone, served, differences, unjudged)


def _differences(alone: Outcome, served: Outcome, directory: Path, way: str) -> Iterator[str]:
    if alone.code != served.code:
        yield f"exit code {served.code} instead of {alone.code}"
    if report(alone, directory / "alone") != report(served, directory / way):
        yield "another report"
    if served.err != alone.err:
        yield f"standard error: {served.err[:200]!r} instead of {alone.err[:200]!r}"
    if served.left:
        yield f"left {', '.join(served.left)}"


def report(outcome: Outcome, directory: Path) -> str:
    """What a run printed, without what differs by chance. directory: its own."""
    text = normal(outcome.out.replace(str(directory), ""))
    for pattern, word in CHANCE:
        text = re.sub(pattern, word, text)
    return text
