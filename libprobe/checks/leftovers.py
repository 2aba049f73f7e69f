"""What fedcloud-leftovers does: tell what earlier runs left, have it removed as `removal.py` does, or forget it."""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.checks.removal import KeypairLeft, Remover, describe_location, is_owned, not_visible, owner_name
from libprobe.failures import WARNING, EndpointFailure, Failure, Misconfigured
from libprobe.state.journal import OCCI_SUFFIXES, SUFFIX, VOLUME_SUFFIX
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from libprobe.deadline import Deadline
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OcciAccess, OpenStackAccess

UNKNOWN_KEYSTONE = "noted by an earlier version without its Keystone; name that with --instead-at"
NOT_VISIBLE = "not visible; if it was never made, the next runs forget it"


class Leftovers(Check):
    """What the journals know of VMs, volumes and containers that runs have left, and their outcome when that was asked.

    journals: one of each kind, of one directory.
    title, endpoint: only what has that title, only what was noted at that URL, or with it as its Keystone's; empty for
    all. Yields: leftovers, oldest_age (s), and a judgement for each that could not be removed.
    """

    def __init__(self, journals: Sequence[Journal], deadline: Deadline, *, title: str = "", endpoint: str = "") -> None:
        super().__init__(deadline)
        self.subject = f"the journal in {journals[0].path}"
        self._journals = journals
        self._title = title
        self._endpoint = endpoint.rstrip("/")

    def measure(self) -> Iterator[Metric]:
        left: list[JournalEntry] = []
        for entry in self._chosen():
            left.append(entry)
            entry.release()
        yield from self._report([(entry, "") for entry in left])

    def _chosen(self) -> Iterator[JournalEntry]:
        """The entries that are meant, locked for us. Raises: Misconfigured for a title that none has."""
        found = 0
        for journal in self._journals:
            for entry in journal.entries():
                if self._is_meant(entry):
                    found += 1
                    yield entry
                else:
                    entry.release()
        place = self.place_meant
        if not found and (self._title or place):
            which = " ".join(filter(None, (self._title, place and f"at {place}")))
            raise Misconfigured(
                f"no VM, volume or container {which} in {self.subject}",
                remedy=f"see what it has without {self.selected_by}",
            )

    selected_by = "--title or --at"

    @property
    def place_meant(self) -> str:
        """The URL that limits which are meant; empty where none does."""
        return self._endpoint

    def _is_meant(self, entry: JournalEntry) -> bool:
        is_there = not self._endpoint or self._endpoint in (entry.endpoint, entry.keystone.rstrip("/"))
        return is_there and self._title in ("", entry.title)

    def _report(self, left: list[tuple[JournalEntry, str]]) -> Iterator[Metric]:
        """Name each that is left, the oldest first, with its outcome."""
        now = time.time()
        left.sort(key=lambda each: each[0].created_at)
        for entry, outcome in left:
            self.detail(
                0, f"{describe_location(entry, now)}{_describe_searches(entry, now)}{f': {outcome}' if outcome else ''}"
            )
        at_work = [journal.thing for journal in self._journals for _ in range(journal.at_work)]
        if at_work:
            self.detail(0, f"and {_counted(at_work)} of checks that are running")
        for journal in self._journals:
            for name in journal.set_aside():
                self.detail(0, f"damaged, so its {journal.thing} is unknown: {journal.path}/{name}")
        oldest = max(0.0, now - left[0][0].created_at) if left else 0.0
        self.facts["left"] = (
            f"{_counted([entry.thing for entry, _ in left])} left, the oldest asked for {duration(oldest)} ago"
            if left
            else "nothing is left"
        )
        yield Metric("leftovers", len(left), min=0, context="count")
        yield Metric("oldest_age", oldest, "s", min=0)


