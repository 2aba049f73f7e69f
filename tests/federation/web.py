"""A small HTTP/1.1 server on loopback whose answers, and whose failures, are controlled byte by byte.

One thread per connection, so an endpoint that hangs on purpose holds up nobody else. The application is a
function from `Request` to `Response`; the faults of `faults.py` act around it.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import http
import select
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from .faults import Faults

CHUNK = 64 * 1024
MAX_HEAD_BYTES = 1024 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
KEPT_EXCHANGES = 10_000
BODILESS = (204, 304)

LOGIN_PAGE = b"""<!DOCTYPE html>
<html><head><title>Sign in</title></head>
<body><h1>Sign in</h1><form method="post" action="/login">
<input name="user"><input name="password" type="password"><button>Sign in</button>
</form></body></html>
"""

NOT_ASKED_FOR = b"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html><head>
<title>403 Forbidden</title>
</head><body>
<h1>Forbidden</h1>
<p>You don't have permission to access this resource.Reason: Cannot perform Post-Handshake Authentication.<br />
</p>
</body></html>
"""
"""What Apache 2.4.71 says where a path wants a certificate for which it may not ask."""

# The short names OpenSSL gives to the attributes of a subject; all others appear as their object identifier.
_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.USER_ID: "UID",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN",
    NameOID.TITLE: "title",
}


BELOW_TLS = {
    "corrupt-record": b"\x17\x03\x03\x00\x40" + b"\xa5" * 64,  # application data, whose keys nobody has
    "tls-alert": b"\x15\x03\x03\x00\x02\x02\x50",  # fatal, internal_error
}
"""What a middlebox or a dying TLS terminator puts into the stream: RFC 8446, sections 5.1 and 6."""


@dataclass(frozen=True)
class Peer:
    """The client as its certificates name it.

    subject: of the leaf, in OpenSSL's slash form; a proxy's subject ends in its own CN.
    chain: DER, leaf first, as the client sent it.
    """

    subject: str
    chain: tuple[bytes, ...]


class Headers:
    """Header fields in the order they came, looked up without regard to case."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self._fields if key.lower() == wanted]

    def items(self) -> list[tuple[str, str]]:
        return list(self._fields)

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


@dataclass
class Request:
    """path: percent-encoded, without the query; at: seconds since the epoch."""

    method: str
    path: str
    query: dict[str, list[str]] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    peer: Peer | None = None
    at: float = 0.0


@dataclass
class Response:
    """Date, Content-Length and Connection are added when the application has not set them."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    reason: str | None = None


@dataclass(frozen=True)
class Exchange:
    """One request that was dealt with; status is None when a fault kept the answer back."""

    request: Request
    status: int | None


