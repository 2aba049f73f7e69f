"""Whether a message broker lets us in and carries a message: to it, through a queue, and back to us.

Messages of others are left alone, in three ways at once. We ask for our own message only, by a selector on a header
that holds an id of this run: ActiveMQ, Artemis and Apollo deliver nothing else. RabbitMQ knows no selectors: there
the queue is one of our own, of the given name with the id of this run behind it, which goes with our subscription.
And wherever another's message comes all the same, it is never acknowledged, so that it goes back to the queue.
Our own message is acknowledged; one that never came back to us expires.
"""

from __future__ import annotations

import os
import re
import time

from nagiosplugin import Metric

from libprobe import redact
from libprobe.checks.base import Check, outcome_metric
from libprobe.clients import credentials, tls
from libprobe.clients.stomp import BrokerError, StompCredentials, StompSession, is_receipt
from libprobe.failures import (
    CRITICAL,
    WARNING,
    Asked,
    BadData,
    Misconfigured,
    OwnCredential,
    ProtocolFailure,
)
from libprobe.formats.address import host_and_port
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import ssl
    from collections.abc import Iterator

    from libprobe.deadline import Deadline
    from libprobe.formats.stomp import Frame
    from libprobe.targets.brokers import BrokerEndpoint

ID_HEADER = "fedcloud_probe"
"""A Java identifier, as selectors want it."""

EXPIRES_S = 3600.0
"""How long a message that got lost may stay; an hour, because the broker's clock may be off."""

MAX_SAID = 80
"""Characters of what a broker says that the status line has; -v has the whole."""

MAX_OTHERS = 500
"""Messages of others that are passed over before we give a queue up."""

_ABOUT_DESTINATION = re.compile(
    r"(?:unknown|invalid|no such|not a valid|no) (?:destination|queue|topic|address|exchange)"
    r"|not[ _](?:exist|found|authori[sz]ed)|permission|access[ _](?:refused|denied)",
    re.IGNORECASE,
)
"""How brokers say that a destination is not there, or not for us; what else they say, such as that a queue is full, is
their own trouble."""


class BrokerConnectOptions(Record):
    """How to connect and log in to a broker, and where the message goes.

    context:     TLS settings where they are needed; has_credential: whether they present a certificate.
    is_vhost_given: whether it was the operator who named the virtual host.
    destination: where a message is sent and read, empty to connect only.
    """

    login: StompCredentials | None
    vhost: str
    destination: str
    context: ssl.SSLContext | None
    has_credential: bool
    is_vhost_given: bool = False


# ---- from the options


def make_connect_options(
    args: argparse.Namespace, deadline: Deadline, brokers: list[BrokerEndpoint]
) -> BrokerConnectOptions:
    """Return how to connect to brokers, by the options and the settings. Raises: OwnCredential, Misconfigured."""
    context, certificate = None, None
    if any(broker.is_secure for broker in brokers):
        from datetime import UTC, datetime

        from libprobe.targets import access

        certificate = access.find_certificate(args)
        if certificate:
            certificate.expect_valid(now=datetime.now(UTC), seconds=deadline.remaining())
        context = tls.find_context(access.ca_path(args), certificate)
    return BrokerConnectOptions(
        _read_credentials(args),
        args.vhost,
        args.destination or "",
        context,
        certificate is not None,
        "vhost" in args.given,
    )


def _read_credentials(args: argparse.Namespace) -> StompCredentials | None:
    if not args.login and not args.password_file:
        return None
    if not (args.login and args.password_file):
        raise Misconfigured("--login and --password-file belong together")
    from libprobe.targets import access

    data = credentials.read_private(args.password_file, "password file")
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) != 1 or not lines[0].isprintable() or not lines[0]:
        said = "no password (one line of printable characters)"
        raise OwnCredential(said, place=args.password_file, link="in")
    hosts = access.named_hosts(args) | {credentials.host_name(each) for each in args.login_at}
    allowed = credentials.Audience(
        hosts, args.plain_login, "--login-at", "--plain-login", "use stomp+ssl://, or --tls with its port"
    )
    return StompCredentials(args.login, redact.register(lines[0]), allowed)


# ---- the conversation


