"""The life of one object in OpenStack's object store: make a container, store, list, read back, compare, remove.

Whatever happens, both go: time for that is reserved, and the journal knows of the container before the request that
makes it. Nothing is deleted but the object of our name in the container of our title, which no other one has.
"""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.checks.removal import (
    describe_untried,
    left_beside,
    remove_despite_signals,
    report_unattended,
    retry_pause,
)
from libprobe.clients.refusals import LoginRefused, Refusal, certainly_not_created, is_final
from libprobe.clients.swift import KIND, ContainerNotEmpty, Swift
from libprobe.deadline import Interrupted, OutOfTime, working_seconds
from libprobe.failures import WARNING, Asked, BadData, EndpointFailure, Failure, Misconfigured, NoAnswer, OwnMachine
from libprobe.formats.address import host_port_of
from libprobe.text import duration, number_of, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from libprobe.deadline import Deadline
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OpenStackAccess
    from libprobe.targets.topology import CloudEndpoint

OBJECT = "probe"
"""The name of the object; what bears another one is not ours."""

PIECE = 64 << 10
LEFTOVERS_SHARE = 0.3
"""Part of the working time that may go into removing what earlier runs left."""

PATIENCE_S = 10.0
"""How long a container may lack an object that was stored, and how long a deletion that is refused is tried again."""

SAYS_NOT_MADE = frozenset({400, 401, 403, 405, 411, 412, 413})
"""Refusals that say that there is no container, which is looked into once: a gateway may say so of what it let through.

A 404 is none of them: Swift says so while its disks fail.
"""

DISKS = "it had just made the container, so its disks may fail"


class GeneratedContent:
    """Bytes made of a seed, piece by piece: however many, memory holds one piece. Each piece is another.

    digest: the MD5 of all of them, once they were gone through.
    """

    def __init__(self, seed: bytes, length: int) -> None:
        import hashlib

        self._block = hashlib.shake_128(seed).digest(PIECE - 8)
        self._length = length
        self.digest = ""

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        import hashlib

        md5 = hashlib.md5(usedforsecurity=False)
        for piece in self._pieces():
            md5.update(piece)
            yield piece
        self.digest = md5.hexdigest()

    def _pieces(self) -> Iterator[bytes]:
        for at in range(0, self._length, PIECE):
            yield (at.to_bytes(8, "big") + self._block)[: self._length - at]

    def difference(self, chunks: Iterable[bytes]) -> int | None:
        """Where other bytes begin to differ from these, which may be at the end of either; None if nowhere."""
        pieces, expected, at = self._pieces(), b"", 0
        for chunk in chunks:
            while len(expected) < len(chunk) and (piece := next(pieces, b"")):
                expected += piece
            if expected[: len(chunk)] != chunk:
                pairs = zip(expected, chunk, strict=False)
                return at + next((place for place, (one, other) in enumerate(pairs) if one != other), len(expected))
            expected, at = expected[len(chunk) :], at + len(chunk)
        return None if at == self._length else at


