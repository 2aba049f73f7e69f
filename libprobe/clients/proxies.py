"""Web proxies from the environment: `http_proxy`, `https_proxy`, `no_proxy`, where an option allows them.

A proxy is a helper of ours: what fails on the way to it, or in it, says nothing of the endpoint.
"""

from __future__ import annotations

import base64
from http import HTTPStatus

from libprobe import redact
from libprobe.clients import sockets
from libprobe.clients.exchange import PROXY, SENDING, Exchange
from libprobe.failures import BadData, EndpointFailure, Misconfigured, OwnMachine, ProtocolFailure
from libprobe.formats.address import SCHEME, Address, authority_of, host_and_port, read_authority, without_password
from libprobe.formats.error_text import status_words
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPResponse

MAX_HEAD = 16 << 10

GATEWAY_STATUSES = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
PROXY_HEADERS = ("X-Squid-Error", "Proxy-Status")
"""Headers of an answer that a proxy made itself: Squid's, and that of RFC 9209."""


class WebProxy(Record):
    """A web proxy. headers: what it wants of us (`Proxy-Authorization`); target: host and port to lead to, for TLS."""

    host: str
    port: int
    headers: dict[str, str]
    target: str

    @property
    def name(self) -> str:
        return f"web proxy {host_and_port(self.host, self.port)}"

    def connect(self, exchange: Exchange) -> sockets.DeadlineSocket:
        """Connect to the proxy and, for TLS, through it. Raises: OwnMachine for whatever fails there."""
        exchange.is_proxied = True
        to_proxy = Exchange(self.name, self.host, self.port, exchange.deadline, place=self.name)
        try:
            plain = sockets.connect(to_proxy)
        except EndpointFailure as failure:
            raise self._failed(exchange, failure) from None
        try:
            exchange.begin_phase(PROXY)
            if self.target:
                self._tunnel(plain, to_proxy)
        except EndpointFailure as failure:
            plain.close()
            raise self._failed(exchange, failure) from None
        except BaseException:
            plain.close()
            raise
        plain.exchange = exchange
        exchange.begin_phase(SENDING)
        return plain

    def _tunnel(self, plain: sockets.DeadlineSocket, to_proxy: Exchange) -> None:
        lines = [f"CONNECT {self.target} HTTP/1.1", f"Host: {self.target}"]
        lines += [f"{key}: {value}" for key, value in self.headers.items()]
        plain.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        head = b""
        while b"\r\n\r\n" not in head:
            # byte by byte: what follows the head is the endpoint's already
            more = plain.recv(1)
            if not more or len(head) > MAX_HEAD:
                raise ProtocolFailure("CONNECT answered with what is not HTTP", of=to_proxy, link="by")
            head += more
        status = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ", 2)
        if len(status) < 2 or not status[0].startswith("HTTP/1.") or not status[1].startswith("2"):
            said = " ".join(status[1:])[:60]
            raise ProtocolFailure(f"no tunnel ({said})", of=to_proxy, link="through")

    def expect_passed_on(self, exchange: Exchange, answer: HTTPResponse) -> None:
        """Raise OwnMachine for an answer of its own in the endpoint's place, or for what can be one.

        That a gateway finds nobody behind it is said of an endpoint by the endpoint's front end, and by this proxy
        alike, be it that it has no way there. Squid marks what is its own.
        """
        if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise self._failed(exchange, ProtocolFailure("login wanted (407)", place=self.name, link="by"))
        if answer.status in GATEWAY_STATUSES or any(answer.getheader(each) for each in PROXY_HEADERS):
            said = f"{status_words(answer.status)}, its own or of who is behind it,"
            raise self._failed(exchange, ProtocolFailure(said, place=self.name, link="from"), is_asked=True)

    def _failed(self, exchange: Exchange, of_proxy: EndpointFailure, *, is_asked: bool = False) -> OwnMachine:
        """is_asked: whether the proxy may have passed the request on."""
        failure = of_proxy.retold(OwnMachine, remedy="see http_proxy, https_proxy and no_proxy of the probe")
        failure.request, failure.exchange = exchange.request, exchange
        failure.add(f"asked for {exchange.place}" if is_asked else f"{exchange.place} not asked")
        return failure


def find_proxy(address: Address) -> WebProxy | None:
    """The proxy that the environment names for an address, None for none. Raises: Misconfigured for one unusable."""
    from urllib.parse import unquote

    from requests.utils import get_environ_proxies, select_proxy

    where = host_and_port(address.host, address.port_or_default or 0)
    asked = f"{address.scheme}://{where}/"
    url = select_proxy(asked, get_environ_proxies(asked))
    if not url:
        return None
    scheme = SCHEME.match(url)
    login, _, place = (url[scheme.end() :] if scheme else url).rpartition("@")
    try:
        if scheme and scheme[1].lower() != "http":
            raise BadData(f"its scheme is {scheme[1].lower()}, and only http is spoken to a proxy")
        host, port = read_authority(authority_of(place), place)
    except BadData as error:
        raise Misconfigured(
            f"the web proxy of the environment, {without_password(url)}, cannot be used: {error.sentence}"
        ) from None
    headers = {}
    if login:
        name, _, password = login.partition(":")
        encoded = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        redact.register(unquote(password))
        headers["Proxy-Authorization"] = f"Basic {redact.register(encoded)}"
    return WebProxy(host, port or 8080, headers, where if address.is_secure else "")
