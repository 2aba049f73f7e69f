"""Time and peak memory of fedcloud-ncg as topologies grow: `python -m benchmarks.ncg [ENDPOINTS...]`.

Each run is a process of its own. Peak memory is the generator's; checking, which runs the monitors
themselves, is a run of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SIZES = (30, 3_000, 100_000)
HOSTS_PER_SITE = 25

TYPES = (
    ("eu.egi.cloud.vm-management.occi", "https://{host}:8787/?image=image-{number}&amp;resource=small"),
    ("eu.egi.cloud.accounting", ""),
    ("eu.egi.cloud.information.bdii", "ldap://{host}:2170/o=glue"),
    ("eu.egi.cloud.storage-management.cdmi", "https://{host}:8080/"),
)
RECORD = """\
  <SERVICE_ENDPOINT PRIMARY_KEY="{number}G0">
    <PRIMARY_KEY>{number}G0</PRIMARY_KEY>
    <HOSTNAME>{host}</HOSTNAME>
    <GOCDB_PORTAL_URL>https://goc.example.org/portal/index.php?Page_Type=Service&amp;id={number}</GOCDB_PORTAL_URL>
    <HOSTDN>{padding}</HOSTDN>
    <BETA>N</BETA><SERVICE_TYPE>{service_type}</SERVICE_TYPE><CORE></CORE>
    <IN_PRODUCTION>Y</IN_PRODUCTION><NODE_MONITORED>Y</NODE_MONITORED><NOTIFICATIONS>N</NOTIFICATIONS>
    <SITENAME>SITE-{site:05d}</SITENAME><ROC_NAME>AsiaPacific</ROC_NAME>
    <URL>{url}</URL>
    <ENDPOINTS/><SCOPES><SCOPE>EGI</SCOPE></SCOPES><EXTENSIONS/>
  </SERVICE_ENDPOINT>
"""


STARTER = """\
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""Starts a command from a small process: Linux counts the starter's own size as a peak of what it starts."""


class Measured(NamedTuple):
    code: int
    seconds: float
    peak_mib: float


def write_topology(path: Path, endpoints: int, *, bytes_each: int = 0) -> None:
    """Write a GOCDB document, each record padded to `bytes_each` bytes."""
    with open(path, "w", encoding="ascii") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<results>\n')
        for number in range(endpoints):
            service_type, url = TYPES[number % len(TYPES)]
            host = f"cloud{number // len(TYPES)}.example.org"
            record = RECORD.format(
                number=number,
                host=host,
                service_type=service_type,
                site=number // len(TYPES) // HOSTS_PER_SITE,
                url=url.format(host=host, number=number),
                padding="{padding}",
            )
            file.write(record.replace("{padding}", "x" * max(0, bytes_each - len(record))))
        file.write("</results>\n")


def measure(topology: Path, output: Path, *more: str) -> Measured:
    """Run fedcloud-ncg once; more: its options, --no-validate if there are none."""
    words = ["--from", topology, "--output", output, "--definitions", ROOT / "etc/ncg", *(more or ["--no-validate"])]
    command = [sys.executable, str(ROOT / "probes/fedcloud-ncg"), *map(str, words)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STARTER, *command],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    code, peak_kib = done.stdout.split()[-2:]
    return Measured(int(code), time.monotonic() - began, int(peak_kib) / 1024)


Row = tuple[int, Measured, Measured]
"""Endpoints, the run that only wrote, and the one that also checked."""


def grown(before: Row, now: Row) -> str:
    """How many times as much of each there is in a row as in the one before it."""
    size, written, checked = (
        now[0] / before[0],
        now[1].seconds / before[1].seconds,
        now[2].seconds / before[2].seconds,
    )
    memory = now[1].peak_mib / before[1].peak_mib
    return f"x {size:.0f}: written in x {written:.1f}, memory x {memory:.2f}, checked in x {checked:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, metavar="ENDPOINTS", help="how many endpoints a topology has")
    args = parser.parse_args()
    formats = [word for kind in ("nagios", "icinga2", "nrpe") for word in ("--format", kind)]
    print(f"{'endpoints':>9}  {'document':>9}  {'written in':>10}  {'peak memory':>11}  {'and checked in':>14}")
    before = None
    for size in args.sizes or SIZES:
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            write_topology(place / "topology.xml", size, bytes_each=1_000)
            mib = (place / "topology.xml").stat().st_size / (1 << 20)
            written = measure(place / "topology.xml", place / "written", *formats, "--no-validate")
            checked = measure(place / "topology.xml", place / "checked", *formats, "-t", "2h")
            assert (written.code, checked.code) == (0, 0)
            print(
                f"{size:9,}  {mib:5.1f} MiB  {written.seconds:8.2f} s  {written.peak_mib:7.1f} MiB  "
                f"{checked.seconds:12.2f} s",
                flush=True,
            )
            if before:
                print(f"{grown(before, (size, written, checked)):>64}", flush=True)
            before = (size, written, checked)


if __name__ == "__main__":
    main()
