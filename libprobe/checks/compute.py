"""The life of one virtual machine: remove what earlier runs left, create, wait, delete, confirm.

Whatever happens, the VM goes: time for that is reserved, and the journal knows of it before it exists.
Nothing is deleted that this monitor did not create.
"""

from __future__ import annotations

import re
import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.checks.removal import (
    TOLD_BY,
    Remover,
    describe_location,
    describe_untried,
    is_owned,
    left_beside,
    not_visible,
    owner_name,
    owner_names,
    remove_despite_signals,
    report_unattended,
    retry_pause,
)
from libprobe.clients.refusals import (
    NOT_CREATED,
    UNKNOWN_MACHINE,
    QuotaRefused,
    Refusal,
    ServerError,
    certainly_not_created,
    is_final,
    machine_names,
)
from libprobe.deadline import Interrupted, OutOfTime, working_seconds
from libprobe.failures import (
    CRITICAL,
    UNKNOWN,
    WARNING,
    Asked,
    BadData,
    EndpointFailure,
    Failure,
    Misconfigured,
    Rejected,
)
from libprobe.formats.address import host_port_of
from libprobe.formats.error_text import in_short
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from libprobe.clients.machines import ComputeClient, VirtualMachine
    from libprobe.deadline import Deadline
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OcciAccess, OpenStackAccess
    from libprobe.targets.topology import CloudEndpoint

LEFTOVERS_SHARE = 0.3
"""Part of the working time that may go into removing what earlier runs left."""

STRAYS_S = 10.0
"""Seconds of that, at most, for what was left at another URL, where perhaps nobody answers any more."""

PATIENCE_S = 10.0
"""How long polls may fail in a row (5xx, 404 of a VM just created, a lost connection) before that is the result."""

BESIDE_SHARE, BESIDE_MAX_S = 0.3, 1.5
"""Part of the time kept for cleaning that the removal of the VM leaves to that of what was made beside it; and its
seconds at most, fewer than a signal leaves to the run."""

WAKE_S = 30.0
"""How long a VM that our own question has suspended may take to be active again."""

SUSPENDED = "the VM became active as its state was asked for, was suspended by that and "
"""What is said about a VM to which our own question did so, before its outcome."""

_FAILED_BUILD = re.compile(r"(?:error|fail)[^.]{0,40}build|build[^.]{0,40}(?:error|fail)", re.IGNORECASE)


