"""What a service of a cloud says instead of doing what it was asked, whatever protocol it speaks.

```text
EndpointFailure
└─ Refusal            it answered, with another status than a good one
   ├─ QuotaRefused    it has no room for us
   ├─ LoginRefused    it lets us not in, or not do this (401, 403)
   └─ ServerError     a fault of its own (5xx)
```
"""

from __future__ import annotations

from libprobe.failures import EndpointFailure, ProtocolFailure, Rejected


class Refusal(EndpointFailure):
    """The endpoint answered and refused: with `http_status`, and `said` are its own words."""

    def __init__(self, sentence: str, http_status: int = 0, said: str = "") -> None:
        super().__init__(sentence)
        self.http_status = http_status
        self.said = said


class QuotaRefused(Refusal):
    """The endpoint has no room left for us, by its quota or its hardware."""


class LoginRefused(Refusal, Rejected):
    """The endpoint refused the credential itself, or what it may do."""


class ServerError(Refusal, ProtocolFailure):
    """The endpoint answered with a fault of its own (5xx)."""
