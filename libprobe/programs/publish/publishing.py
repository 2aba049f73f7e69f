"""Metric results sent to a broker, through a spool: kept first, sent then, forgotten on the broker's receipt.

    put(spool, broker, result)      a result is safe on disk when this returns
    send_all(args, spool, deadline) one process at a time sends what waits, in order

A broker is one that speaks STOMP, or the ARGO Messaging Service (AMS). Each has its own form of a result; the spool
and what is promised of it are the same. `Sender` is what differs in sending.

A process that is killed between a message and its receipt sends it again the next time, under the same id:
in the header `result-id`, and in the one by which ActiveMQ Artemis drops duplicates by itself; in AMS' attribute
`result_id`.

A broker that refuses one message for good ends the connection, and the good ones before it, of which the broker
has not told yet, have no receipt (RabbitMQ 3.10.8: ERROR, for a message above max_message_size). So what waits goes
one at a time from there on, and what is refused again while others are taken is set aside. Where none is taken, a run
ends after some, and the next looks further on: so many that are refused in a row hide no good one behind them for ever.
"""

from __future__ import annotations

import os
import re
import time
from binascii import b2a_base64

from libprobe import redact
from libprobe.deadline import Deadline, OutOfTime
from libprobe.failures import (
    BadData,
    CertificateWanted,
    Failure,
    HelperFailure,
    Misconfigured,
    OwnCredential,
    ProtocolFailure,
    Rejected,
)
from libprobe.formats.address import SECURE, host_and_port, host_port_of, read_address
from libprobe.probe import cli
from libprobe.records import Record
from libprobe.state.files import StateDirectory, default_directory
from libprobe.state.spool import MAX_PUT_OFF_S, Spool
from libprobe.text import duration, number_of, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from libprobe.clients.ams import AmsTopic
    from libprobe.clients.stomp import StompSession
    from libprobe.deadline import Deadline
    from libprobe.formats.metric_result import MetricResult
    from libprobe.state.spool import Message

    class Sender(Protocol):
        """A way to the broker that is open.

        window: how many messages are sent at a time.
        send:   sends messages, and yields the id of each once the broker has confirmed it.
        is_about_one_message: whether a failure can be about a message, and not about all.
        """

        window: int

        def send(self, messages: list[Message]) -> Iterator[str]: ...
        def is_about_one_message(self, failure: Failure) -> bool: ...
        def finish(self) -> None: ...
        def close(self) -> None: ...


STOMP, AMS = "stomp", "ams"
SCHEMES = {STOMP: ("stomp", "stomp+ssl"), AMS: ("https",)}
WINDOW = 20
"""Messages under way at a time, by STOMP: each alone would take a round trip."""

PER_SESSION = 2_000
"""Messages of one connection; the client bounds how many frames it reads from one."""

MAX_DESCRIPTORS = 4096
PUT_OFF_S = 5.0
MAX_REASON = 300

TRIES = 2
"""How often a message is refused by itself, each time on a connection of its own, before it counts as refused."""

PATIENCE, MAX_PATIENCE = 4, 64
"""How many messages in a row are refused until a run believes that it is the destination that refuses them all: in the
first run, and doubled with each that failed. The next run tries the first few again, and then those behind the last."""


_TOPIC = re.compile(r"v1/projects/[A-Za-z0-9_-]{1,200}/topics/[A-Za-z0-9_-]{1,200}")
"""What AMS takes for names: argo-messaging 1.7.0, validation/validation.go."""


class PublishDestination(Record):
    """Where results go.

    kind: STOMP, `stomp+ssl://mq.example.org:6162/topic/grid.probe.metricOutput.EGEE.ngi.nagios_example_org`;
          AMS, `https://msg.example.org/v1/projects/EGI/topics/metric_data`.
    """

    kind: str
    scheme: str
    host: str
    port: int
    destination: str

    @property
    def is_secure(self) -> bool:
        return self.scheme in SECURE

    @property
    def url(self) -> str:
        return f"{self.scheme}://{host_and_port(self.host, self.port)}{self.destination}"


