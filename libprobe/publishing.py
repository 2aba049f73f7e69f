"""Metric results sent to a message broker, through a spool: kept first, sent then, forgotten on the broker's receipt.

    put(spool, result)              a result is safe on disk when this returns
    sent_all(args, spool, deadline) one process at a time sends what waits, in order

A process that is killed between a message and its receipt sends it again the next time, under the same id:
in the header `result-id`, and in the one by which ActiveMQ Artemis drops duplicates by itself.

A broker that refuses one message for good ends the connection, and the good ones before it, of which the broker
has not told yet, have no receipt (RabbitMQ 3.10.8: ERROR, for a message above max_message_size). So what waits goes
one at a time from there on, and what is refused again while others are taken is set aside. Where none is taken, a run
ends after some, and the next looks further on: so many that are refused in a row hide no good one behind them for ever.
"""

from __future__ import annotations

import os
import time

from libprobe import cli
from libprobe.failures import BadData, Failure, HelperFailure, Misconfigured, OwnCredential, ProtocolFailure, Rejected
from libprobe.formats.address import SECURE, host_and_port, read_address
from libprobe.records import Record
from libprobe.state.spool import MAX_PUT_OFF_S, Spool
from libprobe.text import duration, number_of, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from libprobe.clients.stomp import Session
    from libprobe.deadline import Deadline
    from libprobe.formats.metric_result import MetricResult

SCHEMES = ("stomp", "stomp+ssl")
WINDOW = 20
"""Messages under way at a time: each alone would take a round trip."""

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


class Broker(Record):
    """Where results go: `stomp+ssl://mq.example.org:6162/topic/grid.probe.metricOutput.EGEE.ngi.nagios_example_org`."""

    is_secure: bool
    host: str
    port: int
    destination: str

    @property
    def url(self) -> str:
        return f"{'stomp+ssl' if self.is_secure else 'stomp'}://{host_and_port(self.host, self.port)}{self.destination}"


def read_broker(text: str) -> Broker:
    """Read the URL of --publish. Raises: Misconfigured."""
    try:
        address = read_address(text)
    except BadData as error:
        raise Misconfigured(f"--publish: {error.sentence}") from None
    if address.scheme not in SCHEMES:
        raise Misconfigured(f"--publish: {text[:100]} does not begin with stomp:// or stomp+ssl://")
    _, slash, destination = text.strip().partition("://")[2].partition("/")
    if not destination or "?" in destination or "#" in destination:
        raise Misconfigured(
            f"--publish: {text[:100]} names no destination",
            remedy="append one, like /topic/grid.probe.metricOutput.EGEE.ngi.X",
        )
    assert address.port_or_default
    return Broker(address.scheme in SECURE, address.host, address.port_or_default, slash + destination)


