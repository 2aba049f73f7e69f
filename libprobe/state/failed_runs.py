"""The outcome of the VMs of earlier runs, for each endpoint: whether one was created, and became active.

A cloud that is slow once is looked at; one on which no VM becomes active, run after run, is broken. One small file per
endpoint and kind of run says so, from the first such run to the next VM that becomes active.
"""

from __future__ import annotations

import json
import math

from libprobe.records import Record
from libprobe.state.files import StateDirectory

MAX_FILE = 4096
KEPT_S = 2 * 86400.0
"""What was so long ago is not the run before this one: the monitor did not run meanwhile."""


class FailedRunCount(Record):
    """Runs in a row in which no VM became active.

    runs: how many, with this one; since_previous_s: seconds since the one before it; since_first_s: seconds since the
    first.
    """

    runs: int
    since_previous_s: float = 0.0
    since_first_s: float = 0.0


class FailedRuns:
    """What a state directory has of it.

    Raises: Misconfigured, from every method, where it cannot be kept.
    """

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory

    def note_failed_run(self, kind: str, endpoint: str, waited: float, now: float) -> FailedRunCount:
        """Note that no VM became active.

        kind: which run, so that one right after another of another kind is no second one. waited: for how many
        seconds; a run before it that waited less than half of that proves nothing. now: seconds since the epoch.
        """
        known = self._read(kind, endpoint, now)
        if known and known["waited"] >= waited / 2:
            late = FailedRunCount(int(known["times"]) + 1, now - known["at"], now - known["since"])
            since, waited = known["since"], max(waited, known["waited"])
        else:
            late, since = FailedRunCount(1), now
        said = {"endpoint": endpoint, "at": now, "since": since, "times": late.runs, "waited": waited}
        self._directory.write(_name(kind, endpoint), json.dumps(said).encode() + b"\n")
        return late

    def is_noted(self, kind: str, endpoint: str, now: float) -> bool:
        """Whether the run before this one has noted something."""
        return self._read(kind, endpoint, now) is not None

    def clear(self, kind: str, endpoint: str) -> None:
        """A VM became active."""
        name = _name(kind, endpoint)
        if self._directory.modified_at(name) is not None:
            self._directory.remove(name)

    def _read(self, kind: str, endpoint: str, now: float) -> dict[str, float] | None:
        try:
            said = json.loads(self._directory.read(_name(kind, endpoint), MAX_FILE) or b"{}")
            numbers = {key: float(said[key]) for key in ("at", "since", "times", "waited")}
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None
        is_recent = numbers["since"] <= numbers["at"] <= now <= numbers["at"] + KEPT_S
        return numbers if is_recent and all(map(math.isfinite, numbers.values())) else None


def _name(kind: str, endpoint: str) -> str:
    import hashlib  # not before an endpoint has answered: it loads OpenSSL

    return f"late-{kind}-{hashlib.sha256(endpoint.encode()).hexdigest()[:16]}.json"