def read_broker(args: argparse.Namespace) -> PublishDestination:
    """Read the URL of --publish, as --to says it is meant. Raises: Misconfigured."""
    kind, text = args.to, args.publish
    try:
        address = read_address(text)
    except BadData as error:
        raise Misconfigured(f"--publish: {error.sentence}") from None
    if address.scheme not in SCHEMES[kind]:
        remedy = "give --to ams, if it is ARGO Messaging" if address.scheme in SCHEMES[AMS] else ""
        wanted = " or ".join(f"{scheme}://" for scheme in SCHEMES[kind])
        raise Misconfigured(f"--publish: {text[:100]} does not begin with {wanted}", remedy=remedy)
    _, slash, destination = text.strip().partition("://")[2].partition("/")
    destination = destination.removesuffix(":publish") if kind == AMS else destination
    is_none = not _TOPIC.fullmatch(destination) if kind == AMS else not destination
    if is_none or "?" in destination or "#" in destination:
        example = "/v1/projects/EGI/topics/metric_data" if kind == AMS else "/topic/grid.probe.metricOutput.EGEE.ngi.X"
        what = "topic" if kind == AMS else "destination"
        raise Misconfigured(f"--publish: {text[:100]} names no {what}", remedy=f"append one, like {example}")
    assert address.port_or_default
    return PublishDestination(kind, address.scheme, address.host, address.port_or_default, slash + destination)


