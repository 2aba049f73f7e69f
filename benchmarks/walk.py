"""How often somebody changes the file, and the folder, who follows one run of a probe through the library.

    python -m benchmarks.walk [--checkout DIR] [NAME ...]

A good run with -H: from the GOCDB's answer, by the endpoint's URL in it, to the status line. A step is a call of a
function in another file than that of its caller, counted once for each pair of functions; the return to the caller is
none, nor is what runs while a module is loaded. Some steps lead back into a file, or a folder, that was left before,
and some up the map of ARCHITECTURE.md.
--checkout: another version of the project, whose executables are run against the federation of this one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import table
from tests.conftest import ROOT, clean_environment
from tests.federation.federation import OCCI, Federation

PROBES = ("check_endpoint_tcp", "check_occi_vm", "check_perun")

TRACER = """
import functools, inspect, json, os, runpy, sys
checkout, steps, *words = sys.argv[1:]
library, probes = (os.path.join(os.path.realpath(checkout), folder, "") for folder in ("libprobe", "probes"))
walked, seen, LOADING = [], set(), "a module that is loaded"

@functools.cache
def file_of(code):
    path = os.path.realpath(code.co_filename)
    if code.co_name == "<module>" and path.startswith(library):
        return LOADING
    if code.co_flags & inspect.CO_OPTIMIZED and path.startswith((library, probes)):
        return os.path.relpath(path, checkout)
    return ""

def follow(frame, event, _):
    if event != "call" or (called := file_of(frame.f_code)) in ("", LOADING):
        return
    caller = frame.f_back
    while caller and not file_of(caller.f_code):
        caller = caller.f_back
    place = file_of(caller.f_code) if caller else ""
    step = (caller and caller.f_code, frame.f_code)
    if place not in (called, LOADING) and step not in seen:
        seen.add(step)
        walked.append((place, called))

def end(code, leave=os._exit):
    sys.setprofile(None)
    with open(steps, "w") as file:
        json.dump(walked, file)
    leave(code)

os._exit = end
sys.argv = words
sys.path.insert(0, checkout)
sys.setprofile(follow)
runpy.run_path(words[0], run_name="__main__")
"""
"""Run one executable, which ends by os._exit, and write from which file into which each step leads."""


MAP = ("probes", "probe", "checks", "targets", "judge", "clients", "timelines", "state", "formats", "")
"""The folders of the library from top to bottom, as ARCHITECTURE.md has them; the last is `libprobe` itself."""

Step = tuple[str, str]


def walk(checkout: Path, name: str, arguments: list[str], directory: Path, environment: dict[str, str]) -> list[Step]:
    """From which file into which each step of one run leads, in their order; the first comes from none.

    Files are relative to the checkout.
    """
    steps = directory / "steps"
    words = [sys.executable, "-c", TRACER, checkout, steps, checkout / "probes" / name, *arguments, "-t", "10m"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=directory)
    if done.returncode or done.stderr:
        sys.exit(f"{name} {' '.join(arguments)}: {done.returncode}: {done.stdout}{done.stderr}")
    return [(before, called) for before, called in json.loads(steps.read_text())]


def is_upwards(step: Step) -> bool:
    """Whether a step leads up the map: to what was handed down, since imports lead downwards only."""
    if not step[0]:
        return False
    before, called = (MAP.index(file.removeprefix("libprobe/").rpartition("/")[0].partition("/")[0]) for file in step)
    return called < before


def counted(places: list[str]) -> tuple[int, int, int]:
    """How many places there are, how many steps lead into one, and how many of these into one that was left before."""
    seen: set[str] = set()
    back = 0
    for before, place in zip(["", *places], places, strict=False):
        back += place != before and place in seen
        seen.add(place)
    return len(seen), len(places), back


def main() -> None:
    parser = argparse.ArgumentParser(prog="walk", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"probes (default: {' '.join(PROBES)})")
    parser.add_argument("--checkout", type=Path, default=ROOT, metavar="DIR", help="default: this one")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        directory = Path(scratch)
        with Federation(directory / "federation") as federation:
            host = federation.site("ooi").hostname
            ways = {
                "check_endpoint_tcp": ["-H", host, "--service-type", OCCI],
                "check_occi_vm": ["-H", host],
                "check_perun": ["-H", "perun.fedcloud.test"],
            }
            environment = clean_environment(**federation.environment(), HOME=directory)
            for name in args.names or PROBES:
                steps = walk(args.checkout.resolve(), name, ways[name], directory, environment)
                called = [file for _, file in steps]
                folders = [file.rpartition("/")[0] for file in called]
                entered = [folder for before, folder in zip(["", *folders], folders, strict=False) if folder != before]
                up = sum(map(is_upwards, steps)) if (args.checkout / "libprobe/probe").is_dir() else "-"
                rows.append([name, *counted(called), up, *counted(entered)])
    head = ("run with -H", "files", "steps", "back to one left", "up the map", "folders", "steps", "back to one left")
    table(head, rows)


if __name__ == "__main__":
    main()
