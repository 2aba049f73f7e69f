"""How far an exchange with a peer had come, whose turn it was, and so whose fault it is that it failed.

    resolve > connect > proxy > tls > send > wait > head > body

Every client runs its work through an Exchange. Its sockets tell it when a phase begins, how much was sent and received,
and how long the peer was waited for. Three things are derived from that and from nothing else:

    whose fault   an operation on the peer's connection that fails is the peer's doing; what the kernel says of this
                  machine (no route, no descriptors, no memory), and time that passed while it was our turn, is ours;
                  whatever else is raised is a bug, is let through, and becomes UNKNOWN where the run ends
    the sentence  what was asked, and in which phase it ended
    may_have_arrived   whether the peer can have got the request, and may still carry it out

The words of an error (`connection refused`, a TLS alert) go into the sentence; they decide nothing about blame.
"""

from __future__ import annotations

import errno
import os
import select
import time

from libprobe import host_resources
from libprobe.deadline import OVERLOADED
from libprobe.failures import (
    EndpointFailure,
    Failure,
    NoAnswer,
    OwnMachine,
    ProtocolFailure,
    Refused,
    Rejected,
    Unreachable,
)
from libprobe.formats.address import host_and_port
from libprobe.host_resources import NO_MEMORY, RESOURCE_ERRNOS
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Protocol

    from libprobe.clients.routes import Obstacle
    from libprobe.deadline import Deadline

    class TlsFailureExplainer(Protocol):
        """Tells what a failure of TLS means; `tls` does, and may ask the peer once more for it."""

        def explain(self, error: ssl.SSLError, exchange: Exchange) -> Failure: ...
        def broken_off(self, how: str, why: str, exchange: Exchange) -> Failure: ...


RESOLVE, CONNECT, PROXY, TLS, SENDING, SENT, HEAD, BODY = range(8)
PHASES = ("resolve", "connect", "proxy", "tls", "send", "wait", "head", "body")

ANSWER, READER = "complete answer", "reader of what we send"
"""What is waited for, where the caller does not say it."""

FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 0.5
"""A wait is cut into looks: one that ends much too late shows that this process was not run meanwhile."""

NO_ROUTE_REMEDIES = {
    errno.ENETUNREACH: "give this monitor a route",
    errno.ENETDOWN: "bring this monitor's network interface up",
    errno.EADDRNOTAVAIL: "give this monitor an address of that kind",
    errno.EAFNOSUPPORT: "this monitor's kernel has addresses of that kind switched off",
}
"""What the kernel says, without asking anybody, of an address to which it knows no way; what to do about it."""

FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
"""What it says when a rule of this machine forbids a connection."""

PEER_ERRORS = frozenset(
    {
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.EPIPE,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.EHOSTDOWN,
        errno.ENETRESET,
        errno.EPROTO,
    }
)
"""What it says of a connection that the peer, or the way to it, has ended."""

RAISE_LIMITS = "raise its limits"


class NoRoute(OwnMachine):
    """This machine has no way to addresses of that kind: most often no IPv6."""


