"""What ldap3 and stomp.py do when they speak themselves, beside the clients that read their answers for them.

    python -m benchmarks.speakers [--mib 256] [--drip 10]

Every client is a process of its own and gets 2 s as its limit; the peer is a thread of this one, on loopback. Told are
the processor time and the peak memory of loading, and, of a peer that floods, drips, or is mute, how long the client
stayed once it was connected, what memory it took, and what ended it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT, clean_environment

LIMIT_S = 2
ROUNDS = 5

LOADED = {
    "python -c pass": "pass",
    "import ssl": "import ssl",
    "libprobe.clients.ldap and its requests": "import libprobe.clients.ldap, libprobe.clients.ldap_requests",
    "import ldap3": "import ldap3",
    "libprobe.clients.stomp and its frames": "import libprobe.clients.stomp, stomp.protocol",
    "import stomp": "import stomp",
}

LDAP3 = f"""
import sys, ldap3
server = ldap3.Server("127.0.0.1", int(sys.argv[1]), get_info=ldap3.NONE, connect_timeout={LIMIT_S})
ldap3.Connection(server, receive_timeout={LIMIT_S}).bind()
"""

STOMP = f"""
import sys, stomp
connection = stomp.Connection12([("127.0.0.1", int(sys.argv[1]))], timeout={LIMIT_S}, reconnect_attempts_max=1)
connection.connect("a", "b", wait=True)
"""

OUR_LDAP = f"""
import sys
from libprobe.clients.ldap import LdapAddress, LdapClient
from libprobe.deadline import Deadline
client = LdapClient(LdapAddress("ldap", "127.0.0.1", int(sys.argv[1])), Deadline({LIMIT_S}))
client.connect()
client.bind()
"""

OUR_STOMP = f"""
import sys
from libprobe.clients.stomp import StompSession
from libprobe.deadline import Deadline
StompSession("127.0.0.1", int(sys.argv[1]), Deadline({LIMIT_S})).connect()
"""

LDAP = {"ldap3": LDAP3, "libprobe": OUR_LDAP}
BROKER = {"stomp.py": STOMP, "libprobe": OUR_STOMP}


def flood(begin: bytes, mib: int) -> Callable[[socket.socket], None]:
    """Begin a message and go on with it for MIB MiB."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(begin)
        for _ in range(mib):
            peer.sendall(b"a" * (1 << 20))

    return behave


def drip(begin: bytes, seconds: float) -> Callable[[socket.socket], None]:
    """Begin a message and send a byte of it each half second."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(begin)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peer.sendall(b"a")
            time.sleep(0.5)

    return behave


def mute(seconds: float) -> Callable[[socket.socket], None]:
    return lambda peer: time.sleep(seconds)


def run(code: str, behave: Callable[[socket.socket], None], patience_s: float, python: str = sys.executable) -> str:
    """Run a client against a peer: how long it stayed once connected, its peak memory, and the last line it said."""
    accepted: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as said:

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                accepted.append(time.monotonic())
                with peer:
                    peer.recv(65536)
                    behave(peer)

        threading.Thread(target=serve, daemon=True).start()
        port = str(listener.getsockname()[1])
        process = subprocess.Popen(
            [python, "-c", code, port], stdout=said, stderr=said, cwd=ROOT, env=clean_environment()
        )
        how, peak = "", 0
        while process.poll() is None:
            peak = max(peak, peak_kib(process.pid))
            if accepted and time.monotonic() - accepted[0] > patience_s:
                process.kill()
                how = "had to be killed"
            time.sleep(0.01)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines() or ["ended without a word"]
        stayed = time.monotonic() - accepted[0] if accepted else 0.0
        return f"{stayed:.1f} | {peak >> 10} | {(how or lines[-1])[:110]}"


def peak_kib(pid: int) -> int:
    """The most memory that a process had; ru_maxrss would begin with that of whoever started it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


TOLD = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(used.ru_utime + used.ru_stime, peak)
"""


def loading() -> None:
    print("| loaded | processor ms | peak MiB |\n|---|---|---|")
    for name, code in LOADED.items():
        best, peak = float("inf"), 0
        for _ in range(ROUNDS):
            done = subprocess.run(
                [sys.executable, "-c", f"{code}\n{TOLD}"],
                cwd=ROOT,
                env=clean_environment(),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            took, most = done.stdout.split()
            best, peak = min(best, float(took)), int(most) >> 10
        print(f"| `{name}` | {best * 1000:.0f} | {peak} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256, help="how much a peer floods with")
    parser.add_argument("--drip", type=float, default=10.0, help="for how many seconds a peer drips, or is mute")
    args = parser.parse_args()
    print(f"Load average {os.getloadavg()[0]:.0f}, Python {sys.version.split()[0]}, {Path(sys.executable).name}\n")
    loading()
    huge = b"\x30\x84\x7f\xff\xff\xff"  # a message of 2 GiB
    frame = b"CONNECTED\nversion:"
    patience = args.drip + 60
    print(f"\n| peer (limit {LIMIT_S} s) | client | s | peak MiB | ended by |\n|---|---|---|---|---|")
    for what, peer, clients in (
        ("a message of 2 GiB", flood(huge, args.mib), LDAP),
        ("a frame without end", flood(frame, args.mib), BROKER),
        ("a message, byte by byte", drip(huge, args.drip), LDAP),
        ("a frame, byte by byte", drip(frame, args.drip), BROKER),
        ("mute", mute(args.drip), LDAP),
        ("mute", mute(args.drip), BROKER),
    ):
        for name, code in clients.items():
            print(f"| {what} | {name} | {run(code, peer, patience)} |", flush=True)


if __name__ == "__main__":
    main()
