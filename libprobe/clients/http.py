"""HTTP with real limits: one deadline, bounded sizes, no credential to strangers, plain failures.

Built on requests, over connections of ours (see `transport`). What it adds: sockets that keep the deadline while a
peer drips byte by byte; a body that is streamed and capped and never decompressed; redirects followed only within the
same origin; no cookies, and no proxy, .netrc or CA bundle from the environment; and an `Exchange` for each request,
from which follows what a failure means. Its place is `host:8787`; the request is told with -v.

requests is loaded once a first connection stands: that takes longer than all else that a probe does, and whoever
finds the endpoint closed, or its own credential expired, does not need it.
"""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager

from libprobe import __version__
from libprobe.clients import sockets, tls
from libprobe.clients.exchange import Exchange
from libprobe.clients.redirects import SAME_ORIGIN
from libprobe.clients.refusals import Refusal
from libprobe.failures import Asked, BadData, NoAnswer, OwnMachine, ProtocolFailure, Rejected
from libprobe.formats.address import Address, host_port_of, read_http_url, without_query
from libprobe.formats.error_text import MAX_TITLE_AT, error_text, in_short, own_words, status_words, web_page
from libprobe.formats.excerpt import begins, excerpt
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator
    from http.client import HTTPResponse
    from typing import Any, TypeVar

    from libprobe.clients.credentials import Credential
    from libprobe.clients.redirects import RedirectRule
    from libprobe.clients.transport import ChunkedBody, HttpConnection
    from libprobe.deadline import Deadline
    from libprobe.failures import Kind

    DocumentT = TypeVar("DocumentT")


USER_AGENT = f"fedcloud-probes/{__version__} OCCI/1.1"
"""GFD.223 section 5: an OCCI client names the version it speaks; harmless elsewhere."""

MAX_BODY = 4 << 20
MAX_ERROR_BODY = 64 << 10
ERROR_BODY_S, ERROR_BODY_SHARE = 5.0, 0.25
"""How long the body of an error is waited for, and at most for which part of the time left: its status says what
counts, and the time belongs to what is asked next, often of somebody else."""
MAX_LINE = 1 << 20
CHUNK = 16 << 10

_SECRET_HEADERS = frozenset({"x-auth-token", "x-subject-token", "x-api-key", "authorization", "cookie", "set-cookie"})


