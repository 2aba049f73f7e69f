"""Which message brokers are meant: -u; -H with -p; those that a BDII publishes; -H as the GOCDB has it."""

from __future__ import annotations

from libprobe.clients.credentials import host_name
from libprobe.failures import (
    Asked,
    BadData,
    EndpointFailure,
    Failure,
    HelperFailure,
    Misconfigured,
    OwnMachine,
)
from libprobe.formats.address import host_and_port, read_address
from libprobe.formats.service_types import BDII_PORT, MESSAGE_BROKER_PORT
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from libprobe.deadline import Deadline

PLAIN_PORT, TLS_PORT = MESSAGE_BROKER_PORT, 6162
MAX_BROKERS = 50
BDII_BASE = "o=grid"
BDII_FILTER = "(&(objectClass=GlueService)(|(GlueServiceType=msg.broker.stomp)(GlueServiceType=msg.broker.stomp-ssl)))"
BDII_SHARE, BDII_MAX_S = 0.25, 20.0


class BrokerEndpoint(Record):
    """Where a broker listens. notes: how that was found, where it is worth a word in the status line."""

    host: str
    port: int
    is_secure: bool
    notes: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"{'stomp+ssl' if self.is_secure else 'stomp'}://{host_and_port(self.host, self.port)}"


def find_brokers(args: argparse.Namespace, deadline: Deadline) -> list[BrokerEndpoint]:
    """The brokers that the options mean: -u, -H with -p, --bdii, -H as the GOCDB has it.

    Raises: Misconfigured; HelperFailure when the GOCDB or the BDII is needed and fails; BadData for a
            registered URL that is unusable.
    """
    if args.url:
        try:
            broker = _broker_at(args.url, args)
        except BadData as error:
            raise Misconfigured(f"-u: {error.sentence}") from None
        if not _is_of_broker(args.url) and not _is_as_registered(args, deadline):
            raise Misconfigured(
                f"-u: {args.url} is not the address of a STOMP broker",
                remedy="give stomp://HOST:PORT or stomp+ssl://HOST:PORT",
            )
        return [broker]
    if args.hostname and args.port:
        return [BrokerEndpoint(args.hostname, args.port, args.tls)]
    if args.bdii:
        return _brokers_of_bdii(args, deadline)
    if not args.hostname:
        raise Misconfigured("no broker is named", remedy="give -H HOST, -u URL or --bdii URL")
    return [_find_registered(args, deadline)]


def _is_of_broker(url: str) -> bool:
    scheme = read_address(url).scheme
    return not scheme or scheme in ("ssl", "tcp", "stomps") or scheme.startswith("stomp")


def _is_as_registered(args: argparse.Namespace, deadline: Deadline) -> bool:
    """Whether a URL is the one that the GOCDB has, which a configuration made from it passes beside the host."""
    from libprobe.targets import access, topology

    if not args.hostname:
        return False
    try:
        chosen, _ = topology.find_registered(args, deadline, access.open_state_directory(args), args.service_type)
    except Failure:
        return False
    return chosen is not None and chosen.url.strip() == args.url


def _broker_at(url: str, args: argparse.Namespace) -> BrokerEndpoint:
    """Raises: BadData."""
    address = read_address(url)
    secure = args.tls or address.is_secure or address.scheme == "ssl"
    stomp = address.port_or_default if address.scheme.startswith("stomp") else address.port
    return BrokerEndpoint(address.host, args.port or stomp or (TLS_PORT if secure else PLAIN_PORT), secure)


def _find_registered(args: argparse.Namespace, deadline: Deadline) -> BrokerEndpoint:
    from libprobe.targets import access, topology

    chosen, notes = topology.find_registered(args, deadline, access.open_state_directory(args), args.service_type)
    if chosen is None:
        port = TLS_PORT if args.tls else PLAIN_PORT
        notes.append(f"{args.hostname} is not in the GOCDB as {args.service_type}, tried on port {port}")
        return BrokerEndpoint(args.hostname, port, args.tls, tuple(notes))
    try:
        return _broker_at(chosen.url or chosen.hostname, args)._replace(notes=tuple(notes))
    except BadData as error:
        raise topology.unusable_registration(chosen, error.sentence) from None


def _brokers_of_bdii(args: argparse.Namespace, deadline: Deadline) -> list[BrokerEndpoint]:
    """The STOMP brokers that a BDII publishes, those of -H if one is given."""
    from libprobe.clients.ldap import LdapAddress, LdapClient

    try:
        where = read_address(args.bdii)
    except BadData as error:
        raise Misconfigured(f"--bdii: {error.sentence}") from None
    if where.scheme not in ("", "ldap"):
        raise Misconfigured(f"--bdii: {args.bdii} is not of the form ldap://host:2170")
    allowed = min(BDII_MAX_S, deadline.seconds * BDII_SHARE)
    wanted = host_name(args.hostname or "")
    found: dict[tuple[str, int], BrokerEndpoint] = {}
    address = LdapAddress("ldap", where.host, where.port or BDII_PORT)
    try:
        with LdapClient(address, deadline.earlier_by(deadline.seconds - allowed)) as bdii:
            bdii.connect()
            bdii.bind()
            for entry in bdii.search(BDII_BASE, ["GlueServiceEndpoint"], BDII_FILTER):
                try:
                    broker = _broker_at(entry.first("glueserviceendpoint"), args)
                except BadData:
                    continue  # one broken entry among many says nothing of the others
                if wanted in ("", host_name(broker.host)) and len(found) < MAX_BROKERS:
                    found[broker.host, broker.port] = broker
    except EndpointFailure as failure:
        raise failure.retold(HelperFailure, whom="BDII", remedy="give the broker with -u") from None
    except OwnMachine as failure:
        raise failure.retold(OwnMachine, whom="BDII") from None
    if not found:
        of = f" on {args.hostname}" if args.hostname else ""
        raise HelperFailure(
            f"no STOMP broker{of} published",
            of=Asked(f"BDII {host_and_port(address.host, address.port)}", f"search at {address} below {BDII_BASE}"),
            link="by",
            remedy="give the broker with -u",
        )
    return sorted(found.values())
