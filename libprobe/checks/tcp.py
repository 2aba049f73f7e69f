"""Whether the port of an endpoint accepts connections, and, if asked, whether its TLS can be trusted."""

from __future__ import annotations

import socket
import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange
from libprobe.failures import (
    UNKNOWN,
    WARNING,
    BadData,
    EndpointFailure,
    Failure,
    OwnCredential,
    Rejected,
)
from libprobe.formats.address import PLAIN, host_and_port
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from ssl import SSLContext
    from typing import Any

    from libprobe.clients.chain import CertificateChain
    from libprobe.clients.igtf import Authorities
    from libprobe.deadline import Deadline
    from libprobe.targets.ports import TcpEndpoint


def is_plain(scheme: str) -> bool:
    """Whether an endpoint with this scheme has no TLS, and so no certificate."""
    return scheme in PLAIN


class TlsOptions(Record):
    """How to do a TLS handshake: whom to trust, and which certificate to present.

    trust:    the CA directory or bundle of the context, None for the system's.
    credential_description: what we present, in words; empty for nothing. is_credential_named: whether an option says
    so.
    credential_lack:    why the monitor's own certificate is not presented, where there is one.
    igtf:     what is known of the IGTF's authorities, where the certificate has to be of one.
    """

    context: SSLContext
    trust: str | None
    credential_description: str = ""
    is_credential_named: bool = False
    credential_lack: str = ""
    igtf: Authorities | None = None


def make_tls_options(args: argparse.Namespace, deadline: Deadline, scheme: str = "") -> TlsOptions | None:
    """The trusted CAs and our credential, as the options and the settings have them; None without a handshake.

    scheme: of the endpoint's URL, which decides for --tls-by-scheme.

    The monitor's own certificate that is no good is no hindrance: most servers ask for none.
    Raises: Misconfigured; OwnCredential for a certificate that is named by an option.
    """
    if not args.tls and not (args.tls_by_scheme and not is_plain(scheme)):
        return None
    from datetime import UTC, datetime

    from libprobe.clients import tls
    from libprobe.targets import access

    path = access.ca_path(args)
    authorities = None
    if args.igtf:
        from libprobe.clients.igtf import Authorities

        authorities = Authorities(path)
    try:
        own = access.find_certificate(args)
        if own:
            own.expect_valid(now=datetime.now(UTC), seconds=deadline.remaining())
            return TlsOptions(tls.make_context(path, own), path, own.describe(), bool(args.cert), igtf=authorities)
    except OwnCredential as failure:
        if args.cert:
            raise
        return TlsOptions(tls.make_context(path), path, credential_lack=str(failure), igtf=authorities)
    return TlsOptions(tls.make_context(path), path, igtf=authorities)


class AcceptedCertificate(Record):
    """What a server's certificate says of itself, and the chain by which it was accepted.

    not_after: seconds since the epoch.
    """

    names: list[str]
    has_dns_name: bool
    not_after: float
    chain: CertificateChain


