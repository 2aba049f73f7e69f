"""The first step of the way to an address, as this machine's kernel has it: whether its own gateway answers.

"No route to host" is said of a host that a router far away cannot find, and just as well of a gateway of ours that is
dead, behind which every site would seem to be down. The kernel knows which: it asked the gateway for its link-layer
address and got none. It is asked over netlink, for IPv4 and IPv6 alike.
Source: rtnetlink(7); linux/rtnetlink.h, linux/neighbour.h.
"""

from __future__ import annotations

import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_ROUTE, _GET_ROUTE, _NEW_NEIGHBOUR, _GET_NEIGHBOUR = 24, 26, 28, 30
_REQUEST = 1
_DESTINATION, _INTERFACE, _GATEWAY = 1, 4, 5
_INCOMPLETE, _FAILED = 0x01, 0x20

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
_NEIGHBOUR = struct.Struct("=B3xiHBB")
_ATTRIBUTE = struct.Struct("=HH")

MAX_ANSWER = 32 << 10
ANSWER_S = 0.5
"""The kernel answers at once."""


def dead_gateway(family: int, address: str) -> str:
    """The gateway of ours to an address, where it did not answer when it was asked for; else empty.

    family: socket.AF_INET or AF_INET6. address: numeric. Empty as well for an address without a gateway, which is on a
    network of ours, and wherever the kernel does not tell.
    """
    try:
        gateway, interface = _gateway(family, socket.inet_pton(family, address.partition("%")[0]))
        if gateway and _state(family, gateway, interface) & (_INCOMPLETE | _FAILED):
            return socket.inet_ntop(family, gateway)
    except (OSError, ValueError, struct.error):
        pass
    return ""


def _gateway(family: int, address: bytes) -> tuple[bytes, int]:
    """The gateway by which an address is reached, empty where there is none, and the number of the interface to it."""
    head = _ROUTE.pack(family, 8 * len(address), *([0] * 6), 0)
    kind, answer = _asked(_GET_ROUTE, head, [(_DESTINATION, address)])
    found = dict(_attributes(answer[_ROUTE.size :])) if kind == _NEW_ROUTE else {}
    return found.get(_GATEWAY, b""), int.from_bytes(found.get(_INTERFACE, b"")[:4], sys.byteorder)


def _state(family: int, address: bytes, interface: int) -> int:
    """What the kernel knows of a neighbour (NUD_...), 0 where it knows nothing."""
    kind, answer = _asked(_GET_NEIGHBOUR, _NEIGHBOUR.pack(family, interface, 0, 0, 0), [(_DESTINATION, address)])
    return int(_NEIGHBOUR.unpack_from(answer)[2]) if kind == _NEW_NEIGHBOUR else 0


def _asked(kind: int, head: bytes, attributes: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    """Ask the kernel one thing: the kind of its answer, and what stands behind the answer's header."""
    body = head + b"".join(_ATTRIBUTE.pack(4 + len(value), name) + value for name, value in attributes)
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
