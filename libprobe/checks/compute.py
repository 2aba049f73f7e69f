"""The life of one virtual machine: remove what earlier runs left, create, wait, delete, confirm.

Whatever happens, the VM goes: time for that is reserved, and the journal knows of it before it exists.
Nothing is deleted that this monitor did not create.
"""

from __future__ import annotations

import re
import time

from nagiosplugin import Metric

from libprobe import redact
from libprobe.checks.base import Check, judged
from libprobe.checks.templates import KINDS, registered
from libprobe.clients.occi import ServerError, certainly_not_created, names
from libprobe.credentials import read_small_file
from libprobe.deadline import Interrupted, OutOfTime
from libprobe.failures import (
    WARNING,
    BadData,
    EndpointFailure,
    Failure,
    Misconfigured,
    NoAnswer,
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

RESERVE_SHARE, RESERVE_MAX_S = 0.25, 60.0
"""Part of the run that is kept for cleaning, and at most how much."""

LEFTOVERS_SHARE = 0.3
"""Part of the working time that may go into removing what earlier runs left."""

FIRST_POLL_S, LONGEST_POLL_S, POLL_SHARE, YOUNG_S = 0.1, 10.0, 0.02, 20.0
"""Between polls: see `pause_after`."""

PATIENCE_S = 10.0
"""How long polls may fail in a row (5xx, 404 of a VM just created, a lost connection) before that is the result."""

_NOTHING = occi.Entity("", "", (), {}, [], "")

FAILED_STATES = frozenset({"error", "failed", "failure"})
_FAILED_BUILD = re.compile(r"(?:error|fail)[^.]{0,40}build|build[^.]{0,40}(?:error|fail)", re.IGNORECASE)

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


def pause_after(seconds: float) -> float:
    """How long to wait until a cloud is asked again, so many seconds after the request that it carries out.

    A fast cloud is measured to a tenth of a second: that is the pause up to 10 s. From YOUNG_S on it is 2 % of the
    time passed, at most 10 s, so that a slow one is measured well enough and not hammered.
    """
    share = POLL_SHARE * min(1.0, seconds / YOUNG_S)
    return min(LONGEST_POLL_S, max(FIRST_POLL_S, seconds * share))


class ComputeLifeCycle(Check):
    """Creates a VM at an endpoint, waits until it is active, removes it.

    Yields: time_to_create, time_to_active, time_to_delete, time_total (s), and judgements.
    """

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
        self._is_seen_to_be_ours = False
        self._work = deadline.before(min(RESERVE_MAX_S, deadline.seconds * RESERVE_SHARE))
        self._notes = list(endpoint.notes)
        self.provisos = endpoint.notes + endpoint.provisos

    def measure(self) -> Iterator[Metric]:
        """The whole life; nothing is yielded before the VM is gone, for a reader may stop reading."""
        with self._work.enforced(), self._occi.until(self._work):
            model = self.announced()
            self._remove_leftovers()
        try:
            categories, attributes = self._prepare(model)
            entry = self._journal.begin(self.endpoint.base, self._owner())
        except Failure:
            yield from self._metrics
            raise
        attributes |= {occi.TITLE: entry.title, occi.HOSTNAME: entry.title}
        ended = self._live(entry, categories, attributes)
        ended = self._end(entry) or ended
        self._metrics.append(Metric("time_total", self.deadline.elapsed(), "s", min=0, context="time"))
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
        self.detail(1, f"endpoint: {self.endpoint.base}" + (f" of {self.endpoint.site}" if self.endpoint.site else ""))
        self.detail(1, f"server software: {self._occi.server or 'not told'}")
        self.detail(1, f"image: {image.id} ({image.title})")
        self.detail(1, f"size: {size.id} ({size.title})")
        self.detail(2, f"acting as: {self._access.words}" + (f", project {project}" if project else ""))

    def _remove_leftovers(self) -> None:
        """Remove what earlier runs of this monitor left here; what stays is a WARNING, no more."""
        entries = self._journal.leftovers(self.endpoint.base, self._owner())
        share = self._work.seconds * LEFTOVERS_SHARE
        until = self._work.before(max(0.0, self._work.remaining() - share))
        removed = 0
        for entry in entries:
            try:
                removed += self._remove_leftover(entry, until)
            except Failure as failure:
                said = f"VM {entry.title} of an earlier run could not be removed: {failure.sentence}"
                self._metrics.append(judged(WARNING, f"{said}; the next run tries again"))
            finally:
                entry.release()
        if removed:
            self._notes.append(f"removed {number_of(removed, 'VM')} that an earlier run had left")
        for name in self._journal.unreadable:
            self._notes.append(f"this monitor's journal: {name} is damaged and set aside in {self._journal.path}")

    def _remove_leftover(self, entry: Entry, until: Deadline) -> bool:
        """Returns whether there was one to remove."""
        with self._occi.until(until):
            path = self._noted_path(entry)
            if path and not self._is_ours(path, entry.title):
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
            was_there = self._delete(path, entry.title, until)
            self._forget(entry)
            return was_there

    def _noted_path(self, entry: Entry) -> str | None:
        """Where the journal says that the VM is; None for what can be no VM's path."""
        try:
            return self._occi.own_path(entry.path) if entry.path else None
        except BadData:
            return None

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
                self._create(entry, categories, attributes)
                entity = self._await_active(entry)
                if entity and entry.path:
                    self._metrics.extend(self.examine(entry.path, entity))
        except Failure as failure:
            self.tell_times(failure)
            self._metrics.append(judged(failure.status, str(failure)))
        except OutOfTime:
            self._metrics.append(judged(*self.out_of_time()))
        except (Interrupted, Exception) as ended:
            return ended
        return None

    def _create(self, entry: Entry, categories: list[tuple[str, str]], attributes: dict[str, str]) -> None:
        self._asked_at = time.monotonic()
        try:
            path = self._occi.create(categories, attributes)
        except Failure as failure:
            if certainly_not_created(failure):
                self._forget(entry)
            raise
        self._metrics.append(Metric("time_to_create", time.monotonic() - self._asked_at, "s", min=0, context="time"))
        if path is None:
            path = self._occi.find(entry.title)
            if path is None:
                raise BadData(f"{self.subject}: accepted the VM but does not say where it is, nor list it")
        entry.located(path)

    def _await_active(self, entry: Entry) -> occi.Entity | None:
        """Poll until the VM is active; too late, None, is a WARNING unless a limit says worse."""
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
                pause = max(pause, 1.0)
            elif entity:
                trouble_since = None
                self._expect_ours(entity, entry)
                self._expect_alive(entity)
                state = entity.state or "not told"
                if entity.state == "active":
                    self._note_active(entity, entry.path, now)
                    return entity
            if self._work.remaining() <= pause:
                break
            self._work.sleep(pause)
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
            stranger = entry.path
            entry.path = None
            raise BadData(f"{self.subject}: gave {stranger} as our new VM, which is another one, {called[0]}")
        self._is_seen_to_be_ours = self._is_seen_to_be_ours or bool(called)

    def _is_ours(self, path: str, title: str) -> bool:
        """Whether the VM at a path may be deleted: it bears our title, or the server shows no names."""
        called = names(self._seen(path) or _NOTHING)
        return not called or title in called

    def _expect_alive(self, entity: occi.Entity) -> None:
        inner = str(entity.attributes.get(occi.OPENSTACK_STATE, "")).lower()
        if entity.state in FAILED_STATES or inner in FAILED_STATES:
            said = str(entity.attributes.get(occi.STATE_MESSAGE, "")).strip()
            raise EndpointFailure(
                f"{self.subject}: VM went into state error instead of active"
                + (f": {said}" if said else "; the cloud gives no reason")
            )

    def _note_active(self, entity: occi.Entity, path: str, seconds: float) -> None:
        self._metrics.append(Metric("time_to_active", seconds, "s", min=0))
        self.facts["time_to_active"] = duration(seconds)
        self.detail(1, f"VM: {path} ({names(entity)[0] if names(entity) else 'without a name'})")
        self.detail(1, f"address: {', '.join(entity.addresses) or 'none told'}")

    def _note_too_slow(self, seconds: float, state: str) -> None:
        self.facts["time_to_active"] = f"more than {duration(seconds)}"
        self._metrics.append(Metric("too_slow", seconds, "s", context="too_slow"))
        self._metrics.append(
            judged(WARNING, f"{self.subject}: VM still {state or 'not seen'} after {duration(seconds)}, given up")
        )

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
        if not self._asked_at:
            self._forget(entry)
        if entry.is_done:
            return
        path = entry.path or self._find_late(entry)
        if path is None:
            self.detail(1, f"no VM {entry.title} to be found; later runs go on looking for it")
            return
        if not entry.path:
            entry.located(path)
        if not self._is_seen_to_be_ours and not self._is_ours(path, entry.title):
            raise BadData(f"{self.subject}: {path} is not the VM that we created")
        began = time.monotonic()
        self._delete(path, entry.title, self.deadline)
        seconds = time.monotonic() - began
        self._forget(entry)
        self.facts["time_to_delete"] = duration(seconds)
        self._metrics.append(Metric("time_to_delete", seconds, "s", min=0, context="time"))

    def _find_late(self, entry: Entry) -> str | None:
        """Look a few times for a VM whose create request had no usable answer; clouds do answer late."""
        self._occi.reconnect()
        for pause in (0.3, 1.0, 2.0, 0.0):
            path = self._occi.find(entry.title)
            if path or not pause or self.deadline.remaining() <= pause:
                return path
            self.deadline.sleep(pause)
        return None

    def _delete(self, path: str, title: str, until: Deadline) -> bool:
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
        raise NoAnswer(f"{self.subject}: accepted to delete {path}, which is still there after {duration(passed)}")

    def _seen(self, path: str) -> occi.Entity | None:
        """The VM while it is there; an answer that cannot be read counts as there."""
        try:
            return self._occi.show(path)
        except EndpointFailure:
            return _NOTHING

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
