"""What a cloud says instead of doing what it was asked, whatever protocol it speaks, and what may have come of it.

```text
EndpointFailure
└─ Refusal            it answered, with another status than a good one
   ├─ QuotaRefused    it has no room for us
   ├─ LockedRefusal   somebody has locked it, and it stays so until somebody unlocks it
   ├─ LoginRefused    it refuses our login, or this request (401, 403)
   └─ ServerError     a fault of its own (5xx)
```
"""

from __future__ import annotations

import re

from libprobe.failures import EndpointFailure, Misconfigured, OwnCredential, ProtocolFailure, Rejected
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libprobe.clients.machines import VirtualMachine
    from libprobe.failures import Failure

NOT_CREATED = frozenset({400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 422, 429, 501})
"""Statuses that say that nothing was created; after any other failure something may have been.

They are not proof: a gateway says 413 and 429 of what it had let through, a cloud 409 of what it does twice.
"""


LOCKED = re.compile(r"instance \S+ is locked\b", re.IGNORECASE)
"""How Nova begins to refuse, 409, what would change a VM that somebody has locked; ooi passes its words on."""


def describe_attempt(failure: Failure) -> str:
    """Return what was asked and how it ended, for the list of what was tried that -v shows."""
    return f"{failure.request}: {failure}" if failure.request else str(failure)


class Refusal(EndpointFailure):
    """The endpoint answered and refused: with `http_status`, and `said` are its own words; else as a Failure.

    `Response.failure` makes it with both.
    """

    def __init__(self, reason: str, http_status: int = 0, said: str = "", **told: Any) -> None:
        super().__init__(reason, **told)
        self.http_status = http_status
        self.error_text = said


class QuotaRefused(Refusal):
    """The endpoint has no room left for us, by its quota or its hardware."""


class LockedRefusal(Refusal):
    """Somebody has locked what was to be changed: the same request is refused until somebody unlocks it."""


class LoginRefused(Refusal, Rejected):
    """The endpoint refused the credential itself, or what it may do."""


class ServerError(Refusal, ProtocolFailure):
    """The endpoint answered with a fault of its own (5xx)."""


class UnknownMachine(Record):
    """Stands for a VM that could not be seen: no title, no state, no addresses."""

    title: str = ""
    hostname: str = ""
    state: str = ""
    addresses: tuple[str, ...] = ()


UNKNOWN_MACHINE = UnknownMachine()


def machine_names(machine: VirtualMachine) -> tuple[str, ...]:
    """What a VM calls itself: title and host name, as far as it says."""
    return tuple(name for name in (machine.title, machine.hostname) if name)


def certainly_not_created(failure: Failure) -> bool:
    """Whether nothing can have come of a create request that ended so.

    Its exchange broke before a byte of it was on its way, none was begun, or it was refused for our own credential.
    """
    if isinstance(failure, Refusal):
        return False
    if failure.exchange is not None:
        return not failure.exchange.may_have_arrived
    return isinstance(failure, (OwnCredential, Misconfigured))


def is_final(failure: Failure) -> bool:
    """Whether the endpoint has refused what it was asked, and would do so again."""
    return isinstance(failure, Refusal) and failure.http_status < 500 and failure.http_status != 429