class TcpConnect(Check):
    """Connects to the first address of a name that answers, or to all, and closes the connections again.

    family:  socket.AF_INET or AF_INET6 to try those addresses only.
    tls_options:  in which a handshake is done, None to do none; is_by_scheme: whether the endpoint's URL decided that.
    all_addresses: whether each address has to do what is asked; see `_judge_all`.
    Yields: connect_time (s) of the address that answered, resolve_time (s); with TLS handshake_time (s) and
    certificate_lifetime (s), which is that of whichever certificate of the chain ends first; a WARNING for each address
    of the name before it that did not answer, and for a certificate that names the host in its CN only.
    """

    def __init__(
        self,
        target: TcpEndpoint,
        deadline: Deadline,
        *,
        family: int = 0,
        tls_options: TlsOptions | None = None,
        is_by_scheme: bool = False,
        all_addresses: bool = False,
    ) -> None:
        super().__init__(deadline)
        self.target = target
        self.subject = host_and_port(target.host, target.port)
        self._family = family
        self._tls_options = tls_options
        self._is_plain = is_by_scheme and not tls_options
        self._all_addresses = all_addresses
        self.facts["notes"] = "".join(f"; {note}" for note in target.notes)
        self.caveats = target.notes

    def measure(self) -> Iterator[Metric]:
        host, port = self.target.host, self.target.port
        began = time.monotonic()
        presents = bool(self._tls_options and self._tls_options.credential_description)
        request = f"TCP connection to {self.subject}" + (" and TLS handshake" if self._tls_options else "")
        exchange = Exchange(request, host, port, self.deadline, has_credential=presents)
        most = sockets.MAX_OF_ALL if self._all_addresses else sockets.MAX_ADDRESSES
        addresses = sockets.resolve(exchange, family=self._family, most=most)
        resolve_time = time.monotonic() - began
        if self._all_addresses:
            yield Metric("resolve_time", resolve_time, "s", min=0, context="time")
            yield from self._judge_all(addresses, presents)
            return
        failures: list[Failure] = []
        connection = sockets.connect_first(exchange, addresses, failures)
        if connection is None:
            raise _combined_failure(failures) or exchange.timeout_failure("no time left to connect", "to")
        with connection:
            self._name_address(exchange, connection)
            self.facts.update(
                endpoint=f"{self.subject} accepts",
                connect_time=duration(connection.connect_time),
                slowest=self.subject,
                ending=self.subject,
                tls=self._without_tls,
            )
            yield Metric("connect_time", connection.connect_time, "s", min=0)
            yield Metric("resolve_time", resolve_time, "s", min=0, context="time")
            yield from self._judge_others(failures)
            if self._tls_options:
                yield from self._handshake(connection, self._tls_options, exchange)

    def _name_address(self, exchange: Exchange, connection: sockets.DeadlineSocket) -> None:
        """From here on the address that answered is told beside the name."""
        if connection.address != exchange.host:
            exchange.place += f" ({connection.address})"
        self.subject = exchange.place

    @property
    def _without_tls(self) -> str:
        return f"; its URL says {self.target.scheme}, so it has no certificate" if self._is_plain else ""

    def _judge_all(self, addresses: list[sockets.ResolvedAddress], presents: bool) -> Iterator[Metric]:
        """Each address has to accept a connection, and with TLS to show a certificate that is good.

        Some that fail are a WARNING, for users who meet them have to try again; all that fail are the failure itself.
        An address to which we have no route is not judged. Of times the longest counts, of lifetimes the shortest.
        Yields: addresses, addresses_failed; connect_time (s), with TLS handshake_time (s), certificate_lifetime (s).
        """
        name = self.subject
        failures: list[Failure] = []
        worst: dict[str, tuple[float, Metric, dict[str, str]]] = {}
        told: list[Metric] = []
        for index, address in enumerate(addresses):
            exchange = Exchange(name, self.target.host, self.target.port, self.deadline, has_credential=presents)
            for metric in self._of_one(exchange, address, failures, len(addresses) - index):
                if metric.name == "outcome":
                    told.append(metric)
                    continue
                rank = -metric.value if metric.name == "certificate_lifetime" else metric.value
                if metric.name not in worst or rank > worst[metric.name][0]:
                    worst[metric.name] = rank, metric, dict(self.facts)
        self.subject = name
        failed = list(self._of_the_site(failures))
        judged_ones = len(addresses) - len(failures) + len(failed)
        yield Metric("addresses", judged_ones, min=0)
        yield Metric("addresses_failed", len(failed), min=0, context="addresses")
        if len(failed) == judged_ones:
            last = _combined_failure(failures)
            assert last is not None  # a name without addresses is unknown
            raise last
        slow, ending = worst["connect_time"], worst.get("certificate_lifetime", worst["connect_time"])
        self.facts.update(ending[2], slowest=slow[2]["ending"], ending=ending[2]["ending"])
        self.facts["endpoint"] = (
            f"{name} accepts" if judged_ones == 1 else f"all {judged_ones} addresses of {name} accept"
        )
        self.facts["connect_time"] = duration(slow[1].value) + (" at most" if judged_ones > 1 else "")
        if failed:
            fail = "fails" if len(failed) == 1 else "fail"
            sentences = "; ".join(each.sentence for each in failed[:4])
            yield outcome_metric(WARNING, f"{len(failed)} of {judged_ones} addresses of {name} {fail}: {sentences}")
        yield from told
        yield from (metric for _, metric, _ in worst.values())

    def _of_one(
        self, exchange: Exchange, address: sockets.ResolvedAddress, failures: list[Failure], share: int
    ) -> Iterator[Metric]:
        """What one address of several does. failures: gets why it fails. Raises: OwnMachine, OwnCredential."""
        connection = sockets.connect_one(exchange, address, failures, share=share)
        if connection is None:
            return
        with connection:
            self._name_address(exchange, connection)
            where = exchange.asked = exchange.place
            self.facts.update(ending=where, tls=self._without_tls)
            found = [Metric("connect_time", connection.connect_time, "s", min=0)]
            try:
                if self._tls_options:
                    found += self._handshake(connection, self._tls_options, exchange)
            except EndpointFailure as failure:
                failures.append(failure)
                self.tell(failure)
                return
            self.detail(1, f"{where}: accepts connections after {duration(connection.connect_time)}{self.facts['tls']}")
        yield from found

    def _judge_others(self, failures: list[Failure]) -> Iterator[Metric]:
        """An address that the name publishes and nobody answers at costs users time."""
        for failure in self._of_the_site(failures):
            failure.add(f"{self.subject} accepts connections")
            yield self.failed(failure, status=WARNING)

    def _of_the_site(self, failures: list[Failure]) -> Iterator[Failure]:
        """The failures but those of an address to which we have no route: that says nothing of the site."""
        for failure in failures:
            if isinstance(failure, sockets.NoRoute):
                self.detail(1, f"no route from here: {failure.sentence}")
            else:
                yield failure

    def _handshake(
        self, connection: sockets.DeadlineSocket, tls_options: TlsOptions, exchange: Exchange
    ) -> Iterator[Metric]:
        from ssl import cert_time_to_seconds

        from libprobe.clients import chain, tls

        began = time.monotonic()
        try:
            secured = tls.secure(connection, tls_options.context, exchange)
        except (OwnCredential, Rejected) as refusal:
            yield from self._judge_refused(refusal, tls_options, exchange)
            return
        with secured:
            seconds = time.monotonic() - began
            certificate: Mapping[str, Any] = secured.getpeercert() or {}
            cipher = secured.cipher()
            accepted = chain.accepted_chain(secured, tls_options.trust)
            self.detail(1, f"TLS: {secured.version()}, {cipher[0] if cipher else 'unknown cipher'}")
        alternative = certificate.get("subjectAltName", ())
        shown = AcceptedCertificate(
            [str(value) for _, value in alternative],
            any(kind == "DNS" for kind, _ in alternative),
            cert_time_to_seconds(str(certificate["notAfter"])),
            accepted,
        )
        yield Metric("handshake_time", seconds, "s", min=0, context="time")
        yield from self._judge_certificate(shown, exchange.host, tls_options)

    def _judge_refused(self, refusal: Failure, tls_options: TlsOptions, exchange: Exchange) -> Iterator[Metric]:
        """Judge a refusal within the handshake, and the certificate that the server showed before it, as with TLS 1.2.

        That it wants a certificate is how many are set up, and says nothing against it; who named one by an option
        wants to know whether that is accepted.
        """
        from libprobe.clients import tls

        wants = "refuses ours" if isinstance(refusal, Rejected) else "wants a client certificate"
        self.detail(1, refusal.sentence)
        if tls_options.credential_lack:
            self.detail(1, f"no certificate of ours was presented: {tls_options.credential_lack}")
        accepted = tls.shown_before_refusal(exchange, tls_options.trust)
        if accepted is None and isinstance(refusal, Rejected):
            raise refusal
        self.facts["tls"] = f", with a good certificate, and {wants}"
        if accepted is None:
            self.detail(1, "the server did not show its certificate once more: no lifetime to be read")
            yield from self._unknown_authority(tls_options)
            return
        try:
            own = tls.read_certificate(accepted.certificates[0])
        except ValueError as error:  # OpenSSL has read it
            self.detail(1, f"the server's certificate cannot be described: {error}")
            yield from self._unknown_authority(tls_options)
            return
        shown = AcceptedCertificate(own.names, own.has_dns_name, own.not_after.timestamp(), accepted)
        yield from self._judge_certificate(shown, exchange.host, tls_options)
        self.facts["tls"] += f", and {wants}"
        if tls_options.is_credential_named:
            raise refusal

    def _unknown_authority(self, tls_options: TlsOptions) -> Iterator[Metric]:
        """What was asked for with --igtf has to be told, also where it is not to be seen."""
        if tls_options.igtf:
            said = (
                f"certificate not shown before our login was refused on {self.subject}; whether it is of the IGTF is "
            )
            yield outcome_metric(UNKNOWN, f"{said}unknown (name a certificate that it takes with --cert)")

    def _judge_authority(self, shown: AcceptedCertificate, authorities: Authorities) -> Iterator[Metric]:
        from libprobe.checks import igtf

        try:
            accredited = igtf.judge(shown.chain, authorities, self.subject)
        except Failure as failure:
            yield self.failed(failure)
            return
        info = accredited.info
        self.facts["tls"] += f", of {info.alias} (IGTF {info.profile})"
        for step in accredited.steps:
            self.detail(1, f"IGTF: {step}")
        if info.profile == igtf.IDENTIFIER_ONLY:
            yield outcome_metric(
                WARNING,
                f"certificate of a CA that the IGTF accredits for identifiers only ({info.alias}, {info.status}) "
                f"on {self.subject}; many services refuse it (get one of a classic CA)",
            )

    def _judge_certificate(self, shown: AcceptedCertificate, host: str, tls_options: TlsOptions) -> Iterator[Metric]:
        self.detail(1, f"certificate: for {', '.join(shown.names[:10]) or 'no alternative names'}")
        self.detail(1, f"certificate: valid until {time.strftime('%Y-%m-%d %H:%M', time.gmtime(shown.not_after))} UTC")
        left, whose = self._soonest_end(shown)
        self.facts.update(whose=whose, tls=f", {whose} valid for {duration(left)}")
        yield Metric("certificate_lifetime", left, "s", min=0)
        if tls_options.igtf:
            yield from self._judge_authority(shown, tls_options.igtf)
        if not shown.has_dns_name and not _is_address(host):
            yield outcome_metric(
                WARNING,
                f"certificate has the host name in its CN only on {self.subject}; many clients refuse that "
                "(request one with subjectAltName)",
            )

    def _soonest_end(self, shown: AcceptedCertificate) -> tuple[float, str]:
        """The seconds until the first certificate of a chain ends, and whose that is.

        The root at its end is the users' own, who get a new one with their trust anchors, whatever the site does.
        """
        from libprobe.formats import x509

        now = time.time()
        ends = [(shown.not_after - now, "certificate")]
        for encoded in shown.chain.certificates[1:]:
            try:
                link = x509.read_chain_link(encoded)
            except BadData:
                continue
            if not link.is_self_issued:
                ends.append((link.not_after.timestamp() - now, f"certificate of its CA {link.subject_words}"))
                self.detail(1, f"chain: {link.subject_words} valid until {link.not_after:%Y-%m-%d %H:%M} UTC")
        if not shown.chain.is_complete:
            self.detail(1, "chain: not shown to its end; with TLS 1.3 alone only Python 3.13 and later have it")
        return min(ends)


def _is_address(host: str) -> bool:
    """Whether the host is an IP address: for one OpenSSL never looks at a certificate's CN."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except OSError:
            continue
    return False


def _combined_failure(failures: list[Failure]) -> Failure | None:
    """Return one failure for all addresses, with the sentences of those that have a route; None for none."""
    tried = [each for each in failures if not isinstance(each, sockets.NoRoute)] or failures
    if not tried:
        return None
    last = tried[-1]
    for other in tried[:-1][:3]:
        last.add(other.sentence)
    return last
