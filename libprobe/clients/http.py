"""HTTP with real limits: one deadline, bounded sizes, no credential to strangers, plain failures.

Built on requests (see `transport`). What it adds: sockets that keep the deadline while a peer drips byte by
byte; a body that is streamed and capped and never decompressed; redirects followed only within the same origin;
no cookies, and no proxy, .netrc or CA bundle from the environment; and every library error said as one of
`libprobe.failures`, beginning with what was asked: `GET https://host:8787/-/: ...`.

requests is loaded once a first connection stands: that takes longer than all else that a probe does, and whoever
finds the endpoint closed, or its own credential expired, does not need it.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

from libprobe import __version__
from libprobe.clients import sockets, tls
from libprobe.failures import BadData, Failure, NoAnswer, ProtocolFailure, Rejected
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator
    from typing import Any

    import requests

    from libprobe.credentials import Credential
    from libprobe.deadline import Deadline

USER_AGENT = f"fedcloud-probes/{__version__} OCCI/1.1"
"""GFD.223 section 5: an OCCI client names the version it speaks; harmless elsewhere."""

MAX_BODY = 4 << 20
MAX_ERROR_BODY = 64 << 10
MAX_LINE = 1 << 20
MAX_REDIRECTS = 3
CHUNK = 16 << 10

_SECRET_HEADERS = frozenset({"x-auth-token", "x-subject-token", "authorization", "cookie", "set-cookie"})


class Head:
    """What comes before the body of an answer.

    asked:   what was asked of whom, for sentences about it.
    headers: (name, value) in the order received, one entry per line, names as sent.
    """

    def __init__(self, asked: str, status: int, reason: str, headers: list[tuple[str, str]]) -> None:
        self.asked = asked
        self.status = status
        self.reason = reason
        self.headers = headers

    def header(self, name: str) -> str | None:
        """The first header of that name in any case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case; empty if there is none."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def wanted_pause(self) -> str:
        """What a Retry-After header asks for, as the end of a sentence: `; asks to wait 120 s`; empty without one."""
        said = (self.header("Retry-After") or "").strip()
        seconds = float(said[:9]) if said.isascii() and said.isdigit() else _seconds_from_now(said) or 0.0
        return f"; asks to wait {duration(seconds)}" if seconds > 0 else ""


