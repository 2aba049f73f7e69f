"""Connections that keep one deadline over everything they do.

A socket's own time-out starts anew with each byte, so a peer that sends one byte a second holds a
reader for ever. The sockets here ask before every read and write how long they may still wait.
"""

from __future__ import annotations

import errno
import os
import socket
import time

from libprobe.failures import EndpointFailure, Misconfigured, NameUnknown, NoAnswer, Refused, Unreachable
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from libprobe.deadline import Deadline

    Address = tuple[int, tuple[Any, ...]]  # address family and socket address

MAX_ADDRESSES = 8


class NoRoute(Unreachable):
    """This machine has no way to addresses of that kind: most often no IPv6."""


class DeadlineSocket(socket.socket):
    """A connected TCP socket whose every operation ends by a deadline.

    address:      the numeric address that it is connected to.
    connect_time: seconds that the connection to this address took.
    """

    __slots__ = ("address", "connect_time", "limit")
    limit: Callable[[], float]
    address: str
    connect_time: float

    def _hurry(self) -> None:
        left = self.limit()
        if left <= 0:
            raise TimeoutError("deadline passed")
        self.settimeout(left)

    def recv_into(self, *args: Any) -> int:
        self._hurry()
        return super().recv_into(*args)

    def recv(self, *args: Any) -> bytes:
        self._hurry()
        return super().recv(*args)

    def send(self, *args: Any) -> int:
        self._hurry()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._hurry()
        super().sendall(*args)


def tls_context(judge: Callable[[ssl.SSLSocket], None] | None = None) -> ssl.SSLContext:
    """A client-side context (certificates and host names verified) whose sockets keep a deadline.

    judge: looks at each connection when its handshake is done, before anything is said over it; what it
    raises (an OSError) ends the handshake as any other fault does.
    A socket made by it has a `limit` to be set after the handshake, which itself ends by the time-out
    that the plain socket had. Flags are set here and not taken from `create_default_context`, which
    differs between Python versions: VERIFY_X509_STRICT refuses many grid CAs.
    """
    import ssl

    class TlsSocket(ssl.SSLSocket):
        limit: Callable[[], float] | None = None

        def _hurry(self) -> None:
            if self.limit is None:
                return
            left = self.limit()
            if left <= 0:
                raise TimeoutError("deadline passed")
            self.settimeout(left)

        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            if judge:
                judge(self)

        def read(self, *args: Any) -> Any:
            self._hurry()
            return super().read(*args)

        def send(self, *args: Any) -> int:
            self._hurry()
            return super().send(*args)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TlsSocket
    return context


def resolve(host: str, port: int, deadline: Deadline, *, family: int = 0) -> list[Address]:
    """Return the addresses of a host name in the resolver's order, at most MAX_ADDRESSES.

    Raises: NameUnknown; NoAnswer when the resolver is slower than the deadline; Misconfigured when this
            machine has no descriptors left for it.
    The look-up runs in a thread of its own, because nothing can end a `getaddrinfo` that hangs.
    """
    found: list[Any] = []

    def look_up(flags: int = 0) -> None:
        try:
            # bytes: a str would import a codec for internationalised names in the timed section
            name: Any = host.encode("ascii") if host.isascii() else host
            found.append(socket.getaddrinfo(name, port, family, socket.SOCK_STREAM, 0, flags))
        except (OSError, UnicodeError) as error:
            found.append(error)

    look_up(socket.AI_NUMERICHOST)
    if not isinstance(found[0], list):
        found.clear()
        import threading

        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(deadline.remaining())
    if not found:
        raise NoAnswer(f"{host}: its name could not be resolved within {duration(deadline.seconds)}")
    if isinstance(found[0], Exception):
        _expect_means(found[0], host, port)
        kinds: dict[int, str] = {socket.AF_INET: " to an IPv4 address", socket.AF_INET6: " to an IPv6 address"}
        of_kind = kinds.get(family, "")
        raise NameUnknown(f"{host}: its name does not resolve{of_kind}: {_reason(found[0])}")
    return [(entry[0], entry[4]) for entry in found[0][:MAX_ADDRESSES]]


def connect(host: str, port: int, deadline: Deadline, *, family: int = 0) -> DeadlineSocket:
    """Connect to the first address of a host that answers, and keep the deadline from then on.

    Each address gets its share of the time that is left, so that one that stays mute does not use up
    the others' time. Raises: NameUnknown, Refused, Unreachable, NoAnswer; the sentence names the
    address that failed last and why.
    """
    failures: list[EndpointFailure] = []
    made = connect_first(host, port, resolve(host, port, deadline, family=family), deadline, failures)
    if made is None:
        raise failures[-1] if failures else NoAnswer(f"{host} port {port}: no time left to connect")
    return made


def connect_first(
    host: str, port: int, addresses: list[Address], deadline: Deadline, failures: list[EndpointFailure]
) -> DeadlineSocket | None:
    """Connect to the first of several addresses that answers; None if none does.

    failures: gets what became of the addresses before it, one Refused, Unreachable or NoAnswer each.
    """
    for index, (kind, address) in enumerate(addresses):
        share = deadline.remaining() / (len(addresses) - index)
        if share <= 0:
            break
        try:
            connection = DeadlineSocket(kind, socket.SOCK_STREAM)
        except OSError as error:  # this machine knows no IPv6
            _expect_means(error, host, port)
            failures.append(_translated(error, host, port, address, share))
            continue
        try:
            connection.settimeout(share)
            began = time.monotonic()
            connection.connect(address)
            connection.connect_time = time.monotonic() - began
        except OSError as error:
            connection.close()
            _expect_means(error, host, port)
            failures.append(_translated(error, host, port, address, share))
            continue
        except BaseException:
            connection.close()
            raise
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.limit = deadline.remaining
        connection.address = str(address[0])
        return connection
    return None


def _translated(error: OSError, host: str, port: int, address: tuple[Any, ...], waited: float) -> EndpointFailure:
    where = f"{host} port {port}" if address[0] == host else f"{host} port {port} ({address[0]})"
    if isinstance(error, TimeoutError) and error.errno is None:
        return NoAnswer(f"{where}: no answer to the connection attempt within {duration(waited)}")
    if isinstance(error, ConnectionRefusedError):
        return Refused(f"{where}: connection refused; nothing listens there")
    if isinstance(error, ConnectionResetError):
        return Refused(f"{where}: connection reset as soon as it was made", remedy="start the service behind it")
    if error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return NoRoute(f"{where}: {_reason(error)}")
    return Unreachable(f"{where}: {_reason(error)}")


def _expect_means(error: Exception, host: str, port: int) -> None:
    """Raise Misconfigured if it is this machine that has no descriptors or no memory left: that is no site's fault."""
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):  # the resolver says nothing of what it could not open
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            return
        except OSError as cause:
            number = cause.errno
    if number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
        raise Misconfigured(
            f"{host} port {port}: this machine cannot connect: {os.strerror(number)}", remedy="raise its limits"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "no answer from the name servers of its zone or from our resolver"
    return str(getattr(error, "strerror", None) or error)
