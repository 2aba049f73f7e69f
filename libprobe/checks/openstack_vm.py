"""The life of a virtual machine in OpenStack: made of an image, a size and a network that are found at run time.

What differs from the life at an OCCI endpoint is here and in `clients/nova.py`; the life itself is in `compute.py`.
"""

from __future__ import annotations

import os

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.checks.compute import LifeCycle
from libprobe.checks.removal import TOLD_BY, KeypairHidden, KeypairLeft, Remover, left_beside, remove_keypair
from libprobe.clients.nova import IMAGES, KIND, NETWORKS, Glance, Neutron, Nova
from libprobe.clients.refusals import QuotaRefused
from libprobe.deadline import Interrupted, working_seconds
from libprobe.failures import WARNING, Asked, BadData, EndpointFailure, Failure, Misconfigured
from libprobe.formats import servers
from libprobe.formats.address import host_port_of
from libprobe.formats.servers import Server
from libprobe.records import Record
from libprobe.text import number_of, similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from libprobe.clients.machines import ComputeClient, VirtualMachine
    from libprobe.deadline import Deadline
    from libprobe.formats.servers import GlanceImage, Network, Quota, Size
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OpenStackAccess
    from libprobe.targets.topology import CloudEndpoint

NO_HOST = "No valid host was found"
MAX_VALUE = 255
MIB = 1 << 20
CORRECT_REGISTRATION = "correct the URL in the GOCDB"


class ServerOptions(Record):
    """What the operator has named, each empty where it is to be found.

    image: an id, a name, an AppDB number or an image_ref. size, network: an id or a name.
    """

    region: str = ""
    image: str = ""
    size: str = ""
    network: str = ""


