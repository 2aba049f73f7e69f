"""STOMP 1.0 to 1.2 as a client that keeps a deadline.

stomp.py puts our frames into the form of each version. Its own transport is not used: that one connects by itself,
starts a thread, waits for ever on a broker that accepts and says nothing, keeps whatever it is sent (gigabytes of a
broker that floods), and loses the text of ERROR frames. Here one thread asks and reads in turn, over a socket that
keeps the deadline; frames are read by `libprobe.formats.stomp`, which bounds them.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections import deque
from contextlib import contextmanager

from libprobe.clients import sockets, tls
from libprobe.clients.exchange import BODY, READER, SENT, Exchange
from libprobe.failures import Asked, BadData, Failure, Misconfigured, OwnCredential, ProtocolFailure, Rejected
from libprobe.formats.address import host_and_port
from libprobe.formats.excerpt import excerpt
from libprobe.formats.stomp import Frame, FrameReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import Any

    from libprobe.clients.credentials import Audience
    from libprobe.deadline import Deadline

VERSIONS = ("1.0", "1.1", "1.2")
CHUNK = 16 << 10
MAX_RECEIVED = 16 << 20
"""Bytes of a whole conversation; a round trip needs a few hundred, beside messages of others on the queue."""

MAX_FRAMES = 5_000
"""Frames of a whole conversation: the smallest take forty times their size in memory."""

MAX_ERROR_CHARS, MAX_SHOWN = 300, 80
"""Characters of an ERROR that are kept, and of it that the status line has."""

GOODBYE_S = 2.0
"""How long the broker's answer to our DISCONNECT is waited for."""

OWN_NAME_KNOWN = "STOMP_SKIP_HOSTNAME_SCAN"

_log = logging.getLogger("libprobe.stomp")
_ABOUT_LOGIN = re.compile(r"login|passcode|password|user\s?name|user '|authenti|credential|anonymous", re.IGNORECASE)


class StompCredentials:
    """A name and its passcode, which goes to its audience only.

    `passcode` is registered as a secret by whoever read it.
    """

    def __init__(self, name: str, passcode: str, audience: Audience) -> None:
        self.name = name
        self.passcode = passcode
        self.audience = audience


