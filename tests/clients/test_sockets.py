from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time

import pytest

from libprobe.clients import sockets
from libprobe.clients.exchange import Exchange
from libprobe.deadline import Deadline
from libprobe.failures import Failure, NameUnknown, OwnMachine, Refused
from tests.conftest import clean_environment
from tests.federation.ports import free_port
from tests.pace import AMPLE_S, Watch, seconds


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


def test_every_address_of_a_name_is_tried(listener, monkeypatch):
    port = listener.getsockname()[1]
    addresses = [(socket.AF_INET, ("127.0.0.9", port)), (socket.AF_INET, ("127.0.0.1", port))]
    monkeypatch.setattr(sockets, "resolve", lambda *_, **__: addresses)
    with sockets.connect(to("two.example.org", port, AMPLE_S)) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_the_address_that_failed_is_named():
    port = free_port()
    with pytest.raises(Refused, match=rf"^localhost port {port} \(127.0.0.1\): connection refused"):
        sockets.connect(to("localhost", port, AMPLE_S), family=socket.AF_INET)
    with pytest.raises(Refused, match=rf"^127.0.0.1 port {port}: connection refused"):
        sockets.connect(to("127.0.0.1", port, AMPLE_S))


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 300, "x..y", "-", "ünïcode.invalid"])
def test_a_name_that_does_not_resolve(name):
    with pytest.raises(NameUnknown, match="its name does not resolve"):
        sockets.resolve(to(name, 80, AMPLE_S))


def test_a_resolver_that_hangs_is_left_behind(monkeypatch):
    def hang(name, port, family, kind, protocol, flags):
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        time.sleep(30)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    watch = Watch()
    with pytest.raises(
        OwnMachine, match=r"this machine's resolver does not answer, neither for slow\.example\.org nor"
    ):
        sockets.resolve(to("slow.example.org", 80, 0.1))
    watch.ended_within(2)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EACCES, "Permission denied"), "this machine's resolver failed: Permission denied"),
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
    with pytest.raises(OwnMachine, match="no time left to connect, of which this machine took"):
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
    assert done.stdout == f"{host} port {port}: this machine cannot connect: Too many open files (raise its limits)\n"
    assert done.stderr == ""


def test_a_connection_that_is_reset_at_once_is_refused(listener, monkeypatch):
    """Some load balancers do so when nobody is behind them; the reset may come before `connect` is over."""

    def reset(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(sockets.DeadlineSocket, "connect", reset)
    with pytest.raises(Refused, match=r"127\.0\.0\.1 port \d+: connection reset as soon as it was made"):
        sockets.connect(to("127.0.0.1", listener.getsockname()[1], 5))
