"""A TCP port of loopback for a program that has to be told which one, or for nobody at all; and one that is mute.

The system gives a socket without a port one of its ephemeral ports, and every client's connection too: a port that was
free a moment ago can be another's by the time a program binds it. So these are taken from below the ephemeral ports.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
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


@contextlib.contextmanager
def unanswered(host: str, port: int = 0) -> Iterator[int]:
    """A port, the one given or any, where connection attempts get no answer, as behind a firewall that drops them.

    The queue of those that wait to be accepted is full.
    """
    with socket.create_server((host, port or free_port()), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        yield full.getsockname()[1]