class LifeCycle(Check):
    """Creates a VM at an endpoint, waits until it is active, removes it. What is asked for and how is a subclass's.

    kind: which of the checks that do so it is, for what is remembered of the run before.
    needs_active_vm: whether more is asked of the VM once it is active.
    Yields: time_to_create, time_to_active, time_to_delete, time_total (s), and judgements.
    """

    kind = "vm"
    needs_active_vm = False
    keystone = ""
    """Through whose catalogue the endpoint was found, for the journal."""

    _client: ComputeClient
    _remover: Remover

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OcciAccess | OpenStackAccess,
        journal: Journal,
        deadline: Deadline,
        *,
        seconds: float = 0.0,
    ) -> None:
        """seconds: how many before its deadline this life may begin; 0 for all that the deadline has."""
        super().__init__(deadline)
        self.subject = endpoint.base
        self.endpoint = endpoint
        self.facts.update(endpoint=endpoint.base, notes="")
        self._identity = access.identity
        self._journal = journal
        self._metrics: list[Metric] = []
        self._asked_at = 0.0
        self._reported: set[str] = set()
        self._quota_holders: list[tuple[str, str]] = []
        self._is_confirmed_ours = False
        self._failure_suffix = ""
        self._trial_entry: JournalEntry | None = None
        self._vm_entry: JournalEntry | None = None
        self._removal_deadline = deadline
        self._requested: set[str] = set()
        self._refused: set[str] = set()
        self._suspended_after: float | None = None
        seconds = seconds or deadline.seconds
        self._work_deadline = deadline.earlier_by(seconds - working_seconds(seconds))
        self._notes = list(endpoint.notes)
        self.caveats = endpoint.notes + endpoint.caveats

    def measure(self) -> Iterator[Metric]:
        """The whole life; nothing is yielded before the VM is gone, for a reader may stop reading."""
        try:
            with self._work_deadline.enforced(), self.using_deadline(self._work_deadline):
                self.log_in()
                self._remove_leftovers()
                self.prepare()
            entry = self.begin_entry(self._journal)
        except Failure:
            yield from self._metrics
            raise
        ended = self._create_and_wait(entry)
        self._vm_entry = entry
        others = self.entries_beside()
        if others:
            kept = min(self.deadline.remaining(), self.deadline.seconds - working_seconds(self.deadline.seconds))
            self._removal_deadline = self.deadline.earlier_by(min(BESIDE_MAX_S, kept * BESIDE_SHARE))
        for each in (self._trial_entry, entry):
            if each:
                ended = self._clean_up(each) or ended
        self._removal_deadline = self.deadline
        for each in others:
            ended = self._clean_up(each) or ended
        self._metrics.append(Metric("time_total", self.deadline.elapsed(), "s", min=0, context="time"))
        for thing, duplicates in self.duplicates():
            beside = number_of(duplicates, thing)
            self._notes.append(f"removed {beside} that the cloud had made beside the one asked for, of one request")
        if self._notes:
            self.facts["notes"] = "; " + "; ".join(self._notes)
        yield from self._metrics
        if ended:
            raise ended

    @property
    def asked(self) -> Asked:
        """Whose VM it is."""
        return Asked(self.place, self.subject)

    # ---- what a subclass knows

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Let that deadline hold for what is asked in the block."""
        return self._client.using_deadline(deadline)

    def log_in(self) -> None:
        """Log in; from here on there is a client, and the subject is what the journal knows the endpoint by.

        Raises: Failure.
        """
        raise NotImplementedError

    def prepare(self) -> None:
        """Find out what the VM is to be made of. Raises: Failure."""
        raise NotImplementedError

    def request_vm(self, entry: JournalEntry) -> bool:
        """Have the VM made, by `_request`; returns whether it was asked for at all. Raises: Failure."""
        raise NotImplementedError

    def client_elsewhere(self, endpoint: str, until: Deadline) -> ComputeClient:
        """A client for the endpoint of an earlier run's VM, as the same user, logged in. Raises: Failure."""
        raise NotImplementedError

    def journals(self) -> Sequence[Journal]:
        """The journals of what earlier runs have left at this endpoint, in the order in which it is removed."""
        return (self._journal,)

    def client_of(self, entry: JournalEntry) -> ComputeClient:
        """The client for what an entry is of."""
        return self._client

    def remover_of(self, entry: JournalEntry) -> Remover:
        """Likewise what removes it."""
        return self._remover

    def client_elsewhere_of(self, entry: JournalEntry, until: Deadline) -> ComputeClient:
        """Likewise a client where it was noted, which is not here. Raises: Failure."""
        return self.client_elsewhere(entry.endpoint, until)

    def entries_beside(self) -> Sequence[JournalEntry]:
        """The entries of what this run has made beside its VM, to be removed after it."""
        return ()

    def duplicates(self) -> Iterator[tuple[str, int]]:
        """Yield what this run has removed beside what it had asked for, and how many."""
        if self._remover.duplicates:
            yield self._journal.thing, self._remover.duplicates

    def expect_alive(self, entity: VirtualMachine) -> None:
        """Raises: EndpointFailure for a VM that will never be active."""

    def investigate(self, path: str, entity: VirtualMachine, seconds: float, left: float) -> None:
        """Find out more of a VM that is not active yet.

        seconds: since the request; left: until the last poll. Raises: EndpointFailure.
        """

    def examine(self, path: str, entity: VirtualMachine) -> Iterator[Metric]:
        """Yield what more is measured of the active VM before it is removed; here nothing.

        Raises: Failure, which becomes a result beside those that were yielded before.
        """
        yield from ()

    # ---- before

    def share_requests(self, requested: set[str]) -> None:
        """Let it know the titles that the same run has asked for at other endpoints; its own come to them."""
        self._requested = requested

    def _owner(self) -> str:
        """Return the owner as the journal has it: only its VMs can be seen."""
        return owner_name(self._identity, self._client.user, self._client.project)

    def begin_entry(self, journal: Journal) -> JournalEntry:
        """Write down that this owner is about to have something made here. Raises: Misconfigured."""
        where = self.endpoint.site, self.keystone, self._client.project_id
        return journal.begin(self.subject, self._owner(), *where)

    def _owners(self) -> tuple[str, ...]:
        """Likewise with the names that earlier versions gave to the same owner."""
        return owner_names(self._identity, self._client.user, self._client.project)

    def _remove_leftovers(self) -> None:
        """Remove what earlier runs of this monitor left here; what stays is a WARNING, no more."""
        share = self._work_deadline.seconds * LEFTOVERS_SHARE
        until = self._work_deadline.earlier_by(max(0.0, self._work_deadline.remaining() - share))
        for journal in self.journals():
            removed = self._remove_own(journal, until) + self._remove_strays(journal, until)
            if removed:
                self._notes.append(f"removed {number_of(removed, journal.thing)} that an earlier run had left")
            self._notes += report_unattended(journal, self._reported, self.detail)

    def _remove_own(self, journal: Journal, until: Deadline) -> int:
        """Remove what this owner has left at this URL; returns how many were there.

        Each has its share of the time: one that stays whatever is asked must not keep the others from being removed.
        """
        removed = 0
        untried: list[str] = []
        left = journal.leftovers(self.subject, *self._owners(), project_id=self._client.project_id)
        for number, entry in enumerate(left):
            self._reported.add(entry.title)
            soon = until.share(len(left) - number)
            if until.has_passed():
                self._note_quota_holder(entry, "may still be there")
                untried.append(entry.title)
                entry.release()
                continue
            try:
                if entry.is_only_key:
                    with self.using_deadline(soon):
                        self._forget(entry)
                elif self.remover_of(entry).remove(entry, soon):
                    removed += 1
                    self._note_quota_holder(entry, "was removed only just now")
            except Failure as failure:
                self._note_quota_holder(entry, "is still there")
                self.tell(failure)
                said = f"{_what_is_left(entry)} of an earlier run not removed: {failure.sentence}"
                self._metrics.append(outcome_metric(WARNING, f"{said} ({entry.title}; next run retries)"))
            finally:
                entry.release()
        if untried:
            self._metrics.append(outcome_metric(WARNING, describe_untried(untried, journal.thing)))
        return removed

    def _remove_strays(self, journal: Journal, until: Deadline) -> int:
        """Remove what was left here by another owner, or at another URL of this endpoint; name what stays."""
        removed = 0
        site, owners = self.endpoint.site, self._owners()
        strays = journal.strays(self.subject, site, *owners, project_id=self._client.project_id)
        soon = until.earlier_by(max(0.0, until.remaining() - STRAYS_S))
        for entry in strays:
            self._reported.add(entry.title)
            if entry.title in self._requested:  # of this very run, which has told already why it stays
                entry.release()
                continue
            try:
                removed += self._remove_stray(entry, until, soon)
            except Failure as failure:
                is_here = entry.endpoint == self.subject
                if is_here and entry.path:
                    self._note_quota_holder(entry, "may still be there")
                self.tell(failure)
                self.detail(1, f"left by an earlier run: {describe_location(entry, time.time())}")
                host = host_port_of(entry.endpoint) or entry.endpoint
                age = duration(max(0.0, time.time() - entry.created_at))
                said = f"{_what_is_left(entry)} of an earlier run not removed: {failure.sentence} "
                said += f"({entry.title} at {host}, {age} old; {TOLD_BY})"
                if is_here or entry.is_unattended(time.time()):
                    self._metrics.append(outcome_metric(WARNING, said))
                else:  # runs of that URL, if there are any, may still do it
                    self._notes.append(said)
            finally:
                entry.release()
        return removed

    def _remove_stray(self, entry: JournalEntry, until: Deadline, soon: Deadline) -> bool:
        """Remove the VM of another owner, or of another URL, by its unique title: at this endpoint, then at the noted
        one.

        Returns whether it was there. Raises: Failure when that cannot be known, or it stays.
        """
        is_here = entry.endpoint == self.subject
        if entry.is_only_key:
            with self.using_deadline(soon):
                self._forget(entry, None if is_here else self.client_elsewhere(entry.endpoint, soon))
            return False
        if self.remover_of(entry).remove_by_title(entry, until, noted_path=is_here):
            return True
        owner, project_id = self._owner(), self._client.project_id
        if not is_here:
            there = self.client_elsewhere_of(entry, soon)
            owner, project_id = owner_name(self._identity, there.user, there.project), there.project_id
            remover = Remover(there, entry.endpoint, lambda gone: self._forget(gone, there), thing=entry.thing)
            if is_owned(entry, self._identity, there.user, there.project, there.project_id):
                return remover.remove(entry, soon)
            if remover.remove_by_title(entry, soon, noted_path=True):
                return True
        raise not_visible(entry, owner, project_id)

    def _note_quota_holder(self, entry: JournalEntry, how: str) -> None:
        if entry.path and not entry.is_only_key:
            self._quota_holders.append((entry.thing, f"{entry.title} {how}"))

    def _forget(self, entry: JournalEntry, client: ComputeClient | None = None) -> None:
        """Remove the entry of a VM that is gone; a journal that cannot be written is a WARNING of its own.

        client: of the endpoint where it was, None for this one.
        """
        try:
            entry.forget()
        except Misconfigured as failure:
            said = f"{entry.thing} {entry.title} is gone all the same"
            self._metrics.append(self.failed(failure, said, status=WARNING))

    # ---- the life

    def _create_and_wait(self, entry: JournalEntry) -> BaseException | None:
        """Create and wait. A failure becomes a result; what else ends it is returned, for cleaning comes first."""
        try:
            with self._work_deadline.enforced(), self.using_deadline(self._work_deadline):
                if not self.request_vm(entry):
                    return None
                entity = self._await_active(entry)
                if entity and entry.path:
                    self._metrics.extend(self.examine(entry.path, entity))
        except Failure as failure:
            self.tell(failure)
            self._metrics.append(self._judge_failure(failure))
        except OutOfTime:
            self._metrics.append(outcome_metric(*self.out_of_time()))
        except (Interrupted, Exception) as ended:
            return ended
        return None

    def _judge_failure(self, failure: Failure) -> Metric:
        """Return the result of a failure: UNKNOWN for a quota that our own of earlier runs may fill.

        VMs and volumes have quotas of their own, so only what is of the kind that was refused can be in the way.
        """
        thing = self._thing_wanted()
        holders = [each for kind, each in self._quota_holders if kind == thing]
        if not isinstance(failure, QuotaRefused) or not holders:
            return outcome_metric(failure.status, f"{failure}{self._failure_suffix}")
        for each in holders:
            self.detail(1, f"in the way: {each}")
        return outcome_metric(
            UNKNOWN,
            f"{failure}; {number_of(len(holders), thing)} of this monitor's own may fill it, so the site is not "
            f"blamed: {holders[0]}{self._failure_suffix}",
        )

    def _thing_wanted(self) -> str:
        """What this run asks the cloud for: its VM, or what it makes beside it, which it does after the VM only."""
        others = self.entries_beside()
        return others[-1].thing if others else self._journal.thing

    def _request(self, entry: JournalEntry, create: Callable[[], str | None]) -> None:
        """Have a VM made, and note where it is. create: asks for it, and returns its path. Raises: Failure."""
        began = self._asked_at = time.monotonic()
        self._requested.add(entry.title)
        try:
            path = create()
        except Failure as failure:
            self.note_refusal(entry, failure)
            raise
        if entry is not self._trial_entry:
            self._metrics.append(Metric("time_to_create", time.monotonic() - began, "s", min=0, context="time"))
        if path is None:
            path = self._client.find(entry.title)
            if path is None:
                said = "VM accepted, but it is neither said where it is nor listed"
                raise BadData(said, of=self.asked, link="by")
        self._note_path(entry, path)

    def note_refusal(self, entry: JournalEntry, failure: Failure) -> None:
        """After a failed create request: forget what was certainly not made, note what the cloud says was not."""
        if certainly_not_created(failure):
            self._forget(entry)
        elif isinstance(failure, Refusal) and failure.http_status in NOT_CREATED:
            self._refused.add(entry.title)

    def _note_path(self, entry: JournalEntry, path: str) -> None:
        """Write the path of what was made into the journal and tell it with -v."""
        entry.note_location(path)
        self.detail(1, f"{entry.thing}: {path} ({entry.title})")

    def _await_active(self, entry: JournalEntry) -> VirtualMachine | None:
        """Poll until the VM is active; too late, None, is a WARNING unless a limit says worse.

        None as well for one that was, until our own question suspended it.
        """
        assert entry.path
        trouble_since: float | None = None
        state = ""
        while True:
            polled = time.monotonic() - self._asked_at
            entity, trouble = self._poll(entry.path)
            now = time.monotonic() - self._asked_at
            pause = retry_pause(now)
            if trouble:
                trouble_since = polled if trouble_since is None else trouble_since
                if now - trouble_since >= PATIENCE_S:
                    raise trouble
                pause = max(pause, 1.0, trouble.pause_s)
            elif entity:
                trouble_since = None
                self._expect_ours(entity, entry)
                state = entity.state or "not told"
                if entity.state == "active":
                    self._note_active(entity, self._suspended_after or now)
                    return entity
                if self._suspended_after is None:
                    self.expect_alive(entity)
                self.investigate(entry.path, entity, now, self._work_deadline.remaining() - pause)
            is_asleep = self._suspended_after is not None and now >= self._suspended_after + WAKE_S
            if self._work_deadline.remaining() <= pause or is_asleep:
                break
            self._work_deadline.sleep(pause)
        if self._suspended_after is not None:
            self._note_suspended(entity or UNKNOWN_MACHINE, self._suspended_after)
            return None
        if trouble and (not state or now - (trouble_since or 0.0) >= min(PATIENCE_S, now / 2)):
            raise trouble
        # the last poll may have been cut off by our own deadline; that the VM is late is the verdict then
        self._note_too_slow(now, state)
        return None

    def _poll(self, path: str) -> tuple[VirtualMachine | None, Failure | None]:
        """Ask for the VM once: (VM, None), or (None, the failure that may be over at the next poll)."""
        try:
            entity = self._client.show(path)
        except Rejected:
            raise
        except ServerError as error:
            if _FAILED_BUILD.search(error.error_text):  # snf-occi answers so for a VM that failed to build
                raise self._failed_build(error.error_text) from None
            return None, error
        except EndpointFailure as error:
            return None, error
        if entity is None:
            gone = EndpointFailure("VM vanished after it was created (404)", of=Asked(self.place, f"GET {path}"))
            return None, gone
        return entity, None

    def _failed_build(self, said: str, *, reason: str = "VM failed to build", point: str = "") -> EndpointFailure:
        """A VM that will never be active.

        said: the cloud's words for it, empty where it has none; point: those of them that tell it, if not the first.
        """
        why = f': "{point or in_short(said)}"' if said else ", no reason told,"
        more = [f"the cloud says: {said}"] if said else []
        return EndpointFailure(f"{reason}{why}", of=self.asked, more=more)

    def _expect_ours(self, entity: VirtualMachine, entry: JournalEntry) -> None:
        """Raise BadData if the VM at our path bears another name: it is not to be deleted."""
        called = machine_names(entity)
        if called and entry.title not in called:
            raise self._wrong_vm_failure(entry, called[0])
        self._is_confirmed_ours = self._is_confirmed_ours or bool(called)

    def _wrong_vm_failure(self, entry: JournalEntry, called: str = "") -> BadData:
        """Return the failure of a path where something of somebody else is; forget it, so that ours is looked for."""
        stranger = entry.path
        entry.note_location("")
        said = f"another {entry.thing}{f' ({called})' if called else ''} given for our new one"
        return BadData(said, of=self.asked, link="by", more=[f"the other {entry.thing}: {stranger}"])

    def _note_suspended(self, entity: VirtualMachine, seconds: float) -> None:
        """The VM was active, and does not wake from what our question did to it: that is no fault of the site's."""
        self._note_active(entity, seconds)
        self._notes[-1] = SUSPENDED + "could not be started again"
        if self.needs_active_vm:
            self._metrics.append(
                outcome_metric(UNKNOWN, f"{self._notes[-1]}, so no more was asked of it, on {self.place}")
            )

    def _note_active(self, entity: VirtualMachine, seconds: float) -> None:
        if self._suspended_after is not None:
            self._notes.append(SUSPENDED + "started again")
        self._metrics.append(Metric("time_to_active", seconds, "s", min=0))
        self.facts["time_to_active"] = duration(seconds)
        try:
            self._journal.failed_runs.clear(self.kind, self.subject)
        except Misconfigured as failure:
            self._metrics.append(self.failed(failure, "it would say that no VM became active", status=WARNING))
        self.detail(1, f"address: {', '.join(entity.addresses) or 'none told'}")

    def _note_too_slow(self, seconds: float, state: str) -> None:
        self.facts["time_to_active"] = f"more than {duration(seconds)}"
        self._metrics.append(Metric("too_slow", seconds, "s", context="too_slow"))
        self._metrics.append(outcome_metric(*self._judge_never_active(seconds, state)))

    def _judge_never_active(self, seconds: float, state: str) -> tuple[int, str]:
        """Return status and sentence: WARNING at first, CRITICAL if no VM became active in the run before either."""
        said = f"VM still {state or 'not seen'} after {duration(seconds)} on {self.place}, given up"
        return self.judge_repeated(self.kind, said, seconds)

    def judge_repeated(self, kind: str, said: str, seconds: float) -> tuple[int, str]:
        """Return status and sentence of what was not seen within that time: CRITICAL if it was not seen before either.

        kind: what is remembered of this run, to be compared with the next one of the same kind.
        """
        try:
            late = self._journal.failed_runs.note_failed_run(kind, self.subject, seconds, time.time())
        except Misconfigured as failure:
            self.tell(failure)
            return WARNING, f"{said}; whether the run before ended so too is not known: {failure}"
        if late.runs == 1:
            return WARNING, said
        if late.runs == 2:
            return CRITICAL, f"{said}, as in the run {duration(late.since_previous_s)} before"
        return CRITICAL, f"{said}, as in each of the {late.runs - 1} runs before, for {duration(late.since_first_s)}"

    # ---- the end

    def _clean_up(self, entry: JournalEntry) -> Interrupted | None:
        """Remove what was made whatever happens; returns the signal that came meanwhile, if any."""
        interrupt = remove_despite_signals(
            lambda: self._remove(entry),
            lambda why: self._note_left(entry, why),
            self._removal_deadline,
            self.client_of(entry),
        )
        entry.release()
        return interrupt

    def _remove(self, entry: JournalEntry) -> None:
        if entry.title not in self._requested:
            self._forget(entry)
        if entry.is_done:
            return
        if entry.title in self._refused:
            self._remove_refused(entry)
            return
        is_seen = self._is_confirmed_ours and entry is self._vm_entry
        if entry.path and not is_seen and not self._may_be_ours(entry.path, entry):
            another = self._wrong_vm_failure(entry)
            self.detail(1, another.sentence)
            self.tell(another)
        path = entry.path or self._find_late(entry)
        if path is None:
            self.detail(1, f"no {entry.thing} {entry.title} to be found; later runs go on looking for it")
            return
        if not entry.path:
            self._note_path(entry, path)
        began = time.monotonic()
        self.remover_of(entry).delete(path, entry.title, self._removal_deadline)
        seconds = time.monotonic() - began
        self.remover_of(entry).remove_duplicates(path, entry.title, self._removal_deadline)
        self._forget(entry)
        if entry is not self._vm_entry:
            return
        self.facts["time_to_delete"] = duration(seconds)
        self._metrics.append(Metric("time_to_delete", seconds, "s", min=0, context="time"))

    def _remove_refused(self, entry: JournalEntry) -> None:
        """What was made though the endpoint has said that it was not; one that does not list VMs to us is believed."""
        try:
            path = self.remover_of(entry).find_listed(entry.title, self._removal_deadline)
        except Failure as failure:
            if not isinstance(failure, BadData) and not is_final(failure):
                self.detail(
                    1, f"whether a {entry.thing} {entry.title} was made all the same was not to be seen: {failure}"
                )
                return  # the next run looks
            path = None
        if path:
            self._note_path(entry, path)
            self.remover_of(entry).delete(path, entry.title, self._removal_deadline)
            said = f"{entry.thing} made that was refused, on {self.place}; it was removed"
            self.detail(1, f"made though it was refused: {path}")
            self._metrics.append(outcome_metric(WARNING, said))
            self.remover_of(entry).remove_duplicates(path, entry.title, self._removal_deadline)
        self._forget(entry)

    def _may_be_ours(self, path: str, entry: JournalEntry) -> bool:
        """Whether that may be deleted which a server gave us in this run as ours.

        One that it cannot show, being out of order, is taken at its word; one that it may not show us is a stranger's.
        Raises: Refusal of our login (401), which tells nothing of the VM; EndpointFailure where no time is left.
        """
        try:
            return self.remover_of(entry).is_ours(path, entry.title)
        except Refusal as refusal:
            if refusal.http_status == 401:
                raise
            return refusal.http_status >= 500
        except EndpointFailure:
            if self._removal_deadline.has_passed():
                raise  # to ask for the deletion now would only tell that there was no time for it
            return True

    def _find_late(self, entry: JournalEntry) -> str | None:
        """Look a few times for what had no usable answer to its create request; clouds do answer late."""
        client = self.client_of(entry)
        client.reconnect()
        for pause in (0.3, 1.0, 2.0, 0.0):
            path = client.find(entry.title)
            if path or not pause or self._removal_deadline.remaining() <= pause:
                return path
            self._removal_deadline.sleep(pause)
        return None

    def _note_left(self, entry: JournalEntry, failure: Failure) -> None:
        self.tell(failure)
        said = f"{entry.thing} not removed"
        beside: tuple[str, ...] = ()  # of one that may never have been made only -v tells: behind a 503 it is noise
        if entry.path:
            self.detail(1, f"not removed: {entry.path} ({entry.title})")
            beside = left_beside(said, failure, entry.title)
        active = self.facts.get("time_to_active", "")
        if active and not active.startswith("more") and entry.thing == "VM":
            said = f"VM active after {active}, not removed"
        whole = f"{said}: {failure.sentence} ({entry.title}; next run retries)"
        self._metrics.append(outcome_metric(WARNING, whole, beside=beside))


def _what_is_left(entry: JournalEntry) -> str:
    """What a sentence calls what an entry stands for."""
    return "keypair" if entry.is_only_key else entry.thing