class ServerLifeCycle(LifeCycle):
    """The life of a VM in one region of an OpenStack cloud.

    Yields beside what the life of any VM does: time_to_login (s), and what is used of the project's quota:
    quota_instances, quota_cores, quota_memory (B).
    """

    kind = "openstack-vm"

    _nova: Nova
    _region: str
    _image: GlanceImage
    _size: Size

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OpenStackAccess,
        journal: Journal,
        deadline: Deadline,
        choice: ServerOptions,
        *,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(endpoint, access, journal, deadline, seconds=seconds)
        self.keystone = endpoint.base
        self._access = access
        self._cloud = access.cloud
        self._choice = choice
        self._quota_shortages = ""
        self._network: Network | None = None

    @property
    def login_place(self) -> str:
        """The Keystone: once there is a client, the subject is Nova."""
        return host_port_of(self.keystone) or self.keystone

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Also before there is a client."""
        return self._cloud.http.using_deadline(deadline)

    def log_in(self) -> None:
        """Log in, and take all services of one region."""
        cloud = self._cloud
        if not cloud.is_logged_in:
            cloud.log_in()
        self._metrics.append(Metric("time_to_login", cloud.login_s, "s", min=0))
        regions = cloud.regions(KIND, IMAGES, NETWORKS, chosen=self._choice.region)
        self._region = regions[0]
        self._nova = Nova(cloud.service(KIND, self._region))
        self._client = self._nova
        self.subject = self._nova.base
        self._remover = Remover(self._nova, self.subject, self._forget)
        self._journal.note_at_work(self.subject, self._identity)
        self._add_facts(regions)

    def _add_facts(self, regions: Sequence[str]) -> None:
        scope, endpoint = self._cloud.scope, self.endpoint
        self.facts.update(project=scope.project, region=self._region)
        self._metrics.extend(self.judge_project(self._cloud.caveat))
        self.detail(1, f"endpoint: {endpoint.describe()}")
        self.detail(1, f"catalogue: {scope.describe()}")
        others = f", the first of {number_of(len(regions), 'region')} that have all services"
        self.detail(1, f"region: {self._region}{others if len(regions) > 1 else ''}, Nova at {self.subject}")
        self.detail(2, self._access.describe_actor())

    def client_elsewhere(self, endpoint: str, until: Deadline) -> Nova:
        """Nova of another region; the token goes nowhere but where the catalogue says."""
        for each in self._cloud.scope.offered:
            if each.kind == KIND and each.url.rstrip("/") == endpoint:
                return Nova(self._cloud.service(KIND, each.region))
        said = f"{host_port_of(endpoint)} is no compute service today"
        raise Failure(said, of=self._cloud.keystone.asked, link="in the catalogue of", more=[f"it was: {endpoint}"])

    # ---- what it is made of

    def prepare(self) -> None:
        """An image, a size that can hold it, a network; and whether the quota has room."""
        self._image = self._find_image(Glance(self._cloud.service(IMAGES, self._region)))
        sizes = self._nova.sizes()
        self._size = self._find_size(sizes)
        self._network = self._find_network(Neutron(self._cloud.service(NETWORKS, self._region)))
        self.facts.update(image=self._image.name or self._image.id, size=self._size.name or self._size.id)
        self.detail(1, f"image: {self._image.id} ({self._image.name})")
        self.detail(1, f"size: {self._size.id} ({self._size.name})")
        try:
            self._check_quotas(self._nova.quotas())
        except EndpointFailure as failure:
            self.detail(1, f"the project's quota is not known: {failure}")  # creating one will tell

    def _find_image(self, glance: Glance) -> GlanceImage:
        """Raises: Failure; BadData for an image that the site has to have, by its registration or as one of EGI's."""
        images = glance.images()
        if glance.unreadable:
            self.detail(1, f"{number_of(glance.unreadable, 'image')} of {glance.base} could not be read")
        active = [each for each in images if each.status == "active"]
        wanted = self._choice.image or self.endpoint.image or ""
        if not wanted:
            usual = servers.default_image(active)
            if usual is None:
                said = f"no active image seen at all by project {self._cloud.scope.project}"
                raise BadData(said, of=Asked(host_port_of(glance.base), f"{glance.base}/v2/images"))
            return usual
        found = servers.find_images(wanted, active)
        if len(found) > 1:
            self._notes.append(f"of {number_of(len(found), 'image')} {wanted} the newest was taken, {found[0].id}")
        if found:
            return found[0]
        unlisted = glance.image(wanted) if servers.is_identifier(wanted) and len(wanted) > 30 else None
        if unlisted and unlisted.status == "active":
            return unlisted
        raise self._missing_image_failure(glance, wanted, active, [*servers.find_images(wanted, images), unlisted])

    def _missing_image_failure(
        self, glance: Glance, wanted: str, active: Sequence[GlanceImage], others: Sequence[GlanceImage | None]
    ) -> Failure:
        inactive = next((each for each in others if each), None)
        near = servers.nearest_images(wanted, active)
        option, source = self._source_of("image", wanted)
        what = (
            f"image {wanted}, {source}, is {inactive.status or 'of no status'} instead of active"
            if inactive
            else f"no image {wanted}, {source}, among {len(active)} active ones of project {self._cloud.scope.project}"
        )
        asked = Asked(host_port_of(glance.base), f"{glance.base}/v2/images")
        also = f"nearest: {near[0]}" if near and not inactive else ""
        more = [f"nearest: {', '.join(near)}"] if near else []
        is_of_egi = wanted.isdecimal() or "/" in wanted
        share = "share the VO's images with the project"
        if option and not (inactive and is_of_egi):  # one of EGI's that is there was named rightly
            remedy = f"correct {option}, or {share}" if is_of_egi else f"correct {option}"
            return Misconfigured(what, of=asked, also=also, more=more, remedy=remedy)
        remedy = "upload it again, or activate it" if inactive else share if is_of_egi else CORRECT_REGISTRATION
        return BadData(what, of=asked, also=also, more=more, remedy=remedy)

    def _source_of(self, what: str, wanted: str) -> tuple[str, str]:
        """The operator's option that names an image or a resource, empty where the site registered it; and that in
        words, as they follow what is named.
        """
        by_option = {"image": ("--image", self._choice.image), "resource": ("--size", self._choice.size)}
        option, given = by_option[what]
        option = option if given else self.endpoint.option_that_chose(what, wanted)
        return option, f"which {option} names" if option else "registered in the GOCDB"

    def _find_size(self, sizes: Sequence[Size]) -> Size:
        """Raises: Failure."""
        wanted = self._choice.size or self.endpoint.resource or ""
        if wanted:
            found = [each for each in sizes if wanted == each.id] or [each for each in sizes if wanted == each.name]
            if found:
                return found[0]
            near = ", ".join(similar(wanted, [each.name for each in sizes], count=3, cutoff=0.4))
            also, asked = f"nearest: {near}" if near else "", self.asked
            option, source = self._source_of("resource", wanted)
            said = f"no size {wanted}, {source}, among {len(sizes)}"
            if option:
                raise Misconfigured(said, of=asked, also=also, remedy=f"correct {option}")
            raise BadData(said, of=asked, also=also, remedy=CORRECT_REGISTRATION)
        chosen = servers.smallest_size(self._image, sizes)
        if chosen is None:
            image = self._image
            needs = f"it needs {max(image.min_disk, 1)} GiB of disk and {image.min_ram} MiB of memory"
            raise BadData(
                f"none of {number_of(len(sizes), 'size')} can hold image {image.name or image.id}",
                of=self.asked,
                also=needs,
                remedy="add one with a disk of its own",
                more=["a size with disk 0 boots from a volume only, which is not tried"],
            )
        return chosen

    def _find_network(self, neutron: Neutron) -> Network | None:
        """The network for the VM; None to leave it to Nova, where there is none that it could be on.

        Raises: Failure; Misconfigured for one that was named and is not there, or for a name of several.
        """
        networks = neutron.networks()
        if self._choice.network:
            return self._named_network(neutron, networks)
        usable = [each for each in networks if each.is_usable]
        choice = sorted([each for each in usable if each.is_own] or usable, key=lambda each: (each.name, each.id))
        if not choice:
            return None
        names = [each.name for each in choice]
        told = ", ".join(each.name if names.count(each.name) == 1 else f"{each.name} {each.id}" for each in choice[:5])
        others = f", the first by name of {told}" if len(choice) > 1 else ""
        self.detail(1, f"network: {choice[0].id} ({choice[0].name}{others})")
        return choice[0]

    def _named_network(self, neutron: Neutron, networks: Sequence[Network]) -> Network:
        """The network of --network, by id or by a name that only one of those has which the project sees.

        Neutron allows several of one name, own ones and those that others share; openstackclient refuses such a name
        too. Raises: Misconfigured.
        """
        wanted, project = self._choice.network, self._cloud.scope.project
        found = [each for each in networks if each.id == wanted] or [each for each in networks if each.name == wanted]
        if len(found) == 1:
            return found[0]
        asked = Asked(host_port_of(neutron.base), f"GET {neutron.base}/v2.0/networks")
        if found:
            ids = sorted(each.id for each in found)
            raise Misconfigured(
                f"{number_of(len(found), 'network')} {wanted}, which --network names, in project {project}",
                of=asked,
                also=", ".join(ids[:2]) + (f" and {number_of(len(ids) - 2, 'other')}" if len(ids) > 2 else ""),
                remedy="name one by its ID",
                more=[
                    f"network {each.id}: {'of this project' if each.is_own else 'of another project'}"
                    f"{'' if each.is_usable else ', and not for VMs: external, without a subnet, or down'}"
                    for each in sorted(found, key=lambda each: each.id)
                ],
            )
        near = ", ".join(dict.fromkeys(each.name or each.id for each in networks[:5])) or "none"
        raise Misconfigured(
            f"no network {wanted}, which --network names, in project {project}",
            of=asked,
            remedy=f"choose one that it sees: {near}",
        )

    def _check_quotas(self, quotas: Sequence[Quota]) -> None:
        """Note how much of the quota is used, and each limit that leaves too little for the VM."""
        wanted = {"instances": 1, "cores": self._size.vcpus, "ram": self._size.ram}
        lacking = []
        for each in quotas:
            unit = MIB if each.name == "ram" else 1
            label = "quota_memory" if each.name == "ram" else f"quota_{each.name}"
            most = each.limit * unit if each.limit >= 0 else None
            self._metrics.append(
                Metric(label, each.used * unit, "B" if each.name == "ram" else "", min=0, max=most, context="quota")
            )
            if each.is_short_of(wanted[each.name]):
                what = "MiB of memory" if each.name == "ram" else each.name
                lacking.append(f"{each.used} of {each.limit} {what} used, {wanted[each.name]} more wanted")
        self._quota_shortages = "; ".join(lacking)

    # ---- its life

    def request_vm(self, entry: JournalEntry) -> bool:
        """Not where the quota is full: that is said without trying."""
        if self._quota_shortages:
            said = f"quota of project {self._cloud.scope.project} full"
            raise QuotaRefused(said, 403, of=self.asked, also=self._quota_shortages)
        wanted: dict[str, Any] = {
            "name": entry.title,
            "imageRef": self._image.id,
            "flavorRef": self._size.id,
            "metadata": {servers.MONITOR: os.uname().nodename[:MAX_VALUE], servers.MARK: entry.title},
        }
        if self._network:
            wanted["networks"] = [{"uuid": self._network.id}]
        wanted |= self.hand_over(entry)
        self._request(entry, lambda: self._nova.create(wanted))
        return True

    def hand_over(self, entry: JournalEntry) -> dict[str, Any]:
        """Return what else the VM is given, as a create request has it; here nothing. Raises: Failure."""
        return {}

    def _forget(self, entry: JournalEntry, client: ComputeClient | None = None) -> None:
        """With the key of its name, if there was one: in the region where it was, for each has keys of its own.

        A key that stays, or of which that is not known, keeps its entry.
        """
        if entry.has_key:
            nova = client if isinstance(client, Nova) else self._nova
            try:
                remove_keypair(nova, entry, self._identity)
            except KeypairLeft as failure:
                self.tell(failure)
                then = TOLD_BY if isinstance(failure, KeypairHidden) else "next run retries"
                said = f"keypair not removed: {failure.sentence} ({entry.title}; {then})"
                beside = left_beside("keypair not removed", failure, entry.title, then)
                self._metrics.append(outcome_metric(WARNING, said, beside=beside))
                return
        super()._forget(entry, client)

    def expect_alive(self, entity: VirtualMachine) -> None:
        """Nova tells in ERROR what has happened, and never whose fault it was."""
        if isinstance(entity, Server) and entity.status == "ERROR":
            failure = self._failed_build(entity.fault, reason="VM went into ERROR instead of ACTIVE")
            if NO_HOST in entity.fault:
                failure.more += ("Nova says so where there is no room, and where Placement or the hosts are down",)
            failure.more += self._nova.creation_request
            raise failure

    def examine(self, path: str, entity: VirtualMachine) -> Iterator[Metric]:
        """A VM that nobody can reach is of little use."""
        if not entity.addresses:
            why = "" if self._network else f"; project {self._cloud.scope.project} has no network that it could be on"
            yield outcome_metric(WARNING, f"VM is ACTIVE without any address on {self.place}{why}")


