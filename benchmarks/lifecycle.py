"""What check_occi_vm adds to the time that the cloud takes: `python -m benchmarks.lifecycle [--slow]`.

A cloud of the embedded federation whose VMs become active after a number of seconds and are removed at once;
with --slow one of two minutes too. The cloud's own time is that, and what its answers took is counted
neither way. Polls are requests for the VM; connections are those that the probe opened, of all servers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import machine, median, progress, table
from tests.conftest import clean_environment, command
from tests.federation.federation import Federation


def run(federation: Federation, name: str, directory: Path) -> tuple[float, float, int, int, int]:
    """Seconds of the whole process and to active as the probe has it, polls, requests, connections."""
    site = federation.sites[name]
    servers = [
        site.web,
        federation.gocdb.server,
        *([federation.service(f"{name}-keystone").web] if site.keystone else []),
    ]
    for server in servers:
        server.requests.clear()
    before = sum(server.connections for server in servers)
    began = time.monotonic()
    done = subprocess.run(
        command("check_occi_vm", "-H", site.hostname, "--state-dir", directory / "state", "-t", "300"),
        capture_output=True,
        text=True,
        env=clean_environment(**federation.environment(), HOME=directory),
    )
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    active = float(done.stdout.split("time_to_active=")[1].split("s")[0])
    exchanges = [exchange for server in servers for exchange in server.requests]
    polls = [one for one in site.web.requests if one.request.method == "GET" and "/compute/" in one.request.path]
    return seconds, active, len(polls), len(exchanges), sum(server.connections for server in servers) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slow", action="store_true", help="a VM that takes 120 s as well")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--site", default="ooi", help="a site of the federation (default ooi, with a Keystone)")
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        directory = Path(scratch)
        with Federation(directory / "federation") as federation:
            site = federation.sites[args.site]
            run(federation, args.site, directory)  # the GOCDB's answer is kept from here on
            for takes in (0.0, 2.0, 10.0, *([120.0] if args.slow else [])):
                site.occi.build_seconds = takes
                found = []
                for number in range(args.rounds if takes < 60 else 1):
                    progress(f"{takes:g} s, round {number + 1}")
                    found.append(run(federation, args.site, directory))
                whole, active, polls, requests, connections = (median(column) for column in zip(*found, strict=True))
                rows.append(
                    (
                        f"{takes:g}",
                        f"{active:.2f}",
                        f"{active - takes:+.2f}",
                        f"{whole - takes:+.2f}",
                        f"{(whole - takes) / takes:.1%}" if takes else "",
                        f"{polls:.0f}",
                        f"{requests:.0f}",
                        f"{connections:.0f}",
                    )
                )
    head = ("VM active after s", "seen after s", "late by s", "process adds s", "of the time", "polls", "requests")
    table((*head, "connections"), rows)


if __name__ == "__main__":
    main()