class ObjectStore(Check):
    """Stores an object in each region, reads it back, removes it.

    wanted: bytes of the object. region: the only one that is tried; empty for all.
    Yields: time_to_login, time_to_put, time_to_get, time_to_delete (s, of the slowest region), size (B), judgements.
    """

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OpenStackAccess,
        journal: Journal,
        deadline: Deadline,
        *,
        wanted: int,
        region: str,
    ) -> None:
        super().__init__(deadline)
        self.subject = endpoint.base
        self.facts.update(endpoint=endpoint.base, size=size(wanted), notes="")
        self.caveats = endpoint.notes
        self._endpoint = endpoint
        self._access = access
        self._cloud = access.cloud
        self._journal = journal
        self._wanted = wanted
        self._region = region
        self._metrics: list[Metric] = []
        self._slowest: dict[str, float] = {}
        self._notes = list(endpoint.notes)
        self._reported: set[str] = set()

    def measure(self) -> Iterator[Metric]:
        """All regions, one after the other; nothing is yielded before all is removed, for a reader may stop reading."""
        work = self.deadline.earlier_by(self.deadline.seconds - working_seconds(self.deadline.seconds))
        try:
            with work.enforced(), self._cloud.http.using_deadline(work):
                stores = self._stores()
        except Failure:
            yield from self._metrics
            raise
        ended = None
        for number, store in enumerate(stores):
            until = self.deadline.share(len(stores) - number)
            share = until.remaining()
            ended = self._try_region(store, until, until.earlier_by(share - working_seconds(share)))
            if ended:
                break
        self._notes += report_unattended(self._journal, self._reported, self.detail)
        for label, seconds in self._slowest.items():
            self.facts[label] = duration(seconds)
            context = label if label in ("time_to_put", "time_to_get") else "time"
            self._metrics.append(Metric(label, seconds, "s", min=0, context=context))
        self._metrics.append(Metric("size", self._wanted, "B", min=0))
        if self._notes:
            self.facts["notes"] = "; " + "; ".join(self._notes)
        yield from self._metrics
        if ended:
            raise ended

    def _stores(self) -> list[Swift]:
        """Log in, and find the object store of each region. Raises: Failure."""
        self._cloud.log_in()
        scope = self._cloud.scope
        self._metrics.append(Metric("time_to_login", self._cloud.login_s, "s", min=0))
        self.facts["project"] = scope.project
        self._metrics.extend(self.judge_project(self._cloud.caveat))
        self.detail(1, f"endpoint: {self._endpoint.describe()}")
        self.detail(1, f"catalogue: {scope.describe()}")
        self.detail(2, self._access.describe_actor())
        regions = self._cloud.regions(KIND, chosen=self._region)
        self.facts["regions"] = " and ".join(regions)
        return [Swift(self._cloud.service(KIND, region)) for region in regions]

    def _try_region(self, store: Swift, until: Deadline, work: Deadline) -> BaseException | None:
        """One region. A failure becomes a result; what else ends it is returned, for cleaning comes first."""
        self.detail(1, f"object store of {store.region}: {store.base}")
        try:
            with work.enforced(), self._cloud.http.using_deadline(work):
                self._remove_leftovers(store, work)
                entry = self._journal.begin(store.base, self._owner(), self._endpoint.site, self._endpoint.base)
        except Failure as failure:
            self._note_failure(failure)
            return None
        except OutOfTime:
            self._metrics.append(outcome_metric(*self.out_of_time(host_port_of(store.base))))
            return None
        except (Interrupted, Exception) as end:
            return end
        life = _TestContainer(store, entry)
        ended = self._store_and_read(life, work)
        return self._clean_up(life, until) or ended

    def _owner(self) -> str:
        """Return the owner as the journal has it: containers belong to the project, whoever of it made them."""
        return f"project {self._cloud.scope.project}"

    # ---- what earlier runs have left

    def _remove_leftovers(self, store: Swift, work: Deadline) -> None:
        """Remove what earlier runs of this monitor left in this account; what stays is a WARNING, no more.

        Each has its share of the time: one that stays whatever is asked must not keep the others from being removed.
        """
        until = work.earlier_by(max(0.0, work.remaining() - work.remaining() * LEFTOVERS_SHARE))
        removed = 0
        untried: list[str] = []
        left = self._journal.leftovers(store.base, self._owner())
        for number, entry in enumerate(left):
            self._reported.add(entry.title)
            entry.note_attended()
            soon = until.share(len(left) - number)
            if until.has_passed():
                untried.append(entry.title)
                entry.release()
                continue
            try:
                with self._cloud.http.using_deadline(soon):
                    if remove_container(store, entry.title, soon):
                        removed += 1
                        self._forget(entry)
                    else:
                        self._note_absent(entry)
            except Failure as failure:
                self.tell(failure)
                said = f"container of an earlier run not removed: {failure.sentence}"
                self._metrics.append(outcome_metric(WARNING, f"{said} ({entry.title}; next run retries)"))
            finally:
                entry.release()
        if untried:
            self._metrics.append(outcome_metric(WARNING, describe_untried(untried, self._journal.thing)))
        if removed:
            self._notes.append(f"removed {number_of(removed, 'container')} that an earlier run had left")

    def _note_absent(self, entry: JournalEntry) -> None:
        """A container that is not there may come yet, or be there once the disks work again: it is looked for again."""
        entry.note_not_found()
        if entry.is_forgotten(time.time()):
            self._forget(entry)

    def _forget(self, entry: JournalEntry) -> None:
        """It is gone; a journal that cannot be told so is another matter, which must not hide this one."""
        try:
            entry.forget()
        except Misconfigured as failure:
            self._metrics.append(self.failed(failure, f"container {entry.title} is gone all the same", status=WARNING))

    # ---- the life

    def _store_and_read(self, life: _TestContainer, work: Deadline) -> BaseException | None:
        """Store, list and read back. A failure becomes a result; what else ends it is returned."""
        content = GeneratedContent(life.entry.title.encode(), self._wanted)
        try:
            with work.enforced(), self._cloud.http.using_deadline(work):
                began = time.monotonic()
                self._store(life, content)
                self._note_time("time_to_put", began)
                self._expect_listed(life, content, work)
                began = time.monotonic()
                self._read_back(life, content)
                self._note_time("time_to_get", began)
        except Failure as failure:
            if life.is_made and isinstance(failure, Refusal) and failure.http_status == 404:
                failure.add(DISKS)
            self._note_failure(failure)
        except OutOfTime:
            self._metrics.append(outcome_metric(*self.out_of_time(life.asked.place)))
        except (Interrupted, Exception) as ended:
            return ended
        return None

    def _store(self, life: _TestContainer, content: GeneratedContent) -> None:
        life.is_asked_for = True
        try:
            life.store.create_container(life.title)
        except Failure as failure:
            life.is_asked_for = not certainly_not_created(failure)
            life.is_refused = isinstance(failure, Refusal) and failure.http_status in SAYS_NOT_MADE
            raise
        life.is_made = True
        self.detail(1, f"container: {life.title}")
        etag = life.store.put_object(life.title, OBJECT, content)
        if etag and etag != content.digest:
            told = f"stored with the ETag {etag}; the MD5 of what was sent is {content.digest}"
            raise BadData("object stored with another MD5 than was sent", of=life.asked, more=[told])

    def _expect_listed(self, life: _TestContainer, content: GeneratedContent, work: Deadline) -> None:
        """A listing may come later than the object; one that is wrong, or does not come, is told."""
        began = time.monotonic()
        while True:
            found = next((each for each in life.store.list_objects(life.title) if each.name == OBJECT), None)
            if found:
                break
            passed = time.monotonic() - began
            pause = retry_pause(passed)
            if passed >= PATIENCE_S or work.remaining() <= pause:
                said = (
                    f"object not in the container's list {duration(passed)} after it was stored on {life.asked.place}"
                )
                self._metrics.append(outcome_metric(WARNING, said))
                return
            work.sleep(pause)
        if found.bytes not in (None, len(content)):
            raise BadData(f"object listed with {found.bytes} bytes instead of {len(content)}", of=life.asked)
        if found.hash and found.hash != content.digest:
            told = f"listed with the hash {found.hash[:40]}; the MD5 of what was sent is {content.digest}"
            raise BadData("object listed with another MD5 than was sent", of=life.asked, more=[told])

    def _read_back(self, life: _TestContainer, content: GeneratedContent) -> None:
        digest = content.digest
        with life.store.read_object(life.title, OBJECT, len(content)) as answer:
            if answer.etag and answer.etag != digest:
                told = f"it has the ETag {answer.etag}; the MD5 of what was stored is {digest}"
                raise BadData("object with another MD5 than was stored", of=answer.asked, link="from", more=[told])
            at = content.difference(answer.chunks)
        if at is not None:
            said = f"other bytes than were stored, from byte {at} of {len(content)} on,"
            raise BadData(said, of=answer.asked, link="from")

    def _note_time(self, label: str, began: float) -> None:
        self._slowest[label] = max(self._slowest.get(label, 0.0), time.monotonic() - began)

    def _note_failure(self, failure: Failure) -> None:
        caveats = self.caveats if isinstance(failure, EndpointFailure) else ()
        self._metrics.append(self.failed(failure, *caveats))

    # ---- the end

    def _clean_up(self, life: _TestContainer, until: Deadline) -> Interrupted | None:
        """Remove the object and its container; returns the signal that came meanwhile, if any."""
        interrupt = remove_despite_signals(
            lambda: self._clean(life, until), lambda why: self._note_left(life, why), until, self._cloud.http
        )
        life.entry.release()
        return interrupt

    def _clean(self, life: _TestContainer, until: Deadline) -> None:
        if not life.is_asked_for:
            self._forget(life.entry)
        if life.entry.is_done:
            return
        if life.is_refused:
            self._clean_refused(life, until)
            return
        began = time.monotonic()
        if remove_container(life.store, life.title, until):
            if life.is_made:
                self._note_time("time_to_delete", began)
            self._forget(life.entry)
        elif life.is_made:
            self._note_absent(life.entry)
            self._note_left(life, Failure("it is said not to be there (404)"))
        else:
            self._note_absent(life.entry)
            self.detail(1, f"no container {life.title} to be found; later runs go on looking for it")

    def _clean_refused(self, life: _TestContainer, until: Deadline) -> None:
        """Remove what was made although the store said that it was not; a store that refuses to list it is believed."""
        try:
            if remove_container(life.store, life.title, until):
                said = f"container {life.title} made that was refused, on {life.asked.place}; it was removed"
                self._metrics.append(outcome_metric(WARNING, said))
        except EndpointFailure as failure:
            if not is_final(failure):
                self.detail(1, f"whether {life.title} was made all the same was not to be seen: {failure}")
                return  # the next run looks
        self._forget(life.entry)

    def _note_left(self, life: _TestContainer, failure: Failure) -> None:
        self.tell(failure)
        said = f"container not removed: {failure.sentence} ({life.title}; next run retries)"
        beside = left_beside("container not removed", failure, life.title) if life.is_made else ()
        self._metrics.append(outcome_metric(WARNING, said, beside=beside))


