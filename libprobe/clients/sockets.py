"""Connections that keep one deadline over everything they do, and tell an exchange how far it has come.

A socket's own time-out starts anew with each byte, so a peer that sends one byte a second holds a
reader for ever. The sockets here never block: before every wait they ask how long it may still be, and
what they wait is counted (see `Exchange.await_peer`). An operation that fails raises a Failure, not an OSError.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from libprobe import means
from libprobe.clients.exchange import CONNECT, RESOLVE, SENDING, TLS, Exchange, NoRoute, no_means
from libprobe.failures import Failure, NameUnknown, OwnMachine
from libprobe.means import NO_MEANS
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    Address = tuple[int, tuple[Any, ...]]  # address family and socket address

__all__ = ["DeadlineSocket", "NoRoute", "connect", "connect_first", "resolve", "secure", "tls_context"]

MAX_ADDRESSES = 8
CONTROL_NAME = "goc.egi.eu"
"""A name of no site: where it gets no answer either, it is our resolver that does not answer."""

CONTROL_AFTER_S = 2.0
"""When a look-up has been without an answer for so long, the other name is asked for as well."""


class DeadlineSocket(socket.socket):
    """A connected TCP socket whose every operation ends by a deadline.

    exchange:     what it is used for at present; gets the phases, the bytes and the waits.
    limit:        seconds that an operation may still wait.
    look:         seconds after which a wait without a result raises TimeoutError, for who looks in between; 0: never.
    address:      the numeric address that it is connected to.
    connect_time: seconds that the connection to this address took.
    """

    __slots__ = ("address", "connect_time", "exchange", "limit", "look")
    exchange: Exchange
    limit: Callable[[], float]
    look: float
    address: str
    connect_time: float

    def recv_into(self, *args: Any) -> int:
        count: int = self._done(super().recv_into, select.POLLIN, *args)
        self.exchange.take(count)
        return count

    def recv(self, *args: Any) -> bytes:
        data: bytes = self._done(super().recv, select.POLLIN, *args)
        self.exchange.take(len(data))
        return data

    def send(self, *args: Any) -> int:
        count: int = self._done(super().send, select.POLLOUT, *args)
        self.exchange.sent += count
        return count

    def sendall(self, data: Any, *_: Any) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self.send(rest) :]

    def _done(self, operation: Callable[..., Any], events: int, *args: Any) -> Any:
        if self.limit() <= 0:
            raise self.exchange.late()
        while True:
            try:
                return operation(*args)
            except BlockingIOError:
                self._wait(events)
            except OSError as error:
                raise self.exchange.lost(error) from None

    def _wait(self, events: int) -> None:
        if not self.look:
            self.exchange.await_peer(self.fileno(), events, self.limit)
            return
        until = time.monotonic() + self.look
        try:
            self.exchange.await_peer(self.fileno(), events, lambda: min(self.limit(), until - time.monotonic()))
        except Failure:
            if self.limit() <= 0:
                raise
            raise TimeoutError from None


def tls_context(judge: Callable[[ssl.SSLSocket], None] | None = None) -> ssl.SSLContext:
    """A client-side context (certificates and host names verified) whose sockets keep a deadline; see `secure`.

    judge: looks at each connection when its handshake is done, before anything is said over it; what it
    raises (an OSError) ends the handshake as any other fault does.
    Flags are set here and not taken from `create_default_context`, which
    differs between Python versions: VERIFY_X509_STRICT refuses many grid CAs.
    """
    import ssl

    class TlsSocket(ssl.SSLSocket):
        exchange: Exchange
        limit: Callable[[], float]
        chain: object = None  # what `clients.chain` has found of it

        def do_handshake(self, block: bool = False) -> None:
            self._done(super().do_handshake)
            if judge:
                judge(self)

        def read(self, *args: Any) -> Any:
            got = self._expect_io(super().read, *args)
            self.exchange.take(got if isinstance(got, int) else len(got))
            return got

        def send(self, *args: Any) -> int:
            count: int = self._expect_io(super().send, *args)
            self.exchange.sent += count
            return count

        def _expect_io(self, operation: Callable[..., Any], *args: Any) -> Any:
            try:
                return self._done(operation, *args)
            except OSError as error:
                raise self.exchange.lost(error) from None

        def _done(self, operation: Callable[..., Any], *args: Any) -> Any:
            """Do it, waiting for the peer as often as it has to be. Raises: Failure when time is up; OSError."""
            if self.limit() <= 0:
                raise self.exchange.late()
            while True:
                try:
                    return operation(*args)
                except ssl.SSLWantReadError:
                    self.exchange.await_peer(self.fileno(), select.POLLIN, self.limit)
                except ssl.SSLWantWriteError:
                    self.exchange.await_peer(self.fileno(), select.POLLOUT, self.limit)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # a server may ask for our certificate when it knows the path (Apache's <Location> SSLVerifyClient); without this
    # in our greeting it may not with TLS 1.3, and answers 403
    context.post_handshake_auth = True
    context.sslsocket_class = TlsSocket
    return context


def secure(
    plain: DeadlineSocket, context: ssl.SSLContext, exchange: Exchange, limit: Callable[[], float] | None = None
) -> Any:
    """Do the handshake over a connection, in TLS's phase; the secured socket then keeps the deadline as before.

    limit: seconds that an operation may wait, the exchange's deadline without.
    Raises: OSError for a handshake that failed, as the ssl module has it (`tls.secure` says what it means);
            Failure when the time is up.
    """
    exchange.enter(TLS)
    made: Any = context.wrap_socket(plain, server_hostname=exchange.host, do_handshake_on_connect=False)
    made.exchange = exchange
    made.limit = limit or exchange.deadline.remaining
    try:
        made.do_handshake()
    except BaseException:
        made.close()
        raise
    exchange.enter(SENDING)
    return made


# ---- names


def resolve(exchange: Exchange, *, family: int = 0) -> list[Address]:
    """Return the addresses of a host name in the resolver's order, at most MAX_ADDRESSES.

    Raises: NameUnknown; OwnMachine when our resolver does not answer, or this machine has no descriptors left for it.
    The look-up runs in a thread of its own, because nothing can end a `getaddrinfo` that hangs.
    """
    exchange.enter(RESOLVE)
    host, deadline = exchange.host, exchange.deadline
    found = _looked_up(host, exchange.port, family, socket.AI_NUMERICHOST)
    if isinstance(found, Exception):
        of_name = _LookUp(exchange, host, exchange.port, family)
        of_name.await_answer(CONTROL_AFTER_S)
        of_control = None
        if of_name.is_unanswered:
            of_control = _LookUp(exchange, CONTROL_NAME, 443, 0)
            while of_name.answer is None and not deadline.passed():
                of_name.await_answer(CONTROL_AFTER_S)
        if of_control and of_name.is_unanswered:
            of_control.await_answer(CONTROL_AFTER_S)
        if of_name.answer is None and not (of_control and of_control.is_unanswered):
            raise exchange.late(f"its name could not be resolved within {duration(deadline.seconds)}")
        if of_control and of_name.is_unanswered and of_control.is_unanswered:
            raise OwnMachine(
                f"{exchange.asked}: this machine's resolver does not answer, neither for {host} nor for {CONTROL_NAME}",
                remedy="look at its /etc/resolv.conf and its name servers",
            )
        found = of_name.answer or []
    if isinstance(found, Exception):
        _expect_means(found, exchange)
        kinds: dict[int, str] = {socket.AF_INET: " to an IPv4 address", socket.AF_INET6: " to an IPv6 address"}
        of_kind = kinds.get(family, "")
        of_connection = exchange.asked == f"{host} port {exchange.port}"
        failure = NameUnknown(
            f"{host if of_connection else exchange.asked}: its name does not resolve{of_kind}: {_reason(found)}"
        )
        failure.exchange = exchange
        raise failure
    return [(entry[0], entry[4]) for entry in found[:MAX_ADDRESSES]]


class _LookUp:
    """A look-up in a thread of its own. answer: None while there is none."""

    def __init__(self, exchange: Exchange, host: str, port: int, family: int) -> None:
        import threading

        self.answer: list[Any] | Exception | None = None
        self._exchange = exchange

        def look_up() -> None:
            found = _looked_up(host, port, family, 0)
            if isinstance(found, Exception) and (what := means.lacking(found)):
                # the resolver says nothing of what it could not load or open: "name not known", as if somebody had
                found = MemoryError(what)
            self.answer = found

        self._thread = threading.Thread(target=look_up, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise exchange.local(error) or error from None

    def await_answer(self, seconds: float) -> None:
        """Wait for it, but not beyond the deadline."""
        deadline = self._exchange.deadline
        asked = min(seconds, deadline.remaining())
        began = time.monotonic()
        self._thread.join(asked)
        self._exchange.count_wait(time.monotonic() - began, asked)

    @property
    def is_unanswered(self) -> bool:
        """Whether no name server has said anything yet: neither an address nor that there is none."""
        if isinstance(self.answer, socket.gaierror):
            return self.answer.errno in (socket.EAI_AGAIN, socket.EAI_FAIL)
        return self.answer is None


def _looked_up(host: str, port: int, family: int, flags: int) -> list[Any] | Exception:
    try:
        # bytes: a str would import a codec for internationalised names in the timed section
        name: Any = host.encode("ascii") if host.isascii() else host
        return socket.getaddrinfo(name, port, family, socket.SOCK_STREAM, 0, flags)
    except (OSError, UnicodeError, MemoryError, ImportError) as error:
        return error


def _expect_means(error: Exception, exchange: Exchange) -> None:
    """Raise OwnMachine if it is this machine that cannot look anything up: that is no site's fault."""
    if isinstance(error, (MemoryError, ImportError)):
        raise no_means(f"{exchange.host} port {exchange.port}", str(error))
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror):  # of the kernel, not of a name server
        raise OwnMachine(
            f"{exchange.asked}: this machine's resolver failed: {error.strerror or error}",
            remedy="look at its /etc/nsswitch.conf, /etc/hosts and /etc/resolv.conf",
        )


