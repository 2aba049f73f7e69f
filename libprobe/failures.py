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

CRITICAL lowers a site's availability, so it must be the site's own doing. A failure's text is one
sentence for the status line: what was asked, of whom, what came back. `remedy` says what to do.
Which of them a broken exchange is follows from how far it had come and whose turn it was: see
`libprobe.clients.exchange`. An exception that is none of these is a bug, and UNKNOWN.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Course(Protocol):
        """What a failure has to know of its `libprobe.clients.exchange.Exchange`."""

        asked: str

        @property
        def may_have_arrived(self) -> bool: ...
        def words(self) -> str: ...


OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
"""Exit codes of the Nagios plugin API."""

STATUS_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


class Failure(Exception):
    """A check could not get what it asked for.

    sentence: what was asked, of whom and what came back; may carry text from outside, which is made
              safe where it is printed.
    remedy:   what the reader can do about it, if that is known; shown after the sentence.
    exchange: the exchange that failed, None where it is about no single one.
    tried:    what was tried and refused before it is told, a sentence each, shown with -v.
    pause_s:  how long the peer asks us to wait before we ask again.
    """

    status = UNKNOWN
    tried: tuple[str, ...] = ()
    exchange: Course | None = None
    pause_s: float = 0.0

    def __init__(self, sentence: str, *, remedy: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy

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
