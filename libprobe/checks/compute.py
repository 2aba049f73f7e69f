"""The life of one virtual machine: remove what earlier runs left, create, wait, delete, confirm.

Whatever happens, the VM goes: time for that is reserved, and the journal knows of it before it exists.
Nothing is deleted that this monitor did not create.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress

from nagiosplugin import Metric

from libprobe import redact
from libprobe.checks.base import Check, judged
from libprobe.checks.leftovers import Remover, pause_after, whereabouts
from libprobe.checks.offer import in_another_project
from libprobe.checks.templates import KINDS, registered
from libprobe.clients.occi import NOT_CREATED, NOTHING, certainly_not_created, is_settled, leaves_keypair, names
from libprobe.clients.refusals import QuotaRefused, Refusal, ServerError
from libprobe.credentials import read_small_file
from libprobe.deadline import Interrupted, OutOfTime, working_seconds
from libprobe.failures import (
    CRITICAL,
    UNKNOWN,
    WARNING,
    BadData,
    EndpointFailure,
    Failure,
    Misconfigured,
    Rejected,
)
from libprobe.formats import occi
from libprobe.formats.occi_profile import PUBLIC_KEY, USER_DATA, context_forms
from libprobe.records import Record
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from libprobe.access import Access
    from libprobe.deadline import Deadline
    from libprobe.state.journal import Entry, Journal
    from libprobe.topology import Endpoint

LEFTOVERS_SHARE = 0.3
"""Part of the working time that may go into removing what earlier runs left."""

STRAYS_S = 10.0
"""Seconds of that, at most, for what was left at another URL, where perhaps nobody answers any more."""

PATIENCE_S = 10.0
"""How long polls may fail in a row (5xx, 404 of a VM just created, a lost connection) before that is the result."""

ASK_AFTER_S, LAST_ASK_S = 20.0, 3.0
"""On ooi: how long a VM is inactive before we ask what that means, and how long before the end we ask again."""

WAKE_S = 30.0
"""How long a VM that our own question has suspended may take to be active again."""

SUSPENDED = "the VM became active as its state was asked for, was suspended by that and "
"""What is told of a VM to which our own question did so, before what became of it."""

FAILED_STATES = frozenset({"error", "failed", "failure"})
_FAILED_BUILD = re.compile(r"(?:error|fail)[^.]{0,40}build|build[^.]{0,40}(?:error|fail)", re.IGNORECASE)

_VM_STATE = re.compile(r"\bvm_state (\w{1,40})")

KEYPAIR, KEY_ATTRIBUTES = "keypair", "org.openstack.credentials.publickey."
"""The kind of what is noted of a create with a public key that failed on ooi; what its attributes begin with."""

MAX_USER_DATA = 16384
"""Limit of rOCCI-server, the strictest: bytes of the encoded text."""


class Wanted(Record):
    """What the VM is to be given beside its templates: user_data and a line of authorized_keys; empty for none."""

    user_data: bytes = b""
    public_key: str = ""


def read_wanted(user_data: str | None, public_key: str | None) -> Wanted:
    """Read what the VM is to be given from files. Raises: Misconfigured."""
    key = ""
    if public_key:
        key = read_small_file(public_key, "public key", 16 << 10).decode("utf-8", "replace").strip()
        if "PRIVATE KEY" in key:
            raise Misconfigured(f"public key {public_key} is a private key; it is not sent anywhere")
        if not key.startswith(("ssh-", "ecdsa-", "sk-")) or not key.isprintable() or '"' in key or "\\" in key:
            raise Misconfigured(f"public key {public_key} is not one line of the form `ssh-... AAAA... comment`")
    data = read_small_file(user_data, "user_data", MAX_USER_DATA * 3 // 4) if user_data else b""
    return Wanted(data, key)


class ComputeLifeCycle(Check):
    """Creates a VM at an endpoint, waits until it is active, removes it.

    kind: which of the checks that do so it is, for what is remembered of the run before.
    needs_it_running: whether more is asked of the VM once it is active.
    Yields: time_to_create, time_to_active, time_to_delete, time_total (s), and judgements.
    """

    kind = "vm"
    needs_it_running = False

    def __init__(
        self,
        endpoint: Endpoint,
        access: Access,
        journal: Journal,
        deadline: Deadline,
        wanted: Wanted,
    ) -> None:
        super().__init__(deadline)
        self.subject = endpoint.base
        self.endpoint = endpoint
        self.facts.update(endpoint=endpoint.base, notes="")
        self._occi = access.client
        self._access = access
        self._journal = journal
        self._wanted = wanted
        self._metrics: list[Metric] = []
        self._asked_at = 0.0
        self._remover = Remover(access.client, endpoint.base, self._forget)
        self._told: set[str] = set()
        self._in_the_way: list[str] = []
        self._is_seen_to_be_ours = False
        self._is_ooi = False
        self._aftermath = ""
        self._trial: Entry | None = None
        self._requested: set[str] = set()
        self._refused: set[str] = set()
        self._times_asked = 0
        self._suspended_after: float | None = None
        self._work = deadline.before(deadline.seconds - working_seconds(deadline.seconds))
        self._notes = list(endpoint.notes)
        self.provisos = endpoint.notes + endpoint.provisos

    def measure(self) -> Iterator[Metric]:
        """The whole life; nothing is yielded before the VM is gone, for a reader may stop reading."""
        self._journal.attend(self.endpoint.base, self._access.identity)
        with self._work.enforced(), self._occi.until(self._work):
            model = self.announced()
            self._is_ooi = is_ooi(model, self._occi.server)
            self._remove_leftovers()
        try:
            categories, attributes = self._prepare(model)
            entry = self._journal.begin(self.endpoint.base, self._owner(), self.endpoint.site)
        except Failure:
            yield from self._metrics
            raise
        ended = self._live(entry, categories, attributes)
        for each in (self._trial, entry):
            if each:
                ended = self._end(each) or ended
        self._metrics.append(Metric("time_total", self.deadline.elapsed(), "s", min=0, context="time"))
        if self._remover.twins:
            beside = number_of(self._remover.twins, "VM")
            self._notes.append(f"removed {beside} that the cloud had made beside the one asked for, of one request")
        if self._notes:
            self.facts["notes"] = "; " + "; ".join(self._notes)
        yield from self._metrics
        if ended:
            raise ended

    def announced(self) -> occi.Model:
        """What the endpoint offers. Raises: Failure."""
        return self._occi.query()

    def examine(self, path: str, entity: occi.Entity) -> Iterator[Metric]:
        """What else is to be asked of the active VM, before it is removed; here nothing.

        Raises: Failure, which becomes a result beside those that were yielded before.
        """
        yield from ()

    # ---- before

    def _prepare(self, model: occi.Model) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """The categories and attributes of the create request."""
        image = self._template(model, "image", self.endpoint.image)
        size = self._template(model, "resource", self.endpoint.resource)
        categories = [(occi.COMPUTE, occi.KIND), (image.id, occi.MIXIN), (size.id, occi.MIXIN)]
        attributes: dict[str, str] = {}
        for mixin, given in context(model, self._wanted, self._occi.server):
            categories.append((mixin, occi.MIXIN))
            attributes |= given
        for identifier, _ in categories:
            if not occi.is_sendable(identifier):
                raise BadData(f"{self.subject}: offers {identifier[:120]!r}, which is no identifier of OCCI")
        self._tell(image, size)
        return categories, attributes

    def _template(self, model: occi.Model, option: str, wanted: str | None) -> occi.Category:
        """The template that is registered, or else the one choice that can be made."""
        kind = KINDS[option]
        offered = model.templates(kind)
        base = self.endpoint.base
        if not offered:
            raise BadData(f"{base}: offers no {option} template at all ({kind.rpartition('#')[2]})")
        if wanted:
            return registered(base, option, wanted, offered, self.endpoint.who_chose)
        chosen = self._chosen(offered, option)
        if chosen:
            return chosen
        some = ", ".join(each.term for each in offered[:3])
        raise Misconfigured(
            f"{base}: no {option} is registered and {len(offered)} are offered ({some}, ...)",
            remedy=f"choose with --{option}, or in probes.ini [occi] {option}",
        )

    def _chosen(self, offered: list[occi.Category], option: str) -> occi.Category | None:
        if len(offered) == 1:
            return offered[0]
        if option == "image":
            return None
        return occi.resolve(self.endpoint.fallback, offered) or smallest(offered)

    def _owner(self) -> str:
        """Who asks: what another user or project owns cannot be seen, and is not gone for that."""
        return f"{self._access.identity} {self._occi.project}".strip()

    def _tell(self, image: occi.Category, size: occi.Category) -> None:
        project = self._occi.project
        self.facts.update(image=image.term, size=size.term)
        self._metrics.extend(in_another_project(self.subject, self._occi))
        self.detail(1, f"endpoint: {self.endpoint.base}" + (f" of {self.endpoint.site}" if self.endpoint.site else ""))
        self.detail(1, f"server software: {self._occi.server or 'not told'}")
        self.detail(1, f"image: {image.id} ({image.title})")
        self.detail(1, f"size: {size.id} ({size.title})")
        self.detail(2, f"acting as: {self._access.words}" + (f", project {project}" if project else ""))

    def _remove_leftovers(self) -> None:
        """Remove what earlier runs of this monitor left here; what stays is a WARNING, no more."""
        share = self._work.seconds * LEFTOVERS_SHARE
        until = self._work.before(max(0.0, self._work.remaining() - share))
        removed = 0
        for entry in self._journal.leftovers(self.endpoint.base, self._owner()):
            self._told.add(entry.title)
            try:
                if self._remover.remove(entry, until):
                    removed += 1
                    self._note_in_the_way(entry, "was removed only just now")
            except Failure as failure:
                self._note_in_the_way(entry, "is still there")
                said = f"VM {entry.title} of an earlier run could not be removed: {failure.sentence}"
                self._metrics.append(judged(WARNING, f"{said}; the next run tries again"))
            finally:
                entry.release()
        removed += self._remove_strays(until)
        if removed:
            self._notes.append(f"removed {number_of(removed, 'VM')} that an earlier run had left")
        self._tell_of_others()

    def _remove_strays(self, until: Deadline) -> int:
        """Remove what was left here by another owner, or at another URL of this endpoint; name what stays."""
        removed = 0
        strays = self._journal.strays(self.endpoint.base, self._owner(), self.endpoint.site)
        soon = until.before(max(0.0, until.remaining() - STRAYS_S))
        for entry in strays:
            self._told.add(entry.title)
            try:
                removed += self._remove_stray(entry, until, soon)
            except Failure as failure:
                is_here = entry.endpoint == self.endpoint.base
                if is_here and entry.path:
                    self._note_in_the_way(entry, "may still be there")
                said = f"VM of an earlier run could not be removed: {whereabouts(entry, time.time())}"
                said = f"{said}: {failure.sentence} (see fedcloud-leftovers)"
                if is_here or entry.is_unattended(time.time()):
                    self._metrics.append(judged(WARNING, said))
                else:  # runs of that URL, if there are any, may still do it
                    self._notes.append(said)
            finally:
                entry.release()
        return removed

    def _remove_stray(self, entry: Entry, until: Deadline, soon: Deadline) -> bool:
        """By its title, which no other VM has, as whom we are today: at this endpoint, then where it was noted.

        Returns whether it was there. Raises: Failure when that cannot be known, or it stays.
        """
        is_here = entry.endpoint == self.endpoint.base
        if self._remover.remove_by_title(entry, until, noted_path=is_here):
            return True
        owner = self._owner()
        if not is_here:
            there = self._access.at(entry.endpoint)
            with there.until(soon):
                there.query()
            owner = f"{self._access.identity} {there.project}".strip()
            remover = Remover(there, entry.endpoint, self._forget)
            if owner == entry.identity:
                return remover.remove(entry, soon)
            if remover.remove_by_title(entry, soon, noted_path=True):
                return True
        raise Failure(f"not to be seen as {owner}, who we are today")

    def _tell_of_others(self) -> None:
        """Of what no run looks after any more, wherever it is; and of what cannot be read."""
        now = time.time()
        lost = [entry for entry in self._journal.unattended(now) if entry.title not in self._told]
        if lost:
            others = f" and {number_of(len(lost) - 1, 'other')}" if len(lost) > 1 else ""
            self._notes.append(
                f"this monitor's journal: no run looks any more for the VM {whereabouts(lost[0], now)}{others} "
                "(see fedcloud-leftovers)"
            )
        for name in dict.fromkeys(self._journal.unreadable):
            self._notes.append(f"this monitor's journal: {name} is damaged and set aside in {self._journal.path}")

    def _note_in_the_way(self, entry: Entry, how: str) -> None:
        if entry.path:
            self._in_the_way.append(f"{entry.title} {how}")

    def _forget(self, entry: Entry) -> None:
        """The VM is gone; a journal that cannot be told so is another matter, which must not hide this one."""
        try:
            entry.done()
        except Misconfigured as failure:
            self._metrics.append(judged(WARNING, f"{failure}; VM {entry.title} is gone all the same"))

    # ---- the life

    def _live(
        self, entry: Entry, categories: list[tuple[str, str]], attributes: dict[str, str]
    ) -> BaseException | None:
        """Create and wait. A failure becomes a result; what else ends it is returned, for cleaning comes first."""
        try:
            with self._work.enforced(), self._occi.until(self._work):
                has_keypair = self._is_ooi and (occi.PUBLIC_KEY, occi.MIXIN) in categories
                if has_keypair and not self._try_without_key(categories, attributes):
                    return None
                try:
                    self._create(entry, categories, attributes)
                except Failure as failure:
                    if has_keypair and leaves_keypair(failure):
                        self._note_keypair()
                    raise
                if has_keypair:
                    with suppress(Misconfigured):  # then the next run tries without a key first, no more
                        self._journal.lateness.clear(KEYPAIR, self.subject)
                entity = self._await_active(entry)
                if entity and entry.path:
                    self._metrics.extend(self.examine(entry.path, entity))
        except Failure as failure:
            self.tell_times(failure)
            self._metrics.append(self._judged(failure))
        except OutOfTime:
            self._metrics.append(judged(*self.out_of_time()))
        except (Interrupted, Exception) as ended:
            return ended
        return None

    def _judged(self, failure: Failure) -> Metric:
        """The result that a failure is; a quota that VMs of ours fill is no fault of the site."""
        if not isinstance(failure, QuotaRefused) or not self._in_the_way:
            return judged(failure.status, f"{failure}{self._aftermath}")
        some = ", ".join(self._in_the_way[:3])
        return judged(
            UNKNOWN,
            f"{failure}; that may be because of {number_of(len(self._in_the_way), 'VM')} of this monitor's own from "
            f"earlier runs, so it is not held against the site: {some}{self._aftermath}",
        )

    def _try_without_key(self, categories: list[tuple[str, str]], attributes: dict[str, str]) -> bool:
        """Where the last create with a public key failed on ooi, have a VM made without one first, and remove it.

        One more that failed would leave one more keypair. Returns whether the one with the key may be asked for.
        Raises: Failure, as the create itself would.
        """
        if not self._journal.lateness.is_noted(KEYPAIR, self.subject, time.time()):
            return True
        self.detail(1, "asked without the public key first: ooi keeps the keypair of a create that fails")
        plain = [each for each in categories if each[0] != occi.PUBLIC_KEY]
        given = {name: value for name, value in attributes.items() if not name.startswith(KEY_ATTRIBUTES)}
        self._trial = self._journal.begin(self.endpoint.base, self._owner(), self.endpoint.site)
        self._request(self._trial, plain, given)
        assert self._trial.path
        try:
            path = self._trial.path
            if not self._may_be_ours(path, self._trial.title):
                raise self._another(self._trial)
            self._remover.delete(path, self._trial.title, self._work)
            self._remover.see_none_left(path, self._trial.title, self._work)
        except EndpointFailure as failure:
            said = f"{self.subject}: no VM was asked for with the public key, as one without it was not gone in time"
            self._metrics.append(judged(WARNING, f"{said}: {failure}"))
            return False
        self._forget(self._trial)
        self._notes.append("a VM was made and removed without the key first, as the last create with it had failed")
        return True

    def _note_keypair(self) -> None:
        """Say that ooi keeps a keypair, and remember it: the next run tries without a key first."""
        self._aftermath = (
            "; ooi may keep the keypair that it made for the public key, under a random name; OCCI cannot remove it"
        )
        try:
            self._journal.lateness.note(KEYPAIR, self.subject, 1.0, time.time())
        except Misconfigured as failure:
            self._aftermath += f", and the next run makes another: {failure}"

    def _create(self, entry: Entry, categories: list[tuple[str, str]], attributes: dict[str, str]) -> None:
        self._asked_at = time.monotonic()
        self._request(entry, categories, attributes)

    def _request(self, entry: Entry, categories: list[tuple[str, str]], attributes: dict[str, str]) -> None:
        """Have a VM made, and note where it is. Raises: Failure."""
        began = time.monotonic()
        self._requested.add(entry.title)
        # rOCCI-server 2.0 refuses a VM without an id (409), which it then replaces as all the others do
        named = attributes | dict.fromkeys((occi.ID, occi.TITLE, occi.HOSTNAME), entry.title)
        try:
            path = self._occi.create(categories, named)
        except Failure as failure:
            if certainly_not_created(failure):
                self._forget(entry)
            elif isinstance(failure, Refusal) and failure.http_status in NOT_CREATED:
                self._refused.add(entry.title)
            raise
        if entry is not self._trial:
            self._metrics.append(Metric("time_to_create", time.monotonic() - began, "s", min=0, context="time"))
        if path is None:
            path = self._occi.find(entry.title)
            if path is None:
                raise BadData(f"{self.subject}: accepted the VM but does not say where it is, nor list it")
        self._note_made(entry, path)

    def _note_made(self, entry: Entry, path: str) -> None:
        """Where the VM is, for the journal and for those who look into what became of it."""
        entry.located(path)
        self.detail(1, f"VM: {path} ({entry.title})")

    def _await_active(self, entry: Entry) -> occi.Entity | None:
        """Poll until the VM is active; too late, None, is a WARNING unless a limit says worse.

        None as well for one that was, until our own question suspended it.
        """
        assert entry.path
        trouble_since: float | None = None
        state = ""
        while True:
            polled = time.monotonic() - self._asked_at
            entity, trouble = self._look(entry.path)
            now = time.monotonic() - self._asked_at
            pause = pause_after(now)
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
                    self._expect_alive(entity)
                if entity.state == "inactive" and self._is_ooi and self._is_seen_to_be_ours:
                    self._ask_why(entry.path, now, self._work.remaining() - pause)
            is_asleep = self._suspended_after is not None and now >= self._suspended_after + WAKE_S
            if self._work.remaining() <= pause or is_asleep:
                break
            self._work.sleep(pause)
        if self._suspended_after is not None:
            self._note_suspended(entity or NOTHING, self._suspended_after)
            return None
        if trouble and (not state or now - (trouble_since or 0.0) >= min(PATIENCE_S, now / 2)):
            raise trouble
        # the last poll may have been cut off by our own deadline; that the VM is late is the verdict then
        self._note_too_slow(now, state)
        return None

    def _look(self, path: str) -> tuple[occi.Entity | None, Failure | None]:
        """One poll: the VM, or the trouble that may pass."""
        try:
            entity = self._occi.show(path)
        except Rejected:
            raise
        except ServerError as error:
            if _FAILED_BUILD.search(error.said):  # snf-occi answers so for a VM that failed to build
                raise EndpointFailure(f"{self.subject}: VM failed to build: {error.said}") from None
            return None, error
        except EndpointFailure as error:
            return None, error
        if entity is None:
            return None, EndpointFailure(f"{self.subject}: VM vanished after it had been created (404 on {path})")
        return entity, None

    def _expect_ours(self, entity: occi.Entity, entry: Entry) -> None:
        """A wrong address must not make us delete a stranger's VM."""
        called = names(entity)
        if called and entry.title not in called:
            raise self._another(entry, f", {called[0]}")
        self._is_seen_to_be_ours = self._is_seen_to_be_ours or bool(called)

    def _another(self, entry: Entry, called: str = "") -> BadData:
        """What is said of an address that is a stranger's; ours is looked for by its title from now on."""
        stranger = entry.path
        entry.located("")
        return BadData(f"{self.subject}: gave {stranger} as our new VM, which is another one{called}")

    def _expect_alive(self, entity: occi.Entity) -> None:
        inner = str(entity.attributes.get(occi.OPENSTACK_STATE, "")).lower()
        if entity.state in FAILED_STATES or inner in FAILED_STATES:
            said = str(entity.attributes.get(occi.STATE_MESSAGE, "")).strip()
            raise EndpointFailure(
                f"{self.subject}: VM went into state error instead of active"
                + (f": {said}" if said else "; the cloud gives no reason")
            )

    def _ask_why(self, path: str, seconds: float, left: float) -> None:
        """Ask what inactive means: ooi shows a VM so while it is built, and for ever when that has failed.

        nova refuses to suspend what is not active and tells its state; nothing else of ooi does. Once after
        ASK_AFTER_S, once before the end. seconds: since the VM was asked for. Raises: EndpointFailure.
        """
        due = (seconds >= ASK_AFTER_S) + (left <= LAST_ASK_S)
        if self._times_asked >= due:
            return
        self._times_asked = due
        try:
            with self._occi.until(self._work.before(0.5)):
                self._occi.act(path, "suspend")
        except Refusal as refusal:
            found = _VM_STATE.search(refusal.said)
            self.detail(
                1, f"asked after {duration(seconds)} what inactive means: {refusal.said or refusal.http_status}"
            )
            if found and found[1].lower() in FAILED_STATES:
                raise EndpointFailure(
                    f"{self.subject}: VM failed to build, which ooi shows as inactive: {refusal.said}"
                ) from None
        except EndpointFailure:
            pass  # the next poll tells whether that lasts
        else:
            self._suspended_after = seconds
            self._wake(path)

    def _wake(self, path: str) -> None:
        """Start again the VM that became active between our look and our question, and was suspended by it."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S and self._work.remaining() > 1.0:
            try:
                self._occi.act(path, "start")
                return
            except EndpointFailure:  # while it is being suspended
                self._work.sleep(0.5)

    def _note_suspended(self, entity: occi.Entity, seconds: float) -> None:
        """The VM was active, and does not wake from what our question did to it: that is no fault of the site's."""
        self._note_active(entity, seconds)
        self._notes[-1] = SUSPENDED + "could not be started again"
        if self.needs_it_running:
            self._metrics.append(judged(UNKNOWN, f"{self.subject}: {self._notes[-1]}, so no more was asked of it"))

    def _note_active(self, entity: occi.Entity, seconds: float) -> None:
        if self._suspended_after is not None:
            self._notes.append(SUSPENDED + "started again")
        self._metrics.append(Metric("time_to_active", seconds, "s", min=0))
        self.facts["time_to_active"] = duration(seconds)
        try:
            self._journal.lateness.clear(self.kind, self.subject)
        except Misconfigured as failure:
            self._metrics.append(judged(WARNING, f"{failure}; it would say that no VM became active"))
        self.detail(1, f"address: {', '.join(entity.addresses) or 'none told'}")

    def _note_too_slow(self, seconds: float, state: str) -> None:
        self.facts["time_to_active"] = f"more than {duration(seconds)}"
        self._metrics.append(Metric("too_slow", seconds, "s", context="too_slow"))
        self._metrics.append(judged(*self._never_active(seconds, state)))

    def _never_active(self, seconds: float, state: str) -> tuple[int, str]:
        """Once is a WARNING; a cloud on which the run before this one had no active VM either is broken."""
        said = f"{self.subject}: VM still {state or 'not seen'} after {duration(seconds)}, given up"
        try:
            late = self._journal.lateness.note(self.kind, self.subject, seconds, time.time())
        except Misconfigured as failure:
            return WARNING, f"{said}; whether the run before this one ended so too is not known: {failure}"
        if late.times == 1:
            return WARNING, said
        if late.times == 2:
            return CRITICAL, f"{said}, as in the run {duration(late.before)} before"
        return CRITICAL, f"{said}, as in each of the {late.times - 1} runs before, for {duration(late.since)}"

    # ---- the end

    def _end(self, entry: Entry) -> Interrupted | None:
        """Remove the VM; a signal that comes meanwhile does not stop that."""
        interrupt = None
        for _ in range(2):  # only the first signal raises
            try:
                with self.deadline.enforced(), self._occi.until(self.deadline):
                    self._remove(entry)
                break
            except Interrupted as signal:
                interrupt = signal
            except Failure as failure:
                self._note_left(entry, str(failure))
                break
            except OutOfTime:
                self._note_left(entry, "no time was left to see it gone")
                break
        entry.release()
        return interrupt

    def _remove(self, entry: Entry) -> None:
        if entry.title not in self._requested:
            self._forget(entry)
        if entry.is_done:
            return
        if entry.title in self._refused:
            self._remove_refused(entry)
            return
        is_seen = self._is_seen_to_be_ours and entry is not self._trial
        if entry.path and not is_seen and not self._may_be_ours(entry.path, entry.title):
            self.detail(1, self._another(entry).sentence)
        path = entry.path or self._find_late(entry)
        if path is None:
            self.detail(1, f"no VM {entry.title} to be found; later runs go on looking for it")
            return
        if not entry.path:
            self._note_made(entry, path)
        began = time.monotonic()
        self._remover.delete(path, entry.title, self.deadline)
        seconds = time.monotonic() - began
        self._remover.see_none_left(path, entry.title, self.deadline)
        self._forget(entry)
        if entry is self._trial:
            return
        self.facts["time_to_delete"] = duration(seconds)
        self._metrics.append(Metric("time_to_delete", seconds, "s", min=0, context="time"))

    def _remove_refused(self, entry: Entry) -> None:
        """What was made though the endpoint has said that it was not; one that does not list VMs to us is believed."""
        try:
            path = self._remover.listed(entry.title, self.deadline)
        except Failure as failure:
            if not isinstance(failure, BadData) and not is_settled(failure):
                self.detail(1, f"whether a VM {entry.title} was made all the same was not to be seen: {failure}")
                return  # the next run looks
            path = None
        if path:
            self._note_made(entry, path)
            self._remover.delete(path, entry.title, self.deadline)
            said = f"{self.subject}: had made the VM {path} that it refused to make; it was removed"
            self._metrics.append(judged(WARNING, said))
            self._remover.see_none_left(path, entry.title, self.deadline)
        self._forget(entry)

    def _may_be_ours(self, path: str, title: str) -> bool:
        """Whether the VM may be deleted that a server gave us in this run as ours.

        One that it cannot show, being out of order, is taken at its word; one that it may not show us is a stranger's.
        """
        try:
            return self._remover.is_ours(path, title)
        except Refusal as refusal:
            return refusal.http_status >= 500
        except EndpointFailure:
            return True

    def _find_late(self, entry: Entry) -> str | None:
        """Look a few times for a VM whose create request had no usable answer; clouds do answer late."""
        self._occi.reconnect()
        for pause in (0.3, 1.0, 2.0, 0.0):
            path = self._occi.find(entry.title)
            if path or not pause or self.deadline.remaining() <= pause:
                return path
            self.deadline.sleep(pause)
        return None

    def _note_left(self, entry: Entry, why: str) -> None:
        where = f" {entry.path}" if entry.path else ""
        self._metrics.append(
            judged(WARNING, f"VM{where} ({entry.title}) could not be removed: {why}; the next run tries again")
        )