class Response(Head):
    """An answer whose body is in memory."""

    def __init__(self, head: Head, body: bytes) -> None:
        super().__init__(head.asked, head.status, head.reason, head.headers)
        self.body = body

    @property
    def text(self) -> str:
        """The body as UTF-8; bytes that are not become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises: BadData."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise BadData(f"{self.asked}: answered {self.status} with what is not JSON: {self.text[:80]!r}") from None


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
        self._answered: set[str] = set()
        self._session: requests.Session | None = None
        self._waiting: tuple[str, int, sockets.DeadlineSocket] | None = None
        self.loading_s = 0.0
        """Seconds within the first exchange that loading libraries and CAs took: no part of what the peer takes."""
        self.clock_skew: float | None = None
        """Seconds by which the last peer's Date header was ahead of our clock."""

    def current_deadline(self) -> Deadline:
        return self._deadline

    def tls_context(self) -> Any:
        if self._context is None:
            self._context = tls.context_for_http(self._trust, self.credential)
        return self._context

    def close(self) -> None:
        """Close all connections; the client can be used again, on new ones."""
        if self._waiting:
            self._waiting[2].close()
            self._waiting = None
        if self._session:
            self._session.close()

    def take_waiting(self, host: str, port: int) -> sockets.DeadlineSocket | None:
        """The connection that was made before the session, if it leads there; once."""
        if self._waiting is None or self._waiting[:2] != (host, port):
            return None
        made, self._waiting = self._waiting[2], None
        return made

    def _opened(self, url: str) -> requests.Session:
        """The session, on its first use together with a connection for it.

        Raises: as `tls.context`, for faults of our own come first; the failures of `sockets.connect`.
        """
        if self._session is None:
            began = time.monotonic()
            if url.startswith("https:"):
                self.tls_context()
            connecting = time.monotonic()
            if not self._proxy_from_environment:
                self._waiting = _connected(url, self._deadline)
            connected = time.monotonic()
            from libprobe.clients import transport

            self._session = transport.session(self, proxy_from_environment=self._proxy_from_environment)
            self.loading_s = time.monotonic() - began - (connected - connecting)
        return self._session

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
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
        body: bytes | None = None,
        max_bytes: int = MAX_BODY,
        secret_body: bool = False,
        follow: bool = True,
    ) -> Response:
        """Ask and read the whole answer, whatever its status.

        secret_body: the answer's body is not shown by -vvv, because it may hold a token.
        follow:      follow redirects of GET and HEAD within the same origin.
        Raises: the failures of this module's docstring; BadData for a body above `max_bytes`.
        """
        with self.stream(method, url, headers=headers, body=body, follow=follow) as answer:
            limit = max_bytes if answer.status < 400 else MAX_ERROR_BODY
            data = answer.read(limit, truncate=answer.status >= 400)
            response = Response(answer, data)
        log = _log()
        if log:
            shown = (
                f"[{number_of(len(data), 'byte')} not shown: there may be a token]"
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
        body: bytes | None = None,
        follow: bool = True,
    ) -> Iterator[Stream]:
        """Ask, and give the answer to read piece by piece; what is left unread closes the connection."""
        answer = self._answer(method, url, list(headers), body, follow=follow)
        try:
            yield answer
        except BaseException:
            answer.abandon()
            raise
        answer.finish()

    def _answer(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes | None, *, follow: bool
    ) -> Stream:
        asked = f"{method} {without_query(url)}"
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(asked, method, url, headers, body)
            target = answer.header("Location")
            if not follow or method not in ("GET", "HEAD") or not answer.is_redirect or not target:
                return answer
            answer.abandon()
            url = _redirected(asked, url, target)
        raise ProtocolFailure(f"{asked}: redirected more than {MAX_REDIRECTS} times, last to {without_query(url)}")

    def _exchange(
        self, asked: str, method: str, url: str, headers: list[tuple[str, str]], body: bytes | None
    ) -> Stream:
        sent = _joined([("User-Agent", USER_AGENT), ("Accept-Encoding", "identity"), *headers])
        log = _log()
        if log:
            _log_request(log, method, url, sent, body)
        try:
            response = self._opened(url).request(
                method, url, headers=sent, data=body, stream=True, allow_redirects=False, timeout=None
            )
        except Failure as failure:
            _say_whole_request(failure, asked, url)
            raise
        except ImportError:
            raise  # a library is missing: that is no answer of anybody's
        except Exception as error:
            raise self.explain(error, asked, url) from None
        answer = Stream(self, asked, url, response)
        self._answered.add(urlsplit(url).netloc)
        self._note_clock(answer)
        if log:
            _log_answer(log, answer)
        return answer

    def _note_clock(self, answer: Stream) -> None:
        date = answer.header("Date")
        if date:
            self.clock_skew = _seconds_from_now(date)

    def explain(self, error: Exception, asked: str, url: str) -> Failure:
        """Say a library's error as a failure; anything unknown to us keeps its own words."""
        import http.client
        import ssl

        import urllib3

        for cause in _causes(error):
            if isinstance(cause, Failure):
                return cause
            if how := tls.broken_off(cause):
                return self._broken_off(asked, url, f"connection {how}{' before an answer' if how == 'closed' else ''}")
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, TimeoutError):
                parts = urlsplit(url)
                port = parts.port or 443
                return tls.explain(
                    cause,
                    asked,
                    parts.hostname or "",
                    port,
                    self._deadline,
                    with_credential=self.credential is not None,
                )
            if isinstance(cause, (TimeoutError, urllib3.exceptions.TimeoutError)):
                return NoAnswer(f"{asked}: no complete answer within {duration(self._deadline.elapsed())}")
            if isinstance(cause, (http.client.RemoteDisconnected, http.client.IncompleteRead)):
                early = "before an answer" if isinstance(cause, http.client.RemoteDisconnected) else "within its answer"
                return self._broken_off(asked, url, f"connection closed {early}")
            if isinstance(cause, (http.client.BadStatusLine, http.client.UnknownProtocol)):
                return ProtocolFailure(f"{asked}: answered with what is not HTTP: {str(cause)[:60]!r}")
            if isinstance(cause, (http.client.HTTPException, urllib3.exceptions.InvalidHeader)):
                return ProtocolFailure(f"{asked}: malformed HTTP answer: {cause}")
        return ProtocolFailure(f"{asked}: {type(error).__name__}: {error}")

    def _broken_off(self, asked: str, url: str, what: str) -> Failure:
        """With TLS 1.3 a refused client certificate can look like a connection that ends at the first read.

        Who has answered before has not refused it.
        """
        parts = urlsplit(url)
        is_first = parts.netloc not in self._answered and "within" not in what
        if self.credential and parts.scheme == "https" and is_first:
            return Rejected(f"{asked}: {what}; our client certificate was perhaps refused")
        return ProtocolFailure(f"{asked}: {what}")


