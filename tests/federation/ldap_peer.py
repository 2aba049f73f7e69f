"""LDAP servers that misbehave on purpose, one behaviour each, on loopback.

A behaviour is a function from a connected socket to nothing; when it returns, the connection is closed.
Requests are numbered as a client that binds and then searches numbers them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

from . import ber

Behaviour = Callable[["Conversation"], None]

BIND, SEARCH = 1, 2
BOUND = ber.result(BIND, ber.BIND_RESPONSE)
DONE = ber.result(SEARCH, ber.SEARCH_DONE)
BASE = ber.entry(SEARCH, "o=glue", {"objectClass": ["organization"]})


class Conversation:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        self._buffer = b""

    def read(self) -> bytes:
        """The next request, whole; empty when the client is gone."""
        while True:
            size = self._size()
            if size and len(self._buffer) >= size:
                request, self._buffer = self._buffer[:size], self._buffer[size:]
                return request
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._buffer += data

    def _size(self) -> int:
        if len(self._buffer) < 2:
            return 0
        first = self._buffer[1]
        if first < 0x80:
            return 2 + first
        count = first & 0x7F
        return 2 + count + int.from_bytes(self._buffer[2 : 2 + count], "big") if len(self._buffer) >= 2 + count else 0

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def bound(self) -> Conversation:
        """Let the client bind and read its search."""
        self.read()
        self.send(BOUND)
        self.read()
        return self

    def wait(self) -> None:
        """Say nothing until the client goes, or the test is over."""
        self.sock.settimeout(0.05)
        while not self.stopping.is_set():
            try:
                if not self.sock.recv(4096):
                    return
            except TimeoutError:
                continue


class LdapPeer:
    """A listening peer; `requests` is everything whole that it was sent. context: speak TLS at once."""

    def __init__(self, behaviour: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._behaviour = behaviour
        self._context = context
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"{'ldaps' if self._context else 'ldap'}://localhost:{self.port}/o=glue"

    def __enter__(self) -> LdapPeer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(2)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            with sock:
                self._behaviour(Conversation(sock, self._stopping))


# ---- behaviours


def mute(peer: Conversation) -> None:
    peer.wait()


def close_at_once(peer: Conversation) -> None:
    pass


def close_on_bind(peer: Conversation) -> None:
    peer.read()


def close_on_search(peer: Conversation) -> None:
    peer.bound()


def close_inside_an_entry(peer: Conversation) -> None:
    peer.bound().send(BASE + BASE[:-5])


def reset(peer: Conversation) -> None:
    peer.read()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def mute_after_bind(peer: Conversation) -> None:
    peer.bound().wait()


def drip(peer: Conversation) -> None:
    peer.bound()
    for octet in _for_ever(BASE):
        peer.send(bytes([octet]))
        if peer.stopping.wait(0.02):
            return


def endless_entries(peer: Conversation) -> None:
    peer.bound()
    while not peer.stopping.is_set():
        peer.send(BASE * 1000)


def endless_references(peer: Conversation) -> None:
    peer.bound()
    while not peer.stopping.is_set():
        peer.send(ber.reference(SEARCH, ["ldap://elsewhere.test/" + "x" * 300]) * 1000)


def endless_services(peer: Conversation) -> None:
    """Every entry is a service of its own, as large as it can be."""
    peer.bound()
    number = 0
    while not peer.stopping.is_set():
        number += 1
        name = f"{number}{'x' * 4000}"
        attributes = {
            "objectClass": ["GLUE2ComputingService"],
            "GLUE2ServiceType": ["IaaS"],
            "GLUE2ServiceAdminDomainForeignKey": [name],
        }
        peer.send(ber.entry(SEARCH, f"GLUE2ServiceID={name},GLUE2DomainID={name},o=glue", attributes))


def http(peer: Conversation) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def tls_alert(peer: Conversation) -> None:
    peer.read()
    peer.send(b"\x15\x03\x03\x00\x02\x02\x0a")


def terminal_escapes(peer: Conversation) -> None:
    peer.read()
    peer.send(b"\x1b[31m|evil=1 <b>\r\n" * 9)


def huge_length(peer: Conversation) -> None:
    peer.bound().send(b"\x30\x84\x7f\xff\xff\xff" + b"x" * 65536)
    peer.wait()


def indefinite_length(peer: Conversation) -> None:
    peer.bound().send(b"\x30\x80\x02\x01\x02")
    peer.wait()


def deep_nesting(peer: Conversation) -> None:
    nested = b""
    for _ in range(5000):
        nested = ber.tlv(ber.SEQUENCE, nested)
    peer.bound().send(ber.message(SEARCH, ber.tlv(ber.SEARCH_ENTRY, nested)))


def huge_number(peer: Conversation) -> None:
    peer.bound().send(ber.tlv(ber.SEQUENCE, ber.tlv(ber.INTEGER, b"\x7f" * 500_000)))


def other_number(peer: Conversation) -> None:
    peer.bound().send(ber.result(99, ber.SEARCH_DONE))


def other_end(peer: Conversation) -> None:
    peer.bound().send(ber.result(SEARCH, ber.BIND_RESPONSE))


def entry_for_bind(peer: Conversation) -> None:
    peer.read()
    peer.send(ber.entry(BIND, "o=glue", {}))


def disconnect(peer: Conversation) -> None:
    peer.bound().send(ber.disconnection(52, "shutting down"))


def bind_fails(code: int, said: str = "") -> Behaviour:
    def behaviour(peer: Conversation) -> None:
        peer.read()
        peer.send(ber.result(BIND, ber.BIND_RESPONSE, code, said))
        peer.wait()

    return behaviour


def search_fails(code: int, said: str = "", *, after: int = 0, referrals: tuple[str, ...] = ()) -> Behaviour:
    def behaviour(peer: Conversation) -> None:
        peer.bound().send(BASE * after + ber.result(SEARCH, ber.SEARCH_DONE, code, said, referrals=referrals))
        peer.wait()

    return behaviour


def answers(*messages: bytes) -> Behaviour:
    """Well-behaved: these messages, and the end."""

    def behaviour(peer: Conversation) -> None:
        peer.bound().send(b"".join(messages) + DONE)
        peer.wait()

    return behaviour


def in_single_octets(*messages: bytes) -> Behaviour:
    def behaviour(peer: Conversation) -> None:
        peer.bound()
        for octet in b"".join(messages) + DONE:
            peer.send(bytes([octet]))
        peer.wait()

    return behaviour


def more_than_the_answer_to_starttls(peer: Conversation) -> None:
    """What comes in the clear beside the answer would be taken for protected (CVE-2011-0411 and its kin)."""
    peer.read()
    peer.send(ber.result(1, ber.EXTENDED_RESPONSE) + BOUND)
    peer.wait()


def starttls_then_plain(peer: Conversation) -> None:
    peer.read()
    peer.send(ber.result(1, ber.EXTENDED_RESPONSE))
    peer.read()
    peer.send(b"not TLS at all")


def starttls_refused(peer: Conversation) -> None:
    peer.read()
    peer.send(ber.result(1, ber.EXTENDED_RESPONSE, 2, "unsupported extended operation"))
    peer.wait()


def _for_ever(data: bytes) -> Iterator[int]:
    while True:
        yield from data
