"""Which site is meant: that of --site, or the one that the host of -H belongs to in the GOCDB."""

from __future__ import annotations

from libprobe.failures import Misconfigured
from libprobe.formats.service_types import ACCOUNTING
from libprobe.records import Record
from libprobe.targets import access, topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from libprobe.deadline import Deadline
    from libprobe.failures import Failure


class AccountedSite(Record):
    """The site that is meant.

    name:  GOCDB site name. alias: the name in the URL field of its GOCDB entry, which some sites use for
           their records instead; empty for none.
    notes: how it was found, for the status line.
    blame: decides whose fault it is that the site is nowhere, for a name that nobody has looked up.
    """

    name: str
    alias: str = ""
    notes: tuple[str, ...] = ()
    blame: Callable[[Failure], Failure] | None = None


def find_site(args: argparse.Namespace, deadline: Deadline) -> AccountedSite:
    """The site of --site, or that of the host of -H as the GOCDB has it.

    Raises: Misconfigured when neither tells; HelperFailure when the GOCDB fails.
    """
    if args.site:
        return AccountedSite(args.site, blame=lambda failure: topology.absent_site_failure(args, deadline, failure))
    if not args.hostname:
        raise Misconfigured("no site is named", remedy="give --site NAME, or -H HOST to look it up in the GOCDB")
    cache = access.open_state_directory(args)
    found, notes = topology.find_registered(args, deadline, cache, ACCOUNTING)
    if found is None:
        found, notes = topology.find_registered(args, deadline, cache)
    if found is None or not found.site:
        raise Misconfigured(f"the GOCDB does not know {args.hostname}, hence not its site", remedy="give --site NAME")
    url = found.url if found.service_type == ACCOUNTING else ""
    alias = url if url and not any(char in url for char in ":/ ") else ""
    return AccountedSite(found.site, alias if alias != found.site else "", tuple(notes))
