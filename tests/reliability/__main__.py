"""`make reliability`: every executable against every fault, with strict limits, and the table of what came of it.

python -m tests.reliability                     run all, print complaints and figures
python -m tests.reliability --write FILE        put the table into a page, between its two marks
python -m tests.reliability --sentences FILE    write what every cell says first into a file, with its length
python -m tests.reliability --door              run probes by themselves and through the door of a worker, and compare
python -m tests.reliability check_perun         only the columns, or the faults, that are named so
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.reliability import door, matrix, sentences, troubles
from tests.reliability.peers import FAULTS, Peers
from tests.reliability.runs import processors

BEGIN, END = "<!-- the matrix: written by make reliability -->", "<!-- end of the matrix -->"
OWN_BEGIN, OWN_END = "<!-- troubles of this machine: written by make reliability -->", "<!-- end of the troubles -->"
LETTERS = {0: "OK", 1: "W", 2: "C", 3: "U"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.reliability", description=__doc__)
    parser.add_argument("only", nargs="*", help="columns or faults")
    parser.add_argument("--write", type=Path, metavar="FILE", help="page to put the table into")
    parser.add_argument(
        "--sentences",
        type=Path,
        metavar="FILE",
        help="list of what every cell says first; no troubles, and how late a run ends is not judged",
    )
    parser.add_argument("--door", action="store_true", help="compare with what a worker says; nothing else")
    parser.add_argument("--at-once", type=int, default=2 * processors(), help="runs at a time")
    args = parser.parse_args()
    wanted = [
        cell
        for column in matrix.COLUMNS
        for cell in matrix.cells(column)
        if not args.only or column.name in args.only or cell.fault in args.only
    ]
    if args.door:
        return _compare(wanted, args.at_once)
    # what is said does not depend on the pace of the machine, unless it has no time left to come to the fault
    limits = matrix.Limits(late_s=math.inf, busy=True) if args.sentences else matrix.Limits()
    began = time.monotonic()
    results = []
    with tempfile.TemporaryDirectory() as directory, Peers(Path(directory) / "grid") as peers:
        for result in matrix.carry_out_all(wanted, peers, Path(directory), limits, at_once=args.at_once):
            results.append(result)
            if result.complaints:
                print(result, flush=True)
    figures = _figures(results, time.monotonic() - began, limits.deadline_s) if results else "no fault was chosen"
    print(figures)
    if args.sentences:
        said = sentences.all_said(results)
        args.sentences.write_text("".join(f"{each}\n" for each in said))
        return 1 if any(each.complaints for each in results) else 0
    own = list(_troubles(args.only, args.at_once))
    if args.write:
        _write(args.write, BEGIN, END, f"{figures}\n\n{_table(results)}")
        _write(args.write, OWN_BEGIN, OWN_END, _own_table(own))
    return 1 if any(each.complaints for each in [*results, *own]) else 0


def _compare(wanted: Iterable[matrix.Cell], at_once: int) -> int:
    """Whether anything that a worker says differs from what its caller says by itself: the exit code."""
    began = time.monotonic()
    limits = matrix.Limits(busy=True)
    compared = []
    with (
        tempfile.TemporaryDirectory() as name,
        Peers(Path(name) / "grid") as peers,
        door.Door(Path(name) / "door") as worker,
    ):
        for each in door.compare_all(door.cells(wanted), peers, Path(name), limits, worker, at_once=at_once):
            compared.append(each)
            if each.differences:
                print(each, flush=True)
        complaints = worker.complaints(compared)
    different = sum(1 for each in compared if each.differences)
    unjudged = sum(1 for each in compared if each.unjudged)
    again = sum(1 for each in compared if each.tries > 1)
    runs = sum(each.tries * len(each.served) for each in compared)
    print(
        f"{len(compared)} cells in {time.monotonic() - began:.0f} s, {runs} runs through the door: {different} differ, "
        f"{again} were repeated, {unjudged} not judged (this machine is too busy). {'; '.join(complaints)}".rstrip()
    )
    return 1 if different or complaints else 0


def _troubles(only: list[str], at_once: int) -> Iterator[troubles.Result]:
    """The results of every executable in every trouble of this machine that can be made here."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        grid = troubles.Grid(directory / "grid")
        usual = troubles.references(grid, directory, at_once=at_once)
        for trouble in troubles.TROUBLES:
            columns = [each for each in troubles.COLUMNS if not only or trouble in only or each.name in only]
            if not columns:
                continue
            if why := troubles.why_not(trouble):
                print(f"{trouble}: {why}", flush=True)
                continue
            run_all = troubles.carry_out_all(trouble, grid, directory / trouble, usual, columns, at_once=at_once)
            for result in run_all:
                yield result
                if result.complaints:
                    print(result, flush=True)


def _write(path: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page."""
    page = path.read_text()
    path.write_text(re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.DOTALL))


def _figures(results: list[matrix.Result], took_s: float, deadline_s: float) -> str:
    late = max((each.outcome.seconds - deadline_s for each in results if each.cell.waits), default=0.0)
    largest = max(results, key=lambda each: each.outcome.peak_kib)
    at_fault = sum(1 for each in results if each.complaints)
    said = sentences.figures(sentences.all_said(results))
    return (
        f"{len(results)} runs in {took_s:.0f} s: {at_fault} with a complaint. The latest ended {late:.2f} s after its "
        f"deadline of {deadline_s:g} s; the largest used {largest.outcome.peak_kib / 1024:.0f} MiB "
        f"({largest.cell.column.name}, {largest.cell.fault}). {said}"
    )


def _table(results: Iterable[matrix.Result]) -> str:
    """Rows of faults, columns of executables; the letter of each exit code, `!` where it is not the expected one."""
    found = {(each.cell.column.name, each.cell.fault): each for each in results}
    names = [column.name for column in matrix.COLUMNS]
    lines = ["| fault | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for fault in FAULTS:
        shown = []
        for column in matrix.COLUMNS:
            result = found.get((column.name, fault))
            shown.append("" if result is None else _letter(result))
        lines.append(f"| {fault} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _own_table(results: Iterable[troubles.Result]) -> str:
    """Rows of troubles, columns of executables, as `_table` has them; a run that came through has its usual result."""
    found = {(each.column.name, each.trouble): each for each in results}
    names = [column.name for column in troubles.COLUMNS]
    lines = ["| trouble | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for trouble in troubles.TROUBLES:
        shown = []
        for name in names:
            result = found.get((name, trouble))
            shown.append("" if result is None else "!" if result.complaints else result.word)
        lines.append(f"| {trouble} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _letter(result: matrix.Result) -> str:
    if result.complaints:
        return "!"
    if result.cell.column.name == "fedcloud-ncg" and result.outcome.code == matrix.NOT_WRITTEN:
        return "kept"
    return LETTERS[result.outcome.code]


if __name__ == "__main__":
    sys.exit(main())