class ResponseHead:
    """What comes before the body of an answer.

    asked:   the request, `GET https://host:8787/-/`. place, doing: as in `failures.Asked`.
    headers: (name, value) in the order received, one entry per line, names as sent.
    """

    def __init__(
        self, asked: str, status: int, reason: str, headers: list[tuple[str, str]], *, place: str = "", doing: str = ""
    ) -> None:
        self.asked = asked
        self.place = place
        self.doing = doing
        self.status = status
        self.reason = reason
        self.headers = headers

    @property
    def request(self) -> str:
        return self.asked

    def header(self, name: str) -> str | None:
        """The first header of that name in any case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case; empty if there is none."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def pause_s(self) -> float:
        """The seconds that a Retry-After header asks us to wait, from now; 0 without one."""
        said = (self.header("Retry-After") or "").strip()
        return max(0.0, float(said[:9]) if said.isascii() and said.isdigit() else _seconds_from_now(said) or 0.0)

    @property
    def retry_after_words(self) -> str:
        """What a Retry-After header asks for, as a second fact: `asks to wait 120 s`; empty without one."""
        return f"asks to wait {duration(self.pause_s)}" if self.pause_s > 0 else ""

    @property
    def redirect_words(self) -> str:
        """Where a redirect leads, for a sentence; empty without a redirect.

        Without its query, in which a login keeps what belongs to one session.
        """
        target = (self.header("Location") or "").strip()
        if not 300 <= self.status < 400 or not target:
            return ""
        try:
            shown = without_query(target) if "://" in target else re.split("[?#]", target, maxsplit=1)[0]
            return excerpt(shown, 120)
        except ValueError:
            return "something that is no URL"


class Response(ResponseHead):
    """An answer whose body is in memory."""

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        super().__init__(head.asked, head.status, head.reason, head.headers, place=head.place, doing=head.doing)
        self.body = body

    @property
    def text(self) -> str:
        """The body as UTF-8; bytes that are not become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    @property
    def page_description(self) -> str:
        """What to call an answer that is a web page, as of a login: `page "Sign in"`; empty for any other."""
        return web_page(self.media_type, self.text[: MAX_TITLE_AT * 2])

    @property
    def error_text(self) -> str:
        """The server's own words, on one line, without the status that they may begin with; empty where it has none."""
        said = own_words(self.status, error_text(self.text, self.media_type, self.headers))
        return said or own_words(self.status, excerpt(f"{self.status} {self.reason}", 200))

    @property
    def describe_refusal(self) -> str:
        """What came back in place of what was asked for: `503 Service Unavailable`, `403 "you may not create VMs"`.

        Of the server's own words the first sentence; of a redirect where it leads, of a web page its title.
        """
        if self.status < 300 and self.page_description:
            return f"{self.page_description} ({self.status})"
        if self.redirect_words:
            return f"redirect to {self.redirect_words} ({self.status})"
        said = in_short(self.error_text)
        said = "" if said.startswith(("{", "[{", "[[", "<")) else said  # a document that cannot be read, and no words
        return f'{self.status} "{said}"' if said else status_words(self.status)

    def failure(
        self,
        kind: type[Kind],
        doing: str = "",
        *,
        reason: str = "",
        outcome: str = "",
        link: str = "from",
        also: str = "",
        remedy: str = "",
        more: Iterable[str] = (),
    ) -> Kind:
        """The failure that this answer is: its outcome, from whom, when asked to do what; -v has all its words.

        reason:  says more than the outcome does, as that a quota is used up; then the outcome follows in brackets.
        outcome: in other words than `describe_refusal` has it.
        link, also, remedy, more: as in `failures.Failure`.
        """
        outcome = outcome or self.describe_refusal
        told = kind(
            f"{reason} ({outcome})" if reason else outcome,
            of=Asked(self.place, self.request, doing or self.doing),
            link=link,
            also="; ".join(filter(None, (self.retry_after_words, also))),
            remedy=remedy,
            more=[*self.answer_details, *more],
        )
        told.pause_s = self.pause_s
        if isinstance(told, Refusal):
            told.http_status, told.error_text = self.status, self.error_text
        return told

    @property
    def answer_details(self) -> list[str]:
        """For -v: the status and all the words, where a sentence does not have all of them."""
        said = self.error_text
        return [f"answered: {status_words(self.status)}: {said}"] if said else []

    def as_unreadable(self, error: BadData) -> BadData:
        """A reader's failure as one of this answer."""
        error.placed(self)
        return error

    def bad_answer(self, reason: str, *, link: str = "from", also: str = "") -> BadData:
        """What was answered is not what it should be."""
        return BadData(reason, of=self, link=link, also=also)

    def read_json(self, reader: Callable[[Any], DocumentT]) -> DocumentT:
        """What a reader makes of the body as JSON. Raises: BadData that names this answer's request."""
        document = self.json()
        try:
            return reader(document)
        except BadData as error:
            raise self.as_unreadable(error) from None

    def json(self) -> Any:
        """The body as JSON. Raises: BadData."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            instead = self.page_description or ("" if self.body.strip() else "empty answer")
            if instead:
                raise self.bad_answer(f"{instead} ({self.status}) instead of JSON") from None
            raise self.bad_answer("answer that is not JSON", also=begins(self.body)) from None


class HttpClient:
    """HTTP exchanges of one run, over connections that are kept open and used again.

    deadline:   holds for every exchange, unless a call brings its own.
    trust:      CA directory or bundle, None for the system's (see `tls.ca_path`).
    credential: presented where a server asks for a client certificate.
    """

    def __init__(
        self,
        deadline: Deadline,
        *,
        trust: str | None = None,
        credential: Credential | None = None,
        proxy_from_environment: bool = False,
    ) -> None:
        self._deadline = deadline
        self._trust = trust
        self.credential = credential
        self._proxy_from_environment = proxy_from_environment
        self._context: Any = None
        self._answered: set[Address] = set()
        self._has_connected = False
        self._idle: dict[Address, HttpConnection] = {}
        self.loading_s = 0.0
        """Seconds within the first exchange that loading libraries and CAs took, and for which addresses of a host that
        did not answer were waited for: no part of what the peer takes."""
        self.clock_skew: float | None = None
        """Seconds by which the last peer's Date header was ahead of our clock."""

    @property
    def clock_skew_words(self) -> str:
        """That the last peer's clock is far from ours, as a second fact: so fresh credentials are refused."""
        skew = self.clock_skew
        if skew is None or abs(skew) < 300:
            return ""
        return f"its clock is {duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} ours"

    def current_deadline(self) -> Deadline:
        return self._deadline

    def close(self) -> None:
        """Close all connections; the client can be used again, on new ones."""
        for connection in self._idle.values():
            connection.close()
        self._idle.clear()

    def _tls_context(self) -> Any:
        if self._context is None:
            self._context = tls.make_http_context(self._trust, self.credential)
        return self._context

    @contextmanager
    def using_deadline(self, deadline: Deadline) -> Iterator[None]:
        """Let another deadline hold for the exchanges in the block."""
        outer, self._deadline = self._deadline, deadline
        try:
            yield
        finally:
            self._deadline = outer

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | ChunkedBody | None = None,
        max_bytes: int = MAX_BODY,
        secret_body: bool = False,
        follow: RedirectRule | None = SAME_ORIGIN,
        doing: str = "",
    ) -> Response:
        """Ask and read the whole answer, whatever its status.

        doing:       what it is to do, as in `failures.Asked`.
        secret_body: the answer's body is not shown by -vvv, because it may hold a token.
        follow:      which redirects are followed; None for none.
        Raises: the failures of this module's docstring; BadData for a body above `max_bytes`.
        """
        with self.stream(method, url, headers=headers, body=body, follow=follow, doing=doing) as answer:
            response = answer.whole(max_bytes)
        log = _log()
        if log:
            shown = (
                f"[{number_of(len(response.body), 'byte')} not shown: there may be a token]"
                if secret_body
                else response.text[:4000]
            )
            for line in shown.splitlines():
                log.debug("answer: %s", line)
        return response

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | ChunkedBody | None = None,
        follow: RedirectRule | None = SAME_ORIGIN,
        doing: str = "",
    ) -> Iterator[ResponseStream]:
        """Ask, and give the answer to read piece by piece; what is left unread closes the connection."""
        answer = self._answer(method, url, list(headers), body, follow=follow, doing=doing)
        try:
            yield answer
        except BaseException:
            answer.abandon()
            raise
        answer.finish()

    def _answer(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes | ChunkedBody | None,
        *,
        follow: RedirectRule | None,
        doing: str,
    ) -> ResponseStream:
        """The answer, which names the request that was sent first; a failure names the one that failed."""
        first = asked = Asked(host_port_of(url), f"{method} {without_query(url)}", doing)
        followed = 0
        while True:
            try:
                answer = self._exchange(asked, method, url, headers, body)
            except Rejected as refusal:
                if self.credential is None:
                    raise
                raise self.credential.blame_if_weak(refusal, by_voms=False) from None
            try:
                target = answer.header("Location") or ""
                url = follow.next_url(first, method, url, answer.status, target, followed) if follow else ""
            except ProtocolFailure:
                answer.abandon()
                raise
            if not url:
                answer.asked = first.request
                return answer
            answer.abandon()
            followed += 1
            asked = Asked(host_port_of(url), f"{method} {without_query(url)}", doing)

    def _exchange(
        self, asked: Asked, method: str, url: str, headers: list[tuple[str, str]], body: bytes | ChunkedBody | None
    ) -> ResponseStream:
        sent = _joined_headers([("User-Agent", USER_AGENT), ("Accept-Encoding", "identity"), *headers])
        log = _log()
        if log:
            _log_request(log, method, url, sent, body)
        try:
            address = read_http_url(url)
        except BadData as error:
            raise ProtocolFailure(error.sentence, of=Asked("", asked.request)) from None
        connection = self._idle_connection(address)
        if connection:
            exchange = self._new_exchange(asked, address)
            try:
                answer = self._ask(exchange, connection, method, url, sent, body)
            except (ProtocolFailure, Rejected):
                connection.close()
                if exchange.received or method not in ("GET", "HEAD"):
                    raise
                connection = None  # it had ended while nobody used it, and that showed only now
            except BaseException:
                connection.close()
                raise
        if not connection:
            exchange = self._new_exchange(asked, address)
            connection = self._connect(exchange, address)
            try:
                answer = self._ask(exchange, connection, method, url, sent, body)
            except BaseException:
                connection.close()
                raise
        self._answered.add(address)
        self._note_clock_skew(answer)
        if log:
            _log_answer(log, answer)
        return answer

    def _new_exchange(self, asked: Asked, address: Address) -> Exchange:
        return Exchange(
            asked.request,
            address.host,
            address.port_or_default or 0,
            self._deadline,
            doing=asked.doing,
            has_credential=self.credential is not None and address.is_secure,
            answered_before=address in self._answered,
        )

    def _idle_connection(self, address: Address) -> HttpConnection | None:
        """A connection that is open still and has nothing to say, if one was kept."""
        connection = self._idle.pop(address, None)
        if connection and not connection.is_idle():
            connection.close()
            return None
        return connection

    def _connect(self, exchange: Exchange, address: Address) -> HttpConnection:
        """A new connection, secured where the address says so.

        Faults of our own come first: the CAs and our certificate are read before anybody is asked.
        """
        began = time.monotonic()
        context = self._tls_context() if address.is_secure else None
        self.loading_s += 0.0 if self._has_connected else time.monotonic() - began
        proxy = self._proxy_of(address) if self._proxy_from_environment else None
        plain = proxy.connect(exchange) if proxy else sockets.connect(exchange)
        self.loading_s += plain.raced_s
        secured: Any = plain
        try:
            if context:
                secured = tls.secure(plain, context, exchange)
            began = time.monotonic()
            from libprobe.clients import transport

            made = transport.HttpConnection(address, secured, proxy)
            self.loading_s += 0.0 if self._has_connected else time.monotonic() - began
            self._has_connected = True
        except BaseException:
            plain.close()
            raise
        return made

    def _proxy_of(self, address: Address) -> Any:
        from libprobe.clients import proxies

        return proxies.find_proxy(address)

    def _ask(
        self,
        exchange: Exchange,
        connection: HttpConnection,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | ChunkedBody | None,
    ) -> ResponseStream:
        """One request over a connection, and the head of its answer."""
        connection.attach_exchange(exchange)
        return ResponseStream(self, exchange, connection, url, connection.ask(method, url, headers, body))

    def return_connection(self, connection: HttpConnection) -> None:
        """Keep a connection whose answer was read to its end, for the next request to the same address."""
        old = self._idle.pop(connection.address, None)
        if old:
            old.close()
        if connection.is_reusable and connection.sock is not None:
            self._idle[connection.address] = connection
        else:
            connection.close()

    def _note_clock_skew(self, answer: ResponseStream) -> None:
        date = answer.header("Date")
        if date:
            self.clock_skew = _seconds_from_now(date)


