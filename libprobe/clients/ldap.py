"""LDAP version 3 as a client that only reads: bind as nobody, search, and nothing kept in memory.

ldap3 writes the requests; the connection and the reading of answers are ours. ldap3 opens sockets itself,
starts its time-outs anew with each byte, and keeps a whole answer before it gives the first entry out.
Here every read keeps the one deadline, every message and the whole answer are bounded, and entries are
given out as they come. Referrals are told and never followed.
Source: RFC 4511; RFC 4513 section 5.1.1 (anonymous), RFC 4511 section 4.14 (StartTLS).
"""

from __future__ import annotations

import logging
import time

from libprobe.clients import sockets, tls
from libprobe.clients.exchange import BODY, SENT, Exchange
from libprobe.failures import Asked, BadData, EndpointFailure, Failure, OwnCredential, ProtocolFailure, Rejected
from libprobe.formats import ldap
from libprobe.formats.address import host_and_port
from libprobe.records import Record
from libprobe.text import number_of, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from typing import Any

    from libprobe.deadline import Deadline

CHUNK = 64 << 10
MAX_MESSAGE = 1 << 20
MAX_ANSWER = 128 << 20
MAX_ENTRIES = 500_000
"""More than the largest top-level BDII has; what never ends is not read for ever."""

MAX_REFERENCES = 1_000
GOODBYE_S = 0.01
START_TLS = "1.3.6.1.4.1.1466.20037"

TO_ALL = "allow anonymous reads"
"""What to do about a server that wants to know who reads it."""

_PROTOCOL_ERROR, _TIME_LIMIT, _SIZE_LIMIT, _REFERRAL, _ADMIN_LIMIT = 2, 3, 4, 10, 11
_LIMIT_NAMES = {_TIME_LIMIT: "timelimit", _SIZE_LIMIT: "sizelimit"}
_NO_SUCH_OBJECT = 32
_LOGIN = (7, 8, 13, 48, 49, 50)
_NAMES = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    18: "inappropriateMatching",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}
"""RFC 4511 appendix A, as far as a reader can meet them."""

_log = logging.getLogger("libprobe.ldap")


