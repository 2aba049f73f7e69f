"""HTTP over connections of ours: requests by its public interface.

An adapter carries a prepared request over the connection that the client chose, which is http.client's over a socket
of `sockets` or `tls`: requests makes no connection, knows no proxy and takes nothing from the environment. One session
serves all clients, for there is nothing in it that changes: no cookies, no headers, no connections.
"""

from __future__ import annotations

import http.client
import io
import select
import time
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from libprobe.clients.exchange import BODY, SENDING, SENT, Exchange
from libprobe.failures import EndpointFailure, ProtocolFailure, Rejected
from libprobe.formats.address import DEFAULT_PORTS, Address, bracketed, host_and_port
from libprobe.formats.excerpt import BEGINNING, excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from libprobe.clients.proxies import WebProxy

    class ChunkedBody(Protocol):
        """A body that is sent piece by piece; its length is that of the whole."""

        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[bytes]: ...


_MAX_INTERIM = 20


class HttpConnection(http.client.HTTPConnection):
    """One connection to an address, made already; serves one exchange after the other.

    proxy: the web proxy that it leads to and that is told the whole URL, None for the address itself or a tunnel to it.
    """

    def __init__(self, address: Address, secured: Any, proxy: WebProxy | None) -> None:
        super().__init__(address.host, address.port_or_default)
        self.response_class = _CompleteResponse
        self.sock: Any = secured
        # http.client lets go of it when the answer says that the connection ends, and the body is still to be read
        self._socket = secured
        self.address = address
        self.proxy = proxy if proxy and not address.is_secure else None
        self.exchange: Exchange | None = None
        self.is_reusable = True

    def connect(self) -> None:
        """Refuse to connect anew, as http.client does by itself: a connection that has ended is not used again."""
        raise http.client.NotConnected

    def attach_exchange(self, exchange: Exchange) -> None:
        """Count what follows on the connection for an exchange, by its deadline."""
        self.exchange = exchange
        self.sock.exchange = exchange
        self.sock.limit = exchange.deadline.remaining
        exchange.begin_phase(SENDING)

    def limit_wait(self, seconds: float) -> None:
        """End all waits of the current exchange at the latest after that time from now."""
        until = time.monotonic() + seconds
        left = self._socket.limit
        self._socket.limit = lambda: min(left(), until - time.monotonic())

    def is_idle(self) -> bool:
        """Whether the peer has neither sent anything since its last answer nor closed the connection."""
        if self.sock is None:
            return False
        poller = select.poll()
        poller.register(self.sock.fileno(), select.POLLIN)
        return not poller.poll(0)

    def ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | ChunkedBody | None
    ) -> http.client.HTTPResponse:
        """Send a request for the exchange at hand and read the head of its answer. Raises: Failure."""
        request = _Request(self)
        # no parameters, which our URLs have in them: to see that a dictionary is no file, typing
        # in Python 3.12 and later loads inspect
        request.prepare(method=method, url=url, headers=headers, data=body)
        answer: Any = _SESSION.send(request, stream=True, allow_redirects=False, timeout=None, proxies={})
        raw: http.client.HTTPResponse = answer.raw
        return raw

    def send_request(self, request: requests.PreparedRequest) -> http.client.HTTPResponse:
        """Send a request as requests has prepared it and read the head of its answer. Raises: Failure."""
        assert self.exchange is not None
        exchange = self.exchange
        target, headers = str(request.path_url), dict(request.headers)
        if self.proxy:
            target = f"http://{self._host_header()}{target}"
            headers |= self.proxy.headers
        headers = {"Host": self._host_header(), **headers}
        with translate_read_errors(exchange):
            try:
                self.request(str(request.method), target, body=request.body, headers=headers)
            except (ProtocolFailure, Rejected) as broken_off:
                return self._early_answer(broken_off)
            exchange.begin_phase(SENT)
            answer = self.getresponse()
            exchange.begin_phase(BODY)
        if self.proxy:
            self.proxy.expect_passed_on(exchange, answer)
        return answer

    def _early_answer(self, broken_off: EndpointFailure) -> http.client.HTTPResponse:
        """What a peer said before it ended the connection, without having read all: its reason, most often."""
        self.is_reusable = False
        try:
            return self.getresponse()
        except (EndpointFailure, http.client.HTTPException):
            raise broken_off from None

    def _host_header(self) -> str:
        scheme, host, port = self.address
        if port != DEFAULT_PORTS[scheme]:
            return host_and_port(host, port or 0)
        return bracketed(host)


