"""Which host and port is meant: from the options, or from the GOCDB by host name alone.

Order: -u URL; -H with -p; -H as the GOCDB has it, which may leave the port to what is usual for the service type.
"""

from __future__ import annotations

from libprobe.failures import BadData, Misconfigured
from libprobe.formats.address import read_address
from libprobe.formats.service_types import USUAL_PORTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from libprobe.deadline import Deadline
    from libprobe.formats.gocdb import ServiceEndpoint


class TcpEndpoint:
    """A port to connect to.

    scheme: of the URL that says so, in lower case; empty where none does.
    notes:  how it was found, where that is worth a word in the status line.
    """

    def __init__(self, host: str, port: int, *, scheme: str = "", notes: tuple[str, ...] = ()) -> None:
        self.host = host
        self.port = port
        self.scheme = scheme
        self.notes = notes


def find_endpoint(args: argparse.Namespace, deadline: Deadline) -> TcpEndpoint:
    """The port that the options mean: -u, then -H with -p, then -H as the GOCDB has it.

    Raises: Misconfigured for options that mean none; HelperFailure when the GOCDB is needed and fails;
            BadData for a registered URL without a usable host and port, which is the site's doing.
    """
    if args.url:
        try:
            address = read_address(args.url)
        except BadData as error:
            raise Misconfigured(f"-u: {error.sentence}") from None
        port = args.port or address.port_or_default
        if port is None:
            raise Misconfigured(f"-u: {args.url} names no port, and its scheme has none by default", remedy="give -p")
        return TcpEndpoint(address.host, port, scheme=address.scheme)
    if not args.hostname:
        raise Misconfigured("no endpoint is named", remedy="give -H HOST, with -p PORT, or -u URL")
    if args.port:
        return TcpEndpoint(args.hostname, args.port)
    return _find_registered(args, deadline)


def _find_registered(args: argparse.Namespace, deadline: Deadline) -> TcpEndpoint:
    from libprobe.targets import access, topology

    chosen, notes = topology.find_registered(args, deadline, access.open_state_directory(args), args.service_type)
    default = USUAL_PORTS.get(args.service_type)
    if chosen is None:
        if default is None:
            raise Misconfigured(
                f"{args.hostname} is not in the GOCDB as {args.service_type}, which has no port by default",
                remedy="give -p PORT or -u URL",
            )
        notes.append(f"{args.hostname} is not in the GOCDB as {args.service_type}, tried on port {default}")
        return TcpEndpoint(args.hostname, default, notes=tuple(notes))
    host, port, scheme = _read_registered(chosen, default)
    return TcpEndpoint(host, port, scheme=scheme, notes=tuple(notes))


def _read_registered(chosen: ServiceEndpoint, default: int | None) -> tuple[str, int, str]:
    from libprobe.targets import topology

    if not chosen.url.strip() and default is not None:
        return chosen.hostname, default, ""
    try:
        address = read_address(chosen.url)
    except BadData as error:
        raise topology.unusable_registration(chosen, error.sentence) from None
    port = address.port_or_default or default
    if port is None:
        raise topology.unusable_registration(chosen, f"{chosen.url} names no port, and its scheme has none by default")
    return address.host, port, address.scheme