class _TestContainer:
    """One container of this run.

    is_asked_for: whether its request may have arrived. is_made, is_refused: whether it was granted, or refused in words
    that say that there is none.
    """

    def __init__(self, store: Swift, entry: JournalEntry) -> None:
        self.store = store
        self.entry = entry
        self.title = entry.title
        self.asked = Asked(host_port_of(store.base), f"{store.base}/{entry.title}/{OBJECT}")
        self.is_asked_for = False
        self.is_made = False
        self.is_refused = False


def _delete_object(store: Swift, title: str, until: Deadline) -> None:
    """Remove our object. Where its storage servers fail, and the container lists nothing, it was never stored.

    Raises: Failure when it stays.
    """
    try:
        with store.using_deadline(until.earlier_by(until.remaining() / 2)):
            store.delete(title, OBJECT)
    except LoginRefused:
        raise
    except EndpointFailure:
        if store.list_objects(title):
            raise


def _is_container_seen(store: Swift, title: str) -> bool:
    """Whether a container is seen that was deleted; where it cannot be seen, its deletion is believed."""
    try:
        return store.has_container(title)
    except EndpointFailure:
        return False


def remove_container(store: Swift, title: str, until: Deadline) -> bool:
    """Remove our object and our container; what may pass is tried again. Returns whether the container was there.

    Raises: Failure when it stays, also where its deletion was answered with success.
    """
    began = time.monotonic()
    was_there = False
    refusal: EndpointFailure | None = None
    while True:
        try:
            _delete_object(store, title, until)
            was_there = store.delete(title) or was_there
            if not was_there or not _is_container_seen(store, title):
                return was_there
            asked = Asked(host_port_of(store.base), f"{store.base}/{title}")
            refusal = EndpointFailure("container is there after it was deleted", of=asked)
        except LoginRefused:
            raise
        except ContainerNotEmpty as failure:
            others = [each.name for each in store.list_objects(title) if each.name != OBJECT]
            if others:
                failure.add(f"it has objects that are not ours: {', '.join(others[:3])}")
                raise
            refusal = failure
        except EndpointFailure as failure:
            if refusal is None or not isinstance(failure, NoAnswer):
                refusal = failure  # else one more try was cut off: what the store said before it tells more
        except OwnMachine:
            if refusal is None:
                raise
            raise refusal from None  # what the store said last, and not that no time was left to ask it once more
        passed = time.monotonic() - began
        pause = max(retry_pause(passed), refusal.pause_s)
        if passed >= PATIENCE_S or until.remaining() <= pause:
            raise refusal
        until.sleep(pause)
