from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange
from libprobe.deadline import Deadline
from libprobe.failures import Failure, NameUnknown, NoAnswer, OwnMachine, Refused
from tests.conftest import clean_environment
from tests.federation.ports import free_port, unanswered
from tests.pace import AMPLE_S, Watch, excused, seconds, until


def to(host: str, port: int, seconds: float) -> Exchange:
    return Exchange(f"{host} port {port}", host, port, Deadline(seconds))


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_a_connection_keeps_the_deadline_while_the_peer_drips(listener):
    port = listener.getsockname()[1]
    limit = seconds(0.3)
    connection = sockets.connect(to("127.0.0.1", port, limit))
    peer, _ = listener.accept()
    watch = Watch()
    with peer, connection:
        with pytest.raises(Failure, match="no complete answer within"):
            while True:
                peer.sendall(b"x")
                connection.recv(1)
                time.sleep(0.02)
        with pytest.raises(Failure, match="no complete answer within"):
            connection.sendall(b"x")
    watch.ended_within(limit + 1.7)


def test_who_polls_gets_its_turn_while_the_peer_is_mute_and_the_deadline_ends_it_all_the_same(listener):
    """As paramiko does, which looks in between whether it was closed."""
    port = listener.getsockname()[1]
    with sockets.connect(to("127.0.0.1", port, AMPLE_S)) as connection:
        peer, _ = listener.accept()
        connection.poll_interval_s = 0.02
        for _ in range(2):
            with pytest.raises(TimeoutError):
                connection.recv(1)
        with peer:
            peer.sendall(b"x")
            assert until(lambda: received(connection)) == b"x"
    with sockets.connect(to("127.0.0.1", port, seconds(0.3))) as connection:
        connection.poll_interval_s = 0.02
        with pytest.raises(Failure, match="answer within"):
            until(lambda: received(connection))


def received(connection: sockets.DeadlineSocket) -> bytes:
    """What has come by now, empty where its turn was over."""
    try:
        return connection.recv(1)
    except TimeoutError:
        return b""


def test_every_address_of_a_name_is_tried(listener, monkeypatch):
    port = listener.getsockname()[1]
    addresses = [(socket.AF_INET, ("127.0.0.9", port)), (socket.AF_INET, ("127.0.0.1", port))]
    monkeypatch.setattr(sockets, "resolve", lambda *_, **__: addresses)
    with sockets.connect(to("two.example.org", port, AMPLE_S)) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


# ---- several addresses


def test_a_name_with_many_addresses_of_one_kind_keeps_those_of_the_other(listener, monkeypatch):
    """Ten that do not answer must not hide the one that does, which the resolver names last."""
    port = listener.getsockname()[1]
    many = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"::ffff:127.0.0.{9 - at}", port, 0, 0)) for at in range(8)]
    one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    monkeypatch.setattr(sockets, "_getaddrinfo", lambda *_: [*many, *many, one])
    exchange = to("many.example.org", port, AMPLE_S)
    kept = sockets.resolve(exchange)
    assert (len(kept), kept[-1]) == (sockets.MAX_ADDRESSES, (socket.AF_INET, ("127.0.0.1", port)))
    with sockets.connect(exchange) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


@pytest.fixture
def race(monkeypatch, listener):
    """Connect to a name with these addresses, of which those above 127.0.0.9 do not answer."""
    port = listener.getsockname()[1]

    def connect(*addresses: str, deadline: Deadline | None = None, of_port: int = port):
        found = [(socket.AF_INET6 if ":" in each else socket.AF_INET, (each, of_port)) for each in addresses]
        monkeypatch.setattr(sockets, "resolve", lambda *_, **__: found)
        exchange = Exchange("it", "two.example.org", of_port, deadline or Deadline(AMPLE_S))
        return sockets.connect(exchange), exchange

    with unanswered("127.0.0.10", port), unanswered("127.0.0.11", port):
        yield connect