class EachRegion(Check):
    """The life of a VM in each region that has all services, one after the other, each with its share of the time.

    Yields what that of one does: of several the longest times, and the quota that is used up the most.
    """

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OpenStackAccess,
        journal: Journal,
        deadline: Deadline,
        choice: ServerOptions,
        *,
        life: Callable[..., ServerLifeCycle] | None = None,
    ) -> None:
        """life: makes the life of a VM, with the arguments of ServerLifeCycle; None for that itself."""
        super().__init__(deadline)
        self._make_life = life or ServerLifeCycle
        self.subject = endpoint.base
        self.caveats = endpoint.notes
        self._endpoint = endpoint
        self._access = access
        self._journal = journal
        self._choice = choice

    def measure(self) -> Iterator[Metric]:
        """Nothing is yielded before all VMs are gone, for a reader may stop reading."""
        cloud, deadline = self._access.cloud, self.deadline
        work = deadline.earlier_by(deadline.seconds - working_seconds(deadline.seconds))
        with work.enforced(), cloud.http.using_deadline(work):
            cloud.log_in()
            regions = cloud.regions(KIND, IMAGES, NETWORKS, chosen="", is_each=True)
        found: list[tuple[str, Metric]] = []
        lives: list[ServerLifeCycle] = []
        requested: set[str] = set()
        ended: Interrupted | None = None
        for number, region in enumerate(regions):
            until = deadline.share(len(regions) - number)
            share = until.remaining()
            choice = self._choice._replace(region=region)
            life = self._make_life(self._endpoint, self._access, self._journal, until, choice, seconds=share)
            life.share_requests(requested)
            lives.append(life)
            try:
                found.extend((region, each) for each in life.probe())
            except Interrupted as signal:
                ended = signal
                break
        self._add_facts(lives)
        yield from _worst_by_name(_with_regions(found, len(regions)))
        if ended:
            raise ended

    def _add_facts(self, lives: Sequence[ServerLifeCycle]) -> None:
        """Put the facts of all lives together, those that are equal once."""
        for name in dict.fromkeys(name for life in lives for name in life.facts):
            said = dict.fromkeys(life.facts[name] for life in lives if life.facts.get(name))
            self.facts[name] = "".join(said) if name == "notes" else " and ".join(said)
        for life in lives:
            self.details += [each for each in life.details if each not in self.details]


