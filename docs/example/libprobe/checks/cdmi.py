"""Whether a CDMI endpoint lists its capabilities, and has those that are required."""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check
from libprobe.clients import documents
from libprobe.failures import BadData, Misconfigured, ProtocolFailure
from libprobe.formats.cdmi import MEDIA_TYPE, read_capabilities
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from libprobe.clients.http import HttpClient
    from libprobe.deadline import Deadline

SERVICE_TYPE = "eu.egi.cloud.storage-management.cdmi"
MAX_ANSWER = 256 << 10


def find_url(args: argparse.Namespace, deadline: Deadline) -> str:
    """The base of the endpoint that the options mean: -u, else -H as the GOCDB has it.

    Raises: Misconfigured for a host that is not there; HelperFailure when the GOCDB fails.
    """
    if args.url:
        return str(args.url)
    if not args.hostname:
        raise Misconfigured("no endpoint is named", remedy="give -H HOST or -u URL")
    from libprobe.targets import access, topology

    found, _ = topology.find_registered(args, deadline, access.open_state_directory(args), SERVICE_TYPE)
    if found is None or not found.url.strip():
        raise Misconfigured(f"{args.hostname} has no URL in the GOCDB as {SERVICE_TYPE}", remedy="give -u URL")
    return found.url.strip()


class CdmiCapabilities(Check):
    """Asks for the capabilities of the root.

    Yields: response_time (s) and capabilities, how many are switched on.
    """

    def __init__(self, url: str, http: HttpClient, deadline: Deadline, required: list[str]) -> None:
        super().__init__(deadline)
        self.subject = self.facts["url"] = url.rstrip("/")
        self._http = http
        self._required = required

    def measure(self) -> Iterator[Metric]:
        began = time.monotonic()
        headers = [("Accept", MEDIA_TYPE), ("X-CDMI-Specification-Version", "1.0.2")]
        answer = documents.get(self._http, f"{self.subject}/cdmi_capabilities/", max_bytes=MAX_ANSWER, headers=headers)
        seconds = time.monotonic() - began
        if answer.status != 200:
            raise ProtocolFailure(f"{answer.status} {answer.reason}", of=answer, link="from")
        try:
            found = read_capabilities(answer.body)
        except BadData as error:
            raise BadData(error.sentence, of=answer, link="from") from None
        yield Metric("response_time", seconds, "s", min=0)
        yield Metric("capabilities", len(found), min=0)
        self.facts.update(count=number_of(len(found), "capability", "capabilities"), time=duration(seconds))
        for name in sorted(found):
            self.detail(1, name)
        if missing := [name for name in self._required if name not in found]:
            raise BadData(f"no capability {', '.join(missing)}", of=answer)