def test_an_address_that_does_not_answer_is_overtaken_and_told(race, monkeypatch):
    monkeypatch.setattr(sockets, "ATTEMPT_DELAY_S", 0.6)
    connection, exchange = race("127.0.0.10", "127.0.0.11", "127.0.0.1")
    with connection:
        assert connection.address == "127.0.0.1"
        assert connection.raced_s >= 1.2 > connection.connect_time or excused("the time of one connection")
    # less what was done between the two waits
    assert exchange.waited >= 1.0 or excused("the wait for two addresses")
    silent = list(exchange.deadline.unanswered.values())
    assert sockets.unanswered_addresses(exchange.deadline) == [
        "127.0.0.10 of two.example.org did not answer",
        "127.0.0.11 of two.example.org did not answer",
    ]
    assert [each.fileno() for each in silent] == [-1, -1]
    assert sockets.unanswered_addresses(exchange.deadline) == []


def test_later_connections_of_the_run_begin_with_the_address_that_answered(race, monkeypatch):
    first, exchange = race("127.0.0.10", "127.0.0.1")
    monkeypatch.setattr(sockets, "ATTEMPT_DELAY_S", AMPLE_S)
    within = exchange.deadline.earlier_by(1.0)
    second, _ = race("127.0.0.10", "127.0.0.1", deadline=within)
    with first, second:
        assert (second.address, second.raced_s) == ("127.0.0.1", 0.0)
    assert len(sockets.unanswered_addresses(within)) == 1


def test_where_the_remembered_one_is_gone_the_others_are_tried(race):
    first, exchange = race("127.0.0.1")
    first.close()
    exchange.deadline.answered["two.example.org", exchange.port] = "127.0.0.9"
    second, _ = race("127.0.0.1", "127.0.0.9", deadline=exchange.deadline)
    with second:
        assert second.address == "127.0.0.1"
    assert sockets.unanswered_addresses(exchange.deadline) == []


def test_one_that_refuses_is_not_waited_for(race, monkeypatch):
    monkeypatch.setattr(sockets, "ATTEMPT_DELAY_S", AMPLE_S)
    connection, exchange = race("127.0.0.9", "127.0.0.1")
    with connection:
        assert connection.address == "127.0.0.1"
    assert exchange.deadline.unanswered == {}


def test_one_that_answers_late_is_not_told_as_dead(race, listener):
    connection, exchange = race("127.0.0.1")
    late = socket.socket()
    late.connect(listener.getsockname())
    exchange.deadline.unanswered["two.example.org", "192.0.2.1"] = late
    assert sockets.unanswered_addresses(exchange.deadline) == []
    assert late.fileno() == -1
    connection.close()


def test_where_no_address_answers_all_had_the_whole_time_and_nothing_stays_open(race):
    before = len(os.listdir("/proc/self/fd"))
    limit = seconds(1)
    watch = Watch()
    with pytest.raises(
        NoAnswer,
        match=r"^no connection within [\d.]+ m?s to two\.example\.org:\d+ \(127\.0\.0\.11\)$",
    ):
        race("127.0.0.10", "127.0.0.11", deadline=Deadline(limit))
    watch.ended_within(limit + 1, not_before=limit)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_machine_that_may_not_connect_closes_what_is_on_its_way(race, monkeypatch):
    before = len(os.listdir("/proc/self/fd"))
    real = sockets.DeadlineSocket.connect

    def forbidden(self, address):
        if address[0] == "127.0.0.1":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(self, address)

    monkeypatch.setattr(sockets.DeadlineSocket, "connect", forbidden)
    with pytest.raises(OwnMachine, match="this machine may not connect"):
        race("127.0.0.10", "127.0.0.1")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_kinds_of_address_take_turns():
    four, six = [(socket.AF_INET, (f"192.0.2.{n}", 1)) for n in (1, 2)], [(socket.AF_INET6, ("2001:db8::1", 1))]
    third = (socket.AF_INET6, ("2001:db8::2", 1))
    assert sockets._interleaved([*six, third, *four], "") == [six[0], four[0], third, four[1]]
    assert sockets._interleaved([*four, *six], "192.0.2.2") == [four[1], four[0], six[0]]
    assert sockets._interleaved([], "") == []


def test_the_address_that_failed_is_named():
    port = free_port()
    with pytest.raises(Refused, match=rf"^connection refused by localhost:{port} \(127\.0\.0\.1\)$"):
        sockets.connect(to("localhost", port, AMPLE_S), family=socket.AF_INET)
    with pytest.raises(Refused, match=rf"^connection refused by 127\.0\.0\.1:{port}$"):
        sockets.connect(to("127.0.0.1", port, AMPLE_S))


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 300, "x..y", "-", "ünïcode.invalid"])
def test_a_name_that_does_not_resolve(name):
    with pytest.raises(NameUnknown, match=r"^name \S+ does not resolve \(.+\)$"):
        sockets.resolve(to(name, 80, AMPLE_S))