def _with_regions(found: Sequence[tuple[str, Metric]], count: int) -> list[Metric]:
    """The metrics of `count` regions: a judgement with the region that it is about before its sentence.

    What is said of every region, as of the login that serves them all, stays without a name.
    """
    regions_of: dict[str, set[str]] = {}
    for region, metric in found:
        if metric.context == "outcome":
            regions_of.setdefault(metric.value.sentence, set()).add(region)
    told = []
    for region, metric in found:
        judged = metric.value
        if metric.context == "outcome" and len(regions_of[judged.sentence]) < count:
            beside = [f"{region}: {each}" for each in judged.beside]
            metric = outcome_metric(judged.status, f"{region}: {judged.sentence}", beside=beside)
        told.append(metric)
    return told


def _worst_by_name(metrics: Sequence[Metric]) -> list[Metric]:
    """Return one metric of each name, the one nearest to its limit or else the largest, and each judgement once."""
    worst: dict[str, Metric] = {}
    judgements: dict[str, Metric] = {}
    for each in metrics:
        if each.context == "outcome":
            judgements.setdefault(each.value.sentence, each)
        elif each.name not in worst or _share_of_limit(each) > _share_of_limit(worst[each.name]):
            worst[each.name] = each
    return [*worst.values(), *judgements.values()]


def _share_of_limit(metric: Metric) -> float:
    return float(metric.value) / (metric.max or 1)
