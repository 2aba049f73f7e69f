"""Fuzz the targets, one after the other, each in a process of its own.

    python -m fuzz [--seconds 60] [--seed N] [TARGET...]    look for defects; what is found goes to build/fuzz/TARGET/
    python -m fuzz --inputs N [--seed N] [TARGET...]        the same, with N inputs however long that takes
    python -m fuzz --replay [TARGET...]                     read every file of the corpora, without instrumentation
    python -m fuzz --swell [TARGET...]                      the same, each repeated up to 512 KiB: time must not explode
    python -m fuzz --seeds [TARGET...]                      write the targets' first inputs into their corpora
    python -m fuzz --keep [TARGET...]                       take into the corpora what reaches code that they do not

Exit code 1 and the input's file when a defect was found.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from fuzz import judged, targets

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CORPUS = HERE / "corpus"
BUILD = ROOT / "build/fuzz"

HANG_S = 20
"""Seconds after which one input counts as a hang; the slowest of the corpora takes a hundredth."""

MEMORY_MB = 1024
"""What a fuzzing process may take, instrumentation and all that the fuzzer keeps included."""

SWELL_BYTES = 512 << 10
SWELL_S = 5.0
KEPT_FILES = 60
KEPT_BYTES = 2 << 10
"""How many files of which size a corpus may take in at most; seeds and what was a defect may be larger."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("target", nargs="*", choices=[*targets.NAMES, []], metavar="TARGET", help="default: all")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target (default %(default)s)")
    parser.add_argument(
        "--inputs", type=int, default=0, metavar="N", help="inputs for each target, however long it takes"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of choices: a session that can be repeated")
    for name in ("replay", "swell", "seeds", "keep"):
        parser.add_argument(f"--{name}", action="store_true")
    args = parser.parse_args()
    names = args.target or targets.NAMES
    if args.replay:
        return _all_of(replay(name) for name in names)
    if args.swell:
        return _all_of(swell(name) for name in names)
    if args.seeds:
        return _all_of(write_seeds(name) for name in names)
    if args.keep:
        return _all_of(keep(name) for name in names)
    limit = f"-runs={args.inputs}" if args.inputs else f"-max_total_time={args.seconds}"
    return _all_of(fuzz(name, limit, args.seed) for name in names)


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    pass


def _all_of(successes: Iterator[bool]) -> int:
    return 0 if all([*successes]) else 1


def files(name: str) -> list[Path]:
    """The corpus of a target, in the order of names."""
    return sorted((CORPUS / name).iterdir())


# ---- with the fuzzer


def fuzz(name: str, limit: str, seed: int) -> bool:
    """Fuzz one target. What reaches new code is collected in build/fuzz/TARGET/corpus.

    limit: the fuzzer's option that ends it; with a number of inputs a slow machine looks as far as a quick one.
    seed: 0 for another way each time; with any other nothing of earlier sessions is used.
    """
    work = BUILD / name
    collected = work / ("repeatable" if seed else "corpus")
    if seed:
        shutil.rmtree(collected, ignore_errors=True)
    collected.mkdir(parents=True, exist_ok=True)
    words = work / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in targets.load(name).WORDS))
    began = time.monotonic()
    done = _run_fuzzer(
        name,
        limit,
        f"-seed={seed}",
        f"-dict={words}",
        f"-max_len={targets.load(name).MAX_BYTES}",
        "-reload=0",
        "-print_final_stats=1",
        str(collected),
        str(CORPUS / name),
    )
    (work / "log").write_bytes(done.stdout)
    runs, covered = _statistics(done.stdout.decode(errors="replace"))
    ok = done.returncode == 0
    print(f"{name}: {runs} inputs in {time.monotonic() - began:.0f} s, {covered} edges, {'fine' if ok else 'A DEFECT'}")
    if not ok:
        print(_tail(done.stdout))
    sys.stdout.flush()
    return ok


