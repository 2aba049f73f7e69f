"""Connections that keep one deadline over everything they do, and tell an exchange how far it has come.

A socket's own time-out starts anew with each byte, so a peer that sends one byte a second holds a
reader for ever. The sockets here never block: before every wait they ask how long it may still be, and
what they wait is counted (see `Exchange.wait_for_peer`). An operation that fails raises a Failure, not an OSError.
"""

from __future__ import annotations

import _thread
import errno
import math
import os
import re
import select
import socket
import time
from itertools import zip_longest

from libprobe import host_resources
from libprobe.clients.exchange import CONNECT, RESOLVE, SENDING, TLS, Exchange, NoRoute, resource_failure
from libprobe.failures import Asked, Failure, Misconfigured, NameUnknown, OwnMachine, Unreachable
from libprobe.formats.address import bracketed
from libprobe.host_resources import RESOURCE_ERRNOS
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from libprobe.clients.exchange import TlsFailureExplainer
    from libprobe.clients.routes import Obstacle
    from libprobe.deadline import Deadline

    ResolvedAddress = tuple[int, tuple[Any, ...]]  # address family and socket address

__all__ = [
    "DeadlineSocket",
    "NoRoute",
    "connect",
    "connect_first",
    "resolve",
    "secure",
    "tls_context",
    "unanswered_addresses",
]

MAX_ADDRESSES = 8
MAX_OF_ALL = 64
"""Addresses of a name that are tried where all are to be."""

ATTEMPT_DELAY_S = 0.25
"""How long an address has for itself before the next one is tried as well (RFC 8305 section 5)."""

SILENT = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT})
"""What the kernel says of an address that does not answer."""

EXPLAINED = frozenset({errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES, errno.EADDRNOTAVAIL})
"""What it says of an address for reasons of this machine's own, too: see `routes.obstacle`."""

IP_BIND_ADDRESS_NO_PORT = 24
"""Of linux/in.h, for both kinds of address; Python 3.11 has no name for it."""

_LINK_LOCAL = re.compile(r"fe[89ab][0-9a-f]:", re.IGNORECASE)

CONTROL_NAME = "goc.egi.eu"
"""A name of no site: where it gets no answer either, it is our resolver that does not answer."""

CONTROL_AFTER_S = 2.0
"""When a look-up has been without an answer for so long, the other name is asked for as well."""

CONTROL_LEAST_S = 0.5
"""How long the other name has to be without an answer for our resolver to be held to be dead."""


class DeadlineSocket(socket.socket):
    """A connected TCP socket whose every operation ends by a deadline.

    exchange:     what it is used for at present; gets the phases, the bytes and the waits.
    limit:        seconds that an operation may still wait.
    poll_interval_s:         seconds after which a wait without a result raises TimeoutError, so that a caller can look;
    0: never.
    address:      the numeric address that it is connected to.
    connect_time: seconds that the connection to this address took.
    raced_s: seconds for which other addresses of the host had been waited for before it was tried.
    target:       the socket address that it is to be connected to.
    """

    __slots__ = ("address", "connect_time", "exchange", "limit", "poll_interval_s", "raced_s", "target")
    exchange: Exchange
    limit: Callable[[], float]
    poll_interval_s: float
    address: str
    connect_time: float
    raced_s: float
    target: tuple[Any, ...]

    def recv_into(self, *args: Any) -> int:
        count: int = self._run_operation(super().recv_into, select.POLLIN, *args)
        self.exchange.count_received(count)
        return count

    def recv(self, *args: Any) -> bytes:
        data: bytes = self._run_operation(super().recv, select.POLLIN, *args)
        self.exchange.count_received(len(data))
        return data

    def send(self, *args: Any) -> int:
        count: int = self._run_operation(super().send, select.POLLOUT, *args)
        self.exchange.sent += count
        return count

    def sendall(self, data: Any, *_: Any) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self.send(rest) :]

    def _run_operation(self, operation: Callable[..., Any], events: int, *args: Any) -> Any:
        if self.limit() <= 0:
            raise self.exchange.timeout_failure()
        while True:
            try:
                return operation(*args)
            except BlockingIOError:
                self._wait_for(events)
            except OSError as error:
                raise self.exchange.io_failure(error) from None

    def _wait_for(self, events: int) -> None:
        if not self.poll_interval_s:
            self.exchange.wait_for_peer(self.fileno(), events, self.limit)
            return
        until = time.monotonic() + self.poll_interval_s
        try:
            self.exchange.wait_for_peer(self.fileno(), events, lambda: min(self.limit(), until - time.monotonic()))
        except Failure:
            if self.limit() <= 0:
                raise
            raise TimeoutError from None


