"""check_broker as Nagios runs it: RabbitMQ, responders that misbehave, the GOCDB and the BDII."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import planted
from tests.conftest import Probe, Report
from tests.federation import broker
from tests.federation import gocdb as pi
from tests.federation.authority import Authority
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.pace import AMPLE_S, OWN_PART, Watch, seconds, timer_was_first, until

PROBE = "check_broker"
QUEUE = "/queue/egi.probe"
PASSWORD = planted.secret("broker")
SECONDS = r"\d[\d.]* m?s"
needs_broker = pytest.mark.needs("rabbitmq-server")


class Rabbit(NamedTuple):
    """A real broker, and the files of those whom it lets in. environment: what its clients need."""

    plain: str
    tls: str
    port: int
    certificate: tuple[str, ...]
    environment: dict[str, str]


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    running, files = broker.of_test_run(tmp_path_factory.getbasetemp())
    with running:
        yield Rabbit(
            f"stomp://localhost:{running.plain}",
            f"stomp+ssl://localhost:{running.tls}",
            running.plain,
            ("--cert", files["usercert"], "--key", files["userkey"]),
            {"X509_CERT_DIR": files["ca_directory"]},
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def against(probe: Probe):
    """Run the probe against a responder with this manner; returns the report and the responder."""

    def run(manner: ResponderBehaviour, *arguments: object) -> tuple[Report, Responder]:
        with Responder(manner) as responder:
            report = probe(PROBE, "-u", f"stomp://127.0.0.1:{responder.port}", *arguments)
            return report, responder

    return run


def secret(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def place_of(url: str) -> str:
    """Host and port of a URL, as sentences name it."""
    return url.partition("://")[2].rstrip("/")


# ---- a real broker


@needs_broker
def test_a_broker_that_lets_us_in_is_ok(probe, rabbit):
    report = probe(PROBE, "-u", rabbit.plain)
    assert re.fullmatch(
        rf"Broker OK - {place_of(rabbit.plain)} \(STOMP 1\.2, RabbitMQ/[\d.]+\) accepts CONNECT after {SECONDS}",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["connect_time"]
    assert re.fullmatch(r"[\d.]+s;;;0", report.performance["connect_time"])


@needs_broker
@pytest.mark.parametrize("destination", [QUEUE, "/topic/egi.probe", "/exchange/amq.topic/egi.probe"])
def test_a_message_goes_through_a_real_broker_and_back(probe, rabbit, destination):
    report = probe(PROBE, "-u", rabbit.plain, "--destination", destination, "-w", "20", "-c", "1m", "-v")
    assert re.fullmatch(
        rf"Broker OK - {place_of(rabbit.plain)} \(STOMP 1\.2, RabbitMQ/[\d.]+\) carries a message through "
        rf"{destination} after {SECONDS}",
        report.first,
    ), report.out
    assert (report.code, report.err) == (0, "")
    assert list(report.performance) == ["connect_time", "round_trip_time", "time_to_receipt"]
    assert re.fullmatch(r"[\d.]+s;20;60;0", report.performance["round_trip_time"])
    broker, line = report.lines
    assert broker == f"broker: {rabbit.plain.rstrip('/')}"
    assert re.fullmatch(
        rf"destination: {destination}{'[.]egi-sam-[0-9a-f]{16}' if destination == QUEUE else ''}, "
        r"message egi-sam-[0-9a-f]{16}",
        line,
    )


@needs_broker
def test_over_tls_with_a_certificate_a_message_goes_through_and_back(probe, rabbit):
    report = probe(PROBE, "-u", rabbit.tls, "--destination", QUEUE, *rabbit.certificate, **rabbit.environment)
    assert (report.code, report.err) == (0, "")
    assert report.first.startswith(f"Broker OK - {place_of(rabbit.tls)} (STOMP 1.2 over TLS, RabbitMQ/")


@needs_broker
def test_over_tls_without_a_certificate_it_is_unknown_and_says_so(probe, rabbit):
    report = probe(PROBE, "-u", rabbit.tls, **rabbit.environment)
    assert report.code == 3
    assert report.first == (
        f"Broker UNKNOWN - client certificate wanted by {place_of(rabbit.tls)}; we have none (give a proxy with --cert)"
    )


@needs_broker
def test_the_messages_of_others_stay_in_a_real_queue_that_we_use_as_it_is(probe, rabbit):
    queue, declared = "/queue/of-others", {"x-expires": "60000"}
    from libprobe.clients.stomp import StompSession
    from libprobe.deadline import Deadline

    with StompSession("127.0.0.1", rabbit.port, Deadline(AMPLE_S)) as owner:
        owner.connect()
        for number in range(20):
            headers = {"destination": queue, **declared}
            owner.await_receipt(owner.send_with_receipt("SEND", headers, f"precious {number}"), "SEND")
        report = probe(PROBE, "-u", rabbit.plain, "--destination", "/amq/queue/of-others", "-v")
        assert report.code == 0, report.out
        assert "20 messages of others left in the queue" in report.lines
        owner.subscribe(queue, "s", declared)
        kept = []
        for _ in range(20):
            message = owner.receive("message")
            owner.acknowledge(message, "s")
            kept.append(message.text)
    assert kept == [f"precious {number}" for number in range(20)]


@needs_broker
@pytest.mark.parametrize(
    ("destination", "said"),
    [("/nonsense/x", "Unknown destination: "), ("/exchange/no.such.exchange/x", "not_found: NOT_FOUND - no exchange ")],
)
def test_a_destination_that_the_broker_does_not_know_is_the_operators_mistake(probe, rabbit, destination, said):
    report = probe(PROBE, "-u", rabbit.plain, "--destination", destination)
    assert report.code == 3, report.out
    assert report.first.startswith(
        f"Broker UNKNOWN - {destination} of --destination refused by {place_of(rabbit.plain)}; {said}"
    )


@needs_broker
def test_a_virtual_host_that_does_not_exist_is_the_operators_mistake(probe, rabbit):
    report = probe(PROBE, "-u", rabbit.plain, "--vhost", "nowhere")
    assert report.code == 3
    assert report.first == (
        f"Broker UNKNOWN - virtual host nowhere of --vhost refused by {place_of(rabbit.plain)}; Bad CONNECT: "
        "Virtual host 'nowhere' access denied (leave it out for /)"
    )


@needs_broker
def test_a_login_from_a_file_lets_us_in_and_the_password_is_never_shown(probe, rabbit, tmp_path):
    login = ("-u", rabbit.plain, "--plain-login", "--login", "guest", "--password-file")
    good = probe(PROBE, *login, secret(tmp_path / "pw", "guest\n"))
    assert good.code == 0
    file = secret(tmp_path / "wrong", planted.secret("broker") + "\n")
    report = probe(PROBE, *login, file, "-vvv")
    assert report.code == 2
    assert report.first.startswith(
        f"Broker CRITICAL - login guest refused by {place_of(rabbit.plain)}; Bad CONNECT: "
        "Access refused for user 'guest'"
    )


@needs_broker
def test_by_host_name_alone_the_gocdb_says_where(monitor, rabbit):
    gocdb = monitor.federation.gocdb
    service = gocdb.add_service(pi.Service("mq.fedcloud.test", "egi.MSGBroker", "MQ", url=f"{rabbit.plain}/"))
    try:
        report = monitor.run(PROBE, "-H", "mq.fedcloud.test", "-t", AMPLE_S)
        assert (report.code, report.err) == (0, "")
        assert report.first.startswith(f"Broker OK - {place_of(rabbit.plain)} (STOMP 1.2")
    finally:
        gocdb.remove_service(service)


def test_a_host_that_the_gocdb_does_not_know_is_tried_on_egis_port(monitor):
    report = monitor.run_alone(PROBE, "-H", "127.0.0.1")
    guessed = "127.0.0.1 is not in the GOCDB as egi.MSGBroker, tried on port"
    refused = "connection refused by 127.0.0.1"
    assert report.first == f"Broker CRITICAL - {refused}:6163; {guessed} 6163"
    report = monitor.run_alone(PROBE, "-H", "127.0.0.1", "--tls")
    assert report.first == f"Broker CRITICAL - {refused}:6162; {guessed} 6162"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("stomp://", 'the URL "stomp://" names no host'),
        ("stomp://user:pw@host", "the URL has a user name or password before its host, which everybody can read"),
    ],
)
def test_an_unusable_url_in_the_gocdb_is_the_sites_fault(monitor, url, said):
    gocdb = monitor.federation.gocdb
    service = gocdb.add_service(pi.Service("mq2.fedcloud.test", "egi.MSGBroker", "MQ", url=url))
    try:
        report = monitor.run(PROBE, "-H", "mq2.fedcloud.test", "-t", AMPLE_S)
        assert report.code == 2
        assert report.first.startswith("Broker CRITICAL - unusable URL in the GOCDB for mq2.fedcloud.test (MQ): ")
        assert said in report.first
        assert "correct it at https://" in report.first
    finally:
        gocdb.remove_service(service)


# ---- the times


@needs_broker
@pytest.mark.parametrize(
    ("options", "code", "word"),
    [(("-w", "0.0000001"), 1, "WARNING"), (("-w", "0.0000001", "-c", "0.000001"), 2, "CRITICAL")],
)
def test_a_round_trip_beyond_a_limit_alerts(probe, rabbit, options, code, word):
    report = probe(PROBE, "-u", rabbit.plain, "--destination", QUEUE, *options)
    assert report.code == code
    assert re.fullmatch(
        rf"Broker {word} - message back through {QUEUE} only after {SECONDS} from {place_of(rabbit.plain)} "
        r"\(limit 0\.00000\d+\)",
        report.first,
    ), report.first


def test_a_slow_login_beyond_a_limit_alerts(against):
    report, responder = against(ResponderBehaviour(), "-w", "0.0000001")
    assert report.code == 1
    assert re.fullmatch(
        rf"Broker WARNING - answer to CONNECT only after {SECONDS} from 127\.0\.0\.1:{responder.port} "
        r"\(limit 0\.0000001\)",
        report.first,
    )


# ---- what it leaves alone, and what it leaves


@pytest.mark.parametrize("version", ["", "1.0", "1.1", "1.2"])
def test_a_broker_with_selectors_is_asked_for_our_own_message_only(against, version):
    report, responder = against(ResponderBehaviour(version=version), "--destination", QUEUE)
    assert (report.code, report.err) == (0, "")
    assert responder.commands == ["CONNECT", "SUBSCRIBE", "SEND", "ACK", "UNSUBSCRIBE", "DISCONNECT"]
    frames = {command: headers for command, headers, _ in responder.frames}
    run = frames["SEND"]["fedcloud_probe"]
    assert re.fullmatch(r"egi-sam-[0-9a-f]{16}", run)
    assert frames["SUBSCRIBE"]["selector"] == f"fedcloud_probe = '{run}'"
    assert frames["SUBSCRIBE"]["ack"] == "client-individual"
    assert frames["SUBSCRIBE"]["destination"] == frames["SEND"]["destination"] == QUEUE
    assert 3500 < int(frames["SEND"]["expires"]) / 1000 - time.time() <= 3600
    assert "persistent" not in frames["SEND"]


def test_messages_of_others_are_not_acknowledged(against):
    report, responder = against(ResponderBehaviour(strangers=["one", "two"]), "--destination", QUEUE, "-v")
    assert report.code == 0
    assert responder.commands.count("ACK") == 1
    assert next(headers["id"] for command, headers, _ in responder.frames if command == "ACK") == "ours:1"
    assert "2 messages of others left in the queue" in report.lines


def test_a_queue_full_of_the_messages_of_others_is_given_up_and_not_the_brokers_fault(against):
    report, responder = against(ResponderBehaviour(strangers=["x"] * 600), "--destination", QUEUE)
    assert report.code == 3
    assert report.first == (
        f"Broker UNKNOWN - more than 500 messages of others in {QUEUE} on 127.0.0.1:{responder.port} "
        "(give a --destination that nobody else uses)"
    )
    assert "ACK" not in responder.commands


def test_two_runs_use_different_ids(against):
    ids = set()
    for _ in range(2):
        _, responder = against(ResponderBehaviour(), "--destination", QUEUE)
        ids |= {headers["fedcloud_probe"] for command, headers, _ in responder.frames if command == "SEND"}
    assert len(ids) == 2


# ---- brokers that misbehave: CRITICAL, each with its reason


COMMANDS = ["CONNECT", "SUBSCRIBE", "SEND", "ACK", "UNSUBSCRIBE"]
AWAITED = {"CONNECT": "answer to CONNECT"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broker_that_falls_silent_is_critical_within_the_deadline(against, command):
    limit = seconds(3)
    watch = Watch()
    report, responder = against(ResponderBehaviour(mute_at=command), "--destination", QUEUE, "-t", limit)
    watch.ended_within(limit + 1.5)
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"Broker CRITICAL - no {AWAITED.get(command, f'receipt for {command}')} within {SECONDS} "
        rf"from 127\.0\.0\.1:{responder.port}",
        report.first,
    ) or timer_was_first(report.first), report.first
    assert ("connect_time" in report.performance) == (command != "CONNECT")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broker_that_closes_is_critical(against, command):
    report, responder = against(ResponderBehaviour(close_at=command), "--destination", QUEUE)
    assert (report.code, report.err) == (2, "")
    assert report.first == (
        f"Broker CRITICAL - connection closed before any {AWAITED.get(command, f'receipt for {command}')} "
        f"from 127.0.0.1:{responder.port}"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_text_of_an_error_is_told(against, command):
    report, responder = against(ResponderBehaviour(error_at=command), "--destination", QUEUE)
    assert (report.code, report.err) == (2, "")
    assert report.first == (
        f'Broker CRITICAL - ERROR "refused: because I say so" from 127.0.0.1:{responder.port}; '
        f"no {AWAITED.get(command, f'receipt for {command}')}"
    )


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (("Unknown destination", "'/x' is not a valid destination"), 3),
        (("not_found", "NOT_FOUND - no queue 'x' in vhost '/'"), 3),
        (("access_refused", "ACCESS_REFUSED - access to queue 'x' refused"), 3),
        (("User guest is not authorized to read from: queue://x", ""), 3),
        (("AMQ229032: User: guest does not have permission='CONSUME' on address x", ""), 3),
        (("AMQ229017: Queue x does not exist", ""), 3),
        (('AMQ229102: Address "x" is full.', ""), 2),
        (("internal_error", "INTERNAL_ERROR - the leader of queue 'x' is down"), 2),
        (("refused", "the topic is being moved"), 2),
    ],
)
def test_only_a_destination_that_is_not_for_us_is_the_operators_mistake(against, said, code):
    report, _ = against(ResponderBehaviour(error_at="SUBSCRIBE", error=said), "--destination", QUEUE)
    assert report.code == code, report.out
    assert ("of --destination refused" in report.first) == (code == 3)


def test_an_errors_text_cannot_reach_the_terminal_or_the_performance_data(against):
    error = ("\x1b[31mred | x=1", "<b>bold</b> " + "long " * 5000)
    report, _ = against(ResponderBehaviour(error_at="CONNECT", error=error))
    assert report.code == 2
    assert "\x1b" not in report.out
    assert "|" not in report.out
    assert "<" not in report.out
    assert len(report.out) < 1000


def test_a_message_that_is_not_confirmed_is_critical(against):
    report, responder = against(ResponderBehaviour(unconfirmed=("SEND",)), "--destination", QUEUE, "-t", seconds(3))
    assert re.fullmatch(
        rf"Broker CRITICAL - no receipt for SEND within {SECONDS} from 127\.0\.0\.1:{responder.port}{OWN_PART}",
        report.first,
    ) or timer_was_first(report.first), report.first


def test_a_message_that_does_not_come_back_is_critical(against):
    manner = ResponderBehaviour(raw={"SEND": b"RECEIPT\nreceipt-id:other\n\n\0"})
    report, responder = against(manner, "--destination", QUEUE, "-t", seconds(3))
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"Broker CRITICAL - no receipt for SEND within {SECONDS} from 127\.0\.0\.1:{responder.port}{OWN_PART}",
        report.first,
    ) or timer_was_first(report.first), report.first


def test_a_message_that_comes_back_changed_is_critical(against):
    report, responder = against(ResponderBehaviour(changed=True), "--destination", QUEUE)
    assert report.code == 2
    assert report.first == (
        f'Broker CRITICAL - message came back changed from 127.0.0.1:{responder.port}; it is "something else"'
    )


def test_garbage_in_the_middle_is_critical(against):
    manner = ResponderBehaviour(raw={"SEND": b"\x00\xff\x1b[31m"})
    report, responder = against(manner, "--destination", QUEUE)
    assert report.code == 2
    assert report.first == f'Broker CRITICAL - "\ufffd [31m" instead of STOMP from 127.0.0.1:{responder.port}'


def test_a_broker_that_does_not_confirm_our_goodbye_is_ok(against):
    report, _ = against(ResponderBehaviour(close_at="DISCONNECT"), "-v")
    assert report.code == 0
    broker, said = report.lines
    assert re.fullmatch(r"broker: stomp://127\.0\.0\.1:\d+", broker)
    assert said == "the broker did not confirm our DISCONNECT"


def test_a_port_that_nobody_listens_on_and_a_name_that_does_not_resolve(probe):
    report = probe(PROBE, "-u", "stomp://127.0.0.1:1")
    assert report == Report(2, "Broker CRITICAL - connection refused by 127.0.0.1:1\n", "")
    report = probe(PROBE, "-u", "stomp://mq.invalid")
    assert report.code == 2
    assert re.fullmatch(r"Broker CRITICAL - name mq\.invalid does not resolve \([^()]+\)", report.first), report.first


@needs_broker
def test_plain_text_on_the_tls_port_and_tls_on_the_plain_port_are_named(probe, rabbit):
    place = place_of(rabbit.tls)
    report = probe(PROBE, "-u", rabbit.tls.replace("+ssl", ""), "-t", seconds(10))
    assert report.code == 2
    assert re.fullmatch(
        rf"Broker CRITICAL - (speaks TLS instead of plain STOMP on {place} \(register it as stomp\+ssl://\)"
        rf"|connection closed before any answer to CONNECT from {place})",
        report.first,
    ), report.first
    url = rabbit.plain.replace("stomp:", "stomp+ssl:")
    report = probe(PROBE, "-u", url, *rabbit.certificate, "-t", seconds(10), **rabbit.environment)
    assert report.first == (
        f"Broker CRITICAL - connection closed in TLS handshake by {place_of(url)} (enable TLS there)"
    )


# ---- TLS


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("expired", r"certificate expired 3 d ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)"),
        ("wrong-host", r"certificate for elsewhere\.fedcloud\.test instead of"),
        ("self-signed", r"certificate self-signed or of an unknown root CA"),
        ("unknown-ca", r"certificate of an untrusted CA \(Unknown Test CA\)"),
    ],
)
def test_a_bad_host_certificate_is_critical_and_described(probe, authority, variant, said):
    context = authority.server_context(authority.host_variant(variant, ["localhost"]))
    with Responder(context=context) as responder:
        url = f"stomp+ssl://localhost:{responder.port}"
        report = probe(PROBE, "-u", url, X509_CERT_DIR=authority.ca_directory)
    assert report.code == 2
    assert re.fullmatch(rf"Broker CRITICAL - {said}( on)? localhost:{responder.port}", report.first), report.first


def test_our_own_expired_certificate_is_unknown_and_not_presented(probe, authority, tmp_path):
    from datetime import timedelta

    path = authority.proxy(path=tmp_path / "proxy", lifetime=timedelta(seconds=-3600))
    with Responder(context=authority.server_context(authority.host(["localhost"]))) as responder:
        report = probe(
            PROBE, "-u", f"stomp+ssl://localhost:{responder.port}", "--cert", path, X509_CERT_DIR=authority.ca_directory
        )
    assert report.code == 3
    assert re.fullmatch(
        rf"Broker UNKNOWN - proxy expired .* ago in {path} \(run voms-proxy-init --rfc --voms ops\)", report.first
    )
    assert responder.frames == []


# ---- our own set-up: UNKNOWN


def test_a_broker_that_wants_a_login_that_we_do_not_have_is_unknown(against):
    manner = ResponderBehaviour(error_at="CONNECT", error=("User name [null] or password is invalid.", ""))
    report, responder = against(manner)
    assert report.code == 3
    assert report.first == (
        f"Broker UNKNOWN - login required by 127.0.0.1:{responder.port}; "
        "User name [null] or password is invalid. (give --login and --password-file)"
    )


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("secret-word", 0o644, r"password file \S+ is open to others \(mode 0644\) \(chmod 600 \S+\)"),
        ("", 0o600, r"no password \(one line of printable characters\) in \S+"),
        ("two\nlines\n", 0o600, r"no password \(one line of printable characters\) in \S+"),
        ("a\x00b", 0o600, r"no password \(one line of printable characters\) in \S+"),
    ],
)
def test_an_unusable_password_file_is_unknown(against, tmp_path, text, mode, said):
    file = secret(tmp_path / "pw", text, mode)
    report, responder = against(ResponderBehaviour(), "--login", "me", "--password-file", file)
    assert report.code == 3
    assert re.fullmatch(rf"Broker UNKNOWN - {said}", report.first), report.first
    assert responder.frames == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no broker is named (give -H HOST, -u URL or --bdii URL)"),
        (
            ("-u", "stomp://h", "--login", "me"),
            "usage: --login has no effect without --password-file (see check_broker --help)",
        ),
        (("-u", "stomp://h:0"), '-u: the port "0" in the URL is not a number from 1 to 65535'),
        (("--bdii", "http://h"), "--bdii: http://h is not of the form ldap://host:2170"),
    ],
)
def test_options_that_do_not_fit_are_unknown(probe, arguments, said):
    assert probe(PROBE, *arguments) == Report(3, f"Broker UNKNOWN - {said}\n", "")


def test_a_signal_ends_the_run_with_a_report(monitor):
    with Responder(ResponderBehaviour(mute_at="SEND")) as responder:
        process = monitor.start(PROBE, "-u", f"stomp://127.0.0.1:{responder.port}", "--destination", QUEUE)
        until(lambda: "SEND" in responder.commands)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=AMPLE_S)
    assert (process.returncode, err) == (3, b"")
    assert out.startswith(b"Broker UNKNOWN - interrupted by SIGTERM")


# ---- to whom a password goes


@pytest.fixture
def password(tmp_path: Path) -> tuple[object, ...]:
    return ("--login", "sam", "--password-file", secret(tmp_path / "password", PASSWORD + "\n"))


def got(responder: Responder) -> list[str]:
    """The passcodes that a broker was sent."""
    return [headers["passcode"] for command, headers, _ in responder.frames if "passcode" in headers]


@pytest.fixture
def secured(authority) -> Iterator[Responder]:
    with Responder(context=authority.server_context(authority.host(["localhost"]))) as responder:
        yield responder


def test_a_password_goes_over_tls_to_a_broker_that_was_named(probe, authority, secured, password):
    report = probe(
        PROBE, "-u", f"stomp+ssl://localhost:{secured.port}", *password, X509_CERT_DIR=authority.ca_directory
    )
    assert report.code == 0, report.out
    assert got(secured) == [PASSWORD]
    words = ("-H", "localhost", "-p", secured.port, "--tls")
    assert probe(PROBE, *words, *password, X509_CERT_DIR=authority.ca_directory).code == 0
    assert len(got(secured)) == 2


@pytest.mark.parametrize("anonymous", ["lets in", "wants a login"])
def test_a_password_does_not_go_in_clear_unless_that_is_allowed(against, password, anonymous):
    error = ("User name [null] or password is invalid.", "")
    manner = ResponderBehaviour() if anonymous == "lets in" else ResponderBehaviour(error_at="CONNECT", error=error)
    report, responder = against(manner, *password)
    assert (report.code, report.err) == (3, "")
    assert report.first == (
        f"Broker UNKNOWN - password of sam not sent to 127.0.0.1:{responder.port}; nothing would "
        "encrypt it (use stomp+ssl://, or --tls with its port; --plain-login sends it all the same)"
    )
    assert ("connect_time" in report.performance) == (anonymous == "lets in")
    assert got(responder) == []
    assert "SEND" not in responder.commands
    report, responder = against(ResponderBehaviour(), *password, "--plain-login")
    assert report.code == 0
    assert got(responder) == [PASSWORD]


def test_a_broker_that_is_down_is_critical_also_where_the_password_would_not_be_sent(probe, password):
    report = probe(PROBE, "-u", "stomp://127.0.0.1:1", *password)
    assert (report.code, report.first) == (
        2,
        "Broker CRITICAL - connection refused by 127.0.0.1:1",
    )


def test_a_broker_that_only_a_bdii_names_gets_no_password(probe, authority, secured, password):
    trust = {"X509_CERT_DIR": authority.ca_directory}
    with Responder() as plain:
        names = (f"stomp+ssl://localhost:{secured.port}/", f"stomp://127.0.0.1:{plain.port}/")
        with bdii(*names) as (port, _):
            report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}", *password, **trust)
        assert report.code == 3, report.out
        assert (
            f"password of sam not sent to localhost:{secured.port}; localhost was not named by an "
            "option (if it is meant, allow it with --login-at localhost)"
        ) in report.out
        assert (got(secured), got(plain)) == ([], [])
        with bdii(*names) as (port, _):
            words = ("--bdii", f"ldap://127.0.0.1:{port}", "--login-at", "LOCALHOST", "--plain-login")
            report = probe(PROBE, *words, *password, **trust)
        assert report.code == 3, report.out
        assert (got(secured), got(plain)) == ([PASSWORD], [])
        with bdii(*names) as (port, _):
            report = probe(
                PROBE, *words[:1], f"ldap://127.0.0.1:{port}", *words[2:], "--login-at", "127.0.0.1", *password, **trust
            )
        assert report.code == 0, report.out
        assert got(plain) == [PASSWORD]


def test_a_broker_that_only_the_gocdb_names_gets_no_password(monitor, authority, secured, password):
    """Beside -H the URL of -u may be the GOCDB's: a configuration made from it passes both."""
    gocdb, url = monitor.federation.gocdb, f"stomp+ssl://localhost:{secured.port}"
    service = gocdb.add_service(pi.Service("mq3.fedcloud.test", "egi.MSGBroker", "MQ", url=url))
    trust = ("--ca-path", authority.ca_directory)
    state = monitor.run(PROBE, "-H", "mq3.fedcloud.test")  # the GOCDB is of another CA: its answer is kept
    assert state.code == 2
    try:
        for words in (("-H", "mq3.fedcloud.test"), ("-H", "mq3.fedcloud.test", "-u", url)):
            report = monitor.run(PROBE, *words, *password, *trust)
            assert report.code == 3
            assert report.first == (
                f"Broker UNKNOWN - password of sam not sent to {place_of(url)}; localhost was not named by an option "
                "(if it is meant, allow it with --login-at localhost)"
            )
            assert got(secured) == []
        assert monitor.run(PROBE, *words, *password, *trust, "--login-at", "localhost").code == 0
        assert got(secured) == [PASSWORD]
    finally:
        gocdb.remove_service(service)