class RoundTrip(Check):
    """Logs in to one broker and, with a destination, sends a message there and reads it back.

    Yields: connect_time (s) until the broker's CONNECTED; time_to_receipt and round_trip_time (s) from sending the
    message until the broker confirmed it and until it was back.
    """

    def __init__(self, broker: BrokerEndpoint, how: BrokerConnectOptions, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.subject = broker.url
        self._broker = broker
        self._options = how
        self._asked = Asked(host_and_port(broker.host, broker.port), broker.url)
        notes = "".join(f"; {note}" for note in broker.notes)
        self.facts.update(
            notes=notes,
            did="accepts our login" if how.login else "accepts CONNECT",
            whom=self._asked.place,
            late="answer to CONNECT",
        )
        self.caveats = broker.notes

    def measure(self) -> Iterator[Metric]:
        broker, how = self._broker, self._options
        context = how.context if broker.is_secure else None
        credential = how.has_credential and broker.is_secure
        with StompSession(
            broker.host, broker.port, self.deadline, context=context, with_credential=credential
        ) as session:
            withheld = session.login_problem(how.login)
            try:
                session.connect(None if withheld else how.login, vhost=how.vhost)
            except (OwnCredential, BrokerError) as error:
                if withheld:  # what it says to nobody in particular is no answer to the question
                    raise withheld from None
                if (
                    isinstance(error, OwnCredential)
                    or not how.is_vhost_given
                    or not re.search(r"v(?:irtual )?host", error.error_text, re.IGNORECASE)
                ):
                    raise
                raise self._not_there(
                    f"virtual host {how.vhost} of --vhost refused", error, "leave it out for /"
                ) from None
            software = excerpt(session.server, 60)
            version = f"STOMP {session.version}{' over TLS' if broker.is_secure else ''}"
            version += f", {software}" if software else ""
            self.detail(1, f"broker: {self.subject}")
            self.facts.update(broker=f"{self.place} ({version})", time=duration(session.connect_time))
            yield Metric("connect_time", session.connect_time, "s", min=0)
            if withheld:
                session.disconnect()
                raise withheld
            if how.destination:
                try:
                    yield from self._send_and_receive(session)
                except BrokerError as error:
                    if not _ABOUT_DESTINATION.search(error.error_text):
                        raise
                    refused = f"{how.destination} of --destination refused"
                    raise self._not_there(refused, error, "name a queue or topic that we may use") from None
            if not session.disconnect():
                self.detail(1, "the broker did not confirm our DISCONNECT")

    def _not_there(self, refused: str, error: BrokerError, remedy: str) -> Misconfigured:
        """What an operator chose and the broker does not have for us. error: what it said of it."""
        more = [f"ERROR: {error.error_text}"]
        said = excerpt(error.error_text, MAX_SAID)
        return Misconfigured(refused, of=self._asked, link="by", also=said, remedy=remedy, more=more)

    def _send_and_receive(self, session: StompSession) -> Iterator[Metric]:
        run = f"egi-sam-{os.urandom(8).hex()}"
        destination, subscribing, sending = probe_destination(session.server, self._options.destination, run)
        self.detail(1, f"destination: {destination}, message {run}")
        session.subscribe(destination, run, subscribing)
        body = f"{run}: a message of check_broker to itself; it may be thrown away\n"
        expires = {"expires": str(int((time.time() + EXPIRES_S) * 1000)), "expiration": str(int(EXPIRES_S * 1000))}
        headers = {**sending, **expires, "destination": destination, "content-type": "text/plain", ID_HEADER: run}
        began = time.monotonic()
        exchange = _MessageTracker(
            session.send_with_receipt("SEND", headers, body), run, body, self._asked, destination
        )
        while not exchange.is_complete:
            exchange.take_frame(session.receive(exchange.awaited), time.monotonic() - began)
        assert exchange.message
        session.acknowledge(exchange.message, run)
        session.unsubscribe(destination, run)
        if exchange.others:
            self.detail(1, f"{number_of(exchange.others, 'message')} of others left in the queue")
        self.facts.update(
            did=f"carries a message through {self._options.destination}",
            late=f"message back through {self._options.destination}",
            time=duration(exchange.times["round_trip_time"]),
        )
        for name, seconds in exchange.times.items():
            yield Metric(name, seconds, "s", min=0)


class _MessageTracker:
    """Follows one message that was sent: receipt and return. times: seconds since it was sent, by metric."""

    def __init__(self, receipt: str, run: str, body: str, asked: Asked, destination: str) -> None:
        self.message: Frame | None = None
        self.times: dict[str, float] = {}
        self.others = 0
        self._receipt = receipt
        self._run = run
        self._body = body.encode()
        self._asked = asked
        self._destination = destination

    @property
    def is_complete(self) -> bool:
        return len(self.times) == 2

    @property
    def awaited(self) -> str:
        return "message back" if "time_to_receipt" in self.times else "receipt for SEND"

    def take_frame(self, frame: Frame, seconds: float) -> None:
        if is_receipt(frame, self._receipt):
            self.times["time_to_receipt"] = seconds
        elif frame.command == "MESSAGE":
            self._take_message(frame, seconds)
        elif frame.command != "RECEIPT":
            raise ProtocolFailure(f"{frame.command} instead of the {self.awaited}", of=self._asked, link="from")

    def _take_message(self, frame: Frame, seconds: float) -> None:
        if frame.headers.get(ID_HEADER) == self._run and frame.body == self._body:
            self.message = frame
            self.times.setdefault("round_trip_time", seconds)
        elif frame.headers.get(ID_HEADER) == self._run or frame.body == self._body:
            raise BadData(
                "message came back changed", of=self._asked, link="from", also=f'it is "{excerpt(frame.body, 60)}"'
            )
        else:
            self.others += 1
            if self.others > MAX_OTHERS:
                raise Misconfigured(
                    f"more than {MAX_OTHERS} messages of others in {self._destination}",
                    of=self._asked,
                    remedy="give a --destination that nobody else uses",
                )


def probe_destination(server: str, destination: str, run: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where this run's message goes: the destination, and headers for SUBSCRIBE and for SEND."""
    if not server.lower().startswith("rabbitmq"):
        return destination, {"selector": f"{ID_HEADER} = '{run}'"}, {}
    if not destination.startswith("/queue/"):
        return destination, {}, {}
    # RabbitMQ declares a queue by what comes first, SUBSCRIBE or SEND: both have to say the same of it.
    kind = {"durable": "false", "auto-delete": "true"}
    return f"{destination}.{run}", kind, kind


class AnyOfBrokers(Check):
    """Does the same to each of several brokers, of which messages need any one.

    Yields: brokers and brokers_failed, and of each time the slowest; the failures as WARNING while one broker works.
    """

    def __init__(self, trips: list[RoundTrip], source: str, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.subject = source
        self._trips = trips
        self.facts["notes"] = ""

    def measure(self) -> Iterator[Metric]:
        slowest: dict[str, Metric] = {}
        failures: list[Metric] = []
        for index, trip in enumerate(self._trips):
            trip.deadline = self.deadline.share(len(self._trips) - index)
            for metric in trip.probe():
                if metric.context == "outcome":
                    failures.append(metric)
                elif metric.name not in slowest or slowest[metric.name].value < metric.value:
                    slowest[metric.name] = metric
            self.detail(1, f"{trip.subject}: {trip.facts.get('time', 'failed')}")
            self.details += trip.details
        count = len(self._trips)
        main = "round_trip_time" if "round_trip_time" in slowest else "connect_time"
        self.facts.update(
            broker=f"each of {number_of(count, 'broker')} of {self.place}",
            did=next((trip.facts["did"] for trip in self._trips if "time" in trip.facts), ""),
            late=next((trip.facts["late"] for trip in self._trips if "time" in trip.facts), ""),
            whom=f"the slowest of {number_of(count, 'broker')} of {self.place}",
            time=duration(slowest[main].value) if main in slowest else "",
        )
        yield from slowest.values()
        yield Metric("brokers", count, min=0, context="count")
        yield Metric("brokers_failed", len(failures), min=0, max=count, context="count")
        for failure in failures:
            status = failure.value.status
            if len(failures) < count and status == CRITICAL:
                status = WARNING
            yield outcome_metric(status, failure.value.sentence)


def make_check(
    brokers: list[BrokerEndpoint], how: BrokerConnectOptions, source: str | None, deadline: Deadline
) -> Check:
    """The check of one broker, or of all that a BDII names."""
    trips = [RoundTrip(broker, how, deadline) for broker in brokers]
    return trips[0] if len(trips) == 1 else AnyOfBrokers(trips, source or "", deadline)
