"""What an endpoint announces by its query interface, compared with what a FedCloud user needs."""

from __future__ import annotations

import time

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.failures import CRITICAL, WARNING, BadData, Misconfigured
from libprobe.formats.occi import profile
from libprobe.formats.occi.query import Model
from libprobe.targets.templates import KINDS, find_registered
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.deadline import Deadline
    from libprobe.formats.occi.profile import MissingRequirement, Requirement
    from libprobe.formats.occi.query import Category
    from libprobe.targets.access import OcciAccess
    from libprobe.targets.topology import CloudEndpoint

MAX_NAMED = 12
"""How many of the missing ones are named; the rest is counted."""


def read_requirements(optional: Sequence[str], required: Sequence[str]) -> list[Requirement]:
    """What --optional and --require make of the profile. Raises: Misconfigured when they contradict."""
    for word in optional:
        need = profile.find_requirement(word)
        if need and any(need.is_named_by(other) for other in required):
            raise Misconfigured(f"--optional {word} contradicts --require or --boot", remedy="leave out one of them")
    return profile.select_requirements(optional, required)


class OcciOffer(Check):
    """Reads the query interface of an endpoint once and judges what it announces.

    Yields: response_time (s, with the login if there is one), kinds, mixins, images, sizes, and judgements.
    model:     what was announced, None before that was read; of templates that are registered only these.
    is_usable: whether nothing at all was found wanting.
    """

    def __init__(
        self, endpoint: CloudEndpoint, access: OcciAccess, deadline: Deadline, needs: Sequence[Requirement]
    ) -> None:
        super().__init__(deadline)
        self.subject = endpoint.base
        self.endpoint = endpoint
        self.model: Model | None = None
        self.is_usable = False
        self._access = access
        self._needs = needs
        self._chosen: dict[str, Category] = {}
        notes = "".join(f"; {note}" for note in endpoint.notes)
        self.facts.update(endpoint=endpoint.base, notes=notes)
        self.caveats = endpoint.notes + endpoint.caveats

    def measure(self) -> Iterator[Metric]:
        began = time.monotonic()
        with self.deadline.enforced():
            model = self._access.client.query()
        seconds = time.monotonic() - began - self._access.client.loading_s
        yield Metric("response_time", seconds, "s", min=0)
        images, sizes = (model.templates(kind) for kind in KINDS.values())
        counts = {"kinds": model.kinds, "mixins": model.mixins, "images": images, "sizes": sizes}
        for label, found in counts.items():
            yield Metric(label, len(found), min=0, context="count")
        self.facts.update(images=number_of(len(images), "image"), sizes=number_of(len(sizes), "size"))
        self._add_facts(model)
        yield from self.judge_project(self._access.client.caveat)
        troubles = [
            *self._judge_missing(profile.find_missing(model, self._needs)),
            *self._judge_registered("image", self.endpoint.image, images),
            *self._judge_registered("resource", self.endpoint.resource, sizes),
        ]
        self.is_usable = not troubles
        self.model = self._reduce_model(model)
        yield from troubles

    def _reduce_model(self, model: Model) -> Model:
        """Return the model without the templates that are not registered: thousands of them need much memory."""
        settled = {KINDS[option] for option in self._chosen}
        essence = Model()
        essence.kinds, essence.actions = model.kinds, model.actions
        essence.mixins = [each for each in model.mixins if settled.isdisjoint(each.rel)]
        essence.mixins += self._chosen.values()
        return essence

    def _judge_registered(self, option: str, wanted: str | None, offered: list[Category]) -> Iterator[Metric]:
        """Yield a result for a registered template that is not offered; nothing where no template is offered at all."""
        if not wanted or not offered:
            return
        try:
            chosen = find_registered(self.subject, option, wanted, offered, self.endpoint.option_that_chose)
        except (BadData, Misconfigured) as failure:
            yield self.failed(failure)
        else:
            self._chosen[option] = chosen
            self.detail(1, f"registered {option}: {chosen.id} ({chosen.title})")

    def _judge_missing(self, lacks: list[MissingRequirement]) -> Iterator[Metric]:
        """Yield one result that names all that is missing: CRITICAL, or WARNING if only contextualisation lacks it."""
        if not lacks:
            return
        names = [lack.name for lack in lacks]
        sentence = f"not offered: {_named_or(names)}, on {self.place}"
        if len(names) > MAX_NAMED:
            self.detail(1, f"not offered: {', '.join(names)}")
        if all(lack.is_context for lack in lacks):
            yield outcome_metric(WARNING, f"{sentence}, so what users hand over does not reach their VMs")
        elif all(name in profile.TEMPLATE_NAMES.values() for name in names):
            project = self._access.client.project
            to = f"project {project}" if project else "us"
            reason = f"not offered to {to}: {_named_or(names)}, on {self.place}"
            yield outcome_metric(CRITICAL, f"{reason} (share some with the monitoring VO)")
        else:
            yield outcome_metric(CRITICAL, sentence)

    def _add_facts(self, model: Model) -> None:
        client, endpoint = self._access.client, self.endpoint
        self.detail(1, f"endpoint: {endpoint.describe()}")
        self.detail(1, f"server software: {client.server or 'not told'}")
        for need in profile.PROFILE:
            if need.is_context:
                forms = [f"{profile.VERSIONS[each]} ({each})" for each in profile.announced_identifiers(model, need)]
                self.detail(1, f"{need.name}: {', '.join(forms) or 'not offered'}")
        exempt = [need for need in profile.PROFILE if need.name not in {each.name for each in self._needs}]
        absent = [lack.name for lack in profile.find_missing(model, exempt)]
        if absent:
            self.detail(1, f"not offered, and optional: {', '.join(absent)}")
        excused = profile.find_excused(model, self._needs)
        if excused:
            self.detail(1, f"not announced, as software on pyssf may leave it: {', '.join(excused)}")
        if model.skipped:
            self.detail(1, f"{number_of(model.skipped, 'part')} of the query interface could not be read")
        project = f", project {client.project}" if client.project else ""
        self.detail(2, f"acting as: {self._access.description}{project}")


def _named_or(names: list[str]) -> str:
    """`storage`, `storage or network`, and not more than MAX_NAMED of them."""
    shown = list(names[:MAX_NAMED])
    if len(names) > MAX_NAMED:
        shown.append(f"{len(names) - MAX_NAMED} more")
    *first, last = shown
    return f"{', '.join(first)} or {last}" if first else last