class LdapAddress(Record):
    """Where an LDAP server is. scheme: ldap or ldaps."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{host_and_port(self.host, self.port)}"


class LdapConnectOptions(Record):
    """How to connect. context: for ldaps and for StartTLS, see `tls.make_context`. family: of `socket`, 0 for any."""

    context: ssl.SSLContext | None = None
    start_tls: bool = False
    family: int = 0


class LdapClient:
    """One connection to an LDAP server; nothing is sent before `connect`.

    references: where the searches so far would have had to go on; not followed.
    loading_s:  seconds within `connect` that loading ldap3 took, and addresses of the host that did not answer: no part
                of what the server takes.
    """

    def __init__(self, address: LdapAddress, deadline: Deadline, access: LdapConnectOptions | None = None) -> None:
        self.address = address
        self.references: list[str] = []
        self.loading_s = 0.0
        self.received = 0
        self._deadline = deadline
        self._access = access or LdapConnectOptions()
        self._socket: Any = None
        self._buffer = bytearray()
        self._at = 0
        self._number = 0

    def __enter__(self) -> LdapClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Connect, with TLS where the address says ldaps or StartTLS is asked for.

        Raises: NameUnknown, Refused, Unreachable, NoAnswer, TlsFailure, ProtocolFailure.
        """
        host, port = self.address.host, self.address.port
        self._exchange = Exchange(f"connection to {self.address}", host, port, self._deadline)
        self._socket = sockets.connect(self._exchange, family=self._access.family)
        began = time.monotonic()
        from libprobe.clients import ldap_requests

        self._requests = ldap_requests
        self.loading_s = time.monotonic() - began + self._socket.raced_s
        if self.address.scheme == "ldaps":
            self._secure(f"TLS handshake with {self.address}")
        elif self._access.start_tls:
            self._start_tls()

    def bind(self) -> None:
        """Log in as nobody, in version 3. Raises: Rejected where a login is wanted; ProtocolFailure, NoAnswer."""
        number = self._send(f"bind to {self.address}", self._requests.bind(self._next_number()))
        result = self._result(number, ldap.BIND_RESPONSE)
        if result.code:
            raise self._bind_refused(result)

    def search(
        self, base: str, attributes: Iterable[str], filter_text: str = "(objectClass=*)"
    ) -> Iterator[ldap.LdapEntry]:
        """Yield the entries at and below a base, with these attributes only, as they arrive.

        Raises, possibly after some entries: BadData when there is no such base; ProtocolFailure for an answer
        that was cut short or is none; Rejected, NoAnswer.
        """
        request = self._requests.search(self._next_number(), base, filter_text, list(attributes))
        number = self._send(f"search at {self.address} below {base}", request)
        self._exchange.doing = "search"
        until = self.received + MAX_ANSWER
        count = 0
        while True:
            answer = self._receive(number)
            if isinstance(answer, ldap.LdapEntry):
                count += 1
                if count > MAX_ENTRIES or self.received > until:
                    raise ProtocolFailure(
                        f"no end after {number_of(count, 'entry', 'entries')} and {self.received >> 20} MiB",
                        of=self._exchange,
                        link="from",
                        remedy="ask for less of it with --base",
                    )
                yield answer
            elif isinstance(answer, ldap.SearchReference):
                if len(self.references) < MAX_REFERENCES:
                    self.references += [url[:500] for url in answer.urls[:4]]
                elif self.received > until:
                    raise self._wrong("references without end")
            elif answer.kind != ldap.SEARCH_DONE:
                raise self._wrong("answer to another kind of request")
            elif answer.code:
                raise self._search_failed(answer, base, count)
            else:
                return

    def close(self) -> None:
        """Close the connection, with a goodbye where that costs nothing."""
        connection, self._socket = self._socket, None
        if connection is None:
            return
        connection.limit = lambda: GOODBYE_S
        try:
            connection.send(b"\x30\x05\x02\x01\x7f\x42\x00")  # UnbindRequest
        except (Failure, OSError, ValueError):  # a handshake that failed has left no socket behind
            pass
        finally:
            connection.close()

    # ---- TLS

    def _start_tls(self) -> None:
        request = f"StartTLS with {self.address}"
        number = self._send(request, self._requests.extended(self._next_number(), START_TLS))
        result = self._result(number, ldap.EXTENDED_RESPONSE)
        if result.code:
            raise self._refused(
                ProtocolFailure, "StartTLS refused", result, "leave --starttls out, or enable TLS there"
            )
        if self._at < len(self._buffer):
            raise self._wrong("data before TLS began")
        self._secure(request)

    def _secure(self, request: str) -> None:
        assert self._socket is not None and self._access.context is not None
        self._exchange.asked = request
        try:
            self._socket = tls.secure(self._socket, self._access.context, self._exchange)
        except OwnCredential as failure:
            raise _as_endpoint_failure(failure) from None

    # ---- messages

    def _next_number(self) -> int:
        """The number of a new request."""
        self._number += 1
        return self._number

    def _send(self, request: str, message: bytes) -> int:
        """Send a request, in words for -v and as bytes; returns the number that it bears, the last one given out."""
        _log.debug("asked: %s", request)
        assert self._socket is not None
        self._exchange.asked = request
        self._socket.sendall(message)
        self._exchange.begin_phase(SENT)
        return self._number

    def _result(self, number: int, kind: int) -> ldap.OperationResult:
        answer = self._receive(number)
        if not isinstance(answer, ldap.OperationResult) or answer.kind != kind:
            raise self._wrong("answer to another kind of request")
        return answer

    def _receive(self, number: int) -> ldap.LdapEntry | ldap.SearchReference | ldap.OperationResult:
        """The next message that answers request NUMBER."""
        while True:
            data = self._message()
            try:
                seen, answer = ldap.read_message(data)
            except BadData as error:
                raise self._wrong(f"broken LDAP ({error.sentence})") from None
            if isinstance(answer, ldap.OperationResult):
                _log.debug("answer: %s", answer)
            if seen == 0 and isinstance(answer, ldap.OperationResult):
                raise self._refused(ProtocolFailure, "disconnected", answer)
            if seen != number:
                raise self._wrong(f"answer to a request {seen} that was not sent")
            if answer is not None:
                return answer

    def _message(self) -> bytes:
        """The next whole message, however it was cut into pieces."""
        while True:
            try:
                length = ldap.message_size(self._buffer, self._at)
            except BadData as error:
                raise self._not_ldap(error) from None
            if length is not None and length > MAX_MESSAGE:
                raise ProtocolFailure(
                    f"message of {size(length)} announced",
                    of=self._exchange,
                    link="by",
                    also=f"more than {size(MAX_MESSAGE)} is refused",
                )
            if length is not None and len(self._buffer) - self._at >= length:
                data = bytes(memoryview(self._buffer)[self._at : self._at + length])
                self._at += length
                return data
            self._read_more()

    def _read_more(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(CHUNK)
        except OwnCredential as failure:  # with TLS 1.3 the wish for a certificate of ours shows only here
            raise _as_endpoint_failure(failure) from None
        if not data:
            raise self._exchange.closed_failure("closed")
        if not self.received:
            self._exchange.begin_phase(BODY)
        self.received += len(data)
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    # ---- failures

    def _not_ldap(self, error: BadData) -> Failure:
        first = bytes(self._buffer[self._at : self._at + 5])
        if first[:2] in (b"\x15\x03", b"\x16\x03"):
            return ProtocolFailure(
                "speaks TLS instead of plain LDAP", of=self._exchange, remedy="register it as ldaps://"
            )
        if first == b"HTTP/":
            said = f"answer: {error.sentence}"
            return ProtocolFailure("answered in HTTP instead of LDAP", of=self._exchange, more=[said])
        return self._wrong(error.sentence)

    def _wrong(self, what: str) -> Failure:
        """The server's bytes are not what LDAP has there."""
        return ProtocolFailure(what, of=self._exchange, link="from")

    def _refused(
        self, kind: type[EndpointFailure], what: str, result: ldap.OperationResult, remedy: str = ""
    ) -> EndpointFailure:
        """What the server did not do, with the name and number of its result, and its own words."""
        name = _NAMES.get(result.code, "LDAP error")
        said = result.text if result.text.strip().casefold() != name.casefold() else ""
        return kind(f"{what} ({name}, {result.code})", of=self._exchange, link="by", also=said, remedy=remedy)

    def _bind_refused(self, result: ldap.OperationResult) -> Failure:
        if result.code in _LOGIN:
            return self._refused(Rejected, "login required", result, TO_ALL)
        if result.code == _PROTOCOL_ERROR:
            return self._refused(ProtocolFailure, "LDAP version 3 refused", result, "update its LDAP server")
        return self._refused(EndpointFailure, "bind refused", result)

    def _search_failed(self, result: ldap.OperationResult, base: str, count: int) -> Failure:
        if result.code == _NO_SUCH_OBJECT:
            return NoSuchBase(
                f"base {base} does not exist",
                of=Asked(self._exchange.place, self._exchange.request),
                also="it runs but holds no data",
                remedy="see why its update publishes nothing",
            )
        if result.code in (_SIZE_LIMIT, _TIME_LIMIT, _ADMIN_LIMIT):
            limits = _LIMIT_NAMES.get(result.code, "limits")
            cut = f"cut short after {number_of(count, 'answer')}"
            return self._refused(EndpointFailure, cut, result, f"set its {limits} to unlimited: a BDII answers in full")
        if result.code == _REFERRAL or result.referrals:
            to = ", ".join(result.referrals[:2]) or "nowhere"
            return ProtocolFailure(
                f"referral to {to}",
                of=self._exchange,
                link="from",
                remedy="register the server that has the data",
            )
        if result.code in _LOGIN:
            return self._refused(Rejected, "refused", result, TO_ALL)
        return self._refused(EndpointFailure, "refused", result)


class NoSuchBase(BadData):
    """The base of the search is not there."""


def _as_endpoint_failure(failure: OwnCredential) -> Failure:
    """A server that wants a client certificate shuts out everybody who reads it, not just us."""
    return failure.retold(Rejected, remedy=TO_ALL)