@pytest.fixture
def silent_resolver(monkeypatch):
    """A resolver that says nothing until the test is over."""
    is_over = threading.Event()

    def hang(name, port, family, kind, protocol, flags):
        if not flags:
            is_over.wait(AMPLE_S)
        raise socket.gaierror(socket.EAI_NONAME, "not numeric")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    is_over.set()


def test_a_resolver_that_hangs_is_left_behind(silent_resolver, monkeypatch):
    monkeypatch.setattr(sockets, "CONTROL_AFTER_S", 0.05)
    monkeypatch.setattr(sockets, "CONTROL_LEAST_S", 0.0)
    watch = Watch()
    with pytest.raises(
        OwnMachine, match=r"this machine's resolver does not answer, neither for slow\.example\.org nor"
    ):
        sockets.resolve(to("slow.example.org", 80, 0.1))
    watch.ended_within(2)


def test_a_resolver_is_not_held_to_be_dead_where_the_run_had_no_time_left(silent_resolver, monkeypatch):
    monkeypatch.setattr(sockets, "CONTROL_LEAST_S", AMPLE_S)
    with pytest.raises(Failure, match=r"^name not resolved within 50 ms for slow\.example\.org:80") as caught:
        sockets.resolve(to("slow.example.org", 80, 0.05))
    assert "resolver" not in str(caught.value)


def test_a_resolver_that_fails_is_not_held_to_be_dead_before_it_failed_for_the_other_name(monkeypatch):
    """Nor is a name said not to exist that no name server was asked for."""
    is_over = threading.Event()

    def answer(name, port, family, kind, protocol, flags):
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        if name == sockets.CONTROL_NAME.encode():
            is_over.wait(AMPLE_S)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(sockets, "CONTROL_LEAST_S", AMPLE_S)
    with pytest.raises(Failure, match=r"^name not resolved within 0\.1 s for slow\.example\.org:80"):
        sockets.resolve(to("slow.example.org", 80, 0.1))
    is_over.set()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.EACCES, "Permission denied"),
            r"^this machine's resolver failed \(Permission denied\) for cloud\.example\.org:80 ",
        ),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"), "resolver does not answer"),
    ],
)
def test_a_resolver_that_fails_is_this_machines(monkeypatch, error, sentence):
    def fail(name, port, family, kind, protocol, flags):
        raise socket.gaierror(socket.EAI_NONAME, "not numeric") if flags else error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OwnMachine, match=sentence):
        sockets.resolve(to("cloud.example.org", 80, AMPLE_S))


def test_no_time_left_before_anybody_was_asked_is_this_machines_fault(listener):
    with pytest.raises(
        OwnMachine, match=r"^no time left to connect to 127\.0\.0\.1:\d+; this machine took .* of it and the peer "
    ):
        sockets.connect(to("127.0.0.1", listener.getsockname()[1], 0))


WITHOUT_DESCRIPTORS = """
import os, resource, sys
from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange
from libprobe.deadline import Deadline
from libprobe.failures import OwnMachine
import threading, encodings.idna, errno
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    host, port = sys.argv[1], int(sys.argv[2])
    sockets.connect(Exchange(f"{host} port {port}", host, port, Deadline(5)))
except OwnMachine as failure:
    print(failure)
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "cloud.invalid"])
def test_a_machine_without_descriptors_is_no_sites_fault(host):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_DESCRIPTORS, host, str(port)],
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=AMPLE_S,
        )
    assert (
        done.stdout
        == f"monitoring host out of file descriptors for this process to ask {host}:{port} (raise its limits)\n"
    )
    assert done.stderr == ""


def test_a_connection_that_is_reset_at_once_is_refused(listener, monkeypatch):
    """Some load balancers do so when nobody is behind them; the reset may come before `connect` is over."""

    def reset(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(sockets.DeadlineSocket, "connect", reset)
    with pytest.raises(
        Refused, match=r"^connection reset as soon as it was made by 127\.0\.0\.1:\d+ \(start the service behind it\)$"
    ):
        sockets.connect(to("127.0.0.1", listener.getsockname()[1], 5))
