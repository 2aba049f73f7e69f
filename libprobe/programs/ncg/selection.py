"""Which endpoints of the GOCDB: the options of fedcloud-ncg, which fedcloud-availability has too."""

from __future__ import annotations

from libprobe.programs.ncg.previous import listed
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from libprobe.clients.gocdb import EndpointSelection


def wanted(args: argparse.Namespace, service_types: frozenset[str]) -> EndpointSelection:
    """What --site, --scope, --any-site and --production-only ask for."""
    from libprobe.clients.gocdb import DEFAULT_SCOPE, EndpointSelection

    scope = DEFAULT_SCOPE if args.scope is None else args.scope
    return EndpointSelection(
        service_types,
        args.site or "",
        tuple(name.strip() for name in scope.split(",") if name.strip()),
        certified_only=not args.any_site,
        production_only=args.production_only,
    )


def describe_uncertified(counts: Mapping[str, int]) -> str:
    """What is left out where --any-site is not given. counts: of endpoints, by the names of their sites."""
    names = sorted(counts)
    count = number_of(sum(counts.values()), "endpoint")
    return f"{count} of {number_of(len(names), 'site')} not certified or not in production: {listed(names)}"