class Stream(Head):
    """An answer whose body is still to be read."""

    def __init__(self, client: HttpClient, asked: str, url: str, response: requests.Response) -> None:
        headers = [(str(name), str(value)) for name, value in response.raw.headers.iteritems()]
        super().__init__(asked, response.status_code, response.reason or "", headers)
        self._client = client
        self._response = response
        self.url = url

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """The body in pieces. Raises: BadData beyond `max_bytes` or for a compressed body."""
        coding = (self.header("Content-Encoding") or "identity").strip().lower()
        if coding not in ("identity", ""):
            raise BadData(f"{self.asked}: sent a body in the coding {coding!r}, which was not asked for")
        total = 0
        try:
            for chunk in self._response.raw.stream(CHUNK, decode_content=False):
                total += len(chunk)
                if total > max_bytes:
                    raise BadData(f"{self.asked}: the answer is larger than {max_bytes // 1024} KiB; gave up reading")
                yield chunk
        except (Failure, ImportError):
            raise
        except Exception as error:
            raise self._client.explain(error, self.asked, self.url) from None

    def read(self, max_bytes: int, *, truncate: bool = False) -> bytes:
        """The whole body, or, with `truncate`, what there is of it up to the limit."""
        parts: list[bytes] = []
        try:
            parts.extend(self.chunks(max_bytes)) if not truncate else self._read_into(parts, max_bytes)
        except (BadData, ProtocolFailure, NoAnswer):
            if not truncate:
                raise
            self.abandon()
        return b"".join(parts)

    def _read_into(self, parts: list[bytes], max_bytes: int) -> None:
        for chunk in self.chunks(max_bytes):
            parts.append(chunk)  # noqa: PERF402 - what came before a failure is to be kept

    def lines(self, max_bytes: int, max_line: int = MAX_LINE) -> Iterator[str]:
        """The body line by line, as UTF-8. Raises: BadData also for a line above `max_line` bytes."""
        rest = b""
        for chunk in self.chunks(max_bytes):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")
            if len(rest) > max_line:
                raise BadData(f"{self.asked}: the answer holds a line of more than {max_line // 1024} KiB")
        if rest:
            yield rest.decode("utf-8", "replace")

    def finish(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        raw = self._response.raw
        if raw.isclosed() or self.status in (204, 304):
            raw.release_conn()
        else:
            self.abandon()

    def abandon(self) -> None:
        self._response.close()


def _connected(url: str, deadline: Deadline) -> tuple[str, int, sockets.DeadlineSocket] | None:
    """Connect to a URL's host, and tell to which; None for a URL that is better judged by requests."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not host or not host.isascii():
        return None
    return host, port, sockets.connect(host, port, deadline)


def _seconds_from_now(date: str) -> float | None:
    """How far ahead of our clock an HTTP date is; None for what is none."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None


def without_query(url: str) -> str:
    """The URL as shown to people: no query and no user information."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def same_origin(first: str, second: str) -> bool:
    """Whether scheme, host and port of two URLs are equal."""

    def origin(url: str) -> tuple[str, str | None, int | None]:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)

    return origin(first) == origin(second)


def _say_whole_request(failure: Failure, asked: str, url: str) -> None:
    """Let a failure to connect, which names host and port, name the request instead."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    rest = failure.sentence
    for start in (f"{parts.hostname} port {port}", f"{parts.hostname}"):
        if rest.startswith(start):
            rest = rest[len(start) :]
            break
    else:
        rest = f": {rest}"
    failure.sentence = f"{asked}{rest}"


def _redirected(asked: str, url: str, target: str) -> str:
    try:
        absolute = urljoin(url, target)
        same = same_origin(url, absolute)
    except ValueError:
        raise ProtocolFailure(f"{asked}: redirects to something that is no URL: {target[:80]!r}") from None
    if not same:
        raise ProtocolFailure(
            f"{asked}: redirects to {without_query(absolute)[:120]}, another origin, where no credential of ours goes"
        )
    return absolute


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Headers as requests takes them; repeated ones are joined by a comma (RFC 9110 section 5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from, the outermost first; libraries hide causes in three places."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        each = todo.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        todo += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]


def _log() -> logging.Logger | None:
    """Where -vvv wants to see exchanges, None without it. Whoever wants to see something has loaded logging."""
    logging = sys.modules.get("logging")
    if logging is None or not logging.getLogger("libprobe.http").isEnabledFor(logging.DEBUG):
        return None
    return logging.getLogger("libprobe.http")  # type: ignore[no-any-return]


def _log_request(log: logging.Logger, method: str, url: str, headers: dict[str, str], body: bytes | None) -> None:
    log.debug("request: %s %s", method, url)
    for name, value in headers.items():
        log.debug("request: %s: %s", name, "[secret]" if name.lower() in _SECRET_HEADERS else value)
    for line in (body or b"").decode("utf-8", "replace").splitlines():
        log.debug("request: %s", line)


def _log_answer(log: logging.Logger, answer: Stream) -> None:
    log.debug("answer: %s %s", answer.status, answer.reason)
    for name, value in answer.headers:
        log.debug("answer: %s: %s", name, "[secret]" if name.lower() in _SECRET_HEADERS else value)
