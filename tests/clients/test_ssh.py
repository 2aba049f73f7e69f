"""The SSH client against a server of VMs that misbehaves, and against peers that are no SSH servers."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from libprobe.clients import ssh
from libprobe.clients.exchange import Exchange
from libprobe.deadline import Deadline
from libprobe.failures import Failure, Misconfigured, NoAnswer, ProtocolFailure, Refused
from tests.conftest import ROOT
from tests.federation.occi import VM
from tests.federation.ssh import Guests
from tests.pace import AMPLE_S, Watch, seconds

KEY = ssh.make_key_pair("egi-sam")
SCRIPT = b"#!/bin/sh\numask 022\necho 0123456789abcdef > /var/tmp/marker\n"


def vm(public_key: str | None = KEY.public) -> VM:
    user_data = base64.b64encode(SCRIPT).decode()
    return VM("1", "vm", "vm", "ops", "robot", time.time(), "active", (), user_data, public_key)


@pytest.fixture
def guests() -> Iterator[Guests]:
    """One VM, at 127.1.2.3, that got our key and our script."""
    running = Guests(lambda address: vm() if address == "127.1.2.3" else None)
    running.start()
    yield running
    running.stop()


def read(guests: Guests, *, limit: float = AMPLE_S, user: str = "cloudadm", key: ssh.KeyPair = KEY) -> bytes:
    deadline = Deadline(limit)
    with ssh.login("127.1.2.3", guests.port, user, key, deadline, deadline) as session:
        return session.read("/var/tmp/marker", 4096)


def test_a_file_is_read_with_the_key_that_reached_the_vm(guests):
    assert read(guests) == b"0123456789abcdef\n"
    assert guests.logins == [("127.1.2.3", "cloudadm", True)]
    assert guests.commands == ["cat /var/tmp/marker"]
    assert guests.methods == {"publickey"}


def test_several_files_are_read_in_one_session_and_an_absent_one_is_empty(guests):
    deadline = Deadline(AMPLE_S)
    with ssh.login("127.1.2.3", guests.port, "cloudadm", KEY, deadline, deadline) as session:
        assert session.software == "SSH-2.0-guest"
        assert session.read("/no such; file", 100) == b""
        assert session.read("/var/tmp/marker", 100) == b"0123456789abcdef\n"
        assert session.read("/var/tmp/marker", 4) == b"0123"
    assert guests.commands[0] == "cat '/no such; file'"
    assert len(guests.logins) == 1


def test_the_session_outlasts_the_attempt(guests):
    attempt = Deadline(AMPLE_S)
    with ssh.login("127.1.2.3", guests.port, "cloudadm", KEY, attempt, Deadline(AMPLE_S)) as session:
        attempt.end_within(0)
        assert session.read("/var/tmp/marker", 100)


def test_another_key_and_another_user_are_refused_and_nothing_else_is_tried(guests):
    where = rf" by 127\.1\.2\.3:{guests.port}$"
    with pytest.raises(ssh.KeyRefused) as refused:
        read(guests, key=ssh.make_key_pair("another"))
    assert str(refused.value) == f"our key refused for user cloudadm by 127.1.2.3:{guests.port}"
    assert refused.value.details[0] == f"asked: SSH to 127.1.2.3:{guests.port} as cloudadm"
    with pytest.raises(ssh.KeyRefused, match="^our key refused for user root" + where):
        read(guests, user="root")
    assert guests.methods == {"publickey"}


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("mute-accept", NoAnswer, r"no complete answer within [\d.]+ (m?s) from PLACE"),
        ("ssh-drip", NoAnswer, r"no complete answer within [\d.]+ (m?s) from PLACE"),
        ("close-accept", ProtocolFailure, "(connection closed before an answer from|connection reset by) PLACE"),
        ("garbage", ProtocolFailure, "answer that is not SSH from PLACE"),
        ("ssh-endless", ProtocolFailure, "more than 1024 KiB from PLACE"),
        (
            "command-mute",
            NoAnswer,
            r"no complete answer within [\d.]+ (m?s) from PLACE when asked to read /var/tmp/marker",
        ),
        (
            "session-lost",
            ProtocolFailure,
            "connection closed within the answer from PLACE when asked to read /var/tmp/marker",
        ),
    ],
)
def test_a_misbehaving_vm_is_a_failure_within_the_deadline(guests, fault, kind, said):
    limit = seconds(1.0) if kind is NoAnswer else AMPLE_S
    guests.faults.on(fault, **({"interval": limit / 2} if fault == "ssh-drip" else {}))
    watch = Watch()
    with pytest.raises(kind, match=f"^{said.replace('PLACE', rf'127[.]1[.]2[.]3:{guests.port}')}$"):
        read(guests, limit=limit)
    watch.ended_within(limit + 1.0)


def test_an_endless_file_is_cut(guests):
    guests.faults.on("command-endless")
    assert read(guests) == b"x" * 4096


def test_a_port_nobody_listens_on():
    deadline = Deadline(AMPLE_S)
    with (
        pytest.raises(Refused, match=r"^connection refused by 127\.1\.2\.3:1$"),
        ssh.login("127.1.2.3", 1, "cloudadm", KEY, deadline, deadline),
    ):
        pass


@contextmanager
def peer(*pieces: bytes) -> Iterator[int]:
    """A server that says this to everybody and closes."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "said",
    [
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"\xff\xfe\x00" * 300],
        [b"SSH-1.5-ancient\r\n"],
        [b"SSH-\r\n"],
        [b"SSH-2.0-x\r\n", b"\xff" * 4000],
        [b"SSH-2.0-x\r\n", b"\x00\x00\x00\x0c\x0a\x14" + b"\x00" * 10],
        [b"SSH-2.0-x\r\n", b"\x00\x00\x00\x0c\x0a\x01" + b"\xff" * 10],
        [b"hello\n" * 150],
        [b"SSH-2.0-" + b"\x1b[31m" * 5000 + b"\r\n"],
    ],
    ids=["http", "binary", "old", "short", "long-packet", "empty-kex", "disconnect", "lines", "escapes"],
)
def test_a_peer_that_speaks_something_else_is_a_failure_and_no_exception(said, capfd):
    with peer(*said) as port:
        deadline = Deadline(limit := seconds(3))
        watch = Watch()
        with (
            pytest.raises(Failure, match=f" 127.0.0.1:{port}$"),
            ssh.login("127.0.0.1", port, "cloudadm", KEY, deadline, deadline),
        ):
            pass
        watch.ended_within(limit + 1)
    assert capfd.readouterr().err == ""