# ---- the BDII


@contextlib.contextmanager
def mute_peer() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept_for_ever, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def _accept_for_ever(listener: socket.socket) -> None:
    kept = []
    with contextlib.suppress(OSError):
        while True:
            kept.append(listener.accept())


def test_a_bdii_that_fails_is_not_the_brokers_fault(probe):
    report = probe(PROBE, "--bdii", "ldap://127.0.0.1:1")
    assert report.first == ("Broker UNKNOWN - connection refused by BDII 127.0.0.1:1 (give the broker with -u)")
    with mute_peer() as port:
        limit = seconds(4)
        watch = Watch()
        report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}", "-t", limit)
    watch.ended_within(limit)
    assert report.code == 3
    assert f" BDII 127.0.0.1:{port}" in report.first


def ber(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = bytes([len(content)]) if len(content) < 128 else b"\x82" + len(content).to_bytes(2, "big")
    return bytes([tag]) + size + content


def ldap_message(number: int, operation: bytes) -> bytes:
    return ber(0x30, ber(0x02, bytes([number])), operation)


@contextlib.contextmanager
def bdii(*endpoints: str) -> Iterator[tuple[int, list[bytes]]]:
    """A stand-in for a BDII that publishes STOMP brokers; gives its port and the requests that it got."""
    success = (ber(0x0A, b"\0"), ber(0x04), ber(0x04))

    def entry(url: str) -> bytes:
        values = ber(0x30, ber(0x04, b"GlueServiceEndpoint"), ber(0x31, ber(0x04, url.encode())))
        dn = f"GlueServiceUniqueID={url},mds-vo-name=local,o=grid".encode()
        return ldap_message(2, ber(0x64, ber(0x04, dn), ber(0x30, values)))

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                requests.append(connection.recv(4096))
                connection.sendall(ldap_message(1, ber(0x61, *success)))
                requests.append(connection.recv(4096))
                connection.sendall(b"".join(map(entry, endpoints)) + ldap_message(2, ber(0x65, *success)))
                connection.recv(4096)

    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], requests