class RemoveLeftovers(Leftovers):
    """Removes what was left, each as whom we are today, at the endpoint where it was noted or at another.

    access, cloud: as whom, for the base URL of an OCCI endpoint, and for that of a Keystone; asked for when there is
    something to remove. instead: the base URL where all of them are looked for; empty: where each was noted.
    configured: the one Keystone that `cloud` logs in to, where a file says which; then nothing of OCCI is meant, and
    without `endpoint` only what was noted with that Keystone.
    """

    def __init__(
        self,
        journals: Sequence[Journal],
        deadline: Deadline,
        access: Callable[[str], OcciAccess],
        cloud: Callable[[str], OpenStackAccess],
        *,
        title: str = "",
        endpoint: str = "",
        instead: str = "",
        configured: str = "",
    ) -> None:
        super().__init__(journals, deadline, title=title, endpoint=endpoint)
        self._access = access
        self._cloud = cloud
        self._listed_instead = instead.rstrip("/")
        self._configured = configured.rstrip("/")
        self._root = _without_version(configured)
        if configured:
            self.selected_by = "--title, --at or --cloud"
        self._only_keys: set[str] = set()

    @property
    def place_meant(self) -> str:
        return self._endpoint or self._configured

    def _is_meant(self, entry: JournalEntry) -> bool:
        if self._configured and entry.kind in OCCI_SUFFIXES:
            return False
        if self._configured and not self._endpoint and _without_version(entry.keystone) != self._root:
            return False
        return super()._is_meant(entry)

    def measure(self) -> Iterator[Metric]:
        by_place: dict[tuple[bool, str], list[JournalEntry]] = {}
        for entry in self._chosen():
            is_occi = entry.kind in OCCI_SUFFIXES
            named = self._listed_instead or self._configured
            by_place.setdefault((is_occi, named or (entry.endpoint if is_occi else entry.keystone)), []).append(entry)
        left: list[tuple[JournalEntry, str]] = []
        stay: list[str] = []
        for number, ((is_occi, place), entries) in enumerate(by_place.items()):
            until = self.deadline.share(len(by_place) - number)
            remove = self._remove if is_occi else self._remove_from_cloud
            try:
                for entry, outcome in remove(place, entries, until):
                    entry.release()
                    if outcome:
                        is_key = entry.title in self._only_keys
                        left.append((entry, f"VM gone, its keypair is not: {outcome}" if is_key else outcome))
                        stay.append(f"{'keypair' if is_key else entry.thing} not removed: {outcome} ({entry.title})")
            except Failure:  # ours, and so the same at each of them
                yield from self._report([(entry, "") for found in by_place.values() for entry in found])
                raise
        yield from self._report(left)
        for sentence in stay:
            yield outcome_metric(WARNING, sentence)

    def _remove(
        self, endpoint: str, entries: list[JournalEntry], until: Deadline
    ) -> Iterator[tuple[JournalEntry, str]]:
        """Each entry with why what it is of stays, empty where that is gone."""
        try:
            access = self._access(endpoint)
            with access.client.using_deadline(until):
                access.client.query()
        except EndpointFailure as failure:
            yield from ((entry, failure.sentence) for entry in entries)
            return
        owner = (access.identity, access.client.user, access.client.project, access.client.project_id)
        removers = {
            SUFFIX: Remover(access.client, endpoint, lambda entry: entry.forget()),
            VOLUME_SUFFIX: Remover(access.client.volumes(), endpoint, lambda entry: entry.forget(), thing="volume"),
        }
        for entry in entries:
            try:
                yield entry, self._try_to_remove(removers[entry.kind], entry, owner, until)
            except Failure as failure:
                yield entry, failure.sentence

    def _remove_from_cloud(
        self, keystone: str, entries: list[JournalEntry], until: Deadline
    ) -> Iterator[tuple[JournalEntry, str]]:
        """Likewise, through a Keystone."""
        from libprobe.checks.cloud_leftovers import CloudRemover

        if not keystone:
            yield from ((entry, UNKNOWN_KEYSTONE) for entry in entries)
            return
        access = self._cloud(keystone)
        try:
            with access.cloud.http.using_deadline(until):
                access.cloud.log_in()
        except EndpointFailure as failure:
            yield from ((entry, failure.sentence) for entry in entries)
            return
        remover = CloudRemover(access)
        for entry in entries:
            where = describe_location(entry, time.time())
            try:
                was_there = remover.remove(entry, until)
            except Failure as failure:
                if isinstance(failure, KeypairLeft):
                    self._only_keys.add(entry.title)
                yield entry, failure.sentence
                continue
            if was_there or entry.is_done:
                self.detail(0, f"{'removed' if was_there else 'was gone already'}: {where}")
            yield entry, "" if was_there or entry.is_done else NOT_VISIBLE

    def _try_to_remove(
        self, remover: Remover, entry: JournalEntry, owner: tuple[str, str, str, str], until: Deadline
    ) -> str:
        """owner: our identity, as `is_owned` takes it. Returns why it stays, empty where it is gone."""
        where = describe_location(entry, time.time())
        is_owner = not self._listed_instead and is_owned(entry, *owner)
        if is_owner:
            was_there = remover.remove(entry, until)
        else:
            was_there = remover.remove_by_title(entry, until, noted_path=not self._listed_instead)
        if was_there or entry.is_done:
            self.detail(0, f"{'removed' if was_there else 'was gone already'}: {where}")
            return ""
        return NOT_VISIBLE if is_owner else not_visible(entry, owner_name(*owner[:3]), owner[3]).sentence


class ForgetLeftovers(Leftovers):
    """Forgets a VM, a volume or a container without asking anybody: somebody has seen to it."""

    def measure(self) -> Iterator[Metric]:
        for entry in self._chosen():
            self.detail(0, f"forgotten: {describe_location(entry, time.time())}")
            entry.forget()
        yield from self._report([])


def _without_version(keystone: str) -> str:
    """The URL of a Keystone as it is with and without the version and the slash that people write at its end."""
    return keystone.rstrip("/").removesuffix("/v3")


def _counted(things: Sequence[str]) -> str:
    """`2 VMs and 1 container`."""
    return " and ".join(number_of(things.count(thing), thing) for thing in dict.fromkeys(things))


def _describe_searches(entry: JournalEntry, now: float) -> str:
    looks = f", not found by {number_of(entry.looks, 'run')}" if entry.looks else ""
    looks += ", of which only the keypair is left" if entry.is_only_key else ""
    if entry.is_unattended(now):
        return f"{looks}; no run has looked after it for {duration(abs(now - entry.attended_at))}"
    return looks
