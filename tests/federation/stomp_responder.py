"""A STOMP responder: it speaks enough of the protocol to answer a probe, and to misbehave. It is no broker.

It stands in for brokers that are not at hand: those of STOMP 1.0 and 1.1, and those that know selectors (ActiveMQ).
What a real broker does is tested with RabbitMQ; see broker.py.

    with Responder(Manner(version="1.0", mute_at="SEND")) as responder:
        responder.port, responder.frames     # what it was sent, in order
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field

MAX_FRAME = 64 * 1024
QUIET_S = 0.05


@dataclass
class ResponderBehaviour:
    """How the responder behaves. version, server: as CONNECTED names them, left out where empty.

    mute_at:  the command from which on it says nothing. close_at: the command at which it closes.
    error_at: the command that it answers with ERROR; error: message and body of that.
    strangers: bodies of messages that it delivers before ours, whatever the selector says.
    changed:  it gives our message back with another body. unconfirmed: commands it gives no receipt for.
    raw:      bytes it sends, by the command that it answers so. late_receipt: the message comes before its receipt.
    refused:  a text; a SEND with it in its body is answered with `error`, or the connection is reset if `resets`.
              Receipts for what came before it are not given any more: they come when it is quiet, as RabbitMQ's.
    """

    version: str = "1.2"
    server: str = "ActiveMQ/5.17.2"
    mute_at: str = ""
    close_at: str = ""
    error_at: str = ""
    error: tuple[str, str] = ("refused", "because I say so")
    strangers: list[str] = field(default_factory=list)
    changed: bool = False
    unconfirmed: tuple[str, ...] = ()
    late_receipt: bool = False
    raw: dict[str, bytes] = field(default_factory=dict)
    refused: str = ""
    resets: bool = False
    line_end: str = "\n"


class Responder:
    """One listener on loopback; each connection has its own conversation."""

    name = "stomp-responder"

    def __init__(self, behaviour: ResponderBehaviour | None = None, context: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour or ResponderBehaviour()
        self.frames: list[tuple[str, dict[str, str], str]] = []
        self.refusals = 0
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def __enter__(self) -> Responder:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def describe(self) -> str:
        url = f"stomp://localhost:{self.port}"
        return f"{self.name:20} {url:26} a STOMP responder for tests, not a broker"

    @property
    def commands(self) -> list[str]:
        return [command for command, _, _ in self.frames]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            buffer = b""
            unreceipted: list[bytes] = []
            while data := self._more(connection, unreceipted):
                buffer += data
                while b"\0" in buffer:
                    frame, _, buffer = buffer.partition(b"\0")
                    if self.behaviour.refused and frame.lstrip(b"\n").startswith(b"SEND\n"):
                        if self.behaviour.refused.encode() in frame:
                            self._refuse(connection, frame)
                            return
                        unreceipted.append(frame)
                    elif not self._answer(connection, frame):
                        _close(connection)
                        return

    def _more(self, connection: socket.socket, unreceipted: list[bytes]) -> bytes:
        """Bytes that came; once none do for a while, what was held back of the answers is given."""
        while unreceipted:
            connection.settimeout(QUIET_S)
            try:
                return connection.recv(MAX_FRAME)
            except TimeoutError:
                for frame in unreceipted:
                    self._answer(connection, frame)
                unreceipted.clear()
            finally:
                connection.settimeout(None)
        return connection.recv(MAX_FRAME)

    def _refuse(self, connection: socket.socket, frame: bytes) -> None:
        self.refusals += 1
        if self.behaviour.resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        else:
            self._send(connection, "ERROR", {"message": self.behaviour.error[0]}, self.behaviour.error[1])
            _close(connection)

    def _answer(self, connection: socket.socket, data: bytes) -> bool:
        """Returns whether the conversation goes on."""
        head, _, body = data.decode().lstrip("\n").partition("\n\n")
        command, *lines = head.split("\n")
        escaped = self.behaviour.version not in ("", "1.0") and command != "CONNECT"
        headers = {
            name: _unescaped(value) if escaped else value for name, _, value in (x.partition(":") for x in lines)
        }
        self.frames.append((command, headers, body))
        behaviour = self.behaviour
        seen = {each for each, _, _ in self.frames}
        if behaviour.mute_at in seen:
            return True
        if command == behaviour.close_at:
            return False
        if command in behaviour.raw:
            connection.sendall(behaviour.raw[command])
            return True
        if command == behaviour.error_at:
            self._send(connection, "ERROR", {"message": behaviour.error[0]}, behaviour.error[1])
            return False
        if command == "CONNECT":
            told = {"version": behaviour.version, "server": behaviour.server, "session": "s:1", "heart-beat": "0,0"}
            self._send(connection, "CONNECTED", {name: value for name, value in told.items() if value})
        receipt = {"receipt-id": headers["receipt"]} if "receipt" in headers else {}
        if command == "SEND" and behaviour.late_receipt:
            self._deliver(connection, headers, body)
        if receipt and command not in behaviour.unconfirmed:
            self._send(connection, "RECEIPT", receipt)
        if command == "SEND" and not behaviour.late_receipt:
            self._deliver(connection, headers, body)
        return command != "DISCONNECT"

    def _deliver(self, connection: socket.socket, headers: dict[str, str], body: str) -> None:
        passed = {name: value for name, value in headers.items() if name not in ("receipt", "content-length")}
        subscription = next((headers["id"] for command, headers, _ in self.frames if command == "SUBSCRIBE"), "")
        for index, text in enumerate(self.behaviour.strangers):
            own = {"destination": headers["destination"], "message-id": f"ID:s:{index}", "subscription": subscription}
            self._send(connection, "MESSAGE", own | {"ack": f"s{index}"}, text)
        own = passed | {"message-id": "ID:host\\:1:7", "subscription": subscription, "ack": "ours:1"}
        self._send(connection, "MESSAGE", own, "something else" if self.behaviour.changed else body)

    def _send(self, connection: socket.socket, command: str, headers: dict[str, str], body: str = "") -> None:
        escaped = self.behaviour.version not in ("", "1.0") and command != "CONNECTED"
        lines = [f"{name}:{_escaped(value) if escaped else value}" for name, value in headers.items()]
        end = self.behaviour.line_end
        connection.sendall((end.join([command, *lines, "", ""]) + body + "\0\n").encode())


def _close(connection: socket.socket) -> None:
    """An orderly end: closed with bytes still unread, the kernel would reset the connection."""
    with connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(MAX_FRAME):
            pass


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace(":", "\\c")


def _unescaped(text: str) -> str:
    return re.sub(r"\\[nc\\]", lambda found: {"\\n": "\n", "\\c": ":", "\\\\": "\\"}[found[0]], text)
