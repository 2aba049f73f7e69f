"""The first step of the way to an address, as this machine's kernel has it: whether it is this machine that blocks it.

"No route to host" is said of a host that a router far away cannot find, and just as well of a gateway of ours that is
dead, behind which every site would seem to be down, or by a route of ours that says so itself. The kernel knows which:
it asked the gateway for its link-layer address and got none, and it tells what its routes and rules say. It is asked
over netlink, for IPv4 and IPv6 alike, with all by which it chooses between several gateways and tables.
Source: rtnetlink(7); linux/rtnetlink.h, linux/neighbour.h.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys

from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    SocketAddress = tuple[str, int]  # numeric address and port
    Hop = tuple[int, bytes, int]  # a gateway: its family, its address, the number of the interface to it

_ERROR, _NEW_ROUTE, _GET_ROUTE, _NEW_NEIGHBOUR, _GET_NEIGHBOUR = 2, 24, 26, 28, 30
_REQUEST = 1
_DESTINATION, _SOURCE, _INTERFACE, _GATEWAY, _SEVERAL, _VIA = 1, 2, 4, 5, 9, 18
_PROTOCOL, _SOURCE_PORT, _PORT = 27, 28, 29
_WHOLE_MESSAGE = 0x2000
_INCOMPLETE, _FAILED = 0x01, 0x20

_OF_TYPE = {6: errno.EINVAL, 7: errno.EHOSTUNREACH, 8: errno.EACCES}
"""What `connect` says where the type of a route is RTN_BLACKHOLE, RTN_UNREACHABLE or RTN_PROHIBIT."""

REFUSALS = {errno.EINVAL: "blackhole", errno.EHOSTUNREACH: "unreachable", errno.EACCES: "prohibit"}
"""The types of route that say so, as `ip route` calls them."""

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
_NEIGHBOUR = struct.Struct("=B3xiHBB")
_ATTRIBUTE = struct.Struct("=HH")
_HOP = struct.Struct("=HxxI")
_NUMBER = struct.Struct("=i")

MAX_ANSWER = 32 << 10
ANSWER_S = 0.5
"""The kernel answers at once."""


class Obstacle(Record):
    """What of this machine stands in the way, as it follows `this machine's`, and what to do about it."""

    description: str
    remedy: str


def find_obstacle(family: int, target: SocketAddress, source: SocketAddress, number: int = 0) -> Obstacle | None:
    """What of this machine kept a TCP connection from getting as far as the peer: a dead gateway, or a route.

    family: socket.AF_INET or AF_INET6. source: as `getsockname` has it, with port 0 while none is chosen. number: the
    error that `connect` gave, 0 for none. None as well for an address without a gateway, which is on a network of ours,
    and wherever the kernel does not tell.
    """
    if number == errno.EADDRNOTAVAIL:
        return _source_obstacle(family, target)
    ways = [(source, 0)]
    if family == socket.AF_INET6:  # taken before the connection has an address, and again when it is tried anew
        ways.append((("::", 0), 0))
    if number == errno.EHOSTUNREACH:  # the kernel may have turned away meanwhile from the gateway that is dead
        ways.append((source, _WHOLE_MESSAGE))
    try:
        for each, flags in ways:
            refusal, hops = _route(family, target, each, flags)
            if refusal in REFUSALS and refusal == number:
                return Obstacle(
                    f"own routes say {REFUSALS[refusal]}",
                    f"look at `ip route get {target[0]}`, `ip route` and `ip rule`",
                )
            for kind, gateway, interface in hops:
                if _state(kind, gateway, interface) & (_INCOMPLETE | _FAILED):
                    return Obstacle(
                        f"gateway {socket.inet_ntop(kind, gateway)} does not answer",
                        "look at the gateway, and at this monitor's link to it",
                    )
    except (OSError, ValueError, struct.error):
        pass
    return None


def _source_obstacle(family: int, target: SocketAddress) -> Obstacle:
    """Why there is no address and port to connect from: UDP has ports of its own, and the same addresses."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as other:
            other.connect(target)
    except OSError:
        kind = "IPv6" if family == socket.AF_INET6 else "IPv4"
        return Obstacle(f"interfaces have no {kind} address to connect from", "give it one, or take its route away")
    return Obstacle(
        "local ports to there are all in use", "look at `ss -tan`; net.ipv4.ip_local_port_range says how many there are"
    )


def _route(family: int, target: SocketAddress, source: SocketAddress, flags: int) -> tuple[int, list[Hop]]:
    """The error that the route to an address is (0: none), and its gateways.

    A gateway among several, and a rule, are chosen by addresses and ports.
    flags: _WHOLE_MESSAGE for all gateways of the route.
    """
    address = _packed(family, target[0])
    asked = [(_DESTINATION, address), (_PROTOCOL, bytes([socket.IPPROTO_TCP])), (_PORT, struct.pack("!H", target[1]))]
    bound = _packed(family, source[0]) if source[1] else b""
    if bound:
        asked += [(_SOURCE, bound), (_SOURCE_PORT, struct.pack("!H", source[1]))]
    head = _ROUTE.pack(family, 8 * len(address), 8 * len(bound), *([0] * 5), flags)
    kind, answer = _query_kernel(_GET_ROUTE, head, asked)
    if kind == _ERROR:
        return -int(_NUMBER.unpack_from(answer)[0]), []
    if kind != _NEW_ROUTE:
        return 0, []
    return _OF_TYPE.get(_ROUTE.unpack_from(answer)[7], 0), list(_hops(family, answer[_ROUTE.size :]))


def _hops(family: int, attributes: bytes) -> Iterator[Hop]:
    """The gateways in a route's attributes, or in those of one of its hops."""
    found = dict(_attributes(attributes))
    interface = int.from_bytes(found.get(_INTERFACE, b"")[:4], sys.byteorder)
    if via := found.get(_VIA):  # of the other family
        yield int.from_bytes(via[:2], sys.byteorder), via[2:], interface
    elif gateway := found.get(_GATEWAY):
        yield family, gateway, interface
    several = found.get(_SEVERAL, b"")
    while len(several) >= _HOP.size:
        length, interface = _HOP.unpack_from(several)
        if length < _HOP.size:
            return
        for kind, gateway, _ in _hops(family, several[_HOP.size : length]):
            yield kind, gateway, interface
        several = several[(length + 3) & ~3 :]


def _packed(family: int, address: str) -> bytes:
    return socket.inet_pton(family, address.partition("%")[0])


def _state(family: int, address: bytes, interface: int) -> int:
    """What the kernel knows of a neighbour (NUD_...), 0 where it knows nothing."""
    kind, answer = _query_kernel(_GET_NEIGHBOUR, _NEIGHBOUR.pack(family, interface, 0, 0, 0), [(_DESTINATION, address)])
    return int(_NEIGHBOUR.unpack_from(answer)[2]) if kind == _NEW_NEIGHBOUR else 0


def _query_kernel(kind: int, head: bytes, attributes: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    """Ask the kernel one thing: the kind of its answer, and what stands behind the answer's header."""
    body = head + b"".join(
        _ATTRIBUTE.pack(4 + len(value), name) + value + bytes(-len(value) % 4) for name, value in attributes
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(ANSWER_S)
        kernel.bind((0, 0))
        kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST, 1, 0) + body)
        answer = kernel.recv(MAX_ANSWER)
    length, kind, *_ = _HEADER.unpack_from(answer)
    return kind, answer[_HEADER.size : length]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes of an answer: each its kind and its value."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, name = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield name, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