class StompSession:
    """One connection to a broker, from `connect` to `close`.

    context:         TLS settings, None for a plain connection.
    with_credential: whether they present a client certificate.
    version, server: as the broker named them; `server` is empty if it did not.
    connect_time:    seconds from the first packet to the address that answered until the broker's CONNECTED.
    """

    def __init__(
        self,
        host: str,
        port: int,
        deadline: Deadline,
        *,
        context: ssl.SSLContext | None = None,
        with_credential: bool = False,
    ) -> None:
        self.name = f"{'stomp+ssl' if context else 'stomp'}://{host_and_port(host, port)}"
        self.host = host
        self.port = port
        self.version = "1.0"
        self.server = ""
        self.connect_time = 0.0
        self._deadline = deadline
        self._context = context
        self._with_credential = with_credential
        self._socket: Any = None
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()
        self._received = 0
        self._count = 0
        self._protocol: Any = None

    def __enter__(self) -> StompSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the conversation

    def connect(
        self, login: StompCredentials | None = None, *, vhost: str = "/", versions: tuple[str, ...] = VERSIONS
    ) -> None:
        """Connect and log in.

        Raises: the failures of `libprobe.failures`; OwnCredential where a login is wanted; Misconfigured, before
        anything is sent, for a login that may not be sent to this broker.
        vhost: the virtual host of the header `host`; `/` is RabbitMQ's default, others disregard it.
        """
        withheld = self.login_problem(login)
        if withheld:
            raise withheld
        began = time.monotonic()
        raced_s = self._open()
        opened = time.monotonic() - began - raced_s
        # a library is loaded for it: once somebody is there to talk to, and while the clock stands still
        self._protocol = self._protocol_of("1.0")
        began = time.monotonic()
        # CONNECT and not STOMP: brokers of 1.0 know no other word
        headers = {"accept-version": ",".join(versions), "host": vhost, "heart-beat": "0,0"}
        if login:
            headers |= {"login": login.name, "passcode": login.passcode}
        self._send("CONNECT", headers)
        try:
            frame = self.receive("answer to CONNECT")
        except BrokerError as error:
            raise self._refused(error, login) from None
        if frame.command != "CONNECTED":
            raise ProtocolFailure(f"{frame.command} instead of CONNECTED", of=self._exchange, link="from")
        self.connect_time = opened + time.monotonic() - began
        self.version = frame.headers.get("version", "1.0").strip()
        self.server = frame.headers.get("server", "")
        if self.version not in versions:
            raise ProtocolFailure(
                f"STOMP {excerpt(self.version, 20)} chosen",
                of=self._exchange,
                link="by",
                also=f"offered were {', '.join(versions)}",
            )
        self._reader.version = self.version
        self._protocol = self._protocol_of(self.version)

    def login_problem(self, login: StompCredentials | None) -> Misconfigured | None:
        """Return why the login may not be sent to this broker, None if it may be or if there is none."""
        if login is None:
            return None
        found = login.audience.refusal_for(self.host, is_encrypted=self._context is not None)
        if found is None:
            return None
        place = Asked(host_and_port(self.host, self.port), f"login as {login.name} at {self.name}")
        return Misconfigured(
            f"password of {login.name} not sent", of=place, link="to", also=found.why, remedy=found.remedy
        )

    def subscribe(self, destination: str, subscription: str, headers: dict[str, str]) -> None:
        """Subscribe, each message to be acknowledged by itself, and wait until the broker confirms it."""
        own = {"destination": destination, "id": subscription, "ack": "client-individual"}
        self.await_receipt(self.send_with_receipt("SUBSCRIBE", {**headers, **own}), "SUBSCRIBE")

    def send_with_receipt(self, command: str, headers: dict[str, str], body: str = "") -> str:
        """Send a frame with a receipt wanted; returns the receipt's id."""
        receipt = f"{command.lower()}-{os.urandom(4).hex()}"
        self._send(command, {**headers, "receipt": receipt}, body)
        return receipt

    def await_receipt(self, receipt: str, command: str) -> None:
        """Read until the receipt comes; messages that come meanwhile are kept for `receive`."""
        kept: list[Frame] = []
        while True:
            frame = self.receive(f"receipt for {command}")
            if is_receipt(frame, receipt):
                self._frames.extendleft(reversed(kept))
                return
            kept.append(frame)

    def acknowledge(self, message: Frame, subscription: str) -> None:
        """Acknowledge one message, and wait until the broker confirms it."""
        message_id = message.headers.get("message-id", "")
        if self.version == "1.2":
            headers = {"id": message.headers.get("ack", message_id)}
        else:
            headers = {"message-id": message_id, "subscription": subscription}
        self.await_receipt(self.send_with_receipt("ACK", headers), "ACK")

    def unsubscribe(self, destination: str, subscription: str) -> None:
        """End a subscription: what was delivered and not acknowledged goes back, on RabbitMQ when we close."""
        headers = {"id": subscription} | ({"destination": destination} if self.version == "1.0" else {})
        self.await_receipt(self.send_with_receipt("UNSUBSCRIBE", headers), "UNSUBSCRIBE")

    def disconnect(self) -> bool:
        """Say goodbye; returns whether the broker confirmed it, for which it gets GOODBYE_S at most."""
        whole = self._deadline
        self._deadline = whole.earlier_by(max(0.0, whole.remaining() - GOODBYE_S))
        self._set_deadline(self._deadline)
        try:
            self.await_receipt(self.send_with_receipt("DISCONNECT", {}), "DISCONNECT")
        except Failure:
            return False
        finally:
            self._deadline = whole
            self.close()
        return True

    def receive(self, awaited: str) -> Frame:
        """The next frame of any kind but ERROR.

        awaited: what the caller waits for, as it is said in `no receipt for SEND within 5 s`.
        Raises: BrokerError for an ERROR frame; NoAnswer, ProtocolFailure, BadData.
        """
        while not self._frames:
            self._read(awaited)
        frame = self._frames.popleft()
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("received: %s %s %s", frame.command, frame.headers, excerpt(frame.body, 200))
        if frame.command == "ERROR":
            raise BrokerError(self._exchange, frame, awaited)
        return frame

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    # ---- the connection

    def _open(self) -> float:
        """Connect; returns the seconds for which addresses of the host were waited for that did not answer."""
        asked = f"connection to {self.name}"
        self._exchange = Exchange(asked, self.host, self.port, self._deadline, has_credential=self._with_credential)
        plain = sockets.connect(self._exchange)
        self._socket = plain
        if self._context:
            self._socket = tls.secure(plain, self._context, self._exchange)
        return plain.raced_s

    def _set_deadline(self, deadline: Deadline) -> None:
        self._exchange.deadline = deadline
        if self._socket:
            self._socket.limit = deadline.remaining

    def _protocol_of(self, version: str) -> Any:
        """stomp.py's writer of a version's frames."""
        with no_look_up_of_our_own_name():
            from stomp import protocol

        kind = {"1.0": protocol.Protocol10, "1.1": protocol.Protocol11, "1.2": protocol.Protocol12}[version]
        return kind(_FrameSink(self._write))

    def _send(self, command: str, headers: dict[str, str], body: str = "") -> None:
        if _log.isEnabledFor(logging.DEBUG):
            shown = {name: "[secret]" if name == "passcode" else value for name, value in headers.items()}
            _log.debug("sent: %s %s %s", command, shown, body)
        if body:
            headers["content-length"] = str(len(body.encode()))
        self._exchange.asked = f"{command} at {self.name}"
        self._protocol.send_frame(command, headers, body)

    def _write(self, data: bytes) -> None:
        assert self._socket
        self._exchange.awaited = READER
        self._socket.sendall(data)
        self._exchange.begin_phase(SENT)

    def _read(self, awaited: str) -> None:
        """Wait for bytes and keep the frames that they complete."""
        assert self._socket
        self._exchange.awaited = awaited
        data = self._socket.recv(CHUNK)
        if not data:
            raise self._exchange.closed_failure("closed")
        if not self._received:
            self._exchange.begin_phase(BODY)
        if not self._received and data[:2] in (b"\x15\x03", b"\x16\x03"):
            raise ProtocolFailure(
                "speaks TLS instead of plain STOMP", of=self._exchange, remedy="register it as stomp+ssl://"
            )
        if not self._received and data[:5] == b"HTTP/":
            said = f"answer: {excerpt(data, MAX_ERROR_CHARS)}"
            raise ProtocolFailure("answered in HTTP instead of STOMP", of=self._exchange, more=[said])
        self._received += len(data)
        if self._received > MAX_RECEIVED:
            raise self._flood(f"{MAX_RECEIVED >> 20} MiB", awaited)
        try:
            for frame in self._reader.feed(data):
                self._count += 1
                if self._count > MAX_FRAMES:
                    raise self._flood(f"{MAX_FRAMES} frames", awaited)
                self._frames.append(frame)
        except BadData as error:
            raise BadData(error.sentence, of=self._exchange, link="from", more=[f"awaited: {awaited}"]) from None

    def _flood(self, what: str, awaited: str) -> Failure:
        return ProtocolFailure(f"more than {what} and no {awaited}", of=self._exchange, link="from")

    def _refused(self, error: BrokerError, login: StompCredentials | None) -> Failure:
        if not _ABOUT_LOGIN.search(error.error_text):
            return error
        if login is None:
            return OwnCredential(
                "login required",
                of=self._exchange,
                link="by",
                also=error.error_text,
                remedy="give --login and --password-file",
            )
        return Rejected(f"login {login.name} refused", of=self._exchange, link="by", also=error.error_text)


