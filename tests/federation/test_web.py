"""The HTTP server as clients see it, in health and with every fault of the wire."""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.pace import AMPLE_S, Watch, until

from . import web
from .faults import WIRE, Faults
from .web import Headers, Request, Response, WebServer, zeros

GIB = 1024**3


class App:
    """Echoes, and counts what reached it."""

    def __init__(self) -> None:
        self.handled: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.handled.append(request)
        if request.path == "/broken":
            raise RuntimeError("no idea")
        if request.path == "/nothing":
            return Response(204)
        body = f"{request.method} {request.path} {request.query} ".encode() + request.body
        return Response(200, [("Content-Type", "text/plain"), ("X-Two", "1"), ("X-Two", "2")], body)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def server(app: App, faults: Faults) -> Iterator[WebServer]:
    with WebServer("echo", app, faults=faults) as server:
        yield server


def get(
    server: WebServer, path: str = "/x", method: str = "GET", body: Any = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=AMPLE_S)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response, response.read()


@contextlib.contextmanager
def connected(server: WebServer, timeout: float = AMPLE_S) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as sock:
        yield sock


def send(sock: socket.socket, *parts: bytes) -> None:
    sock.sendall(b"".join(parts) or b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")


def everything(sock: socket.socket) -> bytes:
    data = b""
    while part := sock.recv(65536):
        data += part
    return data


# -- health -----------------------------------------------------------------------------------------


def test_a_request_reaches_the_application_as_it_was_sent(server: WebServer, app: App) -> None:
    response, body = get(server, "/a%20b/?action=stop&x=", "POST", b"hello", X_Token="t")
    assert response.status == 200
    assert body == b"POST /a%20b/ {'action': ['stop'], 'x': ['']} hello"
    assert response.headers.get_all("X-Two") == ["1", "2"]
    request = app.handled[0]
    assert request.headers.get("x_token") == "t"
    assert request.peer is None
    assert abs(request.at - time.time()) < 5
    assert [(e.request.path, e.status) for e in server.requests] == [("/a%20b/", 200)]


def test_headers_are_found_in_any_case_and_kept_in_order() -> None:
    headers = Headers([("Category", "a"), ("X", "y"), ("category", "b")])
    assert headers.all("CATEGORY") == ["a", "b"]
    assert headers.get("category") == "a"
    assert headers.get("none", "-") == "-"
    assert "x" in headers
    assert [name for name, _ in headers] == ["Category", "X", "category"]


def test_a_connection_is_kept_alive(server: WebServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=AMPLE_S)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", "/x")
            assert connection.getresponse().read()
    assert server.connections == 1
    get(server, Connection="close")
    assert server.connections == 2


def test_requests_may_be_pipelined_and_bodies_chunked(server: WebServer, app: App) -> None:
    with connected(server) as sock:
        chunked = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
        send(sock, chunked, chunks, b"GET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        everything(sock)
    assert [(r.path, r.body) for r in app.handled] == [("/a", b"abcde"), ("/b", b"")]


def test_expect_100_continue_is_answered(server: WebServer) -> None:
    with connected(server) as sock:
        send(sock, b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        send(sock, b"ok")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_and_204_have_no_body(server: WebServer) -> None:
    with connected(server) as sock:
        send(sock, b"HEAD /x HTTP/1.0\r\n\r\n")
        head = everything(sock)
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 11\r\n" in head
    response, body = get(server, "/nothing")
    assert (response.status, body, response.getheader("Content-Length")) == (204, b"", None)


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_malformed_request_gets_a_400(server: WebServer, bad: bytes) -> None:
    with connected(server) as sock:
        send(sock, bad)
        assert everything(sock).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_failing_application_gives_500_and_the_server_lives(
    server: WebServer, capsys: pytest.CaptureFixture[str]
) -> None:
    response, body = get(server, "/broken")
    assert response.status == 500
    assert b"RuntimeError: no idea" in body
    told = capsys.readouterr().err
    assert told.startswith("The embedded server 'echo' has a defect, seen while answering GET /broken:\nTraceback ")
    assert "\nRuntimeError: no idea\n" in told
    assert server.defects == [told.removesuffix("\n")]
    assert get(server)[0].status == 200


def test_a_server_that_breaks_before_a_request_tells_it_to_whoever_runs_it(
    secure: Secure, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connect = secure

    def fails(_: ssl.SSLSocket) -> None:
        raise AttributeError("'NoneType' object has no attribute 'public_bytes'")

    monkeypatch.setattr(web, "_peer", fails)
    with connect() as sock, contextlib.suppress(OSError):
        send(sock)
        everything(sock)
    told = capsys.readouterr().err
    assert told.startswith("The embedded server 'echo' has a defect, seen while serving a connection:\nTraceback ")
    assert "AttributeError: 'NoneType' object has no attribute 'public_bytes'" in told


def test_many_clients_are_served_at_once(server: WebServer) -> None:
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(get(server)[0].status)) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 30
    assert len(server.requests) == server.connections == 30


def test_stop_ends_waiting_clients_and_frees_the_port(server: WebServer, faults: Faults) -> None:
    faults.on("mute")
    with connected(server) as sock:
        send(sock)
        until(lambda: server.requests)
        watch = Watch()
        server.stop()
        assert everything(sock) == b""
        watch.ended_within(2)
    with pytest.raises(ConnectionRefusedError), connected(server):
        pass
    faults.clear()
    port = server.port
    server.start()
    assert server.port == port
    assert get(server)[0].status == 200


# -- TLS --------------------------------------------------------------------------------------------


def certificate(directory: Path, *names: tuple[x509.ObjectIdentifier, str]) -> tuple[Path, Path]:
    """Make a self-signed certificate for localhost; return the files of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    stem = names[-1][1]
    cert_file, key_file = directory / f"{stem}.pem", directory / f"{stem}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@pytest.fixture
def secure(app: App, faults: Faults, tmp_path: Path) -> Iterator[tuple[WebServer, Callable[..., ssl.SSLSocket]]]:
    own = certificate(tmp_path, (NameOID.COMMON_NAME, "server"))
    client = certificate(
        tmp_path,
        (NameOID.DOMAIN_COMPONENT, "EU"),
        (NameOID.ORGANIZATION_NAME, "EGI, Ltd"),
        (NameOID.COMMON_NAME, "robot"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    context.load_verify_locations(client[0])
    context.verify_mode = ssl.CERT_OPTIONAL

    def connect(with_certificate: bool = False, timeout: float = AMPLE_S) -> ssl.SSLSocket:
        trust = ssl.create_default_context(cafile=str(own[0]))
        if with_certificate:
            trust.load_cert_chain(*client)
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
        try:
            return trust.wrap_socket(sock, server_hostname="localhost")
        except BaseException:
            sock.close()
            raise

    with WebServer("echo", app, context=context, faults=faults) as server:
        yield server, connect


Secure = tuple[WebServer, Callable[..., ssl.SSLSocket]]


def test_https_names_its_peer(secure: Secure, app: App) -> None:
    server, connect = secure
    assert server.url == f"https://localhost:{server.port}"
    for with_certificate in (False, True):
        with connect(with_certificate) as sock:
            send(sock, b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert everything(sock).endswith(b"GET /x {} ")
    assert app.handled[0].peer is None
    peer = app.handled[1].peer
    assert peer is not None
    assert peer.subject == "/DC=EU/O=EGI, Ltd/CN=robot"
    assert x509.load_der_x509_certificate(peer.chain[0]).subject.rfc4514_string()


def test_the_certificate_can_be_changed_while_running(secure: Secure, tmp_path: Path) -> None:
    server, connect = secure
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(*certificate(tmp_path, (NameOID.COMMON_NAME, "other")))
    server.use_context(other)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect()


def test_a_plain_request_to_https_does_no_harm(secure: Secure) -> None:
    server, connect = secure
    with connected(server) as sock:
        send(sock)
        with contextlib.suppress(ConnectionResetError):
            everything(sock)
    with connect() as sock:
        send(sock)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_handshake_can_drip(secure: Secure, faults: Faults) -> None:
    _, connect = secure
    faults.on("drip-handshake", interval=0.0001, times=1)
    with connect() as sock:
        send(sock)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    faults.on("drip-handshake", interval=30)
    with pytest.raises(TimeoutError):
        connect(timeout=0.1)


def test_a_handshake_can_stay_mute_or_be_cut(secure: Secure, faults: Faults) -> None:
    _, connect = secure
    faults.on("mute-accept", times=1)
    with pytest.raises(TimeoutError):
        connect(timeout=0.1)
    until(lambda: faults.get("mute-accept") is None)  # it is for the first, whose client is gone
    faults.on("close-accept", times=1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect()


@pytest.mark.parametrize("fault", ["reset", "close-request", "close-body", "garbage"])
def test_faults_reach_through_tls(secure: Secure, faults: Faults, fault: str) -> None:
    _, connect = secure
    faults.on(fault)
    with connect() as sock:
        send(sock)
        data = b""
        with contextlib.suppress(OSError):
            data = everything(sock)
    assert not data.endswith(b"GET /x {} ")


# -- faults -----------------------------------------------------------------------------------------


def test_every_wire_fault_ends_by_itself_or_with_the_client(server: WebServer, faults: Faults) -> None:
    """After each fault the server answers as if nothing had been."""
    for name in WIRE:
        small = {
            "seconds": 0.01,
            "interval": 0.0001,
            "limit_bytes": 100_000,
            "size_bytes": 1000,
            "to": "/elsewhere",
        }
        parameters = {key: value for key, value in small.items() if key in WIRE[name].parameters}
        faults.on(name, times=1, **parameters)
        with connected(server, timeout=0.15) as sock, contextlib.suppress(OSError):
            send(sock, b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
            everything(sock)
        until(lambda: faults.get(name) is None, name)  # noqa: B023 - called before it changes
        assert get(server)[0].status == 200, name


@pytest.mark.parametrize("fault", ["mute", "mute-accept"])
def test_mute_says_nothing(server: WebServer, faults: Faults, app: App, fault: str) -> None:
    faults.on(fault)
    with connected(server, timeout=0.1) as sock:
        send(sock)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert app.handled == []


@pytest.mark.parametrize("fault", ["close-accept", "close-request", "lost-answer"])
def test_the_connection_closes_without_an_answer(server: WebServer, faults: Faults, app: App, fault: str) -> None:
    faults.on(fault)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        get(server)
    assert len(app.handled) == (fault == "lost-answer")
    assert [e.status for e in server.requests] == ([] if fault == "close-accept" else [None])


def test_reset_is_a_reset(server: WebServer, faults: Faults) -> None:
    faults.on("reset")
    with connected(server) as sock:
        send(sock)
        with pytest.raises(ConnectionResetError):
            everything(sock)


def test_garbage_is_no_http(server: WebServer, faults: Faults) -> None:
    faults.on("garbage")
    with pytest.raises(http.client.BadStatusLine):
        get(server)


def test_a_status_comes_with_its_headers_and_body(server: WebServer, faults: Faults, app: App) -> None:
    faults.on("status", code=429, body="later", headers={"Retry-After": "7"}, path="/x")
    response, body = get(server)
    assert (response.status, response.reason, body) == (429, "Too Many Requests", b"later")
    assert response.getheader("Retry-After") == "7"
    assert get(server, "/y")[0].status == 200
    assert len(app.handled) == 1


def test_other_pages_can_stand_in(server: WebServer, faults: Faults, app: App) -> None:
    faults.on("redirect", to="http://elsewhere.invalid/", times=1)
    response, _ = get(server)
    assert (response.status, response.getheader("Location")) == (302, "http://elsewhere.invalid/")
    faults.on("html", times=1)
    response, body = get(server)
    assert response.getheader("Content-Type") == "text/html; charset=utf-8"
    assert b"<form" in body
    assert app.handled == []


def test_the_bomb_expands(server: WebServer, faults: Faults) -> None:
    faults.on("gzip-bomb", size_bytes=40_000_000)
    response, body = get(server)
    assert response.getheader("Content-Encoding") == "gzip"
    assert len(body) < 100_000
    assert gzip.decompress(body) == bytes(40_000_000)
    for size in (0, 1, 16 * 1024 * 1024):
        assert len(gzip.decompress(zeros(size))) == size
    assert struct.unpack("<I", zeros(17)[-4:]) == (17,)


def test_endless_answers_go_on_until_the_client_closes(server: WebServer, faults: Faults) -> None:
    for name in ("endless-headers", "endless-body"):
        faults.on(name)
        with connected(server) as sock:
            send(sock)
            received = 0
            while received < 3_000_000:
                received += len(sock.recv(65536))
        faults.clear()
    assert get(server)[0].status == 200


def test_a_drip_is_slow_and_complete(server: WebServer, faults: Faults) -> None:
    for name in ("drip-headers", "drip-body"):
        faults.on(name, interval=0.0005, times=1)
        assert get(server)[1] == b"GET /x {} "
        faults.on(name, interval=30, times=1)
        with connected(server, timeout=0.1) as sock:
            send(sock)
            data = b""
            with contextlib.suppress(TimeoutError):
                data = sock.recv(100_000)
                data += sock.recv(100_000)
            assert not data.endswith(b"{} ")


def test_an_answer_can_break_off(server: WebServer, faults: Faults, app: App) -> None:
    faults.on("close-body", times=1)
    with pytest.raises(http.client.IncompleteRead):
        get(server)
    faults.on("close-headers", times=1)
    with connected(server) as sock:
        send(sock)
        head = everything(sock)
    assert head.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" not in head
    assert len(app.handled) == 2


def test_type_and_date_can_be_wrong(server: WebServer, faults: Faults) -> None:
    faults.on("wrong-type", type="image/png")
    faults.on("date-skew", seconds=-86400)
    response, _ = get(server)
    assert response.headers.get_all("Content-Type") == ["image/png"]
    (date,) = response.headers.get_all("Date") or [""]
    assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time() + 86400) < 10


@pytest.mark.parametrize("doing", ["slow", "held", "late-answer", "mute", "drip-body"])
def test_after_hanging_up_nothing_is_done_for_an_earlier_client(
    doing: str, server: WebServer, faults: Faults, app: App
) -> None:
    faults.on(doing, times=1, **({"seconds": AMPLE_S} if doing in ("slow", "late-answer") else {}))
    with connected(server) as sock:
        send(sock, b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
        until(lambda: faults.get(doing) is None)
        server.hang_up()
        handled = len(app.handled)
        assert not [
            thread for thread in threading.enumerate() if thread.name.startswith("echo-") and not is_acceptor(thread)
        ]
        assert everything(sock).count(b"POST /x") == 0
    assert get(server)[0].status == 200
    assert len(app.handled) == handled + 1


def test_a_held_request_is_handled_when_the_switch_is_off_though_its_client_is_gone(
    server: WebServer, faults: Faults, app: App
) -> None:
    faults.on("held", path="/held", times=1)
    with connected(server) as sock:
        send(sock, b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        until(lambda: server.held == 1)
    for _ in range(2):
        assert get(server)[0].status == 200
    assert (faults.active(), server.held, app.handled[0].path, len(app.handled)) == ({}, 1, "/x", 2)
    faults.off("held")
    until(lambda: len(app.handled) == 3)
    assert app.handled[2].path == "/held"
    until(lambda: server.held == 0)


def is_acceptor(thread: threading.Thread) -> bool:
    return thread.name == "echo-accept"


def test_slow_waits_before_and_late_after_the_application(server: WebServer, faults: Faults, app: App) -> None:
    for name, early in (("slow", False), ("late-answer", True)):
        app.handled.clear()
        faults.on(name, seconds=0.1)
        began = time.time()
        get(server)
        assert began <= app.handled[0].at <= time.time() - 0.1  # it was read before the wait
        faults.clear()
        faults.on(name, seconds=60)
        app.handled.clear()
        with connected(server, timeout=0.1) as sock:
            send(sock)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            if early:
                until(lambda: app.handled)
        assert bool(app.handled) is early
        faults.clear()


# -- a certificate that a path wants ----------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "status"), [(True, 200), (False, 403)])
def test_a_path_gets_a_certificate_from_whom_it_may_ask(federation, allowed: bool, status: int) -> None:
    site = federation.site("rocci")
    site.faults.on("certificate-by-path", path="/-/")
    context = ssl.create_default_context(capath=str(federation.ca_directory))
    context.post_handshake_auth = allowed
    context.load_cert_chain(federation.environment()["X509_USER_PROXY"])
    connection = http.client.HTTPSConnection("localhost", site.web.port, context=context, timeout=AMPLE_S)
    with contextlib.closing(connection):
        for path, expected in (("/elsewhere", 401), ("/-/", status)):
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == expected
    assert (b"Cannot perform Post-Handshake Authentication" in said) is not allowed


def test_what_a_path_wanted_is_no_longer_wanted_once_the_fault_is_over(federation) -> None:
    site = federation.site("rocci")
    site.faults.on("certificate-by-path", path="/-/")
    with ssl.create_default_context(capath=str(federation.ca_directory)).wrap_socket(
        socket.create_connection(("localhost", site.web.port)), server_hostname="localhost"
    ):
        pass
    federation.reset()
    context = ssl.create_default_context(capath=str(federation.ca_directory))
    with contextlib.closing(
        http.client.HTTPSConnection("localhost", site.web.port, context=context, timeout=AMPLE_S)
    ) as connection:
        connection.request("GET", "/-/")
        assert connection.getresponse().status == 401
