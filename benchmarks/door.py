"""What an executable costs with a worker behind the door, and without: `python -m benchmarks.door [--rounds N]`.

Each round runs the bare interpreter (`python -c pass`), the executable by itself, and through the door, one after
the other, and divides by the bare one of that round: ratios hold on a machine on which times do not. Wall time of
the whole process, medians; processor time of caller and worker together, by the kernel's books of both, means, and of
the caller alone, the median of its ratio to the bare one. The good answers come from the embedded federation, in this
process and in those of the servers that it starts, such as the message broker, whose time is in all wall times; "less
peer" is without the processor time that they took meanwhile, more than in rounds of the bare interpreter. Needs root,
as `measure.Account` does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.cold_start import BARE, REFUSED, good
from benchmarks.measure import Account, family, machine, median, processor_s, progress, table
from benchmarks.monitors import PACKAGED, PackagedWorker
from tests.conftest import ROOT, clean_environment, command
from tests.federation.federation import Federation
from tests.pace import until


class Run(NamedTuple):
    """A process that has ended. federation_s: processor time that the federation took meanwhile."""

    seconds: float
    federation_s: float
    processor_s: float
    peak_mib: float
    code: int


def started(words: list[str], environment: dict[str, str], servers: Account) -> Run:
    """Run a command; its wall time, and its own processor time and peak memory."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began, own = time.monotonic(), time.process_time() + servers.seconds()
    child = os.posix_spawn(words[0], words, environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    took = time.monotonic() - began
    own = time.process_time() + servers.seconds() - own
    return Run(took, own, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


def measured(
    words: list[str], rounds: int, environment: dict[str, str], servers: Account, door: Path, worker: PackagedWorker
) -> list[str]:
    ways = {"bare": (BARE, "no"), "alone": (words, "no"), "door": (words, str(door))}
    found: dict[str, list[Run]] = {way: [] for way in ways}
    of_worker = 0.0
    for number in range(rounds + 2):  # two to warm up: the second call from a place gets its runner
        for way, (command_line, where) in ways.items():
            before = processor_s(family(worker.process.pid)) if way == "door" else 0.0
            run = started(command_line, {**environment, "FEDCLOUD_PROBES_WORKER": where}, servers)
            if number >= 2:
                found[way].append(run)
                of_worker += processor_s(family(worker.process.pid)) - before if way == "door" else 0.0
    codes = {each.code for way in ("alone", "door") for each in found[way]}
    if len(codes) > 1:
        sys.exit(f"{' '.join(words)} exits with {codes}")
    bare, alone, door_ = (found[way] for way in ways)
    cpu = {way: sum(each.processor_s for each in runs) / rounds * 1000 for way, runs in found.items()}
    cpu["door"] += of_worker / rounds * 1000
    peer_s = max(0.0, sum(each.federation_s for each in door_) - sum(each.federation_s for each in bare)) / rounds
    return [
        f"{median([each.seconds for each in bare]) * 1000:.0f}",
        f"{median([each.seconds for each in alone]) * 1000:.0f}",
        f"{median([each.seconds for each in door_]) * 1000:.0f}",
        f"{median([one.seconds / other.seconds for one, other in zip(alone, bare, strict=True)]):.1f}",
        f"{median([one.seconds / other.seconds for one, other in zip(door_, bare, strict=True)]):.1f}",
        f"{peer_s * 1000:.0f}",
        f"{median([(one.seconds - peer_s) / other.seconds for one, other in zip(door_, bare, strict=True)]):.1f}",
        f"{cpu['bare']:.1f}",
        f"{median([one.processor_s / other.processor_s for one, other in zip(door_, bare, strict=True)]):.2f}",
        f"{cpu['alone']:.0f}",
        f"{cpu['door']:.0f}",
        f"{cpu['door'] / cpu['alone']:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("probes", nargs="*", help="only these executables")
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    rows, told = [], ""
    servers = Account("federation")
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch, ExitStack() as stack:
        directory = Path(scratch)
        door = directory / "room/door"
        stack.callback(servers.close)
        with servers:
            federation = stack.enter_context(Federation(directory / "federation"))
            if federation.broker is None and "check_broker" in (args.probes or ["check_broker"]):
                federation.add_broker()
        environment = clean_environment(**federation.environment(), HOME=directory)
        worker = PackagedWorker(None, directory, "--door", door, **clean_environment(HOME=directory)).start()
        try:
            until(lambda: "open to" in worker.said())
            well = good(federation)
            for name in args.probes or sorted(path.name for path in (ROOT / "probes").glob("check_*")):
                state = [] if name == "check_credential" else ["--state-dir", str(directory / "state")]
                for way, words in (("refused", REFUSED.get(name)), ("good answer", well.get(name))):
                    if words is not None:
                        progress(f"{name}: {way}")
                        line = [*PACKAGED, *command(name, *state, *words)[1:]]
                        rows.append([name, way, *measured(line, args.rounds, environment, servers, door, worker)])
            words = command("fedcloud-worker", "--status", "--door", door)
            told = subprocess.run(words, capture_output=True, text=True, env=environment).stdout
        finally:
            worker.kill()
    head = (
        "bare ms",
        "alone ms",
        "door ms",
        "alone x bare",
        "door x bare",
        "peer ms",
        "less peer x bare",
        "bare CPU ms",
        "caller CPU x",
        "alone CPU ms",
        "door CPU ms",
        "x",
    )
    table(("executable", "what", *head), rows)
    print(told)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
