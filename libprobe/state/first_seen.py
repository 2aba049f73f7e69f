"""Since when something is out of order: what was seen so, by whom of our runs for the first time.

One small file per subject. What is in order again is forgotten; what was not looked at for long begins anew.
"""

from __future__ import annotations

import json

from libprobe.state.files import StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FILE = 1 << 20
MAX_KEYS = 5000
KEPT_S = 7 * 86400.0
"""A run so long ago says nothing of what was between."""


class FirstSeen:
    """What a state directory has of it. Raises: Misconfigured, where it cannot be kept."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory

    def note(self, subject: str, keys: Iterable[str], now: float) -> dict[str, float]:
        """For each key that is out of order now: since when, in seconds since the epoch.

        subject: what the keys are of. Keys are compared whole and kept as digests.
        """
        import hashlib

        def digest(text: str) -> str:
            return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]

        name = f"since-{digest(subject)}.json"
        known = self._read(name, now)
        found = {key: known.get(digest(key), now) for key in keys}
        if found or known:
            said = {
                "subject": subject,
                "at": now,
                "since": {digest(key): at for key, at in [*found.items()][:MAX_KEYS]},
            }
            self._directory.write(name, json.dumps(said).encode() + b"\n")
        return found

    def _read(self, name: str, now: float) -> dict[str, float]:
        try:
            said = json.loads(self._directory.read(name, MAX_FILE) or b"{}")
            if not now - KEPT_S <= float(said["at"]) <= now:
                return {}
            return {str(key): float(at) for key, at in said["since"].items() if 0 <= float(at) <= now}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return {}
