"""What OpenStack's own client libraries do that stand between a probe and a cloud, beside ours.

    python -m benchmarks.cloud_libraries [--mib 64] [--drip 10] --python PYTHON

PYTHON has keystoneauth1 and openstacksdk; ours runs under this one. Every client is a process of its own, asks for
the list of flavours, and gets 2 s as its limit; the peer is a thread of this one, on loopback. Told are the processor
time and the peak memory of loading, and, of a peer that floods, drips, or is mute, how long the client stayed, what
memory it took, and what ended it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import speakers
from benchmarks.speakers import LIMIT_S, TOLD
from tests.conftest import ROOT, clean_environment

ROUNDS = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"

LOADED = {
    "python -c pass": "pass",
    "libprobe.clients.nova, and what it speaks through": "import libprobe.clients.nova, libprobe.clients.openstack, "
    "libprobe.clients.http, libprobe.clients.transport, ssl, requests",
    "keystoneauth1": "import keystoneauth1.session, keystoneauth1.identity.v3",
    "openstacksdk": "import openstack.connection",
}

KEYSTONEAUTH = f"""
import sys
from keystoneauth1 import session
session.Session(timeout={LIMIT_S}, connect_retries=0).get(f"http://127.0.0.1:{{sys.argv[1]}}/v2.1/flavors/detail").json()
"""

OURS = f"""
import sys
from libprobe.clients.http import HttpClient
from libprobe.deadline import Deadline
HttpClient(Deadline({LIMIT_S})).request("GET", f"http://127.0.0.1:{{sys.argv[1]}}/v2.1/flavors/detail").json()
"""


def load(python: str) -> None:
    print("| loaded | processor ms | peak MiB |\n|---|---|---|")
    for name, code in LOADED.items():
        which = sys.executable if "libprobe" in code or code == "pass" else python
        best, peak = float("inf"), 0
        for _ in range(ROUNDS):
            done = subprocess.run(
                [which, "-c", f"{code}\n{TOLD}"], cwd=ROOT, env=clean_environment(), capture_output=True, check=True
            )
            took, most = done.stdout.split()
            best, peak = min(best, float(took)), int(most) >> 10
        print(f"| `{name}` | {best * 1000:.0f} | {peak} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="that has keystoneauth1 and openstacksdk")
    parser.add_argument("--mib", type=int, default=64, help="how much a peer floods with")
    parser.add_argument("--drip", type=float, default=10.0, help="for how many seconds a peer drips, or is mute")
    args = parser.parse_args()
    print(f"Load average {os.getloadavg()[0]:.0f}, Python {sys.version.split()[0]}, {Path(sys.executable).name}\n")
    load(args.python)
    print(f"\n| peer (limit {LIMIT_S} s) | client | s | peak MiB | ended by |\n|---|---|---|---|---|")
    peers: tuple[tuple[str, Callable[..., None]], ...] = (
        (f"floods: a document of 1 GiB; {args.mib} MiB of it", speakers.flood(HEAD, args.mib)),
        ("drips: a byte each half second", speakers.drip(HEAD, args.drip)),
        ("is mute", speakers.mute(args.drip)),
    )
    for what, peer in peers:
        for name, code, which in (("keystoneauth1", KEYSTONEAUTH, args.python), ("libprobe", OURS, sys.executable)):
            print(f"| {what} | {name} | {speakers.run(code, peer, args.drip + 60, python=which)} |", flush=True)


if __name__ == "__main__":
    main()
