"""What the GOCDB has of a site, of a host or of all: its endpoints, and the outages that go on."""

from __future__ import annotations

from typing import NamedTuple

from libprobe.clients.gocdb import EndpointSelection, Gocdb, OutageIndex
from libprobe.failures import Asked, Failure, HelperFailure, Misconfigured
from libprobe.formats.address import host_port_of
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from libprobe.formats.gocdb import ServiceEndpoint


MAX_NAMED = 5
"""Records that cannot be read, of each kind."""


class SelfCheckScope(NamedTuple):
    """What is to be checked: a site, a host, or everything that is monitored when both are empty."""

    site: str = ""
    host: str = ""

    @property
    def description(self) -> str:
        return self.site or (f"host {self.host}" if self.host else "all sites")


def endpoints(
    gocdb: Gocdb, scope: SelfCheckScope, service_types: frozenset[str]
) -> tuple[list[ServiceEndpoint], list[str]]:
    """The monitored endpoints, sorted, and what is to be noted of them.

    A site or a host that has no monitored ones is checked all the same: its admin asks for just that. Of
    all sites, only the service types named are read, in the GOCDB's own scope: what the central
    monitoring has.
    Raises: HelperFailure when the GOCDB fails; Misconfigured when it has nothing of the kind.
    """
    try:
        registered = list(_registered(gocdb, scope, service_types))
    except HelperFailure as failure:
        # its remedy speaks of options that are not ours, unless it is about this machine
        raise HelperFailure(failure.sentence, remedy=failure.remedy if failure.is_ours else "") from None
    if not registered:
        raise Misconfigured(
            f"no endpoint of {scope.description}",
            of=Asked(f"GOCDB {host_port_of(gocdb.url)}", gocdb.url),
            link="in",
            remedy="write the name as the GOCDB has it" if scope.site or scope.host else "is it the right GOCDB?",
        )
    monitored = [each for each in registered if each.monitored]
    notes = _unreadable(gocdb)
    if not monitored:
        notes.append("none of the endpoints is monitored in the GOCDB")
    return sorted(monitored or registered, key=lambda each: (each.site, each.hostname, each.service_type)), notes


def _registered(gocdb: Gocdb, scope: SelfCheckScope, service_types: frozenset[str]) -> Iterable[ServiceEndpoint]:
    if scope.host:
        return gocdb.endpoints_of(scope.host, "").endpoints
    if scope.site:
        return gocdb.topology(EndpointSelection(site=scope.site, scopes=(), monitored_only=False))
    return gocdb.topology(EndpointSelection(service_types))


def outages(gocdb: Gocdb, scope: SelfCheckScope) -> tuple[OutageIndex, list[str]]:
    """The outages that go on, and a note if the GOCDB does not tell."""
    try:
        return OutageIndex(gocdb.downtimes(site=scope.site)), _unreadable(gocdb)
    except Failure as failure:
        return OutageIndex(()), [f"downtimes unknown: {failure.sentence}"]


def _unreadable(gocdb: Gocdb) -> list[str]:
    """Notes of the records that could not be read since this was last asked."""
    notes = [f"the GOCDB's {each.sentence}" for each in gocdb.unreadable[:MAX_NAMED]]
    if (more := len(gocdb.unreadable) - MAX_NAMED) > 0:
        notes.append(f"{number_of(more, 'other record')} of the GOCDB cannot be read")
    gocdb.unreadable.clear()
    return notes
