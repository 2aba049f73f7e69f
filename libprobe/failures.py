"""Why a check could not say OK, and whose fault that is.

    Failure
    ├─ EndpointFailure     CRITICAL   the endpoint under test misbehaved
    │  ├─ NameUnknown         its name does not resolve
    │  ├─ Refused             nothing listens on the port
    │  ├─ Unreachable         no route to it
    │  ├─ NoAnswer            the deadline passed while we waited on it
    │  ├─ TlsFailure          expired, wrong host, unknown CA, no handshake
    │  ├─ Rejected            our valid credential was refused (401, 403, bind, TLS alert)
    │  ├─ ProtocolFailure     not the protocol it should speak, 5xx, early close
    │  └─ BadData             what it published is missing or malformed
    ├─ HelperFailure       UNKNOWN    the GOCDB, a portal or another third party failed us
    ├─ OwnCredential       UNKNOWN    our certificate, proxy or token is absent or unusable
    │  └─ CertificateWanted   a server wants a certificate, and we present none
    ├─ OwnMachine          UNKNOWN    this monitoring host: no route, no memory, no time
    └─ Misconfigured       UNKNOWN    bad option, unreadable file, state that cannot be kept

    OutOfTime, Interrupted            not failures but the end of a run; see `libprobe.deadline`

CRITICAL lowers a site's availability, so it must be the site's own doing. A pager shows the first 80 characters of a
status line, so a failure says its reason first and then of what, and the request is for -v:

    raise ProtocolFailure("answered with nothing", of=answer, link="from")

    CRITICAL - answered with nothing from cloud.example.org:8787 when asked to create a VM
    asked: POST https://cloud.example.org:8787/compute/

Which of them a broken exchange is follows from how far it had come and whose turn it was: see
`libprobe.clients.exchange`. Any other exception is a bug, and UNKNOWN.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol, TypeVar

    Kind = TypeVar("Kind", bound="Failure")

    class HasAsked(Protocol):
        """How a failure learns who was asked: an `Asked`, an exchange, or an answer over HTTP."""

        @property
        def place(self) -> str: ...
        @property
        def request(self) -> str: ...
        @property
        def doing(self) -> str: ...

    class FailedExchange(HasAsked, Protocol):
        """What a failure has to know of its `libprobe.clients.exchange.Exchange`."""

        @property
        def may_have_arrived(self) -> bool: ...
        def describe_times(self) -> str: ...


OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
"""Exit codes of the Nagios plugin API."""

STATUS_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


class Asked:
    """Who was asked, and for what.

    place:   host and port, `cloud.example.org:8787`; whoever is not the endpoint under test by its part too:
             `GOCDB goc.egi.eu:443`.
    request: what was sent there, `POST https://cloud.example.org:8787/compute/`, for -v.
    doing:   what it was to do, as it follows `when asked to`: `create a VM`; empty where the place says enough.
    """

    __slots__ = ("doing", "place", "request")

    def __init__(self, place: str, request: str = "", doing: str = "") -> None:
        self.place = place
        self.request = request
        self.doing = doing


class Failure(Exception):
    """A check could not get what it asked for.

    reason: what came back or is wrong, at most about 60 characters: `503 Service Unavailable`, `certificate expired
            3 d ago`. It may carry text from outside, which is made safe where it is printed.
    of:     who was asked, whose place, request and purpose it takes over: an Asked, an exchange, an answer over HTTP.
            Without, the reason is the whole sentence.
    link:   the word between the reason and the place: `connection refused by`, `503 Service Unavailable from`; with a
            comma before it, `, from`, behind a reason that is a whole sentence.
    place:  another place than that of `of`, as with the address that was tried.
    also:   a second fact of less weight, which follows after a semicolon.
    remedy: what the reader can do about it in a few words, beginning with a verb; ends the status line, in brackets.
    more:   lines for -v: the whole of what the peer said, a remedy that takes more than a few words.

    sentence: `reason link place when asked to doing; also`. Setting it makes that the reason, and keeps the request.
    exchange: the exchange that failed, None where it is about no single one.
    tried:    what was tried and refused before it is told, a sentence each, shown with -v.
    pause_s:  how long the peer asks us to wait before we ask again.
    """

    status = UNKNOWN
    tried: tuple[str, ...] = ()
    exchange: FailedExchange | None = None
    pause_s: float = 0.0

    def __init__(
        self,
        reason: str,
        *,
        of: HasAsked | None = None,
        link: str = "on",
        place: str = "",
        also: str = "",
        remedy: str = "",
        more: Iterable[str] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place or (of.place if of else "")
        self.request = of.request if of else ""
        self.doing = of.doing if of else ""
        self.link = link
        self.also = also
        self.remedy = remedy
        self.more = tuple(more)

    @property
    def sentence(self) -> str:
        blank = "" if self.link.startswith(",") else " "
        where = f"{blank}{self.link} {self.place}" if self.place else ""
        purpose = f" when asked to {self.doing}" if self.doing else ""
        also = f"; {self.also}" if self.also else ""
        return f"{self.reason}{where}{purpose}{also}"

    @sentence.setter
    def sentence(self, whole: str) -> None:
        self.reason, self.place, self.doing, self.also = whole, "", "", ""

    @property
    def details(self) -> list[str]:
        """The lines that -v shows of it: what was asked, what was tried before, where the time went, and more."""
        asked = self.request or (self.exchange.request if self.exchange else "")
        lines = [f"asked: {asked}"] if asked else []
        lines += [f"tried: {said}" for said in self.tried if len(self.tried) > 1]
        lines += [f"time: {self.exchange.describe_times()}"] if self.exchange else []
        return [*lines, *self.more]

    def add(self, fact: str) -> None:
        """Tell one more fact, behind those that are told already."""
        self.also = f"{self.also}; {fact}" if self.also else fact

    def placed(self, of: HasAsked, link: str = "") -> None:
        """Say whose answer it was, of what a reader raised who does not know that; where it is known, it stays."""
        if not self.place and not self.request:
            self.place, self.request, self.doing = of.place, of.request, of.doing
            self.link = link or ("in the answer of" if self.link == "on" else self.link)

    def retold(self, kind: type[Kind], *, whom: str = "", remedy: str | None = None) -> Kind:
        """The same as a failure of another kind, by whose fault it is.

        whom:   the part of a peer that is not the endpoint under test, `GOCDB`; it goes before its place.
        remedy: another one than its own.
        """
        made = kind(self.reason if self.place or not whom else f"{whom} {self.reason}")
        made.place = f"{whom} {self.place}" if self.place and whom else self.place
        made.request, made.doing, made.link, made.also = self.request, self.doing, self.link, self.also
        made.remedy = self.remedy if remedy is None else remedy
        made.more, made.tried, made.exchange, made.pause_s = self.more, self.tried, self.exchange, self.pause_s
        return made

    def __str__(self) -> str:
        return f"{self.sentence} ({self.remedy})" if self.remedy else self.sentence


class EndpointFailure(Failure):
    """The endpoint under test misbehaved: the site's doing."""

    status = CRITICAL