def _dead_gateway(kind: int, address: str) -> str:
    from libprobe.clients import routes

    return routes.dead_gateway(kind, address)


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "no answer from the name servers of its zone"
    return str(getattr(error, "strerror", None) or error)


# ---- connections


def connect(exchange: Exchange, *, family: int = 0) -> DeadlineSocket:
    """Connect to the first address of a host that answers, and keep the deadline from then on.

    Each address gets its share of the time that is left, so that one that stays mute does not use up
    the others' time. Raises: NameUnknown, Refused, Unreachable, NoAnswer, OwnMachine; the sentence names the
    address that failed last of those to which there is a way, and why.
    """
    failures: list[Failure] = []
    made = connect_first(exchange, resolve(exchange, family=family), failures)
    if made is None:
        tried = [each for each in failures if not isinstance(each, NoRoute)] or failures
        raise tried[-1] if tried else exchange.late("no time left to connect")
    return made


def connect_first(exchange: Exchange, addresses: list[Address], failures: list[Failure]) -> DeadlineSocket | None:
    """Connect to the first of several addresses that answers; None if none does.

    failures: gets what became of the addresses before it, one Refused, Unreachable, NoAnswer or NoRoute each.
    Raises: OwnMachine when this machine has no means to connect at all.
    """
    exchange.enter(CONNECT)
    deadline = exchange.deadline
    for index, (kind, address) in enumerate(addresses):
        share = deadline.remaining() / (len(addresses) - index)
        if share <= 0:
            break
        try:
            return _connected(exchange, kind, address, share)
        except Failure as failure:
            if isinstance(failure, OwnMachine) and not isinstance(failure, NoRoute):
                raise
            failures.append(failure)
    return None


