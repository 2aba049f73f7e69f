"""Which Perun is meant: -u; -H as the GOCDB has it; and for a host that the GOCDB does not know, `https://HOST/`."""

from __future__ import annotations

from libprobe.clients.perun import rpc_url
from libprobe.failures import BadData, Misconfigured
from libprobe.formats.address import read_address
from libprobe.formats.service_types import PERUN
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from libprobe.deadline import Deadline


class PerunEndpoint(Record):
    """url: of the status. notes: how it was found, where it is worth a word in the status line."""

    url: str
    notes: tuple[str, ...] = ()


def find_perun(args: argparse.Namespace, deadline: Deadline) -> PerunEndpoint:
    """The Perun that the options mean: -u, else -H as the GOCDB has it, else https://HOST/.

    Raises: Misconfigured; HelperFailure when the GOCDB is needed and fails; BadData for a registered URL
            that is unusable, which is the site's doing.
    """
    if args.url:
        try:
            return PerunEndpoint(rpc_url(_base(args.url, args.port)))
        except BadData as error:
            raise Misconfigured(f"-u: {error.sentence}") from None
    if not args.hostname:
        raise Misconfigured("no Perun is named", remedy="give -H HOST or -u URL")
    from libprobe.targets import access, topology

    chosen, notes = topology.find_registered(args, deadline, access.open_state_directory(args), PERUN)
    if chosen is None:
        notes.append(f"{args.hostname} is not in the GOCDB as {PERUN}")
    try:
        base = chosen.url if chosen and chosen.url.strip() else f"https://{args.hostname}"
        return PerunEndpoint(rpc_url(_base(base, args.port)), tuple(notes))
    except BadData as error:
        if chosen:
            raise topology.unusable_registration(chosen, error.sentence) from None
        raise Misconfigured(f"-H: {error.sentence}") from None


def _base(url: str, port: int | None) -> str:
    """The URL with another port, if one is given. Raises: BadData for one that is not https."""
    address = read_address(url)
    if address.scheme != "https":
        raise BadData(f"{url} is not an https:// URL, and a certificate logs in over nothing else")
    rest = url.strip().partition("://")[2]
    path = rest[len(rest.partition("/")[0]) :]
    host = f"[{address.host}]" if ":" in address.host else address.host
    port = port or address.port
    return f"https://{host}{f':{port}' if port else ''}{path}"
