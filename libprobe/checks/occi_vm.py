"""The life of a virtual machine at an OCCI endpoint: made of the templates that it offers.

What differs between the servers of OCCI is here and in `clients/occi.py`; the life itself is in `compute.py`.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress

from libprobe import redact
from libprobe.checks.base import outcome_metric
from libprobe.checks.compute import PATIENCE_S, LifeCycle
from libprobe.checks.removal import Remover
from libprobe.clients.occi import leaves_keypair
from libprobe.clients.refusals import Refusal
from libprobe.failures import WARNING, BadData, EndpointFailure, Failure, Misconfigured
from libprobe.files import read_small_file
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import Entity
from libprobe.formats.occi.profile import PUBLIC_KEY, USER_DATA, choose_context_mixins
from libprobe.formats.occi.query import Category, Model, resolve
from libprobe.formats.occi.rendering import is_sendable
from libprobe.records import Record
from libprobe.state.journal import VOLUME_SUFFIX
from libprobe.targets.templates import KINDS, find_registered
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.clients.machines import ComputeClient, VirtualMachine
    from libprobe.clients.occi import OcciClient
    from libprobe.deadline import Deadline
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OcciAccess
    from libprobe.targets.topology import CloudEndpoint

ASK_AFTER_S, LAST_ASK_S = 20.0, 3.0
"""On ooi: how long a VM is inactive before we ask what that means, and how long before the end we ask again."""

FAILED_STATES = frozenset({"error", "failed", "failure"})
_VM_STATE = re.compile(r"\bvm_state (\w{1,40})")

KEYPAIR, KEY_ATTRIBUTES = "keypair", "org.openstack.credentials.publickey."
"""The kind of what is noted of a create with a public key that failed on ooi; what its attributes begin with."""

MAX_USER_DATA = 16384
"""Limit of rOCCI-server, the strictest: bytes of the encoded text."""


class Contextualisation(Record):
    """What the VM is to be given beside its templates: user_data and a line of authorized_keys; empty for none."""

    user_data: bytes = b""
    public_key: str = ""


def read_contextualisation(user_data: str | None, public_key: str | None) -> Contextualisation:
    """Read what the VM is to be given from files. Raises: Misconfigured."""
    key = ""
    if public_key:
        key = read_small_file(public_key, "public key", 16 << 10).decode("utf-8", "replace").strip()
        if "PRIVATE KEY" in key:
            raise Misconfigured(f"public key {public_key} is a private key; it is not sent anywhere")
        if key.isprintable() and ("," in key or not key.isascii()):
            key = " ".join(key.split()[:2])  # its comment is for people; text/occi cannot hold it, nor can every cloud
        is_line = key.isascii() and key.isprintable() and '"' not in key and "\\" not in key
        if not is_line or not key.startswith(("ssh-", "ecdsa-", "sk-")):
            raise Misconfigured(f"public key {public_key} is not one line of the form `ssh-... AAAA... comment`")
    data = read_small_file(user_data, "user_data", MAX_USER_DATA * 3 // 4) if user_data else b""
    return Contextualisation(data, key)


class ComputeLifeCycle(LifeCycle):
    """The life of a VM at an OCCI endpoint."""

    _occi: OcciClient

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OcciAccess,
        journal: Journal,
        deadline: Deadline,
        wanted: Contextualisation,
    ) -> None:
        super().__init__(endpoint, access, journal, deadline)
        self._access = access
        self._client = self._occi = access.client
        self._remover = Remover(access.client, endpoint.base, self._forget)
        self._volume_journal = journal.of_kind(VOLUME_SUFFIX)
        self.facts["volume"] = ""
        self._contextualisation = wanted
        self._is_ooi = False
        self._times_asked = 0

    def log_in(self) -> None:
        """Read what is offered; it is what logs in where a login is wanted."""
        for journal in self.journals():
            journal.note_at_work(self.subject, self._identity)
        self._model = self.read_model()
        self._volumes = self._occi.volumes()
        self._volume_remover = Remover(self._volumes, self.subject, self._forget, thing=self._volume_journal.thing)
        self._is_ooi = is_ooi(self._model, self._occi.server)

    def read_model(self) -> Model:
        """What the endpoint offers. Raises: Failure."""
        return self._occi.query()

    def client_elsewhere(self, endpoint: str, until: Deadline) -> OcciClient:
        """Another URL of this endpoint, most often."""
        there = self._access.client_for(endpoint)
        with there.using_deadline(until):
            there.query()
        return there

    def journals(self) -> Sequence[Journal]:
        """With that of volumes, which runs with storage may have left; what is attached goes after its VM."""
        return (self._journal, self._volume_journal)

    def client_of(self, entry: JournalEntry) -> ComputeClient:
        return self._volumes if entry.kind == VOLUME_SUFFIX else self._occi

    def remover_of(self, entry: JournalEntry) -> Remover:
        return self._volume_remover if entry.kind == VOLUME_SUFFIX else self._remover

    def client_elsewhere_of(self, entry: JournalEntry, until: Deadline) -> ComputeClient:
        there = self.client_elsewhere(entry.endpoint, until)
        return there.volumes() if entry.kind == VOLUME_SUFFIX else there

    def prepare(self) -> None:
        """The categories and attributes of the create request."""
        model = self._model
        image = self._template(model, "image", self.endpoint.image)
        size = self._template(model, "resource", self.endpoint.resource)
        categories = [(occi.COMPUTE, occi.KIND), (image.id, occi.MIXIN), (size.id, occi.MIXIN)]
        attributes: dict[str, str] = {}
        for mixin, given in contextualisation_mixins(model, self._contextualisation, self._occi.server):
            categories.append((mixin, occi.MIXIN))
            attributes |= given
        for identifier, _ in categories:
            if not is_sendable(identifier):
                said = f"{identifier[:60]!r} offered, which is no identifier of OCCI,"
                raise BadData(said, of=self.asked, link="by")
        self._add_facts(image, size)
        self._categories, self._attributes = categories, attributes

    def _template(self, model: Model, option: str, wanted: str | None) -> Category:
        """The template that is registered, or else the one choice that can be made."""
        kind = KINDS[option]
        offered = model.templates(kind)
        if not offered:
            said = f"no {option} template offered at all ({kind.rpartition('#')[2]})"
            raise BadData(said, of=self.asked, link="by")
        if wanted:
            return find_registered(self.subject, option, wanted, offered, self.endpoint.option_that_chose)
        chosen = self._chosen_template(offered, option)
        if chosen:
            return chosen
        some = ", ".join(each.term for each in offered[:3])
        raise Misconfigured(
            f"no {option} registered and {len(offered)} offered ({some}, ...)",
            of=self.asked,
            link="by",
            remedy=f"choose with --{option}, or in probes.ini [occi] {option}",
        )

    def _chosen_template(self, offered: list[Category], option: str) -> Category | None:
        if len(offered) == 1:
            return offered[0]
        if option == "image":
            return None
        return resolve(self.endpoint.fallback, offered) or smallest_template(offered)

    def _add_facts(self, image: Category, size: Category) -> None:
        project = self._occi.project
        self.facts.update(image=image.term, size=size.term)
        self._metrics.extend(self.judge_project(self._occi.caveat))
        self.detail(1, f"endpoint: {self.endpoint.describe()}")
        self.detail(1, f"server software: {self._occi.server or 'not told'}")
        self.detail(1, f"image: {image.id} ({image.title})")
        self.detail(1, f"size: {size.id} ({size.title})")
        self.detail(2, f"acting as: {self._access.description}" + (f", project {project}" if project else ""))

    def request_vm(self, entry: JournalEntry) -> bool:
        """With a public key on ooi, which keeps a keypair of each create that fails, no more than once in a row."""
        categories, attributes = self._categories, self._attributes
        has_keypair = self._is_ooi and (occi.PUBLIC_KEY, occi.MIXIN) in categories
        if has_keypair and not self._create_without_key(categories, attributes):
            return False
        try:
            self._request(entry, lambda: self._create(entry, categories, attributes))
        except Failure as failure:
            if has_keypair and leaves_keypair(failure):
                self._note_keypair()
            raise
        if has_keypair:
            with suppress(Misconfigured):  # then the next run tries without a key first, no more
                self._journal.failed_runs.clear(KEYPAIR, self.subject)
        return True

    def _create(self, entry: JournalEntry, categories: list[tuple[str, str]], attributes: dict[str, str]) -> str | None:
        # rOCCI-server 2.0 refuses a VM without an id (409), which it then replaces as all the others do
        named = attributes | dict.fromkeys((occi.ID, occi.TITLE, occi.HOSTNAME), entry.title)
        return self._occi.create(categories, named)

    def _create_without_key(self, categories: list[tuple[str, str]], attributes: dict[str, str]) -> bool:
        """Where the last create with a public key failed on ooi, have a VM made without one first, and remove it.

        One more that failed would leave one more keypair. Returns whether the one with the key may be asked for.
        Raises: Failure, as the create itself would.
        """
        if not self._journal.failed_runs.is_noted(KEYPAIR, self.subject, time.time()):
            return True
        self.detail(1, "asked without the public key first: ooi keeps the keypair of a create that fails")
        plain = [each for each in categories if each[0] != occi.PUBLIC_KEY]
        given = {name: value for name, value in attributes.items() if not name.startswith(KEY_ATTRIBUTES)}
        trial = self._trial_entry = self.begin_entry(self._journal)
        self._request(self._trial_entry, lambda: self._create(trial, plain, given))
        assert self._trial_entry.path
        try:
            path = self._trial_entry.path
            if not self._may_be_ours(path, self._trial_entry):
                raise self._wrong_vm_failure(self._trial_entry)
            self._remover.delete(path, self._trial_entry.title, self._work_deadline)
            self._remover.remove_duplicates(path, self._trial_entry.title, self._work_deadline)
        except EndpointFailure as failure:
            said = "no VM asked for with the public key, as one without it was not gone in time"
            self.tell(failure)
            self._metrics.append(outcome_metric(WARNING, f"{said}: {failure}"))
            return False
        self._forget(self._trial_entry)
        self._notes.append("a VM was made and removed without the key first, as the last create with it had failed")
        return True

    def _note_keypair(self) -> None:
        """Say that ooi keeps a keypair, and remember it: the next run tries without a key first."""
        self._failure_suffix = "; ooi may keep a keypair of it"
        self.detail(1, "ooi keeps the keypair that it made for the key, under a random name; OCCI cannot remove it")
        try:
            self._journal.failed_runs.note_failed_run(KEYPAIR, self.subject, 1.0, time.time())
        except Misconfigured as failure:
            self._failure_suffix += f", and the next run makes another: {failure}"

    def expect_alive(self, entity: VirtualMachine) -> None:
        if not isinstance(entity, Entity):
            return
        inner = str(entity.attributes.get(occi.OPENSTACK_STATE, "")).lower()
        if entity.state in FAILED_STATES or inner in FAILED_STATES:
            said = str(entity.attributes.get(occi.STATE_MESSAGE, "")).strip()
            raise self._failed_build(said, reason="VM went into state error instead of active")

    def investigate(self, path: str, entity: VirtualMachine, seconds: float, left: float) -> None:
        """Of ooi's VM that is inactive, which it is for ever where its build has failed."""
        if entity.state == "inactive" and self._is_ooi and self._is_confirmed_ours:
            self._ask_why_inactive(path, seconds, left)

    def _ask_why_inactive(self, path: str, seconds: float, left: float) -> None:
        """Ask what inactive means: ooi shows a VM so while it is built, and for ever when that has failed.

        nova refuses to suspend what is not active and tells its state; nothing else of ooi does. Once after
        ASK_AFTER_S, once before the end. seconds: since the VM was asked for. Raises: EndpointFailure.
        """
        due = (seconds >= ASK_AFTER_S) + (left <= LAST_ASK_S)
        if self._times_asked >= due:
            return
        self._times_asked = due
        try:
            with self._occi.using_deadline(self._work_deadline.earlier_by(0.5)):
                self._occi.trigger_action(path, "suspend")
        except Refusal as refusal:
            found = _VM_STATE.search(refusal.error_text)
            self.detail(
                1, f"asked after {duration(seconds)} what inactive means: {refusal.error_text or refusal.http_status}"
            )
            if found and found[1].lower() in FAILED_STATES:
                self.detail(1, "ooi shows a VM that failed to build as inactive")
                raise self._failed_build(refusal.error_text, point=found[0]) from None
        except EndpointFailure:
            pass  # the next poll tells whether that lasts
        else:
            self._suspended_after = seconds
            self._start_suspended(path)

    def _start_suspended(self, path: str) -> None:
        """Start again the VM that became active between our look and our question, and was suspended by it."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S and self._work_deadline.remaining() > 1.0:
            try:
                self._occi.trigger_action(path, "start")
                return
            except EndpointFailure:  # while it is being suspended
                self._work_deadline.sleep(0.5)


def contextualisation_mixins(
    model: Model, wanted: Contextualisation, server: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """The contextualisation mixins to send, each with its attributes.

    A key gets a name on occi-os only, which needs one; ooi would keep a named key for ever.
    Raises: BadData when the endpoint offers neither form of one.
    """
    import base64

    given = {USER_DATA: wanted.user_data, PUBLIC_KEY: wanted.public_key}
    forms = choose_context_mixins(model, [name for name, content in given.items() if content])
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


def is_ooi(model: Model, server: str) -> bool:
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


def smallest_template(offered: list[Category]) -> Category | None:
    """The smallest of resource templates by their names (`m1-tiny`, `2cpu-4gb-20dsk`); None if they do not tell."""
    ranked = [(rank, template.term, template) for template in offered if (rank := _size_by_name(template)) is not None]
    return min(ranked, key=lambda each: each[:2])[2] if ranked else None


def _size_by_name(template: Category) -> tuple[float, float] | None:
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