def test_a_key_is_one_line_that_every_cloud_accepts_and_always_another():
    words = KEY.public.split(" ")
    assert words[0] == "ecdsa-sha2-nistp256"
    assert base64.b64decode(words[1], validate=True)
    assert words[2:] == ["egi-sam"]
    assert ssh.make_key_pair("egi-sam").public != KEY.public


def test_without_the_library_the_way_to_get_it_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(Misconfigured, match=r"no Python library paramiko, which --boot needs") as caught:
        ssh.make_key_pair("egi-sam")
    assert caught.value.remedy == "pip install 'paramiko~=5.0'"
    assert '"boot": ["paramiko~=5.0"]' in (ROOT / "setup.py").read_text()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "connection closed before an answer from 127.1.2.3:22"),
        ("Negotiation failed.", "connection closed before an answer from 127.1.2.3:22"),
        ("Error reading SSH protocol banner", "connection closed before an answer from 127.1.2.3:22"),
        ("Invalid packet blocking", "broken SSH (Invalid packet blocking) from 127.1.2.3:22"),
    ],
)
def test_what_paramiko_says_of_a_peer_that_ends_it_is_told_in_our_words(said, told):
    import paramiko

    exchange = Exchange("SSH to 127.1.2.3:22", "127.1.2.3", 22, Deadline(AMPLE_S))
    wire = ssh._ParamikoSocket(SimpleNamespace(), exchange)
    assert wire.end_failure(paramiko.SSHException(said)).sentence == told