def keep(name: str) -> bool:
    """Add to the kept corpus the smallest inputs of build/fuzz/TARGET/corpus that reach what it does not reach."""
    read = targets.load(name).read
    known: set[Arc] = set()
    for path in files(name):
        known |= reached(read, path.read_bytes())
    collected = BUILD / name / "corpus"
    found = sorted((path.read_bytes() for path in collected.iterdir()), key=len) if collected.exists() else []
    for data in found:
        if len(data) > KEPT_BYTES or len(files(name)) >= KEPT_FILES:
            break
        more = reached(read, data) - known
        if more:
            known |= more
            (CORPUS / name / _digest(data)).write_bytes(data)
    print(f"{name}: {len(files(name))} files, {sum(path.stat().st_size for path in files(name)) >> 10} KiB")
    return True


Arc = tuple[str, int, int]
"""A step in our own code: file, line before, line after."""


def reached(read: Callable[[bytes], object], data: bytes) -> set[Arc]:
    """The steps that reading an input takes."""
    arcs: set[Arc] = set()

    def enter(frame: FrameType, event: str, _: object) -> object:
        name = frame.f_code.co_filename
        if "/libprobe/" not in name:
            return None
        before = 0

        def step(frame: FrameType, event: str, _: object) -> object:
            nonlocal before
            arcs.add((name, before, frame.f_lineno))
            before = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        judged.judge(read, data)
    finally:
        sys.settrace(None)
    return arcs


def _run_fuzzer(name: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    artifacts = BUILD / name / "found-"
    return subprocess.run(
        [
            sys.executable, "-m", "fuzz.run", name, f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}",
            f"-artifact_prefix={artifacts}", *options,
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
    )  # fmt: skip


def _statistics(log: str) -> tuple[str, str]:
    runs = covered = "0"
    for line in log.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            runs = line.split()[-1]
        elif line.startswith("#") and " cov: " in line:
            covered = line.partition(" cov: ")[2].split()[0]
    return runs, covered


def _tail(log: bytes) -> str:
    lines = log.decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("#", "INFO")))[-4000:]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


# ---- without it


def replay(name: str) -> bool:
    """Read every file of a corpus. Raises: whatever is a defect."""
    began = time.process_time()
    read = targets.load(name).read
    found = files(name)
    for path in found:
        try:
            judged.judge(read, path.read_bytes())
        except BaseException as defect:
            defect.add_note(f"the input is {path}")
            raise
    print(f"{name}: {len(found)} files in {time.process_time() - began:.2f} s of processor time")
    return True


def swell(name: str) -> bool:
    """Read every file of a corpus made large, in three ways; a reader that needs more than SWELL_S is a defect."""
    read = targets.load(name).read
    worst, ok = 0.0, True
    for path in files(name):
        for kind, data in swollen(path.read_bytes()):
            began = time.process_time()
            judged.judge(read, data)
            taken = time.process_time() - began
            worst = max(worst, taken)
            if taken > SWELL_S:
                ok = False
                print(f"{name}: {path.name}, {kind}, takes {taken:.1f} s for {len(data)} bytes")
    print(f"{name}: at most {worst:.2f} s of processor time for {SWELL_BYTES >> 10} KiB")
    return ok


def swollen(data: bytes, size: int = SWELL_BYTES) -> Iterator[tuple[str, bytes]]:
    """An input made large: repeated whole, its middle repeated, its last piece repeated."""
    if not data:
        return
    yield "repeated", (data * (size // len(data) + 1))[:size]
    third = max(1, len(data) // 3)
    middle = data[third : 2 * third] or data
    yield "its middle repeated", data[:third] + middle * (size // len(middle)) + data[2 * third :]
    yield "its end repeated", data + data[-4:] * (size // len(data[-4:]))


def write_seeds(name: str) -> bool:
    """Write the first inputs of a target; files of these names are replaced."""
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for seed, data in targets.load(name).seeds().items():
        judged.judge(targets.load(name).read, data)
        (CORPUS / name / seed).write_bytes(data)
    print(f"{name}: {len(files(name))} files")
    return True


if __name__ == "__main__":
    sys.exit(main())
