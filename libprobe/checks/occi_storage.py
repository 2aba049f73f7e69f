"""The life of a virtual machine at an OCCI endpoint with a volume: created, attached, detached and removed.

A volume is OCCI's storage resource (GFD.184 section 3.3), attached by a storagelink. It has an entry and a title of its
own in the journal. The link needs none: a cloud removes it with its VM. What the servers answer: ooi 1.2.0's and
rOCCI-server 2.0's code.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress

from nagiosplugin import Metric

from libprobe.checks.base import outcome_metric
from libprobe.checks.compute import PATIENCE_S
from libprobe.checks.occi_vm import FAILED_STATES, ComputeLifeCycle
from libprobe.checks.removal import Remover, retry_pause
from libprobe.clients.refusals import Refusal
from libprobe.failures import WARNING, Asked, BadData, EndpointFailure, Failure, Misconfigured, NoAnswer, Rejected
from libprobe.formats.error_text import in_short
from libprobe.formats.occi import vocabulary as occi
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.checks.occi_vm import Contextualisation
    from libprobe.clients.machines import VirtualMachine
    from libprobe.clients.occi import OcciClient
    from libprobe.deadline import Deadline
    from libprobe.formats.occi.entity import Entity
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OcciAccess
    from libprobe.targets.topology import CloudEndpoint

NEEDED = {"storage": occi.STORAGE, "storagelink": occi.STORAGE_LINK}
"""The kinds that have to be offered, by the names that check_occi_context calls them."""

BROKEN_STATES = FAILED_STATES | {"degraded"}
"""rOCCI-server calls an image of OpenNebula degraded that is in ERROR."""

DETACH_S = 60.0
"""How long a detachment is asked for and waited for; what stays attached goes with the VM."""

VOLUME_SHARE = 1 / 3
"""Part of the working time that must be left when the VM is active, for a late volume to count against the site."""

KIND = "volume"
"""For what is remembered of the run before."""

_IS_MADE_STILL = re.compile(r"\b(creating|locked|not (yet )?available|must be available|reserve)", re.IGNORECASE)
_HAS_FAILED = re.compile(r"\b(currently in|status is|state) ['\"]?error", re.IGNORECASE)


class StorageLifeCycle(ComputeLifeCycle):
    """The life of a VM that gets a volume once it is active.

    Yields beside what the life of any VM does: time_to_attach (s, since the request of the link that was accepted).
    """

    needs_active_vm = True

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OcciAccess,
        journal: Journal,
        deadline: Deadline,
        wanted: Contextualisation,
        size_gib: int,
    ) -> None:
        super().__init__(endpoint, access, journal, deadline, wanted)
        self._size_gib = size_gib
        self._volume_entry: JournalEntry | None = None
        self._links: OcciClient | None = None
        self._machine_path = ""
        self._link_path = ""  # of the link once it was seen to be ours

    def prepare(self) -> None:
        """Both kinds have to be offered: what was asked for cannot be done without them."""
        kinds = {kind.id for kind in self._model.kinds}
        absent = [name for name, identifier in NEEDED.items() if identifier not in kinds]
        if absent:
            raise BadData(f"not offered: {' or '.join(absent)}", of=self.asked, link=", on")
        super().prepare()

    def entries_beside(self) -> Sequence[JournalEntry]:
        return [self._volume_entry] if self._volume_entry else []

    def duplicates(self) -> Iterator[tuple[str, int]]:
        yield from super().duplicates()
        if self._volume_remover.duplicates:
            yield self._volume_journal.thing, self._volume_remover.duplicates

    def examine(self, path: str, entity: VirtualMachine) -> Iterator[Metric]:
        """Create a volume, attach it to the active VM, and detach it again; its removal is that of the run."""
        yield from super().examine(path, entity)
        self._machine_path = path
        left = self._work_deadline.remaining()
        is_early = left >= self._work_deadline.seconds * VOLUME_SHARE
        try:
            volume = self._create_volume()
            began = time.monotonic()
            self._await(self._volumes, volume, "online", "volume", began)
            links = self._links = self._occi.links()
            link_path, began = self._attach(links, path, volume)
            link = self._await(links, link_path, "active", "volume link", began)
        except _Late as late:
            if is_early:
                yield outcome_metric(*self.judge_repeated(KIND, str(late), late.seconds))
            else:
                yield self._unproven_metric(str(late), left)
            return
        except NoAnswer as failure:
            if is_early:
                raise
            self.tell(failure)
            yield self._unproven_metric(failure.sentence, left)
            return
        seconds = time.monotonic() - began
        yield Metric("time_to_attach", seconds, "s", min=0, context="time")
        size = f"volume of {number_of(self._size_gib, 'GiB', 'GiB')}"
        self.facts["volume"] = f", {size} attached in {duration(seconds)}"
        device = str(link.attributes.get("occi.storagelink.deviceid", "")) or "not told"
        self.detail(1, f"volume attached: {link_path}, device {device}")
        with suppress(Misconfigured):  # then the next late run is judged as the second, and says since when
            self._journal.failed_runs.clear(KIND, self.subject)
        yield from self._detach(links, link)

    def _unproven_metric(self, said: str, left: float) -> Metric:
        """Return the result of a volume whose VM took the time: neither seen to work nor the fault of what makes it.

        left: seconds that the VM had left for it.
        """
        why = f"VM active so late that {duration(left)} were left for the volume"
        return outcome_metric(WARNING, f"{said}; {why} (raise -t to wait longer)")

    # ---- the volume

    def _create_volume(self) -> str:
        """Have the volume made; returns its path. Raises: Failure."""
        self._volumes.expect_listing()  # ooi without Cinder answers 500 here; then nothing is asked for nor noted
        entry = self.begin_entry(self._volume_journal)
        self._volume_entry = entry
        self._requested.add(entry.title)
        given = {occi.ID: entry.title, occi.TITLE: entry.title, occi.STORAGE_SIZE: str(self._size_gib)}
        try:
            path = self._volumes.create([(occi.STORAGE, occi.KIND)], given)
        except Failure as failure:
            self.note_refusal(entry, failure)
            raise
        path = path or self._volumes.find(entry.title)
        if path is None:
            raise BadData("volume accepted, but it is neither said where it is nor listed", of=self.asked, link="by")
        self._note_path(entry, path)
        return path

    def _attach(self, links: OcciClient, machine: str, volume: str) -> tuple[str, float]:
        """Ask for the link until the volume can be attached; returns its path, and when it was asked for at last.

        Raises: Failure, _Late.

        ooi shows every volume as online, also one that Cinder is still making, and refuses the link until that is done.
        Ends are named by their paths: ooi refuses a URL whose host is not the one it thinks it has.
        """
        assert self._volume_entry
        name = self._volume_entry.title
        given = {occi.ID: name, occi.SOURCE: machine, occi.TARGET: volume}
        began = time.monotonic()
        last: Refusal | None = None
        while True:
            asked_at = time.monotonic()
            try:
                path = links.create([(occi.STORAGE_LINK, occi.KIND)], given)
                break
            except Refusal as refusal:
                said = refusal.error_text
                if refusal.http_status not in (400, 409) or _HAS_FAILED.search(said) or not _IS_MADE_STILL.search(said):
                    raise
                last, passed = refusal, time.monotonic() - began
                pause = max(retry_pause(passed), refusal.pause_s)
                if self._work_deadline.remaining() <= pause:
                    raise self._late_to_attach(last, passed) from None
            except NoAnswer:
                if last and self._work_deadline.has_passed():  # the last try was only cut off
                    raise self._late_to_attach(last, time.monotonic() - began) from None
                raise
            self._work_deadline.sleep(pause)
        return path or self._link_of(links, machine, volume), asked_at

    def _late_to_attach(self, refusal: Refusal, seconds: float) -> _Late:
        self.tell(refusal)
        self.detail(1, f"the volume could not be attached yet: {refusal.error_text or refusal.http_status}")
        said = f"volume not ready to be attached after {duration(seconds)} on {self.place}, given up"
        return _Late(said, seconds)

    def _link_of(self, links: OcciClient, machine: str, volume: str) -> str:
        """The path of the link as the VM shows it. Raises: Failure."""
        entity = self._occi.show(machine)
        for link in entity.links if entity else ():
            with suppress(BadData):  # what a server gives as the end of another link
                if link.location and self._volumes.own_path(link.target) == volume:
                    return links.own_path(link.location)
        raise BadData("volume link accepted, but it is not said where it is", of=self.asked, link="by")

    def _await(self, client: OcciClient, path: str, wanted: str, what: str, began: float) -> Entity:
        """Poll until it is in the state that is wanted, or is shown without any state, as a link by ooi.

        Raises: Failure; _Late where that takes longer than the run.
        """
        trouble_since: float | None = None
        state = ""
        while True:
            polled = time.monotonic() - began
            entity, trouble = self._look(client, path, what)
            now = time.monotonic() - began
            pause = retry_pause(now)
            if entity:
                trouble_since, state = None, entity.state
                if client is self._volumes:
                    self._expect_own_volume(entity)
                else:
                    self._expect_own_link(path, entity)
                if state in ("", wanted):
                    return entity
                if state in BROKEN_STATES:
                    raise self._broken_failure(entity, wanted, what)
            elif trouble:
                trouble_since = polled if trouble_since is None else trouble_since
                if now - trouble_since >= PATIENCE_S:
                    raise trouble
                pause = max(pause, 1.0, trouble.pause_s)
            if self._work_deadline.remaining() <= pause:
                break
            self._work_deadline.sleep(pause)
        if trouble and not state:
            raise trouble
        raise _Late(f"{what} still {state} after {duration(now)} on {self.place}, given up", now)

    def _look(self, client: OcciClient, path: str, what: str) -> tuple[Entity | None, Failure | None]:
        try:
            entity = client.show(path)
        except Rejected:
            raise
        except EndpointFailure as failure:
            return None, failure
        if entity is None:
            said = f"{what} vanished after it was created (404)"
            return None, EndpointFailure(said, of=Asked(self.place, f"GET {path}"))
        return entity, None

    def _expect_own_volume(self, entity: Entity) -> None:
        """Raise BadData if the volume at our path bears another name: it is not to be attached, nor deleted."""
        entry = self._volume_entry
        if entry and entity.title and entity.title != entry.title:
            raise self._wrong_vm_failure(entry, entity.title)

    def _expect_own_link(self, path: str, entity: Entity) -> None:
        """Raise BadData if what is at the path of our link is something else; only a link that is ours may be deleted.

        A link has no title of ours, so it is known by its ends, which GFD.183 requires it to show. One that shows no
        target counts as attached, and is left to go with its VM.
        """
        assert self._machine_path and self._volume_entry and self._volume_entry.path
        self._link_path = ""
        target = str(entity.attributes.get(occi.TARGET, ""))
        source = str(entity.attributes.get(occi.SOURCE, ""))
        if entity.kind and entity.kind != occi.STORAGE_LINK:
            another = f"of kind {entity.kind.rpartition('#')[2][:60]}"
        elif target and not _leads_to(self._volumes, target, self._volume_entry.path):
            another = f"to {target[:120]}"
        elif source and not _leads_to(self._occi, source, self._machine_path):
            another = f"from {source[:120]}"
        else:
            self._link_path = path if target else ""
            return
        said = f"another volume link ({another}) given for our new one"
        raise BadData(said, of=self.asked, link="by", more=[f"the other link: {path}"])

    def _broken_failure(self, entity: Entity, wanted: str, what: str) -> EndpointFailure:
        message = (str(entity.attributes.get(f"occi.{kind}.state.message", "")) for kind in NEEDED)
        said = next((each.strip() for each in message if each.strip()), "")
        why = f': "{in_short(said)}"' if said else ", no reason told,"
        more = [f"the cloud says: {said}"] if said else []
        return EndpointFailure(
            f"{what} went into state {entity.state} instead of {wanted}{why}", of=self.asked, more=more
        )

    def _detach(self, links: OcciClient, link: Entity) -> Iterator[Metric]:
        """Remove the link and see it gone; one that stays is a WARNING, for it goes with its VM."""
        if not self._link_path:
            said = f"volume not detached: its link is shown without a target on {self.place}, so it may be another's"
            yield outcome_metric(WARNING, said)
            return
        remover = Remover(links, self.subject, lambda _: None, thing="volume link")
        left = self._work_deadline.remaining()
        until = self._work_deadline.earlier_by(max(0.0, left - DETACH_S))
        began = time.monotonic()
        try:
            # a cloud may have its own title for a link, by which its place is known not to be another's by now
            with links.using_deadline(until):
                remover.delete(self._link_path, link.title, until)
        except EndpointFailure as failure:
            self.tell(failure)
            yield outcome_metric(WARNING, f"volume not detached: {failure.sentence}")
        else:
            self._link_path = ""
            self.detail(1, f"volume detached in {duration(time.monotonic() - began)}")

    # ---- the end

    def _remove(self, entry: JournalEntry) -> None:
        """A volume whose VM could not be removed is detached first, or else it could not be removed either.

        Where the VM is gone its link is, too. The detachment leaves half of the time to the volume.
        """
        is_held = self._vm_entry and not self._vm_entry.is_done and not entry.is_done
        if entry is self._volume_entry and is_held and self._links and self._link_path:
            until = self._removal_deadline.earlier_by(self._removal_deadline.remaining() / 2)
            with suppress(EndpointFailure), self._links.using_deadline(until):
                self._links.delete(self._link_path)
        super()._remove(entry)


def _leads_to(client: OcciClient, address: str, path: str) -> bool:
    """Whether an address that the server gave is that of the client's member at a path."""
    try:
        return client.own_path(address) == path
    except BadData:
        return False


class _Late(Exception):
    """Something was not in the state that is wanted when the run had to end. seconds: how long it was waited for."""

    def __init__(self, said: str, seconds: float) -> None:
        super().__init__(said)
        self.seconds = seconds