def options(parser: cli.Parser, *, required: bool = False) -> None:
    """Add where results are sent, and how we log in there."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "--publish",
        metavar="URL",
        type=cli.word,
        required=required,
        help="broker and destination, like stomp+ssl://mq.example.org:6162/topic/grid.probe.metricOutput.EGEE.ngi.X, "
        "or with --to ams https://msg.example.org/v1/projects/EGI/topics/metric_data",
    )
    group.add_argument(
        "--to", choices=(STOMP, AMS), default=STOMP, help="what takes them: a STOMP broker, or ARGO Messaging"
    )
    cli.secret_file(
        group, "--ams-token-file", holds="token", help="file with the token for ARGO Messaging, closed to others"
    )
    group.add_argument("--login", metavar="NAME", type=cli.word, help="name to log in with (default: none)")
    cli.secret_file(
        group, "--password-file", holds="password", help="file with the password of --login, closed to others"
    )
    cli.plain_login(group)
    group.add_argument("--broker-cert", metavar="FILE", help="certificate for the broker (default: as for probes)")
    group.add_argument("--broker-key", metavar="FILE", help="private key, where it is not in that file")
    parser.not_with("--login", "--to=ams")
    parser.not_with("--broker-cert", "--to=ams")
    parser.only_with("--login", "--password-file")
    parser.only_with("--password-file", "--login")
    parser.only_with("--plain-login", "--login")
    parser.only_with("--broker-key", "--broker-cert")
    parser.only_with("--ams-token-file", "--to=ams")
    if not required:
        parser.only_with("--login", "--publish")
        parser.only_with("--broker-cert", "--publish")
        parser.only_with("--to", "--publish")


def open_spool(args: argparse.Namespace) -> Spool:
    """The spool of the broker and destination of --publish: each has its own. Raises: Misconfigured."""
    import hashlib

    broker = read_broker(args)
    return spool_named(args, f"spool-{hashlib.sha256(broker.url.encode()).hexdigest()[:16]}")


def spool_named(args: argparse.Namespace, name: str) -> Spool:
    """A spool in the state directory of the options. Raises: Misconfigured."""
    base = state_directory(args)
    StateDirectory(base).close()  # whoever owns it can take away all that is in it
    return Spool(os.path.join(base, name))


def state_directory(args: argparse.Namespace) -> str:
    return str(args.state_dir or args.settings.get("state", "directory") or default_directory())


def put(spool: Spool, broker: PublishDestination, result: MetricResult) -> None:
    """Keep a result until it is sent. Raises: BadData for anything but a result; Misconfigured."""
    if broker.kind == AMS:
        from libprobe.formats.metric_data import write_metric_data

        # a service can be of several types for ARGO, which wants a record of each
        types = [each for each in result.service_type.split(",") if each.strip()] or [""]
        for attributes, record in [write_metric_data(result._replace(service_type=each)) for each in types]:
            spool.put(attributes, b2a_base64(record, newline=False).decode())
        return
    from libprobe.formats.metric_result import write_metric_result

    headers = {
        "nagios_host": result.gathered_at,
        "ROC": result.roc,
        "content-type": "text/plain;charset=utf-8",
        "persistent": "true",
    }
    spool.put({name: value for name, value in headers.items() if value}, write_metric_result(result))


def deliver(spool: Spool, session: Callable[[], Sender]) -> int:
    """Send what waits, the oldest first, and forget what the broker has receipted; returns how many.

    What the broker refuses while it takes others is set aside: `spool.refused`.
    To be called by the spool's one sender. Raises: the failures of the session; what was receipted before
    is forgotten all the same, the rest waits.
    """
    count = 0
    while waiting := spool.waiting()[:PER_SESSION]:
        sender = session()
        try:
            for at in range(0, len(waiting), sender.window):
                count += _send_window(spool, sender, waiting[at : at + sender.window])
            sender.finish()
            continue
        except Failure as failure:
            if not sender.is_about_one_message(failure):
                raise
        finally:
            sender.close()
        count += _send_one_by_one(spool, session, has_taken=count > 0)
    return count


def _send_one_by_one(spool: Spool, session: Callable[[], Sender], *, has_taken: bool) -> int:
    """Send the oldest messages one at a time, and set aside what is refused while others are taken; returns how many.

    has_taken: whether the broker has taken any in this run.
    Raises: the failure of a broker that takes none, or too few to tell what is wrong; nothing is set aside then but
    what earlier runs had found refused too, and only where it has taken another in this one.
    """
    patience = min(MAX_PATIENCE, PATIENCE << min(spool.postponed()[1], 16))
    waiting, refused_up_to = spool.waiting(), spool.all_refused_up_to()
    again = patience if has_taken else PATIENCE
    tried = waiting[:again] + [identity for identity in waiting[again:] if identity > refused_up_to]
    limit = patience + again if refused_up_to else patience
    pending: list[tuple[str, Failure]] = []
    count = 0
    sender: Sender | None = None
    try:
        for identity in tried:
            refused: Failure | None = None
            taken = 0
            for _ in range(TRIES):
                sender = sender or session()
                try:
                    taken = _send_window(spool, sender, [identity])
                    refused = None
                    break
                except Failure as failure:
                    if not sender.is_about_one_message(failure):
                        raise
                    refused = failure
                    sender.close()
                    sender = None
            if refused:
                pending.append((identity, refused))
                if len(pending) >= limit:
                    break
            elif taken:
                _set_aside(spool, pending)
                count += taken
                if sender and count >= sender.window:
                    break
        if count or has_taken:
            is_alone = len(pending) == 1
            _set_aside(spool, [each for each in pending if is_alone or each[0] <= refused_up_to])
            pending = [] if is_alone else [each for each in pending if each[0] > refused_up_to]
        if pending:
            raise pending[0][1]
    finally:
        if pending:
            spool.note_all_refused_up_to(pending[-1][0])
        if sender:
            sender.finish()
            sender.close()
    return count


def _send_window(spool: Spool, sender: Sender, identities: list[str]) -> int:
    messages = [message for message in map(spool.read, identities) if message]
    count = 0
    for identity in sender.send(messages):
        spool.forget_sent(identity)
        count += 1
    return count


def _set_aside(spool: Spool, refused: list[tuple[str, Failure]]) -> None:
    while refused:
        identity, failure = refused[0]
        # it stays on disk, and is told when the secret that a server repeated is another one
        spool.refuse(identity, shortened(redact.blank(failure.sentence), MAX_REASON))
        del refused[0]


def send_all(args: argparse.Namespace, spool: Spool, deadline: Deadline) -> str:
    """Send what waits, and say how that went: one sentence. Raises: Misconfigured, OwnCredential."""
    broker = read_broker(args)
    with spool.sender() as is_ours:
        if not is_ours:
            return f"{number_of(len(spool.waiting()), 'result')} for {broker.url}: another process is sending them"
        try:
            with deadline.enforced():
                count = deliver(spool, make_session_opener(args, broker, deadline))
        except (OutOfTime, Failure) as failure:
            if isinstance(failure, (Misconfigured, OwnCredential)):
                raise as_helper_failure(failure) from None
            why = str(failure) if isinstance(failure, Failure) else f"not done within {duration(deadline.seconds)}"
            left = number_of(len(spool.waiting()), "result")
            return f"{left} could not be sent and will be, with the next run: {why}"
    aside = describe_refused(spool, "the broker")
    return f"{number_of(count, 'result')} sent to {broker.url}{f'; {aside}' if aside else ''}"


def describe_refused(spool: Spool, by: str) -> str:
    """A sentence on what was refused and is set aside, empty if there is none. by: `the broker`."""
    names = spool.refused()
    if not names:
        return ""
    are = "is" if len(names) == 1 else "are"
    return (
        f"{number_of(len(names), 'result')} that {by} refused {are} set aside in {spool.path}, the last with: "
        f"{spool.why_refused(names[-1])}"
    )


class _StompSender:
    """A connection to a STOMP broker: it confirms each message with a receipt."""

    window = WINDOW

    def __init__(self, session: StompSession, broker: PublishDestination) -> None:
        self._session = session
        self._destination = broker.destination

    def send(self, messages: list[Message]) -> Iterator[str]:
        asked: list[tuple[str, str]] = []
        for message in messages:
            own = {"destination": self._destination, "result-id": message.id, "_AMQ_DUPL_ID": message.id}
            asked.append(
                (message.id, self._session.send_with_receipt("SEND", {**message.headers, **own}, message.body))
            )
        for identity, receipt in asked:
            self._session.await_receipt(receipt, "SEND")
            yield identity

    def is_about_one_message(self, failure: Failure) -> bool:
        """An ERROR, or the end of the connection."""
        return isinstance(failure, (Rejected, ProtocolFailure))

    def finish(self) -> None:
        self._session.disconnect()

    def close(self) -> None:
        self._session.close()


class _AmsSender:
    """A topic of AMS: it confirms a request with all its messages, or none."""

    window = 100

    def __init__(self, topic: AmsTopic) -> None:
        self._topic = topic

    def send(self, messages: list[Message]) -> Iterator[str]:
        from libprobe.clients.ams import AmsMessage

        made = [AmsMessage({**each.headers, "result_id": each.id}, each.body) for each in messages]
        at = 0
        for count in self._topic.publish(made):
            yield from (each.id for each in messages[at : at + count])
            at += count

    def is_about_one_message(self, failure: Failure) -> bool:
        from libprobe.clients.ams import MessageRefused

        return isinstance(failure, MessageRefused)

    def finish(self) -> None:
        """There is nothing to say at the end."""

    def close(self) -> None:
        self._topic.close()


def make_session_opener(
    args: argparse.Namespace, broker: PublishDestination, deadline: Deadline
) -> Callable[[], Sender]:
    """What opens a way to the broker as the options say. Raises: Misconfigured, OwnCredential."""
    return (_make_ams_opener if broker.kind == AMS else _make_stomp_opener)(args, broker, deadline)


def _make_ams_opener(args: argparse.Namespace, broker: PublishDestination, deadline: Deadline) -> Callable[[], Sender]:
    from libprobe.clients import ams, credentials
    from libprobe.targets import access

    def token() -> str:
        if not args.ams_token_file:
            raise OwnCredential(
                f"no token for {host_port_of(broker.url)}", remedy="name its file with --ams-token-file"
            )
        return credentials.read_token(args.ams_token_file, "token")

    return lambda: _AmsSender(ams.AmsTopic(access.make_http_client(args, deadline), broker.url, token))


def _make_stomp_opener(
    args: argparse.Namespace, broker: PublishDestination, deadline: Deadline
) -> Callable[[], Sender]:
    from libprobe.clients import credentials, stomp, tls

    settings = args.settings
    context, credential = None, None
    if broker.is_secure:
        named = args.broker_cert or settings.get("credentials", "cert") or None
        key = args.broker_key or (None if args.broker_cert else settings.get("credentials", "key")) or None
        credential = credentials.find_certificate(named, key)
        context = tls.make_context(tls.ca_path(args.ca_path, settings.get("tls", "ca_path")), credential)
    login = None
    if args.login:
        if not args.password_file:
            raise Misconfigured("--login without a password", remedy="give --password-file")
        allowed = credentials.Audience(
            frozenset({credentials.host_name(broker.host)}),
            args.plain_login,
            "--publish",
            "--plain-login",
            "use stomp+ssl://",
        )
        login = stomp.StompCredentials(args.login, credentials.read_token(args.password_file, "password"), allowed)

    def connected() -> Sender:
        session = stomp.StompSession(
            broker.host, broker.port, deadline, context=context, with_credential=credential is not None
        )
        try:
            session.connect(login)
        except BaseException:
            session.close()
            raise
        return _StompSender(session, broker)

    return connected


def send_in_background(args: argparse.Namespace, spool: Spool, seconds: float) -> bool:
    """Let a process of its own send what waits, unless one does already or the broker was down just now.

    Returns at once, with whether one was started.
    """
    return run_in_background(spool, lambda: _send_until_empty(args, open_spool(args), seconds))


def run_in_background(spool: Spool, work: Callable[[], None]) -> bool:
    """Let a process of its own do what a spool waits for, unless one does already or that failed just now.

    Returns at once, with whether one was started. It outlives us: it is in a session of its own, and holds
    none of our descriptors, for whose end Nagios waits.
    """
    if time.time() < spool.postponed()[0]:
        return False
    with spool.sender() as is_free:
        if not is_free:
            return False  # it looks once more after it is done, and finds what we have put
    if os.fork():
        return True
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.closerange(3, MAX_DESCRIPTORS)
        work()
    except BaseException:  # nobody is there to hear it; what was not done waits
        pass
    finally:
        os._exit(0)


def _send_until_empty(args: argparse.Namespace, spool: Spool, seconds: float) -> None:
    deadline = Deadline(seconds)
    broker = read_broker(args)
    # Whoever puts a message while we hold the lock leaves it to us: so look again after it is released.
    while spool.waiting() and not deadline.has_passed():
        with spool.sender() as is_ours:
            if not is_ours:
                return
            try:
                with deadline.enforced():
                    deliver(spool, make_session_opener(args, broker, deadline))
                spool.end_postponement()
            except (Failure, OutOfTime) as end:
                postpone(spool, end)
                return


def postpone(spool: Spool, end: BaseException) -> None:
    """Let automatic senders wait, twice as long after each failure, and at least as long as the broker asks for."""
    failures = min(spool.postponed()[1] + 1, 16)
    asked = end.pause_s if isinstance(end, Failure) else 0.0
    spool.postpone_until(time.time() + min(MAX_PUT_OFF_S, max(asked, PUT_OFF_S * 2 ** (failures - 1))), failures)


def as_helper_failure(failure: Failure) -> Failure:
    """The broker that takes our results is no endpoint under test: its failures are nobody's CRITICAL."""
    if isinstance(failure, CertificateWanted):
        return failure.retold(OwnCredential, remedy="name one with --broker-cert")
    if isinstance(failure, (Misconfigured, OwnCredential, HelperFailure)):
        return failure
    return failure.retold(HelperFailure)