def _connected(exchange: Exchange, kind: int, address: tuple[Any, ...], share: float) -> DeadlineSocket:
    host, port = exchange.host, exchange.port
    numeric = str(address[0])
    where = exchange.asked if numeric == host else f"{exchange.asked} ({numeric})"
    try:
        connection = DeadlineSocket(kind, socket.SOCK_STREAM)
    except OSError as error:  # this machine knows no IPv6, or has no descriptor left
        raise exchange.unconnected(error, where if error.errno not in NO_MEANS else f"{host} port {port}") from None
    began = time.monotonic()
    try:
        connection.setblocking(False)
        connection.exchange, connection.look = exchange, 0.0
        try:
            connection.connect(address)
        except BlockingIOError:
            try:
                exchange.await_peer(connection.fileno(), select.POLLOUT, lambda: share - (time.monotonic() - began))
            except Failure:
                raise exchange.late_at(where, share, _dead_gateway(kind, numeric)) from None
            number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number)) from None
        connection.connect_time = time.monotonic() - began
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        connection.close()
        gateway = _dead_gateway(kind, numeric) if error.errno == errno.EHOSTUNREACH else ""
        raise exchange.unconnected(error, where, gateway) from None
    except BaseException:
        connection.close()
        raise
    connection.limit = exchange.deadline.remaining
    connection.address = numeric
    exchange.enter(SENDING)
    return connection
