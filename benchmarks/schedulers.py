"""Checks per second and processor time per check in Icinga 2 and in NRPE: `python -m benchmarks.schedulers`.

C check_http, check_apel_pub through the door of a fedcloud-worker, and check_apel_pub by itself, on the same URL over
TLS. check_apel_pub verifies the certificate each time, check_http does not. Icinga runs as whoever starts this; NRPE,
whose own TLS is off because it costs all of them the same, is asked over loopback by as many threads as may run at
once. More checks are due than can be run, so that the rate is what the machine gives. Processor time is the kernel's
account of Icinga or NRPE, all that it starts, and the worker; that of the peer and of who asks NRPE is not in it. What
is counted are the peer's connections. Rounds alternate; medians are shown. Needs root, icinga2-bin, nagios-nrpe-server
and monitoring-plugins-basic.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import PLUGINS, Account, Peer, machine, median, memory_mib, progress, table
from benchmarks.monitors import PACKAGED, User, WorkerAs, ask_nrpe, icinga, in_threads, nrpe, plain_environment
from benchmarks.worker import portal
from tests.conftest import ROOT, command
from tests.pace import until

SERVICES = 200
INTERVAL_S = 0.25
NAME = "page"


class PackagedWorkerAs(WorkerAs):
    python = PACKAGED


class Rate(NamedTuple):
    """checks_s: per second. cpu_ms: per check, of all. own_ms: the worker's part. served: share through the door."""

    checks_s: float
    cpu_ms: float
    own_ms: float
    served: float
    memory_mib: float


class Way(NamedTuple):
    """A command line, and whether a worker is there for it, at whose door `%DOOR%` of the words is."""

    name: str
    words: list[str]
    is_warm: bool


def ways(asked: Peer, path: str, cas: Path) -> list[Way]:
    theirs = [
        f"{PLUGINS}/check_http",
        "-S",
        "--sni",
        "-I",
        "127.0.0.1",
        "-H",
        "localhost",
        "-p",
        f"{asked.port}",
        "-u",
        path,
    ]
    url = f"https://localhost:{asked.port}{path}"
    ours = [*PACKAGED, f"{ROOT}/probes/check_apel_pub", "--site", "SITE-7", "-u", url, "--ca-path", str(cas)]
    return [
        Way("C check_http (does not verify)", theirs, False),
        Way("check_apel_pub through the door (verifies)", [*ours, "--worker", "%DOOR%"], True),
        Way("check_apel_pub by itself (verifies)", [*ours, "--worker", "no"], False),
    ]


def _with_icinga(stack: ExitStack, directory: Path, words: list[str], at_once: int, _user: User) -> None:
    stack.enter_context(icinga(directory, {f"{NAME}{n}": words for n in range(SERVICES)}, at_once, INTERVAL_S))


def _with_nrpe(stack: ExitStack, directory: Path, words: list[str], at_once: int, user: User) -> None:
    port = stack.enter_context(nrpe(directory, {NAME: words}, user))
    code, said = ask_nrpe(port, NAME)
    if code:
        sys.exit(f"{' '.join(words)} says {said!r}")
    asking = in_threads(at_once, lambda _: _expect_ok(*ask_nrpe(port, NAME)))
    stack.enter_context(asking)


def _expect_ok(code: int, said: str) -> None:
    if code:
        raise RuntimeError(f"a check was not OK: {said!r}")


SCHEDULERS: dict[str, Callable[[ExitStack, Path, list[str], int, User], None]] = {
    "Icinga 2": _with_icinga,
    "NRPE": _with_nrpe,
}


def measured(scheduler: str, way: Way, asked: Peer, at_once: int, seconds: float, warm_up_s: float) -> Rate:
    user = User(unprivileged=scheduler == "NRPE")
    of_checks, of_worker = Account("checks"), Account("worker")
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch, ExitStack() as stack:
        directory = Path(scratch)
        stack.callback(of_checks.close)
        stack.callback(of_worker.close)
        door, home = directory / "home/room/door", directory / "home"
        home.mkdir()
        user.own(home)
        worker = PackagedWorkerAs(user, directory, "--door", door, **plain_environment(home)) if way.is_warm else None
        if worker is not None:
            stack.callback(worker.kill)
            with of_worker:
                worker.start()
            until(lambda: "open to" in worker.said())

        def served() -> int:
            asking = [*user.prefix, *command("fedcloud-worker", "--status", "--as", "json", "--door", door)]
            done = subprocess.run(asking, capture_output=True, text=True, env=plain_environment(home), check=True)
            return int(json.loads(done.stdout)["calls"]["served"])

        first = asked.connections
        words = [word.replace("%DOOR%", str(door)) for word in way.words]
        with of_checks:
            SCHEDULERS[scheduler](stack, directory, words, at_once, user)
        until(lambda: asked.connections > first)
        time.sleep(warm_up_s)
        before = served() if worker else 0
        first, began = asked.connections, time.monotonic()
        cpu, own = of_checks.seconds(), of_worker.seconds()
        time.sleep(seconds)
        took, count = time.monotonic() - began, max(1, asked.connections - first)
        own = of_worker.seconds() - own
        cpu = of_checks.seconds() - cpu + own
        share = (served() - before) / count if worker else 0.0
        memory = memory_mib(worker.family()) if worker else 0.0
        return Rate(count / took, cpu / count * 1000, own / count * 1000, share, memory)


def compare(scheduler: str, rounds: int, at_once: int, seconds: float, warm_up_s: float) -> None:
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch, portal(Path(scratch)) as (asked, path, cas):
        Path(scratch).chmod(0o755)
        plans = ways(asked, path, cas)
        found: dict[str, list[Rate]] = {way.name: [] for way in plans}
        for number in range(rounds):
            for way in plans:
                progress(f"{scheduler}, round {number + 1} of {rounds}: {way.name}")
                found[way.name].append(measured(scheduler, way, asked, at_once, seconds, warm_up_s))
    reference = found[plans[0].name]
    checks_of_c, cpu_of_c = (median([each[column] for each in reference]) for column in (0, 1))
    rows = []
    for way in plans:
        rates = found[way.name]
        checks, cpu, own, share, _ = (median([each[column] for each in rates]) for column in range(5))
        told = (f"{own:.2f}", f"{share * 100:.0f}", f"{max(each.memory_mib for each in rates):.0f}")
        figures = (f"{checks:.0f}", f"{checks / checks_of_c:.2f}", f"{cpu:.2f}", f"{cpu / cpu_of_c:.2f}")
        rows.append((way.name, *figures, *(told if way.is_warm else ("", "", ""))))
    head = (scheduler, "checks/s", "x C", "CPU ms per check", "x C", "of it the worker", "% served", "worker MiB")
    table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=4.0, metavar="SECONDS")
    parser.add_argument("--at-once", type=int, default=8, help="checks that may run at a time")
    parser.add_argument("--only", choices=tuple(SCHEDULERS))
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    for scheduler in SCHEDULERS:
        if args.only in (None, scheduler):
            compare(scheduler, args.rounds, args.at_once, args.seconds, args.warm_up)


if __name__ == "__main__":
    main()