def test_every_broker_of_a_bdii_is_checked(probe):
    with (
        Responder() as one,
        Responder(ResponderBehaviour(version="1.1")) as two,
        bdii(f"stomp://localhost:{one.port}/", "broken", f"stomp://127.0.0.1:{two.port}/") as (port, requests),
    ):
        # `broken` is a host name: nothing answers there, which is why it is a WARNING below
        report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}", "--destination", QUEUE, "-v", "-t", seconds(20))
    assert report.code == 1
    assert re.fullmatch(r"Broker WARNING - name broken does not resolve \([^()]+\)", report.first), report.first
    assert report.performance["brokers"] == "3;;;0"
    assert report.performance["brokers_failed"] == "1;;;0;3"
    assert {"connect_time", "round_trip_time", "time_to_receipt"} <= set(report.performance)
    assert b"msg.broker.stomp-ssl" in requests[1]
    assert "SEND" in one.commands
    assert "SEND" in two.commands


def test_when_all_brokers_of_a_bdii_work_it_is_ok(probe):
    with (
        Responder() as one,
        Responder() as two,
        bdii(f"stomp://localhost:{one.port}/", f"stomp://127.0.0.1:{two.port}/") as (port, _),
    ):
        report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}", "-t", seconds(20))
    assert (report.code, report.err) == (0, "")
    assert re.fullmatch(
        rf"Broker OK - each of 2 brokers of 127\.0\.0\.1:{port} accepts CONNECT after {SECONDS}", report.first
    ), report.first


