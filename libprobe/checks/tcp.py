"""Whether the port of an endpoint accepts connections, and, if asked, whether its TLS can be trusted."""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, judged
from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange
from libprobe.failures import WARNING, BadData, Failure, Misconfigured, OwnCredential
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from ssl import SSLContext

    from libprobe.deadline import Deadline
    from libprobe.formats.gocdb import ServiceEndpoint

OCCI = "eu.egi.cloud.vm-management.occi"
DEFAULT_PORTS = {OCCI: 8787, "egi.MSGBroker": 6163, "eu.egi.cloud.information.bdii": 2170}
"""Ports of service types by convention, for a host of which neither the options nor the GOCDB say one."""


class Target:
    """A port to connect to.

    notes: how it was found, where that is worth a word in the status line.
    """

    def __init__(self, host: str, port: int, *, notes: tuple[str, ...] = ()) -> None:
        self.host = host
        self.port = port
        self.notes = notes


def find_target(args: argparse.Namespace, deadline: Deadline) -> Target:
    """The port that the options mean: -u, then -H with -p, then -H as the GOCDB has it.

    Raises: Misconfigured for options that mean none; HelperFailure when the GOCDB is needed and fails;
            BadData for a registered URL without a usable host and port, which is the site's doing.
    """
    if args.url:
        from libprobe.formats.address import read_address

        try:
            address = read_address(args.url)
        except BadData as error:
            raise Misconfigured(f"-u: {error.sentence}") from None
        port = args.port or address.port_or_default
        if port is None:
            raise Misconfigured(f"-u: {args.url} names no port, and its scheme has none by default", remedy="give -p")
        return Target(address.host, port)
    if not args.hostname:
        raise Misconfigured("no endpoint is named", remedy="give -H HOST, with -p PORT, or -u URL")
    if args.port:
        return Target(args.hostname, args.port)
    return _registered(args, deadline)


def _registered(args: argparse.Namespace, deadline: Deadline) -> Target:
    from libprobe import access, topology

    chosen, notes = topology.find_registered(args, deadline, access.state_directory(args), args.service_type)
    default = DEFAULT_PORTS.get(args.service_type)
    if chosen is None:
        if default is None:
            raise Misconfigured(
                f"{args.hostname} is not in the GOCDB as {args.service_type}, which has no port by default",
                remedy="give -p PORT or -u URL",
            )
        notes.append(f"{args.hostname} is not in the GOCDB as {args.service_type}, tried on port {default}")
        return Target(args.hostname, default, notes=tuple(notes))
    host, port = _read_registered(chosen, default)
    return Target(host, port, notes=tuple(notes))


def _read_registered(chosen: ServiceEndpoint, default: int | None) -> tuple[str, int]:
    from libprobe import topology
    from libprobe.formats.address import read_address

    if not chosen.url.strip() and default is not None:
        return chosen.hostname, default
    try:
        address = read_address(chosen.url)
    except BadData as error:
        raise topology.unusable(chosen, error.sentence) from None
    port = address.port_or_default or default
    if port is None:
        raise topology.unusable(chosen, f"{chosen.url} names no port, and its scheme has none by default")
    return address.host, port


def tls_context(args: argparse.Namespace) -> SSLContext | None:
    """TLS settings as the options and the settings have them; None without --tls. Raises: Misconfigured."""
    if not args.tls:
        return None
    from libprobe.clients import tls

    return tls.context(tls.ca_path(args.ca_path, args.settings.get("tls", "ca_path")))


class TcpConnect(Check):
    """Connects to the first address of a name that answers, closes the connection again.

    family:  socket.AF_INET or AF_INET6 to try those addresses only.
    context: TLS settings, None to do no handshake.
    Yields: connect_time (s) of the address that answered, resolve_time (s); with TLS handshake_time (s) and
    certificate_lifetime (s); a WARNING for each address of the name before it that did not answer.
    """

    def __init__(
        self, target: Target, deadline: Deadline, *, family: int = 0, context: SSLContext | None = None
    ) -> None:
        super().__init__(deadline)
        self.target = target
        self.subject = f"{target.host} port {target.port}"
        self._family = family
        self._context = context
        self.facts["notes"] = "".join(f"; {note}" for note in target.notes)
        self.provisos = target.notes

    def measure(self) -> Iterator[Metric]:
        host, port = self.target.host, self.target.port
        began = time.monotonic()
        exchange = Exchange(self.subject, host, port, self.deadline)
        addresses = sockets.resolve(exchange, family=self._family)
        resolve_time = time.monotonic() - began
        failures: list[Failure] = []
        connection = sockets.connect_first(exchange, addresses, failures)
        if connection is None:
            raise _of_all(failures) or exchange.late("no time left to connect")
        with connection:
            if connection.address != host:
                self.subject += f" ({connection.address})"
                exchange.asked = self.subject
            self.facts.update(endpoint=self.subject, connect_time=duration(connection.connect_time), tls="")
            yield Metric("connect_time", connection.connect_time, "s", min=0)
            yield Metric("resolve_time", resolve_time, "s", min=0, context="time")
            yield from self._judge_others(failures)
            if self._context:
                yield from self._handshake(connection, self._context, exchange)

    def _judge_others(self, failures: list[Failure]) -> Iterator[Metric]:
        """An address that the name publishes and nobody answers at costs users time; one that we have no route
        to says nothing of the site."""
        for failure in failures:
            if isinstance(failure, sockets.NoRoute):
                self.detail(1, f"no route from here: {failure.sentence}")
            else:
                yield judged(WARNING, f"{failure.sentence}; {self.subject} accepts connections")

    def _handshake(
        self, connection: sockets.DeadlineSocket, context: SSLContext, exchange: Exchange
    ) -> Iterator[Metric]:
        from ssl import cert_time_to_seconds

        from libprobe.clients import tls

        began = time.monotonic()
        try:
            secured = tls.secure(connection, context, exchange)
        except OwnCredential:  # only said once the server's certificate has been accepted
            self.facts["tls"] = ", with a good certificate, and wants one of ours"
            self.detail(1, "the endpoint wants a client certificate, and this probe has none: no lifetime to be read")
            return
        with secured:
            seconds = time.monotonic() - began
            certificate = secured.getpeercert() or {}
            cipher = secured.cipher()
            self.detail(1, f"TLS: {secured.version()}, {cipher[0] if cipher else 'unknown cipher'}")
        end = cert_time_to_seconds(str(certificate["notAfter"]))
        self.facts["lifetime"] = duration(end - time.time())
        self.facts["tls"] = f", certificate valid for {self.facts['lifetime']}"
        names = [str(entry[1]) for entry in certificate.get("subjectAltName", ())]
        self.detail(1, f"certificate: for {', '.join(names[:10]) or 'no alternative names'}")
        self.detail(1, f"certificate: valid until {certificate['notAfter']}")
        yield Metric("handshake_time", seconds, "s", min=0, context="time")
        yield Metric("certificate_lifetime", end - time.time(), "s", min=0)


def _of_all(failures: list[Failure]) -> Failure | None:
    """One failure that speaks for all addresses: the last that we had a way to, with the others after it."""
    tried = [each for each in failures if not isinstance(each, sockets.NoRoute)] or failures
    if not tried:
        return None
    last = tried[-1]
    last.sentence = "; ".join(each.sentence for each in tried[:4])
    return last