def tls_context(
    judge: Callable[[ssl.SSLSocket], None] | None = None, of_tls: TlsFailureExplainer | None = None
) -> ssl.SSLContext:
    """A client-side context (certificates and host names verified) whose sockets keep a deadline; see `secure`.

    judge: looks at each connection when its handshake is done, before anything is said over it; what it
    raises (an OSError) ends the handshake as any other fault does.
    of_tls: see `Exchange.io_failure`.
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
            self.exchange.count_received(got if isinstance(got, int) else len(got))
            return got

        def send(self, *args: Any) -> int:
            count: int = self._expect_io(super().send, *args)
            self.exchange.sent += count
            return count

        def _expect_io(self, operation: Callable[..., Any], *args: Any) -> Any:
            try:
                return self._done(operation, *args)
            except OSError as error:
                raise self.exchange.io_failure(error, of_tls) from None

        def _done(self, operation: Callable[..., Any], *args: Any) -> Any:
            """Do it, waiting for the peer as often as it has to be. Raises: Failure when time is up; OSError."""
            if self.limit() <= 0:
                raise self.exchange.timeout_failure()
            while True:
                try:
                    return operation(*args)
                except ssl.SSLWantReadError:
                    self.exchange.wait_for_peer(self.fileno(), select.POLLIN, self.limit)
                except ssl.SSLWantWriteError:
                    self.exchange.wait_for_peer(self.fileno(), select.POLLOUT, self.limit)

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
    exchange.begin_phase(TLS)
    made: Any = context.wrap_socket(plain, server_hostname=exchange.host, do_handshake_on_connect=False)
    made.exchange = exchange
    made.limit = limit or exchange.deadline.remaining
    try:
        made.do_handshake()
    except BaseException:
        made.close()
        raise
    exchange.begin_phase(SENDING)
    return made


# ---- names


def resolve(exchange: Exchange, *, family: int = 0, most: int = MAX_ADDRESSES) -> list[ResolvedAddress]:
    """Return the addresses of a host name in the resolver's order.

    most: how many at most; if there are more, as many of each kind.

    Raises: NameUnknown; OwnMachine when our resolver does not answer, or this machine has no descriptors left for it;
            Misconfigured for a name of --connect-to that is unknown.
    The look-up runs in a thread of its own, because nothing can end a `getaddrinfo` that hangs.
    """
    exchange.begin_phase(RESOLVE)
    host, port, deadline = exchange.host, exchange.port, exchange.deadline
    if deadline.connect_options:
        host, port = deadline.connect_options.lead(host, port)
        family = family or deadline.connect_options.family
    found = _getaddrinfo(host, port, family, socket.AI_NUMERICHOST)
    if isinstance(found, Exception):
        of_name = _NameLookup(exchange, host, port, family)
        # half of a short time is left for the other name
        of_name.await_answer(min(CONTROL_AFTER_S, deadline.remaining() / 2))
        of_control = None
        if of_name.is_unanswered:
            of_control = _NameLookup(exchange, CONTROL_NAME, 443, 0)
            while of_name.answer is None and not deadline.has_passed():
                of_name.await_answer(CONTROL_AFTER_S)
        if of_control and of_name.is_unanswered:
            of_control.await_answer(CONTROL_AFTER_S)
        had_no_time = bool(of_control and of_control.answer is None and of_control.waited_s() < CONTROL_LEAST_S)
        is_control_unanswered = bool(of_control and of_control.is_unanswered)
        if (of_name.answer is None and not is_control_unanswered) or (of_name.is_unanswered and had_no_time):
            raise exchange.timeout_failure(f"name not resolved within {duration(deadline.seconds)}", "for")
        if of_name.is_unanswered and is_control_unanswered:
            raise OwnMachine(
                f"this machine's resolver does not answer, neither for {host} nor for {CONTROL_NAME}",
                of=_nameless(exchange),
                remedy="look at its /etc/resolv.conf and its name servers",
            )
        found = of_name.answer or []
    if isinstance(found, Exception):
        _expect_resources(found, exchange)
        if host != exchange.host:
            raise Misconfigured(f"--connect-to: {host} does not resolve: {_reason(found)}")
        kinds: dict[int, str] = {socket.AF_INET: " to an IPv4 address", socket.AF_INET6: " to an IPv6 address"}
        of_kind = kinds.get(family, "")
        failure = NameUnknown(f"name {host} does not resolve{of_kind} ({_reason(found)})", of=_nameless(exchange))
        failure.exchange = exchange
        raise failure
    addresses = list(dict.fromkeys((entry[0], entry[4]) for entry in found))
    kept = _interleaved(addresses, "")[:most]
    return [each for each in addresses if each in kept]


class _NameLookup:
    """A look-up in a thread of its own. answer: None while there is none.

    A thread of the `threading` module is waited for when it is started, without any limit; where there is no memory for
    it to begin, for ever.
    """

    def __init__(self, exchange: Exchange, host: str, port: int, family: int) -> None:
        self.answer: list[Any] | Exception | None = None
        self._exchange = exchange
        self._began = time.monotonic()
        self._pending = _thread.allocate_lock()
        self._pending.acquire()

        def look_up() -> None:
            found = _getaddrinfo(host, port, family, 0)
            if isinstance(found, Exception) and (what := host_resources.missing_resource(found)):
                # the resolver says nothing of what it could not load or open: "name not known", as if somebody had
                found = MemoryError(what)
            self.answer = found
            self._pending.release()

        try:
            _thread.start_new_thread(look_up, ())
        except (RuntimeError, MemoryError) as error:
            raise exchange.local_failure(error) or error from None

    def await_answer(self, seconds: float) -> None:
        """Wait for it, but not beyond the deadline."""
        deadline = self._exchange.deadline
        asked = min(seconds, deadline.remaining())
        began = time.monotonic()
        if self._pending.acquire(timeout=asked):
            self._pending.release()
        self._exchange.count_wait(time.monotonic() - began, asked)

    def waited_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def is_unanswered(self) -> bool:
        """Whether no name server has said anything yet: neither an address nor that there is none."""
        if isinstance(self.answer, socket.gaierror):
            return self.answer.errno in (socket.EAI_AGAIN, socket.EAI_FAIL)
        return self.answer is None


def _getaddrinfo(host: str, port: int, family: int, flags: int) -> list[Any] | Exception:
    try:
        # bytes: a str would import a codec for internationalised names in the timed section
        name: Any = host.encode("ascii") if host.isascii() else host
        return socket.getaddrinfo(name, port, family, socket.SOCK_STREAM, 0, flags)
    except (OSError, UnicodeError, MemoryError, ImportError) as error:
        return error


def _expect_resources(error: Exception, exchange: Exchange) -> None:
    """Raise OwnMachine if it is this machine that cannot look a name up: no memory, or no working resolver."""
    if isinstance(error, (MemoryError, ImportError)):
        raise resource_failure(exchange, str(error))
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror):  # of the kernel, not of a name server
        raise OwnMachine(
            f"this machine's resolver failed ({error.strerror or error})",
            of=exchange,
            link="for",
            remedy="look at its /etc/nsswitch.conf, /etc/hosts and /etc/resolv.conf",
        )


def _obstacle(connection: DeadlineSocket, number: int = 0) -> Obstacle | None:
    """What of this machine kept the connection from its target; number: the error that says so."""
    from libprobe.clients import routes

    return routes.find_obstacle(connection.family, connection.target[:2], connection.getsockname()[:2], number)


def _nameless(exchange: Exchange) -> Asked:
    """Who was asked, for a sentence that names the host itself."""
    return Asked("", exchange.request)


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "no answer from the name servers of its zone"
    return str(getattr(error, "strerror", None) or error)


# ---- connections


def connect(exchange: Exchange, *, family: int = 0) -> DeadlineSocket:
    """Connect to the address of a host that answers first, and keep the deadline from then on.

    They are raced (RFC 8305): the kinds of address take turns, the next one is tried as soon as one fails or has not
    answered within ATTEMPT_DELAY_S, and the one that answered before in this run begins. Which ones did not is told by
    `unanswered_addresses`. Raises: NameUnknown, Refused, Unreachable, NoAnswer, OwnMachine; the sentence names the
    address that failed last of those to which there is a way, and why.
    """
    failures: list[Failure] = []
    addresses = resolve(exchange, family=family)
    made = _race(exchange, _interleaved(addresses, _answered_before(exchange)), failures)
    if made is None:
        tried = [each for each in failures if not isinstance(each, NoRoute)] or failures
        raise tried[-1] if tried else exchange.timeout_failure("no time left to connect", "to")
    return made


def connect_first(
    exchange: Exchange, addresses: list[ResolvedAddress], failures: list[Failure]
) -> DeadlineSocket | None:
    """Connect to the first of several addresses that answers, one after the other; None if none does.

    Each address gets its share of the time that is left, so that one that stays mute does not use up the others' time.
    failures: gets the failures of the addresses before it, one Refused, Unreachable, NoAnswer or NoRoute each.
    Raises: OwnMachine when this machine has no means to connect at all.
    """
    exchange.begin_phase(CONNECT)
    for index, each in enumerate(addresses):
        if made := connect_one(exchange, each, failures, share=len(addresses) - index):
            return made
    return None


def connect_one(
    exchange: Exchange, address: ResolvedAddress, failures: list[Failure], *, share: int
) -> DeadlineSocket | None:
    """Connect to one address, as `connect_first`. share: between how many the time that is left is divided."""
    return _race(exchange, [address], failures, time.monotonic() + exchange.deadline.remaining() / share)


def unanswered_addresses(deadline: Deadline) -> list[str]:
    """Which addresses, of hosts that answered by another one, have not answered a connection attempt of this run.

    Called once, at its end: until then they have time. What they were waited for with is closed.
    """
    found = []
    for (host, numeric), waiting in deadline.unanswered.items():
        if waiting is None or _is_unanswered(waiting):
            found.append(f"{bracketed(numeric)} of {host} did not answer")
        if waiting:
            waiting.close()
    deadline.unanswered.clear()
    return found


def _is_unanswered(waiting: socket.socket) -> bool:
    poller = select.poll()
    poller.register(waiting, select.POLLOUT)
    if poller.poll(0) and waiting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) not in SILENT:
        return False
    # where our gateway is dead, that is not the host's
    return not (isinstance(waiting, DeadlineSocket) and _obstacle(waiting))


def _answered_before(exchange: Exchange) -> str:
    return exchange.deadline.answered.get((exchange.host, exchange.port), "")


def _interleaved(addresses: list[ResolvedAddress], first: str) -> list[ResolvedAddress]:
    """The addresses as RFC 8305 section 4 has them tried: of each kind one in turn, the resolver's order within each.

    first: the one that begins, if it is among them.
    """
    begin = addresses[0][0] if addresses else 0
    kinds = [each for each in addresses if each[0] == begin], [each for each in addresses if each[0] != begin]
    turns = [each for pair in zip_longest(*kinds) for each in pair if each]
    return sorted(turns, key=lambda each: str(each[1][0]) != first)


def _race(
    exchange: Exchange, addresses: list[ResolvedAddress], failures: list[Failure], until: float = math.inf
) -> DeadlineSocket | None:
    """Connect to the first of several addresses that answers; None if none does. until: as time.monotonic() has it.

    failures: gets the failures of the others. Raises: OwnMachine when this machine has no means to connect at all.
    """
    exchange.begin_phase(CONNECT)
    began: float | None = None
    next_at = 0.0
    untried = list(addresses)
    running: dict[int, _ConnectAttempt] = {}
    silent: list[str] = []

    def left() -> float:
        return min(exchange.deadline.remaining(), until - time.monotonic())

    def left_alone() -> float:
        return min(left(), next_at - time.monotonic()) if untried else left()

    try:
        while (untried or running) and left() > 0:
            descriptor = -1
            try:
                if untried and (not running or left_alone() <= 0):
                    next_at = time.monotonic() + ATTEMPT_DELAY_S
                    begun = _ConnectAttempt(exchange, *untried.pop(0))
                    began = began or begun.began
                    running[begun.connection.fileno()] = begun
                for descriptor in exchange.wait_for_any(list(running), select.POLLOUT, left_alone)[:1]:
                    made = running[descriptor].finish()
                    made.raced_s = running[descriptor].began - (began or 0.0)
                    _keep_winner(exchange, running, descriptor, silent)
                    return made
            except Failure as failure:
                next_at = 0.0  # the next one need not wait
                ended = running.pop(descriptor, None)
                if ended and isinstance(failure, Unreachable):
                    silent.append(ended.numeric)
                _add_failure(failure, failures)
        for attempt in running.values():
            _add_failure(attempt.timeout_failure(), failures)
        return None
    finally:
        for attempt in running.values():
            attempt.connection.close()


def _add_failure(failure: Failure, failures: list[Failure]) -> None:
    if isinstance(failure, (OwnMachine, Misconfigured)) and not isinstance(failure, NoRoute):
        raise failure
    failures.append(failure)


def _keep_winner(exchange: Exchange, running: dict[int, _ConnectAttempt], descriptor: int, silent: list[str]) -> None:
    """Note in the deadline which address answered, and which ones tried before it have not; their attempts go on."""
    host, known = exchange.host, exchange.deadline.unanswered
    winner = running.pop(descriptor)
    exchange.deadline.answered[host, exchange.port] = winner.numeric
    for numeric in silent:
        known.setdefault((host, numeric), None)
    for number, attempt in list(running.items()):
        if attempt.began < winner.began and (host, attempt.numeric) not in known:
            known[host, attempt.numeric] = running.pop(number).connection


class _ConnectAttempt:
    """A connection attempt to one address that is on its way. began: as time.monotonic() has it.

    Raises: Refused, Unreachable, NoRoute, OwnMachine, Misconfigured for one that ends as soon as it begins.
    """

    def __init__(self, exchange: Exchange, kind: int, address: tuple[Any, ...]) -> None:
        self._exchange = exchange
        self.numeric = str(address[0])
        self._is_of_name = self.numeric != exchange.host
        self._where = f"{exchange.place} ({self.numeric})" if self._is_of_name else exchange.place
        self.began = time.monotonic()
        try:
            self.connection = DeadlineSocket(kind, socket.SOCK_STREAM)
            self.connection.target = address
        except OSError as error:  # this machine knows no IPv6, or has no descriptor left
            where = exchange.place if error.errno in RESOURCE_ERRNOS else self._where
            raise exchange.connect_failure(error, where) from None
        try:
            self.connection.setblocking(False)
            self._come_from(kind)
            self.connection.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            raise self._failed(error) from None
        except BaseException:
            self.connection.close()
            raise

    def _come_from(self, kind: int) -> None:
        """Take the address of ours that --source-address names. Raises: Misconfigured."""
        ways = self._exchange.deadline.connect_options
        source = ways.sources.get(kind) if ways else None
        if not source:
            return
        try:
            # the port is chosen by `connect`, who can use one for several peers
            self.connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.connection.bind((source, 0))
        except OSError as error:
            raise Misconfigured(
                f"--source-address {source}: {error.strerror or error}", remedy="name an address that this machine has"
            ) from None

    def finish(self) -> DeadlineSocket:
        """Return the connection that the kernel has made. Raises: the failure of the attempt."""
        made = self.connection
        try:
            number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise self._failed(error) from None
        made.connect_time, made.raced_s = time.monotonic() - self.began, 0.0
        made.exchange, made.poll_interval_s = self._exchange, 0.0
        made.limit = self._exchange.deadline.remaining
        made.address = self.numeric
        self._exchange.begin_phase(SENDING)
        return made

    def timeout_failure(self) -> Failure:
        """Return the failure of an attempt that had no answer in its time."""
        waited = time.monotonic() - self.began
        obstacle = _obstacle(self.connection)
        self.connection.close()
        return self._exchange.connect_timeout_failure(self._where, waited, obstacle)

    def _failed(self, error: OSError) -> Failure:
        obstacle = _obstacle(self.connection, error.errno) if error.errno in EXPLAINED else None
        self.connection.close()
        if error.errno == errno.EINVAL and not obstacle and _LINK_LOCAL.match(self.numeric) and self._is_of_name:
            failure = Unreachable("only a link-local address", of=self._exchange, place=self._where, link="for")
            failure.exchange = self._exchange
            return failure
        return self._exchange.connect_failure(error, self._where, obstacle)
