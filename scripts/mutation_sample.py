"""A random sample of the changes of `make mutation`, each judged by the test files that belong to the changed module.

    make mutation-sample WHAT="state clients/ways.py" SEED=11 COUNT=50

`make mutation` tries every change, by tests that run within their own process. The clients, the life of a VM and the
state directory are tried by other test files, many of them over the executables, and running those for every change
would take days. So this draws COUNT changes of each folder or module of libprobe by a seed, puts each into the source
of a copy of the tree, and runs the module's own test files (the one of the same name, and those of the table in
ARCHITECTURE.md) until one fails. Two runs with the same seed and source try the same changes; those are mutmut's.

What makes a test run out of time is noticed only if the same tests end without it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("*.git", ".venv*", "mutants", "__pycache__", ".*_cache", "build", "dist")
NOTICED, UNNOTICED, UNTESTED, UNJUDGED = "noticed", "not noticed", "no test files", "not judged"


class Change(NamedTuple):
    module: str
    """Path below the root."""
    number: int
    """Which of the changes of its module, in the order of the source."""
    line: int
    before: str
    after: str
    source: str
    """The whole module with the change."""


def test_files(module: str) -> list[str]:
    """The files that try a module, by its name or by the table of ARCHITECTURE.md."""
    own = ROOT / "tests" / Path(module).relative_to("libprobe").with_name(f"test_{Path(module).name}")
    found = [str(own.relative_to(ROOT))] if own.is_file() else []
    name = str(Path(module).relative_to("libprobe").with_suffix(""))
    for row in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        *modules, tests = re.findall("`([^`]+)`", row) or [""]
        if row.startswith("| `") and name in modules:
            found.append(tests)
    return found


def sample(folder: str, seed: str, count: int, skip: int) -> list[Change]:
    """Changes that mutmut would make in a folder, or a module, of libprobe."""
    from mutmut.mutation.file_mutation import create_mutations

    paths = [ROOT / "libprobe" / folder] if folder.endswith(".py") else sorted(ROOT.glob(f"libprobe/{folder}/*.py"))
    everything = []
    for path in paths:
        module = str(path.relative_to(ROOT))
        tree, mutations, _, _ = create_mutations(module, path.read_text())
        everything += [(module, tree, number, each) for number, each in enumerate(mutations)]
    print(f"{folder}: {len(everything)} changes", flush=True)
    random.Random(f"{seed} {folder}").shuffle(everything)
    found = []
    for module, tree, number, each in everything[skip : skip + count]:
        source = tree.deep_replace(each.original_node, each.mutated_node).code
        pairs = enumerate(zip(tree.code.splitlines(), source.splitlines(), strict=False), start=1)
        line = next((place for place, (old, new) in pairs if old != new), 0)
        before, after = (tree.code_for_node(node).strip() for node in (each.original_node, each.mutated_node))
        found.append(Change(module, number, line, before, after, source))
    return found


def run(tree: Path, files: list[str], limit_s: float) -> tuple[str, str]:
    """How the tests end in a tree: a state, and the first test that failed."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:rerunfailures", *files]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    environment.pop("PYTEST_ADDOPTS", None)  # options of a plugin that is switched off here, as those of .ci/run
    process = subprocess.Popen(
        [tree / "scripts/with-local-names", *words],
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return UNJUDGED, "the time was up"
    if process.returncode not in (0, 1, 2):  # of pytest: passed, failed, or not even to be imported
        return UNJUDGED, out.strip()[-300:]
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", out, re.MULTILINE)
    return (UNNOTICED, "") if process.returncode == 0 else (NOTICED, failed[0] if failed else out.strip()[-300:])


class Judge:
    """Judges changes in a few copies of the tree."""

    def __init__(self, directory: Path, at_once: int, limit_s: float, tests: list[str]) -> None:
        self._limit_s = limit_s
        self._tests = tests
        self._trees = []
        self._lock = threading.Lock()
        for number in range(at_once):
            tree = directory / str(number)
            shutil.rmtree(tree, ignore_errors=True)
            shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(*COPIED))
            self._trees.append(tree)

    def judge(self, change: Change) -> dict[str, object]:
        files = self._tests or test_files(change.module)
        began = time.monotonic()
        state, by = UNTESTED, ""
        if files:
            with self._lock:
                tree = self._trees.pop()
            target = tree / change.module
            whole = target.read_text()
            try:
                target.write_text(change.source)
                state, by = run(tree, files, self._limit_s)
                target.write_text(whole)
                if by == "the time was up" and run(tree, files, self._limit_s)[0] == UNNOTICED:
                    state, by = NOTICED, "the time that it took"
            finally:
                target.write_text(whole)
                with self._lock:
                    self._trees.append(tree)
        told = {key: value for key, value in change._asdict().items() if key != "source"}
        return {**told, "state": state, "by": by, "seconds": round(time.monotonic() - began)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of libprobe, or modules as checks/tcp.py")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--count", type=int, default=50, help="changes of each folder (%(default)s)")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first of them: to go on with a sample")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--limit", type=float, default=900, help="seconds for the tests of one change (%(default)g)")
    parser.add_argument("--tests", nargs="+", default=[], help="run these instead of the module's own test files")
    parser.add_argument("--directory", type=Path, default=ROOT / "mutants/sample")
    args = parser.parse_args()
    drawn = [sample(folder, args.seed, args.count, args.skip) for folder in args.folders]
    args.directory.mkdir(parents=True, exist_ok=True)
    judge = Judge(args.directory, args.at_once, args.limit, args.tests)
    mixed = [each[place] for place in range(args.count) for each in drawn if place < len(each)]
    results = []
    with ThreadPoolExecutor(args.at_once) as pool, open(args.directory / "results.jsonl", "a") as file:
        for result in pool.map(judge.judge, mixed):
            results.append(result)
            file.write(json.dumps(result) + "\n")
            file.flush()
            if result["state"] != NOTICED:
                print(
                    f"{result['state']}: {result['module']}:{result['line']}: {result['before']} -> {result['after']}"
                )
    print("| what | changes | noticed | not judged | score |\n|---|---|---|---|---|")
    for folder in args.folders:
        own = [each["state"] for each in results if str(each["module"]).startswith(f"libprobe/{folder}")]
        judged = [state for state in own if state != UNJUDGED]
        score = f"{100 * judged.count(NOTICED) / len(judged):.0f} %" if judged else "-"
        print(f"| `{folder}` | {len(own)} | {judged.count(NOTICED)} | {len(own) - len(judged)} | {score} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
