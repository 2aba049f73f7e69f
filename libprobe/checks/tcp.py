"""Whether the port of an endpoint accepts connections, and, if asked, whether its TLS can be trusted."""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, judged
from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange
from libprobe.failures import WARNING, BadData, Failure, Misconfigured, OwnCredential
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from ssl import SSLContext
    from typing import Any

    from libprobe.clients.chain import Chain
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


class Trust(Record):
    """TLS settings, and the CA directory or bundle that they are of, None for the system's."""

    context: SSLContext
    path: str | None


def tls_trust(args: argparse.Namespace) -> Trust | None:
    """Whom we trust, as the options and the settings have it; None without --tls. Raises: Misconfigured."""
    if not args.tls:
        return None
    from libprobe.clients import tls

    path = tls.ca_path(args.ca_path, args.settings.get("tls", "ca_path"))
    return Trust(tls.context(path), path)


class TcpConnect(Check):
    """Connects to the first address of a name that answers, closes the connection again.

    family:  socket.AF_INET or AF_INET6 to try those addresses only.
    trust:   with which a handshake is done, None to do none.
    Yields: connect_time (s) of the address that answered, resolve_time (s); with TLS handshake_time (s) and
    certificate_lifetime (s), which is that of whichever certificate of the chain ends first; a WARNING for each address
    of the name before it that did not answer, and for a certificate that names the host in its CN only.
    """

    def __init__(self, target: Target, deadline: Deadline, *, family: int = 0, trust: Trust | None = None) -> None:
        super().__init__(deadline)
        self.target = target
        self.subject = f"{target.host} port {target.port}"
        self._family = family
        self._trust = trust
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
            if self._trust:
                yield from self._handshake(connection, self._trust, exchange)

    def _judge_others(self, failures: list[Failure]) -> Iterator[Metric]:
        """An address that the name publishes and nobody answers at costs users time; one that we have no route
        to says nothing of the site."""
        for failure in failures:
            if isinstance(failure, sockets.NoRoute):
                self.detail(1, f"no route from here: {failure.sentence}")
            else:
                yield judged(WARNING, f"{failure.sentence}; {self.subject} accepts connections")

    def _handshake(self, connection: sockets.DeadlineSocket, trust: Trust, exchange: Exchange) -> Iterator[Metric]:
        from libprobe.clients import chain, tls

        began = time.monotonic()
        try:
            secured = tls.secure(connection, trust.context, exchange)
        except OwnCredential:  # only said of a server that has shown its certificate, which was accepted
            self.facts["tls"] = ", with a good certificate, and wants one of ours"
            self.detail(1, "the endpoint wants a client certificate, and this probe has none: no lifetime to be read")
            return
        with secured:
            seconds = time.monotonic() - began
            certificate = secured.getpeercert() or {}
            cipher = secured.cipher()
            accepted = chain.accepted(secured, trust.path)
            self.detail(1, f"TLS: {secured.version()}, {cipher[0] if cipher else 'unknown cipher'}")
        names = [str(entry[1]) for entry in certificate.get("subjectAltName", ())]
        self.detail(1, f"certificate: for {', '.join(names[:10]) or 'no alternative names'}")
        self.detail(1, f"certificate: valid until {certificate['notAfter']}")
        left, whose = self._soonest_end(accepted, str(certificate["notAfter"]))
        self.facts.update(whose=whose, tls=f", {whose} valid for {duration(left)}")
        yield Metric("handshake_time", seconds, "s", min=0, context="time")
        yield Metric("certificate_lifetime", left, "s", min=0)
        if _goes_by_common_name(exchange.host, certificate):
            yield judged(
                WARNING,
                f"{self.subject}: certificate names the host in its CN only, which many clients refuse "
                "(request one with subjectAltName)",
            )

    def _soonest_end(self, accepted: Chain, own_end: str) -> tuple[float, str]:
        """The seconds until the first certificate of a chain ends, and whose that is.

        The root at its end is the users' own, who get a new one with their trust anchors, whatever the site does.
        """
        from ssl import cert_time_to_seconds

        from libprobe.formats import x509

        now = time.time()
        ends = [(cert_time_to_seconds(own_end) - now, "certificate")]
        for encoded in accepted.certificates[1:]:
            try:
                link = x509.read_link(encoded)
            except BadData:
                continue
            if not link.is_self_issued:
                ends.append((link.not_after.timestamp() - now, f"certificate of its CA {link.subject_words}"))
                self.detail(1, f"chain: {link.subject_words} valid until {link.not_after:%Y-%m-%d %H:%M} UTC")
        if not accepted.is_complete:
            self.detail(1, "chain: not seen to its end: with TLS 1.3 alone only Python 3.13 and later show it")
        return min(ends)


def _goes_by_common_name(host: str, certificate: Mapping[str, Any]) -> bool:
    """Whether a certificate that was accepted for a host was so by its CN: OpenSSL looks at that if no name stands
    beside it. For an address it never does."""
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return False
        except OSError:
            continue
    return not any(kind == "DNS" for kind, _ in certificate.get("subjectAltName", ()))


def _of_all(failures: list[Failure]) -> Failure | None:
    """One failure that speaks for all addresses: the last that we had a way to, with the others after it."""
    tried = [each for each in failures if not isinstance(each, sockets.NoRoute)] or failures
    if not tried:
        return None
    last = tried[-1]
    last.sentence = "; ".join(each.sentence for each in tried[:4])
    return last