def options(parser: cli.Parser, *, required: bool = False) -> None:
    """Add where results are sent, and how we log in there."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "--publish",
        metavar="URL",
        type=cli.word,
        required=required,
        help="broker and destination, like stomp+ssl://mq.example.org:6162/topic/grid.probe.metricOutput.EGEE.ngi.X",
    )
    group.add_argument("--login", metavar="NAME", type=cli.word, help="name to log in with (default: none)")
    cli.secret_file(
        group, "--password-file", holds="password", help="file with the password of --login, closed to others"
    )
    cli.plain_login(group)
    group.add_argument("--broker-cert", metavar="FILE", help="certificate for the broker (default: as for probes)")
    group.add_argument("--broker-key", metavar="FILE", help="private key, where it is not in that file")
    parser.only_with("--login", "--password-file")
    parser.only_with("--password-file", "--login")
    parser.only_with("--plain-login", "--login")
    parser.only_with("--broker-key", "--broker-cert")
    if not required:
        parser.only_with("--login", "--publish")
        parser.only_with("--broker-cert", "--publish")


def open_spool(args: argparse.Namespace) -> Spool:
    """The spool of the broker and destination of --publish: each has its own. Raises: Misconfigured."""
    import hashlib

    from libprobe.state.files import StateDirectory, default_directory

    broker = read_broker(args.publish)
    base = args.state_dir or args.settings.get("state", "directory") or default_directory()
    StateDirectory(base).close()  # whoever owns it can take away all that is in it
    return Spool(os.path.join(base, f"spool-{hashlib.sha256(broker.url.encode()).hexdigest()[:16]}"))


def put(spool: Spool, result: MetricResult) -> str:
    """Keep a result until it is sent; returns its id. Raises: BadData for what is no result; Misconfigured."""
    from libprobe.formats.metric_result import write_metric_result

    headers = {
        "nagios_host": result.gathered_at,
        "ROC": result.roc,
        "content-type": "text/plain;charset=utf-8",
        "persistent": "true",
    }
    return spool.put({name: value for name, value in headers.items() if value}, write_metric_result(result))


def deliver(spool: Spool, broker: Broker, session: Callable[[], Session]) -> int:
    """Send what waits, the oldest first, and forget what the broker has receipted; returns how many.

    What the broker refuses while it takes others is set aside: `spool.refused`.
    To be called by the spool's one sender. Raises: the failures of the session; what was receipted before
    is forgotten all the same, the rest waits.
    """
    count = 0
    while waiting := spool.waiting()[:PER_SESSION]:
        with session() as connected:
            try:
                for at in range(0, len(waiting), WINDOW):
                    count += _sent_window(spool, broker, connected, waiting[at : at + WINDOW])
            except Failure as failure:
                if not _is_refusal(failure):
                    raise
            else:
                connected.disconnect()
                continue
        count += _sent_one_by_one(spool, broker, session, has_taken=count > 0)
    return count


def _is_refusal(failure: Failure) -> bool:
    """Whether it can be the message that a broker does not want: an ERROR, or the end of the connection."""
    return isinstance(failure, (Rejected, ProtocolFailure))


def _sent_one_by_one(spool: Spool, broker: Broker, session: Callable[[], Session], *, has_taken: bool) -> int:
    """Send the oldest messages one at a time, and set aside what is refused while others are taken; returns how many.

    has_taken: whether the broker has taken any in this run.
    Raises: the failure of a broker that takes none, or too few to tell what is wrong; nothing is set aside then but
    what earlier runs had found refused too, and only where it has taken another in this one.
    """
    patience = min(MAX_PATIENCE, PATIENCE << min(spool.put_off()[1], 16))
    waiting, doubted = spool.waiting(), spool.doubted()
    again = patience if has_taken else PATIENCE
    tried = waiting[:again] + [identity for identity in waiting[again:] if identity > doubted]
    limit = patience + again if doubted else patience
    pending: list[tuple[str, Failure]] = []
    count = 0
    connected: Session | None = None
    try:
        for identity in tried:
            refused: Failure | None = None
            taken = 0
            for _ in range(TRIES):
                connected = connected or session()
                try:
                    taken = _sent_window(spool, broker, connected, [identity])
                    refused = None
                    break
                except Failure as failure:
                    if not _is_refusal(failure):
                        raise
                    refused = failure
                    connected.close()
                    connected = None
            if refused:
                pending.append((identity, refused))
                if len(pending) >= limit:
                    break
            elif taken:
                _set_aside(spool, pending)
                count += taken
                if count >= WINDOW:
                    break
        if count or has_taken:
            is_alone = len(pending) == 1
            _set_aside(spool, [each for each in pending if is_alone or each[0] <= doubted])
            pending = [] if is_alone else [each for each in pending if each[0] > doubted]
        if pending:
            raise pending[0][1]
    finally:
        if pending:
            spool.doubt(pending[-1][0])
        if connected:
            connected.disconnect()
    return count


def _sent_window(spool: Spool, broker: Broker, session: Session, identities: list[str]) -> int:
    asked: list[tuple[str, str]] = []
    for identity in identities:
        message = spool.read(identity)
        if message is None:
            continue
        headers = {
            **message.headers,
            "destination": broker.destination,
            "result-id": message.id,
            "_AMQ_DUPL_ID": message.id,
        }
        asked.append((identity, session.ask("SEND", headers, message.body)))
    for identity, receipt in asked:
        session.await_receipt(receipt, "SEND")
        spool.sent(identity)
    return len(asked)


def _set_aside(spool: Spool, refused: list[tuple[str, Failure]]) -> None:
    while refused:
        identity, failure = refused[0]
        spool.refuse(identity, shortened(failure.sentence, MAX_REASON))
        del refused[0]


def sent_all(args: argparse.Namespace, spool: Spool, deadline: Deadline) -> str:
    """Send what waits, and say how that went: one sentence. Raises: Misconfigured, OwnCredential."""
    from libprobe.deadline import OutOfTime

    broker = read_broker(args.publish)
    with spool.sender() as is_ours:
        if not is_ours:
            return f"{number_of(len(spool.waiting()), 'result')} for {broker.url}: another process is sending them"
        try:
            with deadline.enforced():
                count = deliver(spool, broker, sessions(args, broker, deadline))
        except (OutOfTime, Failure) as failure:
            if isinstance(failure, (Misconfigured, OwnCredential)):
                raise
            why = str(failure) if isinstance(failure, Failure) else f"not done within {duration(deadline.seconds)}"
            left = number_of(len(spool.waiting()), "result")
            return f"{left} could not be sent and will be, with the next run: {why}"
    aside = said_of_refused(spool)
    return f"{number_of(count, 'result')} sent to {broker.url}{f'; {aside}' if aside else ''}"


def said_of_refused(spool: Spool) -> str:
    """A sentence on what the broker refused and is set aside, empty if there is none."""
    names = spool.refused()
    if not names:
        return ""
    are = "is" if len(names) == 1 else "are"
    return (
        f"{number_of(len(names), 'result')} that the broker refused {are} set aside in {spool.path}, the last with: "
        f"{spool.why_refused(names[-1])}"
    )


def sessions(args: argparse.Namespace, broker: Broker, deadline: Deadline) -> Callable[[], Session]:
    """What opens a connection to the broker as the options say. Raises: Misconfigured, OwnCredential."""
    from libprobe import credentials
    from libprobe.clients import stomp, tls

    settings = args.settings
    context, credential = None, None
    if broker.is_secure:
        named = args.broker_cert or settings.get("credentials", "cert") or None
        key = args.broker_key or (None if args.broker_cert else settings.get("credentials", "key")) or None
        credential = credentials.find_certificate(named, key)
        context = tls.context(tls.ca_path(args.ca_path, settings.get("tls", "ca_path")), credential)
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
        login = stomp.Login(args.login, credentials.read_token(args.password_file, "password"), allowed)

    def connected() -> Session:
        session = stomp.Session(
            broker.host, broker.port, deadline, context=context, with_credential=credential is not None
        )
        try:
            session.connect(login)
        except BaseException:
            session.close()
            raise
        return session

    return connected


def send_in_background(args: argparse.Namespace, spool: Spool, seconds: float) -> bool:
    """Let a process of its own send what waits, unless one does already or the broker was down just now.

    Returns at once, with whether one was started. It outlives us: it is in a session of its own, and holds
    none of our descriptors, for whose end Nagios waits.
    """
    if time.time() < spool.put_off()[0]:
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
        _send_until_empty(args, open_spool(args), seconds)
    except BaseException:  # nobody is there to hear it; what was not sent waits
        pass
    finally:
        os._exit(0)


def _send_until_empty(args: argparse.Namespace, spool: Spool, seconds: float) -> None:
    from libprobe.deadline import Deadline, OutOfTime

    deadline = Deadline(seconds)
    broker = read_broker(args.publish)
    # Whoever puts a message while we hold the lock leaves it to us: so look again after it is released.
    while spool.waiting() and not deadline.passed():
        with spool.sender() as is_ours:
            if not is_ours:
                return
            try:
                with deadline.enforced():
                    deliver(spool, broker, sessions(args, broker, deadline))
                spool.resume()
            except (Failure, OutOfTime):
                put_off(spool)
                return


def put_off(spool: Spool) -> None:
    """Let automatic senders wait, twice as long after each failure."""
    failures = min(spool.put_off()[1] + 1, 16)
    spool.put_off_until(time.time() + min(MAX_PUT_OFF_S, PUT_OFF_S * 2 ** (failures - 1)), failures)


def as_helper(failure: Failure) -> Failure:
    """The broker that takes our results is no endpoint under test: its failures are nobody's CRITICAL."""
    if isinstance(failure, (Misconfigured, OwnCredential, HelperFailure)):
        return failure
    return HelperFailure(failure.sentence, remedy=failure.remedy)
