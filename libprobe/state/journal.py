"""What this monitor created and has not yet seen removed.

One file per VM, of OCCI or OpenStack, per volume of OCCI, or per container of an object store, written before the
create request goes out, so that even a run that is killed between sending the request and reading the answer leaves a
trace: the title, which no other one has.
The file is locked as long as its run lives. Line 1 is the intent, each later line adds to it; a line that was cut short
by a crash is ignored. The file goes when the VM is seen to be gone.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from urllib.parse import urlsplit

from libprobe.failures import Misconfigured
from libprobe.state.failed_runs import FailedRuns
from libprobe.state.files import StateDirectory, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIX, VOLUME_SUFFIX, SERVER_SUFFIX, CONTAINER_SUFFIX = ".vm", ".volume", ".server", ".container"
"""The names of the files end so, for each kind of thing that has a journal of its own."""

THINGS = {SUFFIX: "VM", VOLUME_SUFFIX: "volume", SERVER_SUFFIX: "VM", CONTAINER_SUFFIX: "container"}
"""What the things of each kind are called; a VM before the volume that may be attached to it, as they are removed."""

OCCI_SUFFIXES = frozenset({SUFFIX, VOLUME_SUFFIX})
"""The kinds of things that were made through OCCI."""

MONITOR_FILE = "monitor"
MAX_ENTRY = 64 << 10
UNSEEN_GRACE_S = 6 * 3600.0
"""How long a VM is looked for whose create request had no answer: clouds do answer late."""

UNSEEN_LOOKS = 6
"""And how often at least, by runs of their own: a clock that is set forward makes hours of an instant."""

UNATTENDED_AFTER_S = 24 * 3600.0
"""How long an entry may be without a run of its endpoint and owner until others mention it: metrics run each hour."""

_TITLE = re.compile(r"egi-sam-[a-z0-9-]{1,40}-[0-9a-f]{12}")


class JournalEntry:
    """One VM, volume or container of ours, or one that may exist.

    kind:     how the names of the files of its kind end; thing: what it is called.
    endpoint: base URL it was asked of, and site: the GOCDB's name of whose that is, empty if unknown.
    keystone: the Keystone whose catalogue has named that, empty for OCCI, and where an earlier version noted it.
    identity: who asked (DN, or kind of token and the user's id, and project).
    project_id: the project's id, for two domains may have a project of one name; empty where it is not known.
    title:    its unique title and host name.
    path:     its path at the endpoint, None while unknown.
    looks:    how many runs have looked for it and not found it.
    has_key:  a key of the same name was, or was about to be, made beside the VM; key_user: the id of whose it is, empty
              if unknown. is_only_key: the VM is gone, and the key is not, as far as is known.
    created_at, attended_at: when its VM was asked for, and when a run of its endpoint and owner last came by,
              in seconds since the epoch.
    """

    def __init__(self, directory: StateDirectory, name: str, descriptor: int, values: dict[str, object]) -> None:
        self._directory = directory
        self._name = name
        self._descriptor = descriptor
        self.kind = "." + name.rpartition(".")[2]
        self.thing = THINGS[self.kind]
        self.endpoint = str(values["endpoint"])
        keystone = values.get("keystone")
        self.keystone = keystone if isinstance(keystone, str) else ""
        self.identity = str(values["identity"])
        project_id = values.get("project_id")
        self.project_id = project_id if isinstance(project_id, str) else ""
        self.site = str(values.get("site", ""))
        self.title = str(values["title"])
        self.created_at = float(str(values["created_at"]))
        path = values.get("path")
        self.path = path if isinstance(path, str) and path else None
        looks = values.get("looks")
        self.looks = looks if isinstance(looks, int) else 0
        self.has_key = values.get("key") is True
        user = values.get("key_user")
        self.key_user = user if isinstance(user, str) else ""
        self.is_only_key = self.has_key and values.get("vm") == "gone"
        self.attended_at = os.fstat(descriptor).st_mtime
        self.is_done = False

    def is_forgotten(self, now: float) -> bool:
        """Whether a VM that was never seen need not be looked for any longer."""
        is_recent = 0 <= now - self.created_at <= UNSEEN_GRACE_S
        return self.path is None and self.looks >= UNSEEN_LOOKS and not is_recent

    def is_unattended(self, now: float) -> bool:
        """Whether no run of its endpoint and owner has come by for long: neither may be asked any more."""
        return abs(now - self.attended_at) > UNATTENDED_AFTER_S

    def is_of(self, identities: tuple[str, ...], project_id: str) -> bool:
        """Whether it is of an owner, by its names and by its project's id, where both that and ours are known."""
        return self.identity in identities and ("" in (project_id, self.project_id) or project_id == self.project_id)

    def is_owned_by(self, identity: str) -> bool:
        """Whether it was asked for by the owner of that name, in whatever project."""
        return self.identity == identity or self.identity.startswith(f"{identity} ")

    def note_attended(self) -> None:
        """Note that a run of its endpoint and owner is at work."""
        with suppress(OSError):  # of a note that cannot be made nothing depends but a mention
            os.utime(self._descriptor)

    def note_location(self, path: str) -> None:
        """Note where the VM is; an empty path: that it is not where it was thought to be."""
        self.path = path or None
        self._note({"path": path})

    def note_key(self, user: str) -> None:
        """Note that a key of the same name is about to be made beside the VM. user: whose. Raises: Misconfigured."""
        self.key_user = user
        self.has_key = self._note({"key": True, "key_user": user})
        if not self.has_key:
            raise Misconfigured("no room to note a key", place=self._directory.path, link="in")

    def note_only_key(self) -> None:
        """Note that the VM is gone, and its key is not."""
        self.is_only_key = True
        self._note({"vm": "gone"})

    def note_not_found(self) -> None:
        """Note that it was looked for and is not there."""
        self.looks += 1
        self._note({"looks": self.looks})

    def forget(self) -> None:
        """The VM is gone, or was never made: forget it. Raises: Misconfigured when it cannot be forgotten."""
        self.is_done = True
        self._directory.forget(self._name)
        self.release()

    def _note(self, more: dict[str, object]) -> bool:
        """Add a line, if there is room for it: to find the VM again the title is enough, and that is on disk."""
        size = os.fstat(self._descriptor).st_size
        try:
            write_all(self._descriptor, json.dumps(more).encode() + b"\n")
        except OSError:
            os.ftruncate(self._descriptor, size)  # half a line would hide those after it
            return False
        return True

    def release(self) -> None:
        """Leave it to the next run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Journal:
    """The entries of one state directory, which is one monitor's.

    suffix:     which kind of things, of those that `SUFFIX` and its like name; thing: what they are called.
    failed_runs:   what earlier runs had of VMs that did not become active.
    at_work:    how many entries of living runs there were when `entries` was last gone through.
    unreadable: names of entries that were found damaged and set aside.
    """

    def __init__(self, directory: StateDirectory, suffix: str = SUFFIX) -> None:
        self._directory = directory
        self._suffix = suffix
        self.thing = THINGS[suffix]
        self.path = directory.path
        self.failed_runs = FailedRuns(directory)
        self.at_work = 0
        self.unreadable: list[str] = []
        self.monitor = self._own_name()

    def of_kind(self, suffix: str) -> Journal:
        """Return the journal of another kind of things in the same directory."""
        return Journal(self._directory, suffix)

    def begin(
        self, endpoint: str, identity: str, site: str = "", keystone: str = "", project_id: str = ""
    ) -> JournalEntry:
        """Write down that a VM is about to be created; returns its entry, with a title of its own."""
        run = os.urandom(6).hex()
        title = f"egi-sam-{self.monitor}-{run}"
        values: dict[str, object] = {
            "title": title,
            "endpoint": endpoint,
            "identity": identity,
            "site": site,
            "created_at": time.time(),
        }
        if keystone:
            values["keystone"] = keystone
        if project_id:
            values["project_id"] = project_id
        name = f"{title}{self._suffix}"
        descriptor = self._directory.write_locked(name, json.dumps(values).encode() + b"\n")
        return JournalEntry(self._directory, name, descriptor, values)

    def entries(self) -> Iterator[JournalEntry]:
        """The entries of ended runs, each locked for us until it is released; those of living runs are let be.

        An entry that cannot be read is set aside, and added to `unreadable`.
        """
        self.at_work = 0
        for name in self._directory.list_names(self._suffix):
            descriptor = self._directory.open_locked(name)
            if descriptor is None:
                self.at_work += 1
                continue
            values = _parse(os.pread(descriptor, MAX_ENTRY, 0))
            if values is None or f"{values['title']}{self._suffix}" != name:
                os.close(descriptor)
                self._directory.set_aside(name)
                self.unreadable.append(name)
            else:
                yield JournalEntry(self._directory, name, descriptor, values)

    def set_aside(self) -> list[str]:
        """The names of files that could not be read as entries, of this run and of earlier ones."""
        return self._directory.list_names(f"{self._suffix}.unreadable")

    def note_at_work(self, endpoint: str, identity: str) -> None:
        """Note that a run is at work that looks after what this owner has left at an endpoint, whatever it comes to."""
        for entry in self.entries():
            if entry.endpoint == endpoint and entry.is_owned_by(identity):
                entry.note_attended()
            entry.release()

    def leftovers(self, endpoint: str, *identities: str, project_id: str = "") -> list[JournalEntry]:
        """The entries for this endpoint under this identity, or any of these, locked for us; see `JournalEntry.is_of`.

        Those of other endpoints and of other identities are let be: what we cannot see with today's credential is not
        gone. See `strays`.
        """
        found = self._entries_where(lambda entry: entry.endpoint == endpoint and entry.is_of(identities, project_id))
        self._directory.sweep(time.time())
        return found

    def strays(self, endpoint: str, site: str, *identities: str, project_id: str = "") -> list[JournalEntry]:
        """The entries, locked for us, that are this endpoint's all the same: of another identity, or another URL of it.

        identities, project_id: those that are ours, as `leftovers` was given them.

        Another URL is one of the same host, or of the same site; its own runs look after it, if there are any yet.
        """
        host = urlsplit(endpoint).hostname

        def is_stray(entry: JournalEntry) -> bool:
            if entry.endpoint == endpoint:
                return not entry.is_of(identities, project_id)
            return urlsplit(entry.endpoint).hostname == host or bool(site and entry.site == site)

        return self._entries_where(is_stray)

    def unattended(self, now: float) -> list[JournalEntry]:
        """The entries that no run has looked at for long, the oldest first; released, and only to be reported."""
        found = self._entries_where(lambda entry: entry.is_unattended(now))
        for entry in found:
            entry.release()
        return sorted(found, key=lambda entry: entry.created_at)

    def _entries_where(self, is_wanted: Callable[[JournalEntry], bool]) -> list[JournalEntry]:
        found = []
        for entry in self.entries():
            if is_wanted(entry):
                found.append(entry)
            else:
                entry.release()
        return found

    def _own_name(self) -> str:
        """This monitor's name: its host's, and a random part so that two on one host differ."""
        for attempt in range(4):
            known = self._directory.read(MONITOR_FILE, 200)
            if known and re.fullmatch(rb"[a-z0-9-]{1,40}\n", known):
                return known.decode().strip()
            if known is not None or attempt > 1:  # there is something, be it no file or too large for one
                self._directory.set_aside(MONITOR_FILE)
            host = re.sub(r"[^a-z0-9]+", "-", os.uname().nodename.partition(".")[0].lower()).strip("-")[:20]
            mine = f"{host or 'monitor'}-{os.urandom(3).hex()}\n".encode()
            try:
                os.close(self._directory.write_locked(MONITOR_FILE, mine, exclusive=True))
            except FileExistsError:
                continue  # another first run was quicker
        raise Misconfigured(f"state directory {self._directory.path}: the monitor's name cannot be kept")


def _parse(data: bytes) -> dict[str, object] | None:
    """The values of an entry, None unless the intent is whole and its title one that we give."""
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
        urlsplit(str(values["endpoint"])).hostname  # noqa: B018 - may raise
        whole = all(isinstance(values[key], str) for key in ("title", "endpoint", "identity"))
    except (KeyError, ValueError):
        return None
    return values if whole and _TITLE.fullmatch(str(values["title"])) else None
