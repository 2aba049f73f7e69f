"""What a probe costs beside waiting: `python -m benchmarks.cold_start [--rounds N] [PROBE...]`.

Every executable as Nagios starts it: its help, a usage error, an endpoint that refuses the connection, and a
good answer of the embedded federation, which runs in this process and whose answers take processor time too.
Each run follows one of the bare interpreter, `python -c pass` of the same environment, and is divided by it:
ratios hold on a machine on which times do not. Wall time and peak memory of the whole process, medians.
The last table has what the libraries alone cost: no probe that loads them can be quicker.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import machine, median, progress, table
from tests.conftest import ROOT, clean_environment, command
from tests.federation.federation import Federation

BARE = [sys.executable, "-c", "pass"]
STARTER = """\
import os, sys, time
silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
began = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), time.monotonic() - began, usage.ru_maxrss)
"""
"""Starts a command from a small process: Linux counts the starter's own size as a peak of what it starts."""

LEAN_REQUESTS = "libprobe.clients.transport"
"""requests as probes load it, with what adapts it."""

FLOORS = (
    "argparse",
    "ssl, http.client",
    "urllib3",
    "requests",
    LEAN_REQUESTS,
    f"argparse, {LEAN_REQUESTS}",
    "ldap3",
    "stomp",
    "cryptography.x509",
)
LEAN = "import gc, os; gc.disable(); import {}; os._exit(0)"
"""An import at its cheapest: no garbage collection, and no tidying up at the end."""


class Case(NamedTuple):
    """One way to run an executable: its options, and the exit codes that show that it went that way."""

    name: str
    way: str
    words: list[str]
    codes: tuple[int, ...]


class Run(NamedTuple):
    code: int
    seconds: float
    peak_mib: float


def started(words: list[str], environment: dict[str, str]) -> Run:
    """Run a command and measure the whole process."""
    starter = [sys.executable, "-I", "-S", "-c", STARTER, *words]
    done = subprocess.run(starter, capture_output=True, text=True, env=environment, check=True)
    code, seconds, peak = done.stdout.split()
    return Run(int(code), float(seconds), int(peak) / 1024)


def good(federation: Federation) -> dict[str, list[str]]:
    """Options with which each probe finds all well.

    By address, so that nothing else is asked on the way; those of OpenStack by host, whose GOCDB entry is kept.
    """
    site = federation.sites["ooi"]
    stack = ["-H", federation.cloud("stack").hostname]
    options = {
        "check_endpoint_tcp": ["-H", "127.0.0.1", "-p", str(site.web.port)],
        "check_apel_pub": ["--site", site.gocdb_name],
        "check_appdb_update": [],
        "check_perun": ["-u", f"{federation.service('perun').web.url}/"],
        "check_occi_context": ["-u", site.url],
        "check_occi_vm": ["-u", site.url],
        "check_openstack_vm": stack,
        "check_openstack_swift": stack,
        "check_openstack_images": stack,
        "check_cloud_info": stack,
        "check_credential": [],
    }
    if federation.bdii is not None:
        options["check_cloud_bdii"] = ["-u", federation.bdii.url, "--site", site.gocdb_name]
    if federation.broker is not None and federation.broker.plain:
        options["check_broker"] = ["-u", f"stomp://127.0.0.1:{federation.broker.plain}"]
    return options


REFUSED = {
    "check_endpoint_tcp": ["-H", "127.0.0.1", "-p", "1"],
    "check_apel_pub": ["--site", "OOI-CLOUD", "-u", "https://127.0.0.1:1/"],
    "check_appdb_update": ["-u", "https://127.0.0.1:1/"],
    "check_broker": ["-u", "stomp://127.0.0.1:1"],
    "check_cloud_bdii": ["-u", "ldap://127.0.0.1:1/o=glue", "--site", "OOI-CLOUD"],
    "check_perun": ["-u", "https://127.0.0.1:1/"],
    "check_occi_context": ["-u", "https://127.0.0.1:1/?image=a&resource=b"],
    "check_occi_vm": ["-u", "https://127.0.0.1:1/?image=a&resource=b"],
    "check_openstack_vm": ["-u", "https://127.0.0.1:1/v3"],
    "check_openstack_swift": ["-u", "https://127.0.0.1:1/v3"],
    "check_openstack_images": ["-u", "https://127.0.0.1:1/v3"],
}


def cases(names: list[str], federation: Federation) -> Iterator[Case]:
    well = good(federation)
    for name in names:
        yield Case(name, "--help", ["--help"], (3,))
        yield Case(name, "usage error", ["--no-such-option"], (3,))
        if name in REFUSED:
            yield Case(name, "refused", REFUSED[name], (2, 3))
        if name in well:
            yield Case(name, "good answer", well[name], (0,))
        elif name in REFUSED:
            progress(f"{name}: no good answer, its server is not installed here")


def measured(words: list[str], codes: tuple[int, ...], rounds: int, environment: dict[str, str]) -> list[str]:
    """The cells of a row: ms, times the bare interpreter, MiB, times the bare interpreter."""
    for warm in (BARE, words):
        started(warm, environment)
    bare, own = [], []
    for _ in range(rounds):
        bare.append(started(BARE, environment))
        own.append(started(words, environment))
    wrong = {each.code for each in own}.difference(codes)
    if wrong:
        sys.exit(f"{' '.join(words)} exits with {wrong} instead of {codes}")
    pairs = list(zip(own, bare, strict=True))
    return [
        f"{median([each.seconds for each in own]) * 1000:.0f}",
        f"{median([one.seconds / other.seconds for one, other in pairs]):.1f}",
        f"{median([each.peak_mib for each in own]):.1f}",
        f"{median([one.peak_mib / other.peak_mib for one, other in pairs]):.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ways", nargs="+", help="only these: --help, usage, refused, good")
    parser.add_argument("probes", nargs="*", help="only these executables")
    args = parser.parse_args()
    names = args.probes or sorted(path.name for path in (ROOT / "probes").glob("*[a-z]") if path.is_file())
    print(machine() + "\n", flush=True)
    head = ("ms", "x bare", "peak MiB", "x bare")
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        directory = Path(scratch)
        with Federation(directory / "federation") as federation:
            if "check_broker" in names and "good" in (args.ways or ["good"]):
                federation.add_broker()
            environment = clean_environment(**federation.environment(), HOME=directory)
            rows = []
            for case in cases(names, federation):
                if args.ways and case.way.split()[0] not in args.ways:
                    continue
                progress(f"{case.name}: {case.way}")
                words = command(case.name, *case.words)
                rows.append([case.name, case.way, *measured(words, case.codes, args.rounds, environment)])
    table(("executable", "what", *head), rows)
    environment = clean_environment(HOME="/nonexistent")
    rows = []
    for floor in FLOORS:
        progress(f"import {floor}")
        row = measured([sys.executable, "-c", LEAN.format(floor)], (0,), args.rounds, environment)
        rows.append([f"import {floor}", *row])
    table(("libraries alone", *head), rows)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