@contextmanager
def translate_read_errors(exchange: Exchange) -> Iterator[None]:
    """Turn what http.client raises in the block into failures of the peer."""
    try:
        yield
    except http.client.RemoteDisconnected:
        raise exchange.closed_failure("closed") from None
    except http.client.IncompleteRead:
        raise exchange.closed_failure("closed") from None
    except (http.client.BadStatusLine, http.client.UnknownProtocol) as error:
        raise _not_http(exchange, str(error)) from None
    except http.client.HTTPException as error:
        if exchange.phase < SENT or isinstance(error, http.client.ImproperConnectionState):
            raise  # that is about what we do
        raise exchange.protocol_failure(f"malformed HTTP ({error})") from None


def _not_http(exchange: Exchange, said: str) -> EndpointFailure:
    return exchange.protocol_failure(f'"{excerpt(said, BEGINNING)}" instead of HTTP')


class _HeadReader(io.BufferedReader):
    """Tells a head that is cut off: http.client takes the end of the connection for the end of the headers.

    Reads nothing without a limit.
    """

    lines = 0
    in_head = True

    def read(self, size: int | None = -1) -> bytes:
        # nothing is read without a size: http.client does so for a chunk of the size -1, into memory without end
        if size is None or size < 0:
            raise http.client.HTTPException("a chunk of a size below 0")
        return super().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        if self.in_head and not line and self.lines:
            raise http.client.IncompleteRead(b"")
        self.lines += 1
        return line


class _CompleteResponse(http.client.HTTPResponse):
    """The final answer, with a whole head: half of one could pass for the answer that all is done.

    http.client passes over "100 Continue" alone and takes another interim answer (102, 103; RFC 9110 section 15.2) for
    the final one. Nobody here asks for another protocol, so 101 is none that may come, and stays what it is: an answer.
    """

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _HeadReader(self.fp.detach())
        self.fp = self._reader

    def begin(self) -> None:
        super().begin()
        interim = 0
        while 100 <= self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            interim += 1
            if interim > _MAX_INTERIM:
                raise http.client.HTTPException(f"got more than {_MAX_INTERIM} interim answers")
            self._reader.lines = 0
            self.headers = self.msg = None  # type: ignore[assignment]  # as they are before a head was read
            super().begin()
        self._reader.in_head = False


class _Request(requests.PreparedRequest):
    """A request and the connection that it goes over."""

    def __init__(self, connection: HttpConnection) -> None:
        super().__init__()
        self.connection = connection


class _Session(requests.Session):
    """Leaves redirects to us, who look at their target first."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Adapter(BaseAdapter):
    """Carries requests over their connections."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        assert isinstance(request, _Request)
        raw = request.connection.send_request(request)
        made = requests.Response()
        made.status_code = raw.status
        made.reason = raw.reason
        made.headers = CaseInsensitiveDict(raw.getheaders())
        made.raw = raw
        made.url = str(request.url)
        made.request = request
        return made

    def close(self) -> None:
        """Connections are the client's."""


def _make_session() -> requests.Session:
    """A session that keeps no cookies, follows no redirects, and takes nothing from the environment."""
    made = _Session()
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    made.trust_env = False
    adapter = _Adapter()
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


_SESSION = _make_session()