class WebServer:
    """An HTTP or, with a context, HTTPS server for one application.

    It may be stopped and started again; the port stays the same.
    """

    def __init__(
        self,
        name: str,
        app: Callable[[Request], Response],
        *,
        context: ssl.SSLContext | None = None,
        faults: Faults | None = None,
        log: Callable[[str], None] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """log: gets a line for every request. A defect of ours goes to standard error, and to `defects`.

        held: how many requests wait at this moment for the fault `held` to be switched off.
        """
        self.name = name
        self.app = app
        self.faults = faults if faults is not None else Faults()
        self.log = log or (lambda line: None)
        self.connections = 0
        self.requests: list[Exchange] = []
        self.held = 0
        self.defects: list[str] = []
        self.stopping = threading.Event()
        self._hung_up = threading.Event()
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self.greeting = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._acceptor: threading.Thread | None = None
        # Listening from the start: the port is known, and an early client waits instead of being refused.
        self._listener: socket.socket | None = socket.create_server((host, port), backlog=128)
        self.host, self.port = self._listener.getsockname()[:2]
        if context is not None:
            self.use_context(context)

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://localhost:{self.port}"

    @property
    def context(self) -> ssl.SSLContext | None:
        return self._context

    def use_context(self, context: ssl.SSLContext) -> None:
        """Serve every connection from now on with another certificate."""
        # A resumed session carries no certificate chain, so the peer would be lost.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        self._context = context

    def start(self) -> None:
        if self._acceptor is not None:
            return
        self.stopping.clear()
        if self._listener is None:
            self._listener = socket.create_server((self.host, self.port), backlog=128)
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name=f"{self.name}-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and every connection; clients that wait see the end at once."""
        self.stopping.set()
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
            listener.close()
        if self._acceptor is not None:
            self._acceptor.join(2)
            self._acceptor = None
        self.hang_up()

    def hang_up(self) -> None:
        """End every connection, and wait until nothing is done for any of them, whose client gave up or not."""
        with self._lock:
            connections = dict(self._open)
            hung_up, self._hung_up = self._hung_up, threading.Event()
        hung_up.set()
        for sock in connections:
            _shut(sock)
        for thread in connections.values():
            thread.join()

    def is_idle(self) -> bool:
        """Whether no connection is open: whatever a client that is gone had sent has been carried out."""
        with self._lock:
            return not self._open

    def __enter__(self) -> WebServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """One more request is held."""
        with self._lock:
            self.held += 1
        try:
            yield
        finally:
            with self._lock:
                self.held -= 1

    def record(self, request: Request, status: int | None) -> None:
        with self._lock:
            self.requests.append(Exchange(request, status))
            if len(self.requests) > KEPT_EXCHANGES:
                del self.requests[:-KEPT_EXCHANGES]
        self.log(f"{self.name}: {request.method} {request.path} {status if status is not None else 'not answered'}")

    def broke(self, doing: str) -> None:
        """Tell whoever runs this, with the traceback, that the server broke and not what is tried with it."""
        told = f"The embedded server {self.name!r} has a defect, seen while {doing}:\n{traceback.format_exc()}"
        self.defects.append(told)
        print(told, file=sys.stderr, flush=True)

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                if self.stopping.is_set() or listener.fileno() < 0:
                    return
                time.sleep(0.01)  # out of file descriptors: better late than a dead server
                continue
            with self._lock:
                connection = _Connection(self, sock, self._hung_up)
                thread = threading.Thread(
                    target=self._serve, args=(sock, connection), name=f"{self.name}-{sock.fileno()}", daemon=True
                )
                self.connections += 1
                self._open[sock] = thread
                thread.start()

    def _serve(self, sock: socket.socket, connection: _Connection) -> None:
        try:
            # A small answer must not wait for the acknowledgement of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.run()
        except ssl.SSLError as error:
            self.log(f"{self.name}: TLS: {error}")
            connection.linger = True
        except (OSError, _Closed):
            pass  # the client went away, or a fault wants the connection closed
        except Exception:
            self.broke("serving a connection")
        finally:
            connection.close()
            with self._lock:
                self._open.pop(sock, None)
            sock.close()


class _Closed(Exception):
    """The connection is over: the client closed it, or a fault wants it closed."""


class _BadRequest(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Connection:
    """One connection, from the TLS handshake to its end.

    sock: the TCP socket, which belongs to the server; TLS works on a duplicate of it, so that stop() and
    the faults can always reach below TLS.
    linger: read on for a moment before closing, so that a client still sending sees our last words and not
    a reset.
    """

    def __init__(self, server: WebServer, sock: socket.socket, hung_up: threading.Event) -> None:
        self.server = server
        self.hung_up = hung_up
        self.faults = server.faults
        self.sock = sock
        self.stream: socket.socket | ssl.SSLSocket = sock
        self.peer: Peer | None = None
        self.buffer = b""
        self.linger = False

    def run(self) -> None:
        if self.faults.take("close-accept") is not None:
            return
        if self.faults.take("mute-accept") is not None:
            self._wait_for_close()
            return
        drip = self.faults.take("drip-handshake")
        context = self.server.context
        if context is not None:
            self.stream = self._handshake(context, drip["interval"] if drip else None)
            self.peer = _peer(self.stream)
        while self._exchange():
            pass
        if isinstance(self.stream, ssl.SSLSocket):
            self.stream.settimeout(0.2)
            self.stream.unwrap()  # only here: a connection that a fault closes ends without a goodbye

    def close(self) -> None:
        if self.linger:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
                self.sock.settimeout(0.5)
                while self.sock.recv(CHUNK):
                    pass
        if self.stream is not self.sock:
            self.stream.close()

    def _handshake(self, context: ssl.SSLContext, drip_interval: float | None) -> ssl.SSLSocket:
        if drip_interval is None:
            stream = self._greeted(context, self.sock.dup())
            stream.do_handshake()
            return stream
        inner, outer = socket.socketpair()
        relay = _Relay(self.sock, outer, drip_interval, self.server.stopping)
        stream = self._greeted(context, inner)
        stream.do_handshake()
        relay.interval = 0
        return stream

    def _greeted(self, context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLSocket:
        """Return the TLS side of a connection, before its handshake.

        A connection takes over what the context says as it is made. Only for that time does the context say that the
        certificate is asked for later: it is every connection's, and whoever reads it finds what the site was given.
        """
        with self.server.greeting:
            usual = context.verify_mode
            if self.faults.get("certificate-by-path") is not None:
                context.post_handshake_auth, context.verify_mode = True, ssl.CERT_REQUIRED
            try:
                return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            finally:
                context.post_handshake_auth, context.verify_mode = False, usual

    # -- one exchange ------------------------------------------------------------------------------

    def _exchange(self) -> bool:
        """Deal with one request; return whether the connection can carry another."""
        try:
            request, version = self._read_request()
        except _BadRequest as error:
            text = f"{error}\n".encode()
            self._send(Response(error.status, [("Content-Type", "text/plain")], text), "GET", close=True)
            self.linger = True
            return False
        tokens = {token.strip().lower() for value in request.headers.all("Connection") for token in value.split(",")}
        close = "close" in tokens or (version == "HTTP/1.0" and "keep-alive" not in tokens)
        self._fault_instead(request)
        response = self._replacement(request) or self._handled(request)
        self._fault_after(request, response, close)
        self.server.record(request, response.status)
        self._send(response, request.method, close)
        return not close

    def _take(self, name: str, request: Request) -> dict[str, Any] | None:
        return self.faults.take(name, request.method, request.path)

    def _fault_instead(self, request: Request) -> None:
        """Carry out the faults that leave a request without an HTTP answer."""
        slow = self._take("slow", request)
        if slow is not None:
            self._sleep(slow["seconds"])
        before = self.faults.switched_off("held")  # first, as it may be switched off as soon as it is taken
        if self._take("held", request) is not None:
            with self.server.holding():
                while self.faults.switched_off("held") == before:
                    self._sleep(0.01)
        for name, act in (
            ("mute", self._wait_for_close),
            ("close-request", None),
            ("reset", self._reset),
            ("garbage", lambda: self._write(b"\x15\x03\x01 SSH-2.0-OpenSSH_6.6.1\r\n\x00\xff\xfe")),
        ):
            if self._take(name, request) is not None:
                self.server.record(request, None)
                if act is not None:
                    act()
                raise _Closed(name)

    def _replacement(self, request: Request) -> Response | None:
        """Return the answer of a fault that keeps the request from the application."""
        if self._take("certificate-by-path", request) is not None and not self._ask_for_certificate():
            return Response(403, [("Content-Type", "text/html; charset=iso-8859-1")], NOT_ASKED_FOR)
        request.peer = self.peer
        if (fault := self._take("status", request)) is not None:
            fields = {"Content-Type": "text/plain", **fault["headers"]}
            code = fault["code"]
            text = fault["body"] or f"{_reason(code)}\n"
            return Response(code, list(fields.items()), text.encode())
        if (fault := self._take("redirect", request)) is not None:
            return Response(fault["code"], [("Location", fault["to"]), ("Content-Type", "text/plain")])
        if self._take("html", request) is not None:
            return Response(200, [("Content-Type", "text/html; charset=utf-8")], LOGIN_PAGE)
        if (fault := self._take("gzip-bomb", request)) is not None:
            headers = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]
            return Response(200, headers, zeros(fault["size_bytes"]))
        for name, send in (("endless-headers", self._endless_headers), ("endless-body", self._endless_body)):
            if (fault := self._take(name, request)) is not None:
                self.server.record(request, 200)
                send(fault["limit_bytes"])
                raise _Closed(name)
        return None

    def _handled(self, request: Request) -> Response:
        try:
            response = self.server.app(request)
        except Exception as error:
            self.server.broke(f"answering {request.method} {request.path}")
            text = f"The embedded server failed: {type(error).__name__}: {error}\n"
            return Response(500, [("Content-Type", "text/plain")], text.encode())
        return Response(response.status, list(response.headers), response.body, response.reason)

    def _fault_after(self, request: Request, response: Response, close: bool) -> None:
        """Carry out the faults that spoil an answer the application has given."""
        if (fault := self._take("wrong-type", request)) is not None:
            _replace(response, "Content-Type", fault["type"])
        if (fault := self._take("date-skew", request)) is not None:
            _replace(response, "Date", email.utils.formatdate(time.time() + fault["seconds"], usegmt=True))
        if (fault := self._take("late-answer", request)) is not None:
            self._sleep(fault["seconds"])
        if (fault := self._take("interim", request)) is not None:
            head = f"HTTP/1.1 {fault['code']} {_reason(fault['code'])}\r\nLink: </style.css>; rel=preload\r\n\r\n"
            self._write(head.encode() * fault["heads"])
        if self._take("lost-answer", request) is not None:
            self.server.record(request, None)
            raise _Closed("lost-answer")
        for name, record in BELOW_TLS.items():
            if self._take(name, request) is not None:
                self.server.record(request, None)
                self.sock.sendall(record)
                raise _Closed(name)
        for name in ("drip-headers", "drip-body", "close-headers", "close-body"):
            fault = self._take(name, request)
            if fault is None:
                continue
            self.server.record(request, response.status)
            head, body = _rendered(response, request.method, close)
            if name == "drip-headers":
                self._drip(head, fault["interval"])
                self._write(body)
            elif name == "drip-body":
                self._write(head)
                self._drip(body, fault["interval"])
            elif name == "close-headers":
                self._write(head[: len(head) // 2])
            else:
                # An answer without a body still has to break a promise.
                promise = _rendered(Response(response.status, [("Content-Length", "1024")]), "GET", close)[0]
                self._write(head + body[: len(body) // 2] if len(body) > 1 else promise)
            raise _Closed(name)

    def _ask_for_certificate(self) -> bool:
        """Ask for it within the connection and wait until it is there; False if the client's greeting allows no such.

        Raises: ssl.SSLError for one that is not accepted; the client has got an alert.
        """
        stream = self.stream
        if self.peer is not None or not isinstance(stream, ssl.SSLSocket):
            return self.peer is not None
        try:
            stream.verify_client_post_handshake()
        except ssl.SSLError:
            return False
        stream.do_handshake()  # sends the question; the answer is read together with whatever comes next
        stream.setblocking(False)
        try:
            while not stream.getpeercert(binary_form=True):
                try:
                    self._recv()
                except ssl.SSLWantReadError:
                    select.select([stream], [], [], 0.1)
        finally:
            stream.settimeout(None)
        self.peer = _peer(stream)
        return True

    # -- the wire ----------------------------------------------------------------------------------

    def _recv(self) -> None:
        data = self.stream.recv(CHUNK)
        if not data:
            raise _Closed("by the client")
        self.buffer += data

    def _write(self, data: bytes) -> None:
        self.stream.sendall(data)

    def _send(self, response: Response, method: str, close: bool) -> None:
        head, body = _rendered(response, method, close)
        self._write(head + body)

    def _drip(self, data: bytes, interval: float) -> None:
        for position in range(len(data)):
            self._write(data[position : position + 1])
            self._sleep(interval)

    def _sleep(self, seconds: float) -> None:
        if self.hung_up.wait(seconds):
            raise _Closed("by the server")

    def _wait_for_close(self) -> None:
        while self.stream.recv(CHUNK):
            pass

    def _reset(self) -> None:
        # With a linger time of zero, closing sends RST instead of FIN.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _endless_headers(self, limit_bytes: int) -> None:
        self._write(b"HTTP/1.1 200 OK\r\n")
        self._endless(b"".join(b"X-Padding-%04d: %s\r\n" % (n, b"x" * 1000) for n in range(63)), limit_bytes)

    def _endless_body(self, limit_bytes: int) -> None:
        self._write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        self._endless((b"x" * 1023 + b"\n") * 64, limit_bytes)

    def _endless(self, block: bytes, limit_bytes: int) -> None:
        for _ in range(max(1, limit_bytes // len(block))):
            self._write(block)

    # -- reading -----------------------------------------------------------------------------------

    def _read_request(self) -> tuple[Request, str]:
        head = self._read_head()
        lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _BadRequest(400, f"not an HTTP/1.1 request line: {lines[0][:80]!r}")
        method, target, version = parts
        fields: list[tuple[str, str]] = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if line[:1] in " \t" and fields:
                fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
            elif not colon or not name or name != name.strip():
                raise _BadRequest(400, f"not a header line: {line[:80]!r}")
            else:
                fields.append((name, value.strip()))
        headers = Headers(fields)
        url = urllib.parse.urlsplit(target if target.startswith("http") else f"http://localhost{target}")
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        body = self._read_body(headers)
        return Request(method, url.path or "/", query, headers, body, self.peer, time.time()), version

    def _read_head(self) -> bytes:
        while True:
            self.buffer = self.buffer.lstrip(b"\r\n")  # RFC 9112 2.2: ignore empty lines before a request
            ends = [(at, len(end)) for end in (b"\r\n\r\n", b"\n\n") if (at := self.buffer.find(end)) >= 0]
            if ends:
                at, length = min(ends)
                head, self.buffer = self.buffer[:at], self.buffer[at + length :]
                return head
            if len(self.buffer) > MAX_HEAD_BYTES:
                raise _BadRequest(431, "the head of the request is too large")
            self._recv()

    def _read_body(self, headers: Headers) -> bytes:
        chunked = "chunked" in (headers.get("Transfer-Encoding") or "").lower()
        length = headers.get("Content-Length", "0") or ""
        if not chunked and not (length.isascii() and length.isdigit()):
            raise _BadRequest(400, f"not a Content-Length: {length[:80]!r}")
        if not chunked and int(length) > MAX_BODY_BYTES:
            raise _BadRequest(413, "the body of the request is too large")
        if (headers.get("Expect") or "").lower() == "100-continue" and not self.buffer:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._read_chunks() if chunked else self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            size = self._read_line().split(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                raise _BadRequest(400, f"not a chunk size: {size[:80]!r}") from None
            if length < 0 or len(body) + length > MAX_BODY_BYTES:
                raise _BadRequest(413, "the body of the request is too large")
            if length == 0:
                while self._read_line():
                    pass  # trailers
                return body
            body += self._read_exactly(length)
            self._read_line()

    def _read_line(self) -> bytes:
        while b"\n" not in self.buffer:
            self._recv()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def _read_exactly(self, length: int) -> bytes:
        if len(self.buffer) < length:
            parts, missing = [self.buffer], length - len(self.buffer)
            while missing > 0:
                data = self.stream.recv(min(missing, CHUNK))
                if not data:
                    raise _Closed("in the middle of a body")
                parts.append(data)
                missing -= len(data)
            self.buffer = b"".join(parts)
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data


class _Relay:
    """Carries the bytes of a TLS connection, those of the server one by one while `interval` is above 0."""

    def __init__(
        self, client: socket.socket, server: socket.socket, interval: float, stopping: threading.Event
    ) -> None:
        self.interval = interval
        self._stopping = stopping
        for source, sink in ((client, server), (server, client)):
            thread = threading.Thread(target=self._carry, args=(source, sink, sink is client), daemon=True)
            thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket, slowly: bool) -> None:
        try:
            while data := source.recv(CHUNK):
                while slowly and self.interval and len(data) > 1:
                    sink.sendall(data[:1])
                    data = data[1:]
                    self._stopping.wait(self.interval)
                sink.sendall(data)
                if slowly and self.interval:
                    self._stopping.wait(self.interval)
        except OSError:
            pass
        finally:
            for sock in (source, sink):
                _shut(sock)
            if not slowly:
                sink.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of SSLSocket, which would take TLS away from the thread that is reading.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _replace(response: Response, name: str, value: str) -> None:
    kept = [(key, old) for key, old in response.headers if key.lower() != name.lower()]
    response.headers = [*kept, (name, value)]


def _rendered(response: Response, method: str, close: bool) -> tuple[bytes, bytes]:
    """Return the head and the body as they go over the wire."""
    present = {name.lower() for name, _ in response.headers}
    fields = list(response.headers)
    if "content-length" not in present and response.status not in BODILESS:
        fields.append(("Content-Length", str(len(response.body))))
    if "date" not in present:
        fields.append(("Date", email.utils.formatdate(usegmt=True)))
    if close:
        fields.append(("Connection", "close"))
    lines = [f"HTTP/1.1 {response.status} {response.reason or _reason(response.status)}"]
    # A line break inside a value would end the head: sent as a space, as a careful server does.
    lines += [f"{name}: {' '.join(value.splitlines())}" for name, value in fields]
    head = "\r\n".join([*lines, "", ""]).encode("utf-8")
    return head, b"" if method == "HEAD" or response.status in BODILESS else response.body


def _peer(stream: ssl.SSLSocket) -> Peer | None:
    chain: Iterable[Any]
    # Of a client without a certificate Python makes a chain of None, with which the method of 3.13 itself breaks.
    if not stream.getpeercert(binary_form=True):
        return None
    if hasattr(stream, "get_unverified_chain"):  # Python 3.13
        chain = stream.get_unverified_chain() or ()
    else:
        private: Any = stream._sslobj  # type: ignore[attr-defined]
        encoding = ssl._ssl.ENCODING_DER  # type: ignore[attr-defined]
        chain = [found.public_bytes(encoding) for found in private.get_unverified_chain() or ()]
    ders = tuple(bytes(der) for der in chain)
    return Peer(slash_form(ders[0]), ders) if ders else None


def slash_form(certificate: bytes) -> str:
    """Return the subject of a DER certificate as OpenSSL writes it on one line, `/C=EU/O=EGI/CN=robot`."""
    text = ""
    for rdn in x509.load_der_x509_certificate(certificate).subject.rdns:
        for position, attribute in enumerate(rdn):
            name = _SHORT_NAMES.get(attribute.oid, attribute.oid.dotted_string)
            value = attribute.value if isinstance(attribute.value, bytes) else attribute.value.encode()
            shown = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02X}" for byte in value)
            text += f"{'+' if position else '/'}{name}={shown}"
    return text


@functools.lru_cache(maxsize=4)
def zeros(size_bytes: int) -> bytes:
    """Return a gzip stream of SIZE_BYTES zeros, about a thousandth of that in length."""
    block = bytes(min(size_bytes, 16 * 1024 * 1024))
    whole, rest = divmod(size_bytes, len(block)) if block else (0, 0)

    def deflated(data: bytes) -> bytes:
        # After a full flush nothing refers back, so the same piece of stream can be repeated.
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)

    checksum = 0
    for _ in range(whole):
        checksum = zlib.crc32(block, checksum)
    checksum = zlib.crc32(block[:rest], checksum)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    trailer = b"\x03\x00" + struct.pack("<II", checksum, size_bytes & 0xFFFFFFFF)
    return header + deflated(block) * whole + (deflated(block[:rest]) if rest else b"") + trailer