class BrokerError(Rejected):
    """The broker answered with an ERROR frame. error_text: its text."""

    def __init__(self, exchange: Exchange, frame: Frame, awaited: str) -> None:
        message = excerpt(frame.headers.get("message", ""), MAX_ERROR_CHARS)
        body = excerpt(frame.body, MAX_ERROR_CHARS)
        self.error_text = (
            f"{message}: {body}" if message and body and body not in message else message or body or "no reason"
        )
        shown = excerpt(self.error_text, MAX_SHOWN)
        more = [f"ERROR: {self.error_text}"] if shown != self.error_text else []
        super().__init__(f'ERROR "{shown}"', of=exchange, link="from", also=f"no {awaited}", more=more)


@contextmanager
def no_look_up_of_our_own_name() -> Iterator[None]:
    """Let the import of stomp.py not look up our own host's name, which takes seconds where name servers are slow.

    It goes by a variable, which is taken away again: a process of the worker takes no other check where a check has
    changed its environment.
    """
    if OWN_NAME_KNOWN in os.environ:
        yield
        return
    os.environ[OWN_NAME_KNOWN] = "1"
    try:
        yield
    finally:
        os.environ.pop(OWN_NAME_KNOWN, None)


class _FrameSink:
    """What stomp.py's protocol classes need of a transport: to take a frame."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def set_listener(self, name: str, listener: object) -> None:
        """Frames are read elsewhere."""

    def transmit(self, frame: Any) -> None:
        from stomp.utils import convert_frame

        self._write(b"".join(convert_frame(frame)))


def is_receipt(frame: Frame, receipt: str) -> bool:
    return frame.command == "RECEIPT" and frame.headers.get("receipt-id") == receipt
