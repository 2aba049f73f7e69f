"""The endpoints of today and the declared downtimes, from the GOCDB itself: those that fedcloud-ncg has monitored."""

from __future__ import annotations

from datetime import UTC, datetime

from libprobe.clients.gocdb import Gocdb
from libprobe.deadline import Deadline
from libprobe.failures import Asked, HelperFailure
from libprobe.formats.address import host_port_of
from libprobe.formats.ncg import is_host, is_label
from libprobe.programs import catalogue
from libprobe.programs.availability import topology
from libprobe.programs.ncg import selection
from libprobe.records import Record
from libprobe.targets import access
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from libprobe.timelines.evaluation import Outage

MAX_WAIT_S = 600.0
"""How long the GOCDB is waited for: results do not wait for it."""

LOOK_BACK_S = 7 * 86_400
"""How far back downtimes are asked for: the GOCDB takes them for the last two days as well."""


class LiveTopology(Record):
    """endpoints: (site, service type, host, NGI). left_out: why others are not. uncertified: of which sites."""

    endpoints: list[tuple[str, str, str, str]]
    left_out: list[str]
    uncertified: str


def open_gocdb(args: argparse.Namespace) -> Gocdb:
    """Raises: Misconfigured."""
    deadline = Deadline(min(MAX_WAIT_S, max(1.0, args.deadline.remaining() / 2)))
    return Gocdb(access.make_http_client(args, deadline), args.gocdb, None, cache_s=0)


def endpoints(gocdb: Gocdb, args: argparse.Namespace) -> LiveTopology:
    """The endpoints of today. Raises: HelperFailure, also where there is none: that would end all sites."""
    metrics = catalogue.read()
    wanted = selection.wanted(args, frozenset(kind for metric in metrics for kind in metric.possible_types))
    found: list[tuple[str, str, str, str]] = []
    left_out: list[str] = []
    for each in gocdb.topology(wanted):
        if not any(metric.is_for(each) for metric in metrics):
            continue
        if is_label(each.site) and is_host(each.hostname):
            found.append((each.site, each.service_type, each.hostname.lower(), safe(each.roc)[:200]))
        else:
            left_out.append(
                f"a site or host whose name cannot be one: {safe(each.site)[:60]}, {safe(each.hostname)[:80]}"
            )
    if not found:
        raise HelperFailure(
            "no endpoint to be monitored",
            of=Asked(f"GOCDB {host_port_of(gocdb.url)}", gocdb.url),
            link="in",
            remedy="see --site, --scope and --any-site",
        )
    uncertified = selection.describe_uncertified(gocdb.uncertified) if gocdb.uncertified else ""
    return LiveTopology(found, left_out[:5], uncertified)


def outages(gocdb: Gocdb, now: int) -> Iterator[Outage]:
    """The downtimes that are declared, and those of the last days. Raises: HelperFailure."""
    since = datetime.fromtimestamp(now - LOOK_BACK_S, UTC)
    return topology.outages(gocdb.downtimes(future=True, since=since))
