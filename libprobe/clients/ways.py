"""Where connections of a run lead in place of their hosts, and from which address of this machine they come.

    --connect-to 192.0.2.7:8443                          the endpoint's own connections
    --connect-to cloud.example.org:443:192.0.2.7:8443    those to that host and port, as curl has it; empty for any
    --source-address 198.51.100.4

Names are verified, and sent, as usual: only the first step of the way is another one. A run's deadline carries its
ways, as it does what was learned of the addresses of a host.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData, Misconfigured
from libprobe.formats.address import HOST_NAME, host_and_port, read_address
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_PLACE = r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(\d*))?"
_SHORT, _LONG = re.compile(_PLACE), re.compile(rf"{_PLACE}:{_PLACE}")

IPV4, IPV6 = 2, 10
"""AF_INET and AF_INET6."""

USUAL_PORTS = {"http": 80, "https": 443}
MAX_NOTES = 3


class ConnectRule(Record):
    """One --connect-to. of, of_port: whose connections; empty and None for any. to, to_port: likewise for as it is.

    is_short: whether it is for the endpoint's own connections.
    """

    of: str
    of_port: int | None
    to: str
    to_port: int | None
    is_short: bool


def read_way(text: str) -> ConnectRule:
    """Read a --connect-to. Raises: BadData."""
    if (found := _SHORT.fullmatch(text)) and found[1]:
        return ConnectRule("", None, _host(found[1]), _port(found[2]), True)
    if (found := _LONG.fullmatch(text)) and found[2] is not None and found[4] is not None:
        return ConnectRule(_host(found[1]), _port(found[2]), _host(found[3]), _port(found[4]), False)
    raise BadData(
        f"{text!r} is not HOST:PORT, nor HOST1:PORT1:HOST2:PORT2 (an IPv6 address is written in brackets, [::1]:443)"
    )


def read_source(text: str) -> tuple[int, str]:
    """The family and the text of a numeric address. Raises: BadData."""
    if family := _family(text):
        return family, text
    raise BadData(f"{text!r} is not an IPv4 or IPv6 address")


def _host(text: str) -> str:
    name = text.strip("[]").lower().removesuffix(".")
    is_right = _family(name) == IPV6 if "[" in text else (HOST_NAME.fullmatch(name) and not name.isdigit())
    if text and not is_right:
        raise BadData(f"{text!r} is not the name of a host, nor an address")
    return name


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if len(text) > 5 or not 1 <= int(text) <= 65535:
        raise BadData(f"{text!r} is not a port between 1 and 65535")
    return int(text)


def _family(text: str) -> int:
    """The family of a numeric address, 0 for anything else."""
    import socket

    for family in (IPV4, IPV6):
        try:
            socket.inet_pton(family, text)
            return family
        except (OSError, ValueError):
            continue
    return 0


class ConnectOptions:
    """All ways of a run.

    sources: numeric addresses of this machine, by family, from which connections come.
    taken:   where connections were led, by host and port.
    """

    def __init__(self, ways: list[ConnectRule], sources: dict[int, str]) -> None:
        self._rules = ways
        self._own: list[tuple[str, int | None]] = []
        self.sources = sources
        self.taken: dict[tuple[str, int], tuple[str, int]] = {}

    @property
    def family(self) -> int:
        """The one kind of address that can be reached from the sources; 0 for all."""
        return next(iter(self.sources)) if len(self.sources) == 1 else 0

    def add_endpoint(self, url: str, hostname: str = "", port: int | None = None) -> None:
        """The endpoint of the run is at a URL, or at a host. port: that takes the place of the URL's."""
        try:
            address = read_address(url)
        except BadData:
            if hostname:
                self._own.append((hostname.strip("[]").lower(), port))
            return
        self._own.append((address.host, port or address.port or USUAL_PORTS.get(address.scheme)))

    def lead(self, host: str, port: int) -> tuple[str, int]:
        """To which host and port a connection goes that is meant for others. The first way that fits counts."""
        for way in self._rules:
            whose = self._own if way.is_short else [(way.of, way.of_port)]
            if any(each in ("", host.lower()) and its in (None, port) for each, its in whose):
                led = way.to or host, way.to_port or port
                self.taken[host, port] = led
                return led
        return host, port

    def notes(self, *, is_known: bool = True) -> list[str]:
        """What the status line has to say of it. is_known: whether the endpoint was asked at all."""
        if not self._rules or not (self.taken or is_known):
            return []
        if not self.taken:
            return ["--connect-to changed nothing: no connection was meant for what it is for"]
        led = [host_and_port(*each) for each in dict.fromkeys(self.taken.values())]
        more = f" and {len(led) - MAX_NOTES} more" if len(led) > MAX_NOTES else ""
        return [f"asked at {', '.join(led[:MAX_NOTES])}{more} by --connect-to"]


def of_options(args: argparse.Namespace) -> ConnectOptions | None:
    """The ways that the options have; None where they have none. Raises: Misconfigured."""
    connect_to: list[ConnectRule] = getattr(args, "connect_to", None) or []
    given: list[tuple[int, str]] = getattr(args, "source_address", None) or []
    if not connect_to and not given:
        return None
    sources = dict(given)
    if len(sources) < len(given):
        raise Misconfigured("--source-address is given twice for one kind of address", remedy="leave out one of them")
    family = getattr(args, "family", 0)
    if family and sources and family not in sources:
        option = "-4" if family == IPV4 else "-6"
        raise Misconfigured(f"--source-address {next(iter(sources.values()))} cannot reach what {option} asks for")
    if connect_to and (args.proxy_from_environment or args.settings.flag("http", "proxy_from_environment")):
        raise Misconfigured(
            "--connect-to does nothing through a web proxy, which connects by itself",
            remedy="leave out --proxy-from-environment, or proxy_from_environment in probes.ini",
        )
    ways = ConnectOptions(connect_to, sources)
    port = getattr(args, "port", None)
    named = [url for url in (args.url, getattr(args, "endpoint", None)) if url]
    for url in named:
        ways.add_endpoint(url, port=port)
    if args.hostname and port and not named:
        ways.add_endpoint("", args.hostname, port)
    return ways