@pytest.mark.parametrize(
    ("words", "did", "late"),
    [
        ((), "accepts CONNECT", "answer to CONNECT"),
        (("--destination", QUEUE), f"carries a message through {QUEUE}", f"message back through {QUEUE}"),
    ],
)
def test_the_slowest_of_all_brokers_of_a_bdii_is_judged(probe, words, did, late):
    for limit, code in (("60", 0), ("0.0000001", 1)):
        with (
            Responder() as one,
            Responder() as two,
            bdii(f"stomp://localhost:{one.port}/", f"stomp://127.0.0.1:{two.port}/") as (port, _),
        ):
            at = f"127.0.0.1:{port}"
            report = probe(PROBE, "--bdii", f"ldap://{at}", *words, "-w", limit)
        assert (report.code, report.err) == (code, ""), report.out
        said = (
            rf"OK - each of 2 brokers of {at} {did} after {SECONDS}",
            rf"WARNING - {late} only after {SECONDS} from the slowest of 2 brokers of {at} \(limit 0\.0000001\)",
        )
        assert re.fullmatch(f"Broker {said[code]}", report.first), report.first
        assert (report.performance["brokers"], report.performance["brokers_failed"]) == ("2;;;0", "0;;;0;2")


def test_a_mute_broker_of_a_bdii_leaves_time_for_those_after_it(probe):
    with (
        Responder(ResponderBehaviour(mute_at="CONNECT")) as mute,
        Responder() as other,
        bdii(f"stomp://127.0.0.1:{mute.port}/", f"stomp://localhost:{other.port}/") as (port, _),
    ):
        report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}", "-t", seconds(4))
    assert report.code == 1, report.out
    assert re.fullmatch(
        rf"Broker WARNING - no answer to CONNECT within {SECONDS} from 127\.0\.0\.1:{mute.port}{OWN_PART}",
        report.first,
    ) or timer_was_first(report.first), report.first
    assert report.performance["brokers_failed"] == "1;;;0;2"
    assert "connect_time" in report.performance


