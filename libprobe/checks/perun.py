"""Whether Perun answers, and whether what reads its audit log keeps up with it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from nagiosplugin import Metric

from libprobe.checks.base import Check
from libprobe.clients.perun import read_status
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from libprobe.clients.http import HttpClient
    from libprobe.deadline import Deadline
    from libprobe.targets.perun import PerunEndpoint


def make_client(args: argparse.Namespace, deadline: Deadline) -> tuple[HttpClient, str]:
    """An HTTP client with our certificate, and its identity. Raises: OwnCredential, Misconfigured."""
    from libprobe.targets import access

    certificate = access.find_certificate(args)
    assert certificate  # it is required, see cli.certificate
    certificate.expect_valid(now=datetime.now(UTC), seconds=deadline.remaining())
    return access.make_http_client(args, deadline, certificate), certificate.identity


class PerunStatus(Check):
    """Asks Perun for its status.

    Yields: response_time (s), and consumer_lag, the most messages that a consumer has still to process.
    """

    def __init__(self, perun: PerunEndpoint, http: HttpClient, identity: str, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.subject = perun.url
        self._http = http
        self._identity = identity
        self.facts["notes"] = "".join(f"; {note}" for note in perun.notes)
        self.caveats = perun.notes

    def measure(self) -> Iterator[Metric]:
        began = time.monotonic()
        status = read_status(self._http, self.subject, self._identity)
        seconds = time.monotonic() - began - self._http.loading_s
        yield Metric("response_time", seconds, "s", min=0)
        version = f"Perun {status.version}, " if status.version else ""
        self.facts.update(perun=f"{self.place} runs {version}PerunDB {status.database_version}", time=duration(seconds))
        self.detail(1, f"asked: GET {self.subject}")
        for line in status.lines:
            self.detail(1, line)
        self.detail(2, f"acting as: {self._identity}")
        lags = status.lags()
        self.facts["lag"] = ""
        if lags:
            slowest = max(lags, key=lambda name: lags[name])
            self.facts["slowest"] = slowest
            self.facts["lag"] = (
                f", {'its consumer' if len(lags) == 1 else f'the slowest of {len(lags)} consumers'} is "
                f"{number_of(lags[slowest], 'message')} behind"
            )
            yield Metric("consumer_lag", lags[slowest], min=0)