class ResponseStream(ResponseHead):
    """An answer whose body is still to be read."""

    def __init__(
        self, client: HttpClient, exchange: Exchange, connection: HttpConnection, url: str, raw: HTTPResponse
    ) -> None:
        headers, reason = raw.getheaders(), raw.reason or ""
        super().__init__(exchange.asked, raw.status, reason, headers, place=exchange.place, doing=exchange.doing)
        self._client = client
        self._connection: HttpConnection | None = connection
        self._exchange = exchange
        self._raw = raw
        self.url = url

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """The body in pieces. Raises: BadData beyond `max_bytes` or for a compressed body."""
        coding = (self.header("Content-Encoding") or "identity").strip().lower()
        if coding not in ("identity", ""):
            raise BadData(f"body in the coding {coding!r}, not asked for,", of=self, link="from")
        total = 0
        from libprobe.clients.transport import translate_read_errors

        while True:
            with translate_read_errors(self._exchange):
                chunk = self._raw.read(CHUNK)
            if not chunk:
                break
            total += len(chunk)
            if total > max_bytes:
                raise BadData(f"answer larger than {max_bytes // 1024} KiB", of=self, link="from")
            yield chunk
        if self._raw.length:
            raise self._exchange.closed_failure("closed")

    def read(self, max_bytes: int, *, truncate: bool = False) -> bytes:
        """The whole body, or, with `truncate`, what there is of it up to the limit and within ERROR_BODY_S."""
        parts: list[bytes] = []
        if truncate and self._connection:
            self._connection.limit_wait(min(ERROR_BODY_S, self._exchange.deadline.remaining() * ERROR_BODY_SHARE))
        try:
            parts.extend(self.chunks(max_bytes)) if not truncate else self._read_into(parts, max_bytes)
        except (BadData, ProtocolFailure, NoAnswer, OwnMachine):
            if not truncate:
                raise
            self.abandon()
        return b"".join(parts)

    def _read_into(self, parts: list[bytes], max_bytes: int) -> None:
        for chunk in self.chunks(max_bytes):
            parts.append(chunk)  # noqa: PERF402 - what came before a failure is to be kept

    def whole(self, max_bytes: int) -> Response:
        """The answer with its body; an error as `as_refusal` has it. Raises: as `chunks`."""
        return self.as_refusal() if self.status >= 400 else Response(self, self.read(max_bytes))

    def as_refusal(self) -> Response:
        """The answer as a refusal, whatever its status: of the body, what is read of an error's."""
        return Response(self, self.read(MAX_ERROR_BODY, truncate=True))

    def lines(self, max_bytes: int, max_line: int = MAX_LINE) -> Iterator[str]:
        """The body line by line, as UTF-8. Raises: BadData also for a line above `max_line` bytes."""
        rest = b""
        for chunk in self.chunks(max_bytes):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")
            if len(rest) > max_line:
                raise BadData(f"line of more than {max_line // 1024} KiB", of=self, link="in the answer of")
        if rest:
            yield rest.decode("utf-8", "replace")

    def finish(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._exchange.deadline.waits.end_reading()
        if self._raw.isclosed():
            self._client.return_connection(connection)
        else:
            connection.close()

    def abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            self._exchange.deadline.waits.end_reading()
            connection.close()


def _seconds_from_now(date: str) -> float | None:
    """How far ahead of our clock an HTTP date is; None for anything else."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None


def _joined_headers(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Headers as requests takes them; repeated ones are joined by a comma (RFC 9110 section 5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _log() -> logging.Logger | None:
    """Where -vvv wants to see exchanges, None without it. Whoever wants to see something has loaded logging."""
    logging = sys.modules.get("logging")
    if logging is None or not logging.getLogger("libprobe.http").isEnabledFor(logging.DEBUG):
        return None
    return logging.getLogger("libprobe.http")  # type: ignore[no-any-return]


def _log_request(
    log: logging.Logger, method: str, url: str, headers: dict[str, str], body: bytes | ChunkedBody | None
) -> None:
    log.debug("request: %s %s", method, url)
    for name, value in headers.items():
        log.debug("request: %s: %s", name, "[secret]" if name.lower() in _SECRET_HEADERS else value)
    if body is not None and not isinstance(body, bytes):
        log.debug("request: [%s]", number_of(len(body), "byte"))
        return
    for line in (body or b"").decode("utf-8", "replace").splitlines():
        log.debug("request: %s", line)


def _log_answer(log: logging.Logger, answer: ResponseStream) -> None:
    log.debug("answer: %s %s", answer.status, answer.reason)
    for name, value in answer.headers:
        log.debug("answer: %s: %s", name, "[secret]" if name.lower() in _SECRET_HEADERS else value)
