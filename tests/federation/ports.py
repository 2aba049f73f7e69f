"""A TCP port of loopback for a program that has to be told which one, or for nobody at all.

The system gives a socket without a port one of its ephemeral ports, and every client's connection too: a port that was
free a moment ago can be another's by the time a program binds it. So these are taken from below the ephemeral ports.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10_000


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to nobody who does not ask for it by number."""
    lowest_ephemeral = int(EPHEMERAL.read_text().split()[0])
    ports = range(LOWEST, lowest_ephemeral) if lowest_ephemeral > 2 * LOWEST else range(61_000, 65_536)
    chance = random.SystemRandom()
    while True:
        port = chance.choice(ports)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
