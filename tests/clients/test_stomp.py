"""The STOMP client against a real broker in every version, and against responders that misbehave."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from libprobe.clients.credentials import Audience
from libprobe.clients.stomp import MAX_RECEIVED, VERSIONS, StompCredentials, StompSession
from libprobe.deadline import Deadline
from libprobe.failures import (
    BadData,
    Misconfigured,
    NoAnswer,
    OwnCredential,
    OwnMachine,
    ProtocolFailure,
    Refused,
    Rejected,
)
from tests.conftest import ROOT
from tests.federation import broker
from tests.federation.ports import free_port
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.pace import AMPLE_S, Watch, seconds

needs_broker = pytest.mark.needs("rabbitmq-server")


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[broker.Broker]:
    running, _ = broker.of_test_run(tmp_path_factory.getbasetemp())
    with running:
        yield running


def session(port: int, seconds: float = AMPLE_S) -> StompSession:
    return StompSession("127.0.0.1", port, Deadline(seconds))


# ---- a real broker


@needs_broker
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_goes_to_a_real_broker_and_back_in_every_version(rabbit, version):
    with session(rabbit.plain) as talk:
        talk.connect(versions=(version,))
        assert talk.version == version
        assert talk.server.startswith("RabbitMQ/")
        queue = {"durable": "false", "auto-delete": "true"}
        destination = f"/queue/client-test-{version}"
        talk.subscribe(destination, "s1", queue)
        receipt = talk.send_with_receipt("SEND", {"destination": destination, "odd": "a:b\\c", **queue}, "héllo\0there")
        talk.await_receipt(receipt, "SEND")
        message = talk.receive("message")
        assert (message.command, message.text) == ("MESSAGE", "héllo\0there")
        # RabbitMQ escapes headers in 1.0 too, which has no escapes
        assert message.headers["odd"] == ("a\\cb\\c" if version == "1.0" else "a:b\\c")
        talk.acknowledge(message, "s1")
        talk.unsubscribe(destination, "s1")
        assert talk.disconnect()


@needs_broker
def test_what_was_not_acknowledged_goes_back_to_the_queue(rabbit):
    queue = {"x-expires": "60000"}
    destination = "/queue/client-test-returned"
    for turn in ("first", "second"):
        with session(rabbit.plain) as talk:
            talk.connect()
            if turn == "first":
                talk.await_receipt(
                    talk.send_with_receipt("SEND", {"destination": destination, **queue}, "precious"), "SEND"
                )
            talk.subscribe(destination, turn, queue)
            message = talk.receive("message")
            assert message.text == "precious"
            if turn == "second":
                talk.acknowledge(message, turn)
            talk.unsubscribe(destination, turn)


@needs_broker
def test_the_best_of_all_versions_is_chosen(rabbit):
    with session(rabbit.plain) as talk:
        talk.connect()
        assert talk.version == "1.2"


@needs_broker
def test_a_wrong_password_is_a_refusal_in_the_brokers_words(rabbit):
    with (
        session(rabbit.plain) as talk,
        pytest.raises(Rejected, match=r"^login guest refused by [^;]+; .*Access refused"),
    ):
        talk.connect(StompCredentials("guest", "not this one", audience("127.0.0.1", in_clear=True)))


def audience(*hosts: str, in_clear: bool = False) -> Audience:
    return Audience(frozenset(hosts), in_clear, "--login-at", "--plain-login", "use TLS")


@pytest.mark.parametrize("allowed", [audience("127.0.0.1"), audience("mq.example.org", in_clear=True)])
def test_a_login_that_may_not_be_sent_there_is_refused_before_anything_is_sent(allowed):
    with Responder() as responder, session(responder.port) as talk:
        with pytest.raises(Misconfigured, match=r"^password of sam not sent to "):
            talk.connect(StompCredentials("sam", "a password", allowed))
        assert responder.frames == []


# ---- stand-ins


@pytest.mark.parametrize("version", ["", "1.0", "1.1", "1.2"])
def test_every_version_is_spoken_as_the_broker_chooses(version):
    with Responder(ResponderBehaviour(version=version)) as responder, session(responder.port) as talk:
        talk.connect()
        assert talk.version == (version or "1.0")
        talk.subscribe("/queue/a", "s:1", {})
        talk.await_receipt(talk.send_with_receipt("SEND", {"destination": "/queue/a"}, "text"), "SEND")
        message = talk.receive("message")
        talk.acknowledge(message, "s:1")
        talk.unsubscribe("/queue/a", "s:1")
        assert talk.disconnect()
        frames = {command: headers for command, headers, _ in responder.frames}
    assert responder.commands == ["CONNECT", "SUBSCRIBE", "SEND", "ACK", "UNSUBSCRIBE", "DISCONNECT"]
    assert frames["CONNECT"] == {"accept-version": "1.0,1.1,1.2", "host": "/", "heart-beat": "0,0"}
    assert frames["SUBSCRIBE"]["ack"] == "client-individual"
    if version == "1.2":
        assert frames["ACK"]["id"] == "ours:1"
    else:
        assert (frames["ACK"]["message-id"], frames["ACK"]["subscription"]) == ("ID:host\\:1:7", "s:1")


def test_a_message_before_the_receipt_is_not_lost():
    with Responder(ResponderBehaviour(late_receipt=True)) as responder, session(responder.port) as talk:
        talk.connect()
        talk.subscribe("/queue/a", "s1", {})
        talk.await_receipt(talk.send_with_receipt("SEND", {"destination": "/queue/a"}, "text"), "SEND")
        assert talk.receive("message").text == "text"


def test_a_broker_that_wants_a_login_and_gets_none_is_our_own_fault():
    said = ("Authentication failed", "User name [null] or password is invalid.")
    with (
        Responder(ResponderBehaviour(error_at="CONNECT", error=said)) as responder,
        session(responder.port) as talk,
        pytest.raises(OwnCredential) as raised,
    ):
        talk.connect()
    assert str(raised.value) == (
        f"login required by 127.0.0.1:{responder.port}; Authentication failed: "
        "User name [null] or password is invalid. (give --login and --password-file)"
    )


def test_an_error_frame_is_bounded_and_in_one_line():
    with (
        Responder(ResponderBehaviour(error_at="CONNECT", error=("no", "x\n\x1b[31m" * 10_000))) as responder,
        session(responder.port) as talk,
        pytest.raises(Rejected) as raised,
    ):
        talk.connect()
    assert len(raised.value.sentence) < 170
    assert raised.value.sentence.isprintable()
    assert [len(line) < 350 and line.isprintable() for line in raised.value.more] == [True]


def test_a_version_we_did_not_offer_is_refused():
    with (
        Responder(ResponderBehaviour(version="3.0")) as responder,
        session(responder.port) as talk,
        pytest.raises(ProtocolFailure, match=r"^STOMP 3\.0 chosen by 127\.0\.0\.1:\d+; offered were 1\.0, 1\.1, 1\.2$"),
    ):
        talk.connect()


def test_a_goodbye_that_is_not_answered_does_not_hold_us_up():
    with Responder(ResponderBehaviour(mute_at="DISCONNECT")) as responder, session(responder.port) as talk:
        talk.connect()
        watch = Watch()
        assert not talk.disconnect()
        watch.ended_within(3)


def test_a_closed_port_is_refused():
    with pytest.raises(Refused):
        session(free_port()).connect()


# ---- raw peers


@contextlib.contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that treats its one connection as told."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                behave(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def mute(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def drip(connection: socket.socket) -> None:
    for byte in b"CONNECTED\nversion:1.2\n" + b"x:y\n" * 10_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def endless(block: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        for _ in range(1 << 20):
            connection.sendall(block)

    return send


def heartbeats(connection: socket.socket) -> None:
    for _ in range(1 << 20):
        connection.sendall(b"\n")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("behave", "kind", "said"),
    [
        (mute, NoAnswer, r"no answer to CONNECT within [\d.]+ m?s from PLACE"),
        (drip, NoAnswer, r"no answer to CONNECT within [\d.]+ m?s from PLACE"),
        (heartbeats, NoAnswer, r"no answer to CONNECT within [\d.]+ m?s from PLACE"),
        (lambda c: None, ProtocolFailure, r"connection (closed|reset) before any answer to CONNECT from PLACE"),
        (
            lambda c: c.sendall(b"CONNECTED\nver"),
            ProtocolFailure,
            r"connection (closed|reset) before any answer to CONNECT from PLACE",
        ),
        (
            lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            ProtocolFailure,
            "answered in HTTP instead of STOMP on PLACE",
        ),
        (
            lambda c: c.sendall(b"\x15\x03\x03\x00\x02\x02\x46"),
            ProtocolFailure,
            "speaks TLS instead of plain STOMP on PLACE",
        ),
        (
            lambda c: c.sendall(b"RECEIPT\nreceipt-id:1\n\n\0"),
            ProtocolFailure,
            "RECEIPT instead of CONNECTED from PLACE",
        ),
        (endless(b"x" * 65536), BadData, r'"x+\.\.\." instead of STOMP from PLACE'),
    ],
    ids=["mute", "drip", "heartbeats", "close", "half", "http", "tls", "receipt", "endless"],
)
def test_a_broker_that_misbehaves_fails_within_the_deadline_with_its_reason(behave, kind, said):
    import re

    watch = Watch()
    limit = seconds(0.6) if kind is NoAnswer else AMPLE_S
    with peer(behave) as port, session(port, limit) as talk:
        with pytest.raises(kind) as raised:
            talk.connect()
        place = rf"127\.0\.0\.1:{port}"
        assert re.fullmatch(said.replace("PLACE", place), raised.value.sentence), raised.value.sentence
        asked = raised.value.details[0]
        assert asked.startswith("asked: ") and asked.endswith(f" stomp://127.0.0.1:{port}"), asked
    watch.ended_within(limit + 1.4)


def test_a_broker_that_does_not_read_cannot_hold_us_up():
    def sleep(connection: socket.socket) -> None:
        connection.sendall(b"CONNECTED\nversion:1.2\n\n\0")
        released.wait(AMPLE_S)

    released = threading.Event()
    with peer(sleep) as port, session(port, seconds(1)) as talk:
        talk.connect()
        # on a busy machine, the larger part of the time may be our own, which the sentence says
        with pytest.raises((NoAnswer, OwnMachine), match=r"^no reader of what we send within [\d.]+ s from 127"):
            talk.send_with_receipt("SEND", {"destination": "/queue/a"}, "x" * (16 << 20))
        released.set()


FLOOD = """
import sys
from libprobe.clients.stomp import StompSession
from libprobe.deadline import Deadline
from libprobe.failures import Failure
with StompSession("127.0.0.1", int(sys.argv[1]), Deadline(900)) as talk:
    talk.connect()
    try:
        talk.await_receipt("never", "SEND")
    except Failure as failure:
        print(failure)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (b"MESSAGE\n\n\0" * 5000, "more than 5000 frames and no receipt for SEND"),
        (
            b"MESSAGE\n\n" + b"x" * 60_000 + b"\0",
            f"more than {MAX_RECEIVED >> 20} MiB and no receipt for SEND",
        ),
    ],
    ids=["small", "large"],
)
def test_a_broker_that_floods_does_not_eat_memory(block, said):
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"CONNECTED\nversion:1.2\n\n\0")
        endless(block)(connection)

    with peer(flood) as port:
        done = subprocess.run([sys.executable, "-c", FLOOD, str(port)], cwd=ROOT, capture_output=True, text=True)
    failure, peak = done.stdout.splitlines()
    assert failure == f"{said} from 127.0.0.1:{port}"
    assert int(peak) * 1024 < 64 << 20


@pytest.mark.parametrize("variable", [None, "1"])
def test_stomp_py_does_not_look_up_our_own_name_and_leaves_nothing_in_the_environment(variable):
    """A process of the worker in which a check has changed the environment takes no other."""
    code = (
        "import os, socket\n"
        "before = dict(os.environ)\n"
        "def refuse(*_): raise SystemExit('looked up')\n"
        "socket.gethostbyname = socket.getfqdn = refuse\n"
        "from libprobe.clients.stomp import StompSession\n"
        "from libprobe.deadline import Deadline\n"
        "StompSession('127.0.0.1', 1, Deadline(1))._protocol_of('1.2')\n"
        "print('did not', os.environ == before)"
    )
    environment = {**os.environ, **({"STOMP_SKIP_HOSTNAME_SCAN": variable} if variable else {})}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.stdout == "did not True\n", done.stderr