def test_when_all_brokers_of_a_bdii_fail_it_is_critical(probe):
    with bdii("stomp://127.0.0.1:1/", "stomp://127.0.0.1:2/") as (port, _):
        report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}", "-t", seconds(20))
    assert report.code == 2
    assert report.first == ("Broker CRITICAL - connection refused by 127.0.0.1:1; connection refused by 127.0.0.1:2")


def test_with_a_host_only_its_broker_is_taken_from_the_bdii(probe):
    with Responder() as one, bdii(f"stomp://127.0.0.1:{one.port}/", "stomp://elsewhere.test:1/") as (port, _):
        report = probe(PROBE, "-H", "127.0.0.1", "--bdii", f"ldap://127.0.0.1:{port}")
    assert report.code == 0
    assert report.first.startswith(f"Broker OK - 127.0.0.1:{one.port} (STOMP 1.2, ActiveMQ/5.17.2) accepts CONNECT ")


@pytest.mark.parametrize("host", ["LocalHost", "localhost.", "LOCALHOST."])
def test_a_host_is_found_in_the_bdii_however_its_name_is_written(probe, host):
    with Responder() as one, bdii(f"stomp://LOCALhost:{one.port}/", "stomp://elsewhere.test:1/") as (port, _):
        report = probe(PROBE, "-H", host, "--bdii", f"ldap://127.0.0.1:{port}")
    assert report.code == 0
    assert report.first.startswith(f"Broker OK - localhost:{one.port} (STOMP 1.2, ActiveMQ/5.17.2) accepts CONNECT ")


def test_a_bdii_that_publishes_no_broker_is_unknown(probe):
    with bdii() as (port, _):
        report = probe(PROBE, "--bdii", f"ldap://127.0.0.1:{port}")
    assert report.first == (
        f"Broker UNKNOWN - no STOMP broker published by BDII 127.0.0.1:{port} (give the broker with -u)"
    )
