"""What this monitor created and has not yet seen removed.

One file per VM, written before the create request goes out, so that even a run that is killed between
sending the request and reading the answer leaves a trace: the title, which no other VM has. The file
is locked as long as its run lives. Line 1 is the intent, each later line adds to it; a line that was
cut short by a crash is ignored. The file goes when the VM is seen to be gone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time

from libprobe.failures import Misconfigured
from libprobe.state.files import StateDirectory, write_all

SUFFIX = ".vm"
MONITOR_FILE = "monitor"
MAX_ENTRY = 64 << 10
UNSEEN_GRACE_S = 6 * 3600.0
"""How long a VM is looked for whose create request had no answer: clouds do answer late."""


class Entry:
    """One VM of ours, or one that may exist.

    endpoint: base URL it was asked of; identity: who asked (DN and project).
    title:    its unique title and host name.
    path:     its path at the endpoint, None while unknown.
    """

    def __init__(self, directory: StateDirectory, name: str, descriptor: int, values: dict[str, object]) -> None:
        self._directory = directory
        self._name = name
        self._descriptor = descriptor
        self.endpoint = str(values["endpoint"])
        self.identity = str(values["identity"])
        self.title = str(values["title"])
        self.created_at = float(str(values["created_at"]))
        self.path: str | None = str(values["path"]) if values.get("path") else None
        self.is_done = False

    def is_forgotten(self, now: float) -> bool:
        """Whether a VM that was never seen need not be looked for any longer."""
        return self.path is None and now - self.created_at > UNSEEN_GRACE_S

    def located(self, path: str) -> None:
        """Note where the VM is. Raises: Misconfigured when that cannot be written."""
        self.path = path
        try:
            write_all(self._descriptor, json.dumps({"path": path}).encode() + b"\n")
        except OSError as error:
            raise Misconfigured(f"state directory {self._directory.path}: {error.strerror}") from None

    def done(self) -> None:
        """The VM is gone, or was never made: forget it."""
        self._directory.remove(self._name)
        self.is_done = True
        self.release()

    def release(self) -> None:
        """Leave it to the next run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Journal:
    """The entries of one state directory, which is one monitor's."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self.monitor = self._own_name()

    def begin(self, endpoint: str, identity: str) -> Entry:
        """Write down that a VM is about to be created; returns its entry, with a title of its own."""
        run = secrets.token_hex(6)
        title = f"egi-sam-{self.monitor}-{run}"
        values: dict[str, object] = {
            "title": title,
            "endpoint": endpoint,
            "identity": identity,
            "created_at": time.time(),
        }
        name = f"{title}{SUFFIX}"
        descriptor = self._directory.write_locked(name, json.dumps(values).encode() + b"\n")
        return Entry(self._directory, name, descriptor, values)

    def leftovers(self, endpoint: str, identity: str) -> list[Entry]:
        """The entries of ended runs for this endpoint under this identity, locked for us.

        Entries of living runs, of other endpoints and of other identities are let be: what we cannot
        see with today's credential is not gone.
        """
        found = []
        for name in self._directory.names(SUFFIX):
            descriptor = self._directory.open_locked(name)
            if descriptor is None:
                continue
            values = _parse(os.pread(descriptor, MAX_ENTRY, 0))
            if values is None:
                self._directory.rename(name, f"{name}.unreadable")
                os.close(descriptor)
            elif (values["endpoint"], values["identity"]) == (endpoint, identity):
                found.append(Entry(self._directory, name, descriptor, values))
            else:
                os.close(descriptor)
        self._directory.sweep(3600.0, time.time())
        return found

    def _own_name(self) -> str:
        """This monitor's name: its host's, and a random part so that two on one host differ."""
        for _ in range(3):
            known = self._directory.read(MONITOR_FILE, 200)
            if known and re.fullmatch(rb"[a-z0-9-]{1,40}\n", known):
                return known.decode().strip()
            if known is not None:
                self._directory.rename(MONITOR_FILE, f"{MONITOR_FILE}.unreadable")
            host = re.sub(r"[^a-z0-9]+", "-", os.uname().nodename.partition(".")[0].lower()).strip("-")[:20]
            mine = f"{host or 'monitor'}-{secrets.token_hex(3)}\n".encode()
            try:
                os.close(self._directory.write_locked(MONITOR_FILE, mine, exclusive=True))
            except FileExistsError:
                continue  # another first run was quicker
        raise Misconfigured(f"state directory {self._directory.path}: the monitor's name cannot be kept")


def _parse(data: bytes) -> dict[str, object] | None:
    """The values of an entry, None unless the intent is whole."""
    values: dict[str, object] = {}
    for line in data.split(b"\n"):
        try:
            more = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            break
        if not isinstance(more, dict):
            break
        values.update(more)
    try:
        float(str(values["created_at"]))
        whole = all(isinstance(values[key], str) for key in ("title", "endpoint", "identity"))
    except (KeyError, ValueError):
        return None
    return values if whole else None
