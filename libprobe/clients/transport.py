"""The session of an HTTP client: requests, over connections and with a TLS context of ours."""

from __future__ import annotations

import http.client
import io
import ssl
import weakref
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

from libprobe.clients.lean_requests import requests

# isort: split
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from libprobe.clients import sockets, tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from libprobe.clients.http import HttpClient
    from libprobe.deadline import Deadline


def session(client: HttpClient, *, proxy_from_environment: bool) -> requests.Session:
    """A session that takes deadlines, TLS settings and a first connection from a client.

    It keeps no cookies and follows no redirects, and takes nothing from the environment but, if wanted, the
    web proxy.
    """
    made = _Session()
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    made.trust_env = proxy_from_environment
    made.headers.clear()
    adapter = _Adapter(client)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


class _HeadReader(io.BufferedReader):
    """Tells a head that is cut off: http.client takes the end of the connection for the end of the headers."""

    lines = 0
    in_head = True

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        if self.in_head and not line and self.lines:
            raise http.client.IncompleteRead(b"")
        self.lines += 1
        return line


class _WholeAnswer(http.client.HTTPResponse):
    """An answer with a whole head: half of one could pass for the answer that all is done."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _HeadReader(self.fp.detach())
        self.fp = self._reader

    def begin(self) -> None:
        super().begin()
        self._reader.in_head = False


class _PlainConnection(HTTPConnection):
    response_class = _WholeAnswer
    deadline: Callable[[], Deadline]
    waiting: Callable[[str, int], sockets.DeadlineSocket | None]

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _TlsConnection(HTTPSConnection):
    response_class = _WholeAnswer
    deadline: Callable[[], Deadline]
    has_credential: bool
    waiting: Callable[[str, int], sockets.DeadlineSocket | None]

    def _new_conn(self) -> socket.socket:
        plain = _connected(self)
        # the handshake, which happens next, ends by the plain socket's time-out
        plain.settimeout(max(0.001, self.deadline().remaining()))
        return plain

    def connect(self) -> None:
        try:
            super().connect()
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError, TimeoutError) as error:
            host, port = self._dns_host, self.port or self.default_port
            raise tls.explain_handshake(
                error, f"{host} port {port}", host, port, self.deadline(), with_credential=self.has_credential
            ) from None
        self.sock.limit = lambda: self.deadline().remaining()  # type: ignore[union-attr]


def _connected(connection: _PlainConnection | _TlsConnection) -> socket.socket:
    deadline = connection.deadline()
    host, port = connection._dns_host, connection.port or connection.default_port
    made = connection.waiting(host, port) or sockets.connect(host, port, deadline)
    made.limit = lambda: connection.deadline().remaining()
    return made


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Session(requests.Session):
    """Leaves redirects to us, who look at their target first, and parameters, which our URLs have in them already."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        request.params = ""  # no dictionary: to see that it is no file, typing in Python 3.12 and later loads inspect
        return super().prepare_request(request)

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Adapter(HTTPAdapter):
    """Connections of ours, a TLS context of ours: nothing that requests would add from certifi."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        super().__init__(pool_connections=8, pool_maxsize=2)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_: Any) -> None:
        super().init_poolmanager(connections, maxsize, block)
        self._make_ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            self._make_ours(manager)
        return manager

    def _make_ours(self, manager: Any) -> None:
        # weakly: urllib3 holds idle connections for ever in a finalizer of their pool, and they would hold the client,
        # whose pool it is
        client = weakref.ref(self._client)

        def deadline() -> Deadline:
            return client().current_deadline()  # type: ignore[union-attr]

        def waiting(host: str, port: int) -> sockets.DeadlineSocket | None:
            return client().take_waiting(host, port)  # type: ignore[union-attr]

        ours = {"deadline": staticmethod(deadline), "waiting": staticmethod(waiting)}
        plain = type("_Plain", (_PlainConnection,), ours)
        has_credential = self._client.credential is not None
        secure = type("_Tls", (_TlsConnection,), {**ours, "has_credential": has_credential})
        manager.pool_classes_by_scheme = {
            "http": type("_Pool", (_PlainPool,), {"ConnectionCls": plain}),
            "https": type("_Pool", (_TlsPool,), {"ConnectionCls": secure}),
        }

    def cert_verify(self, *_: Any) -> None:
        """The context decides; requests would add certifi's bundle to the CAs that are trusted."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        parts = urlsplit(request.url)
        host = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        return host, {"ssl_context": self._client.tls_context()} if parts.scheme == "https" else {}