def context(model: occi.Model, wanted: Wanted, server: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The contextualisation mixins to send, each with its attributes.

    A key gets a name on occi-os only, which needs one; ooi would keep a named key for ever.
    Raises: BadData when the endpoint offers neither form of one.
    """
    import base64

    given = {USER_DATA: wanted.user_data, PUBLIC_KEY: wanted.public_key}
    forms = context_forms(model, [name for name, content in given.items() if content])
    if USER_DATA in forms:
        encoded = redact.register(base64.b64encode(wanted.user_data).decode())
        mixin = forms[USER_DATA]
        if mixin is None:
            raise BadData("the endpoint offers no mixin to hand over user_data")
        is_old = mixin == occi.USER_DATA
        yield mixin, {"org.openstack.compute.user_data" if is_old else "occi.compute.userdata": encoded}
    if PUBLIC_KEY in forms:
        mixin = forms[PUBLIC_KEY]
        if mixin is None:
            raise BadData("the endpoint offers no mixin to hand over a public key")
        if mixin == occi.SSH_KEY_1_2:
            yield mixin, {"occi.credentials.ssh.publickey": wanted.public_key}
            return
        attributes = {"org.openstack.credentials.publickey.data": wanted.public_key}
        if "pyssf" in server.lower():
            attributes["org.openstack.credentials.publickey.name"] = f"egi-sam-{int(time.time() * 1000):x}"
        yield mixin, attributes


def is_ooi(model: occi.Model, server: str) -> bool:
    """Whether a cloud is ooi's: by its Server header, or behind a proxy that hides that by what only ooi announces.

    OCCI 1.2's action to save a VM, which occi-os does not know, with the image templates that it has in common with it.
    """
    if server.startswith("ooi/"):
        return True
    return model.find(occi.COMPUTE_ACTION + "save") is not None and any(
        mixin.scheme == occi.OPENSTACK_IMAGES for mixin in model.mixins
    )


MAX_SIZE_NAME = 200
_SIZES = ("nano", "micro", "tiny", "mini", "small", "medium", "large", "xlarge", "extra")


def smallest(offered: list[occi.Category]) -> occi.Category | None:
    """The smallest of resource templates by their names (`m1-tiny`, `2cpu-4gb-20dsk`); None if they do not tell."""
    ranked = [(rank, template.term, template) for template in offered if (rank := _size(template)) is not None]
    return min(ranked, key=lambda each: each[:2])[2] if ranked else None


def _size(template: occi.Category) -> tuple[float, float] | None:
    # a title may be long, and is searched from each of its digits
    name = f"{template.title[:MAX_SIZE_NAME]} {template.term[:MAX_SIZE_NAME]}".lower()
    numbers = re.search(
        r"(\d{1,6})\s*[-_]?(?:v?cpus?|cores?|c)\b[-_ ]*(?:(\d{1,6})\s*[-_]?(?:gb?|ram))?", name.replace("_", " ")
    )
    if numbers:
        return 2.0, float(numbers.group(1)) * 1000 + float(numbers.group(2) or 0)
    words = re.split(r"[^a-z]+", name)
    for rank, word in enumerate(_SIZES):
        if word in words:
            return 1.0, float(rank)
    return None