class Exchange:
    """One request to one peer and its answer, or a whole conversation of requests.

    asked:    what was asked of whom, shown with -v: `GET https://host:8787/-/`.
    place:    who was asked, as a sentence names it: `host:8787`, unless it is given.
    doing:    what the request is to do, as in `failures.Asked`.
    deadline: by which it has to be over.
    has_credential: whether we present a certificate; answered_before: whether the peer has answered us with it.
    is_proxied: whether it goes through a web proxy of ours.
    awaited:  what is waited for, as it is said in `no complete answer within 5 s`.
    phase:    how far it came; sent, received: bytes over the peer's connection since it began.
    waited:   seconds for which the peer was waited for.
    """

    __slots__ = (
        "_before",
        "_entered",
        "_spent",
        "answered_before",
        "asked",
        "awaited",
        "deadline",
        "doing",
        "has_credential",
        "host",
        "is_proxied",
        "phase",
        "place",
        "port",
        "received",
        "sent",
        "waited",
    )

    def __init__(
        self,
        asked: str,
        host: str,
        port: int,
        deadline: Deadline,
        *,
        place: str = "",
        doing: str = "",
        has_credential: bool = False,
        answered_before: bool = False,
    ) -> None:
        self.asked = asked
        self.place = place or host_and_port(host, port)
        self.doing = doing
        self.host = host
        self.port = port
        self.deadline = deadline
        self.has_credential = has_credential
        self.answered_before = answered_before
        self.awaited = ANSWER
        self.is_proxied = False
        self.phase = RESOLVE
        self.sent = 0
        self.received = 0
        self.waited = 0.0
        deadline.waits.begin(self)
        self._before = deadline.waits.longest
        self._spent = [0.0] * len(PHASES)
        self._entered = time.monotonic()

    def second_look(self, seconds: float) -> Exchange:
        """Return an exchange that asks the same peer once more, for words about this one.

        seconds: how much of the deadline it may take.
        """
        until = self.deadline.earlier_by(max(0.0, self.deadline.remaining() - seconds))
        return Exchange(self.asked, self.host, self.port, until)

    def begin_phase(self, phase: int) -> None:
        """A phase begins; an earlier one begins anew with a new connection or a further request."""
        now = time.monotonic()
        self._spent[self.phase] += now - self._entered
        self._entered = now
        self.phase = phase
        self.deadline.waits.end_reading()

    def count_received(self, count: int) -> None:
        """A number of bytes has come from the peer."""
        self.received += count
        if self.phase >= SENT:
            self.deadline.waits.begin_reading()

    @property
    def request(self) -> str:
        return self.asked

    @property
    def may_have_arrived(self) -> bool:
        """Whether the peer can have got the request, in whole or in part, and may act on it."""
        return self.phase >= SENDING and self.sent > 0

    def describe_times(self) -> str:
        """Where the time went: `resolve 3 ms, connect 21 ms, tls 40 ms, send 90 ms, waited 9.9 s for the head`.

        The phase named last is the one in which it ended; a library that is loaded meanwhile is part of `send`.
        """
        spent = list(self._spent)
        spent[self.phase] += time.monotonic() - self._entered
        waited = {SENT: "waited {} for the head", HEAD: "head {}", BODY: "body {}", SENDING: "send {}"}
        return ", ".join(
            waited.get(phase, f"{PHASES[phase]} {{}}").format(duration(seconds))
            for phase, seconds in enumerate(spent)
            if seconds > 0 and phase <= self.phase
        )

    # ---- waiting

    def wait_for_peer(self, descriptor: int, events: int, limit: Callable[[], float]) -> None:
        """Wait until the peer has done something. Raises: NoAnswer or OwnMachine when `limit` has no seconds left."""
        if not self.wait_for_any([descriptor], events, limit):
            raise self.timeout_failure()

    def wait_for_any(self, descriptors: list[int], events: int, limit: Callable[[], float]) -> list[int]:
        """Those of several connections where the peer has done something; none when `limit` has no seconds left."""
        poller = select.poll()
        for each in descriptors:
            poller.register(each, events)
        look = FIRST_LOOK_S
        while (left := limit()) > 0:
            asked = min(left, look)
            began = time.monotonic()
            ready = poller.poll(asked * 1000)
            self.count_wait(time.monotonic() - began, asked)
            if ready:
                return [descriptor for descriptor, _ in ready]
            look = min(2 * look, LONGEST_LOOK_S)
        return []

    def count_wait(self, took: float, asked: float) -> None:
        """Count one wait for the peer, or for its name: see `PeerWaits.add`."""
        self.waited += took
        self.deadline.waits.add(took, asked)

    # ---- what a failure means

    def timeout_failure(self, said: str = "", link: str = "from") -> Failure:
        """The time is up. said: what was not there in time, where that is not what is awaited in this phase.

        link: between that and the peer's place.
        """
        deadline = self.deadline
        elapsed, ours, theirs = deadline.elapsed(), deadline.own_s(), deadline.waited_s()
        if not said:
            said = "TLS handshake not complete" if self.phase == TLS else f"no {self.awaited}"
            said = f"{said} within {duration(deadline.within())}"
            link = "with" if self.phase == TLS else link
        if ours > theirs:
            shares = f"this machine took {duration(ours)} of it and the peer {duration(theirs)}"
            return self._with_exchange(OwnMachine(said, of=self, link=link, also=shares, remedy=OVERLOADED))
        failure = NoAnswer(said, of=self, link=link)
        if ours > elapsed / 4 and ours > 1:
            failure.add(f"{duration(ours)} of it were this machine's own")
        before = self._before
        if before and before.waited > max(self.waited, elapsed / 2) and before.asked != self.asked:
            if before.place != self.place:
                failure.add(f"{duration(before.waited)} of it went to {before.place}")
            elif before.doing:
                failure.add(f"{duration(before.waited)} of it went to an earlier request, to {before.doing}")
            else:
                failure.add(f"{duration(before.waited)} of it went to an earlier request")
            failure.more = (f"of which took {duration(before.waited)}: {before.asked}",)
        return self._with_exchange(failure)

    def connect_timeout_failure(self, where: str, waited: float, obstacle: Obstacle | None = None) -> Failure:
        """One address did not answer the connection attempt in its share of the time.

        obstacle: as in `connect_failure`.
        """
        if obstacle:
            return self._with_exchange(self.route_failure(where, obstacle))
        if self.deadline.is_mostly_ours():
            return self.timeout_failure(f"no connection within {duration(waited)}", "to")
        said = f"no connection within {duration(waited)}"
        return self._with_exchange(NoAnswer(said, of=self, place=where, link="to"))

    def io_failure(self, error: OSError, of_tls: TlsFailureExplainer | None = None) -> Failure:
        """An operation on the peer's connection failed: what that means in the phase it came to.

        of_tls: tells what it means where the connection is secured; without, an error of TLS is raised as it is.
        """
        local = self.local_failure(error)
        if local:
            return local
        import ssl

        if not isinstance(error, ssl.SSLError):
            if error.errno in NO_ROUTE_REMEDIES or error.errno in FORBIDDEN:
                said = os.strerror(error.errno or 0)
                return self._with_exchange(
                    OwnMachine(
                        f"this machine's network failed within the connection ({said})",
                        of=self,
                        link="to",
                        remedy="look at its interfaces, routes and firewall",
                    )
                )
            if error.errno not in PEER_ERRORS:
                raise error  # what nobody foresaw: a bug, or this machine
        how = how_closed(error)
        if isinstance(error, ssl.SSLError) and not how:
            if what := host_resources.missing_resource(error):
                return self._with_exchange(resource_failure(self, what))
            if not of_tls:
                raise error
            return self._with_exchange(of_tls.explain(error, self))
        return self.closed_failure(how or "lost", error, of_tls)

    def local_failure(self, error: BaseException) -> Failure | None:
        """Return OwnMachine if an error shows that this machine lacks something, else None."""
        number = getattr(error, "errno", None)
        if isinstance(error, MemoryError) or number in RESOURCE_ERRNOS:
            return self._with_exchange(resource_failure(self, os.strerror(number) if number else NO_MEMORY))
        if isinstance(error, RuntimeError) and "thread" in str(error):
            return self._with_exchange(resource_failure(self, str(error)))
        return None

    def connect_failure(self, error: OSError, where: str, obstacle: Obstacle | None = None) -> Failure:
        """Return the failure of a connection attempt that ended with an error.

        where: `host:80 (192.0.2.1)`. obstacle: what of this machine is the reason, as far as it is known.
        """
        number = error.errno
        if obstacle:
            return self._with_exchange(self.route_failure(where, obstacle))
        if number in RESOURCE_ERRNOS:
            return self._with_exchange(resource_failure(self, os.strerror(number or 0), where))
        said = error.strerror or str(error)

        def to_there(kind: type[Failure], reason: str, link: str, remedy: str = "") -> Failure:
            return self._with_exchange(kind(reason, of=self, place=where, link=link, remedy=remedy))

        if number in NO_ROUTE_REMEDIES:
            return to_there(NoRoute, os.strerror(number or 0), "at", NO_ROUTE_REMEDIES[number or 0])
        if number in FORBIDDEN:
            reason = f"this machine may not connect ({os.strerror(number or 0)})"
            return to_there(OwnMachine, reason, "to", "look at its firewall and its security policy")
        if number == errno.ECONNREFUSED:
            return to_there(Refused, "connection refused", "by")
        if number == errno.ECONNRESET:
            return to_there(Refused, "connection reset as soon as it was made", "by", "start the service behind it")
        if number in PEER_ERRORS:
            return to_there(Unreachable, said, "at")
        return to_there(
            NoRoute,
            f"this machine's kernel does not connect ({said})",
            "to",
            "check that others can reach that address",
        )

    def route_failure(self, where: str, obstacle: Obstacle) -> NoRoute:
        """Nothing gets as far as the peer: what stands in the way is ours. where: as in `connect_failure`."""
        said = f"this machine's {obstacle.description}"
        return NoRoute(said, of=self, place=where, link="on the way to", remedy=obstacle.remedy)

    def closed_failure(
        self, how: str, error: OSError | None = None, of_tls: TlsFailureExplainer | None = None
    ) -> Failure:
        """The peer ended the connection. how: `closed`, `reset`, or `lost` with the error that says more."""
        why = f" ({error.strerror or error})" if how == "lost" and error else ""
        if self.phase == TLS and of_tls:
            return self._with_exchange(of_tls.broken_off(how, why, self))
        when, link = "", "by"
        if self.awaited not in (ANSWER, READER):
            when, link = f" before any {self.awaited}", "from"
        elif how == "closed":
            when, link = " within the answer" if self.received else " before an answer", "from"
        elif how == "lost":
            link = "to"
        return self.lost_connection_failure(f"connection {how}{when}{why}", link)

    def lost_connection_failure(self, what: str, link: str = "by") -> Failure:
        """The connection ended after the handshake. link: between what happened and the peer's place.

        With TLS 1.3 a refused client certificate looks like a connection that ends at the first read; who has answered
        before has not refused it.
        """
        if self.has_credential and not self.received and not self.answered_before:
            caveat = "our certificate may have been refused"
            return self._with_exchange(Rejected(what, of=self, link=link, also=caveat))
        return self._with_exchange(ProtocolFailure(what, of=self, link=link))

    def protocol_failure(self, what: str) -> EndpointFailure:
        """The peer's bytes are not what its protocol has. what: that, as it precedes `from host:port`."""
        failure = ProtocolFailure(what, of=self, link="from")
        failure.exchange = self
        return failure

    def _with_exchange(self, failure: Failure) -> Failure:
        failure.exchange = failure.exchange or self
        return failure


def resource_failure(exchange: Exchange, what: str, where: str = "") -> OwnMachine:
    """This machine lacks what a connection needs. what: what that is, in the kernel's words. where: its place."""
    return OwnMachine(host_resources.lack(what), of=exchange, place=where, link="to ask", remedy=RAISE_LIMITS)


def how_closed(error: BaseException) -> str:
    """How a peer ended a connection without an answer, "closed" or "reset"; empty for every other error.

    What Python says of an end of file differs: 3.11.2 with OpenSSL 3.0 reports it as a proper goodbye
    (SSLZeroReturnError), later ones as a violation of the protocol (SSLEOFError).
    """
    import ssl

    if isinstance(error, (ConnectionResetError, ConnectionAbortedError)):
        return "reset"
    # Linux says EPIPE where the peer had ended its side in order before it reset what we wrote since (tcp_reset)
    if isinstance(error, (BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return "closed"
    # an error that was made in Python, as for a revoked certificate, has no reason
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    return "closed" if reason == "UNEXPECTED_EOF_WHILE_READING" else ""