class NameUnknown(EndpointFailure):
    """The endpoint's name does not resolve."""


class Refused(EndpointFailure):
    """Nothing listens on the endpoint's port."""


class Unreachable(EndpointFailure):
    """No route leads to the endpoint."""


class NoAnswer(EndpointFailure):
    """The deadline passed while we waited on the endpoint."""


class TlsFailure(EndpointFailure):
    """The endpoint's certificate or its TLS cannot be accepted."""


class Rejected(EndpointFailure):
    """The endpoint refused a credential of ours that is valid."""


class ProtocolFailure(EndpointFailure):
    """The endpoint does not speak its protocol, or broke off."""


class BadData(EndpointFailure):
    """What was published is missing or malformed."""


class HelperFailure(Failure):
    """A third party that we needed failed us; the endpoint is not to blame.

    is_ours: it was this machine that kept us from it.
    """

    is_ours = False


class OwnCredential(Failure):
    """Our own certificate, proxy or token is absent, unusable or about to end."""


class CertificateWanted(OwnCredential):
    """A server wants a certificate of ours, and we present it none. Its remedy is that of the probes, by --cert."""


class OwnMachine(Failure):
    """This monitoring host cannot do what is needed: no route, no memory, no descriptors, no time."""


class Misconfigured(Failure):
    """An option, a file or the configuration of this monitor is wrong."""
