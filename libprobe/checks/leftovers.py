"""VMs that earlier runs left: how one is removed, by whom it may be, and where it is.

Nothing is deleted that this monitor did not create: what goes bears the title that the journal has, which no other VM
has, or lies where the journal noted it and shows no name.
"""

from __future__ import annotations

import time

from libprobe.clients.occi import names
from libprobe.failures import BadData, EndpointFailure, Failure, NoAnswer
from libprobe.formats import occi
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from libprobe.clients.occi import OcciClient
    from libprobe.deadline import Deadline
    from libprobe.state.journal import Entry

FIRST_POLL_S, LONGEST_POLL_S, POLL_SHARE, YOUNG_S = 0.1, 10.0, 0.02, 20.0
"""Between polls: see `pause_after`."""

NOTHING = occi.Entity("", "", (), {}, [], "")
"""A VM of which nothing is known."""


def pause_after(seconds: float) -> float:
    """How long to wait until a cloud is asked again, so many seconds after the request that it carries out.

    A fast cloud is measured to a tenth of a second: that is the pause up to 10 s. From YOUNG_S on it is 2 % of the
    time passed, at most 10 s, so that a slow one is measured well enough and not hammered.
    """
    share = POLL_SHARE * min(1.0, seconds / YOUNG_S)
    return min(LONGEST_POLL_S, max(FIRST_POLL_S, seconds * share))


def whereabouts(entry: Entry, now: float) -> str:
    """What the journal knows of a VM: `egi-sam-x at https://host:8787 (/compute/1), asked for 3 d ago by /CN=robot`."""
    path = f" ({entry.path})" if entry.path else ""
    return (
        f"{entry.title} at {entry.endpoint}{path}, asked for {duration(max(0.0, now - entry.created_at))} ago "
        f"by {entry.identity}"
    )


class Remover:
    """Removes VMs at one endpoint, by the journal.

    subject: the endpoint, as sentences name it. forget: what is done with an entry whose VM is gone.
    """

    def __init__(self, client: OcciClient, subject: str, forget: Callable[[Entry], None]) -> None:
        self._occi = client
        self._subject = subject
        self._forget = forget

    def remove(self, entry: Entry, until: Deadline) -> bool:
        """Remove a VM as its owner; one that is not there is forgotten in the end. Returns whether it was there.

        Raises: Failure when it stays.
        """
        with self._occi.until(until):
            path = self._noted_path(entry)
            if path and not self.is_ours(path, entry.title):
                path = None  # a stranger's: the address was wrong, or is another's by now; ours is found by its title
                entry.located("")
            path = path or self._occi.find(entry.title)
            if path is None:
                entry.looked_for()
                if entry.is_forgotten(time.time()):
                    self._forget(entry)
                return False
            if entry.path != path:
                entry.located(path)
            was_there = self.delete(path, entry.title, until)
            self._forget(entry)
            return was_there

    def remove_by_title(self, entry: Entry, until: Deadline, *, noted_path: bool) -> bool:
        """Remove a VM as somebody else, or at another URL: only one that shows its title.

        noted_path: whether the path of the entry is one of this endpoint. Returns False for a VM that is not seen,
        which it may be by its owner. Raises: Failure when it stays.
        """
        with self._occi.until(until):
            path = self._noted_path(entry) if noted_path else None
            if not path or entry.title not in names(self._seen(path) or NOTHING):
                path = self._occi.find(entry.title)
            if path is None:
                return False
            self.delete(path, entry.title, until)
            self._forget(entry)
            return True

    def _noted_path(self, entry: Entry) -> str | None:
        """Where the journal says that the VM is; None for what can be no VM's path."""
        try:
            return self._occi.own_path(entry.path) if entry.path else None
        except BadData:
            return None

    def is_ours(self, path: str, title: str) -> bool:
        """Whether the VM at a path may be deleted: it bears our title, or the server shows no names."""
        called = names(self._seen(path) or NOTHING)
        return not called or title in called

    def delete(self, path: str, title: str, until: Deadline) -> bool:
        """Delete and see it gone; refusals are tried again. Returns whether it was there.

        Raises: Failure when it is still there at the end.
        """
        refusal: Failure | None = None
        accepted = False
        began = time.monotonic()
        while True:
            try:
                if not accepted:
                    if not self._occi.delete(path):
                        return refusal is not None
                    accepted = True
                entity = self._seen(path)
                if entity is None or (names(entity) and title not in names(entity)):
                    return True
            except BadData:
                raise
            except EndpointFailure as error:
                if not (refusal and isinstance(error, NoAnswer) and until.passed()):
                    refusal = error  # else the last try was only cut off: the refusal before it is the reason
            passed = time.monotonic() - began
            pause = pause_after(passed)
            if until.remaining() <= pause:
                break
            until.sleep(pause)
        if refusal and not accepted:
            raise refusal
        raise NoAnswer(f"{self._subject}: accepted to delete {path}, which is still there after {duration(passed)}")

    def _seen(self, path: str) -> occi.Entity | None:
        """The VM while it is there; an answer that cannot be read counts as there."""
        try:
            return self._occi.show(path)
        except EndpointFailure:
            return NOTHING
