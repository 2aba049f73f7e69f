"""What Nova, Glance and Neutron say of virtual machines and of what they are made of: images, sizes, networks, quotas.

    {"server": {"id", "name", "status": "BUILD", "OS-EXT-STS:task_state": "spawning", "addresses": {}, "fault": {}}}
    {"images": [{"id", "name", "status", "min_disk": 1, "min_ram": 0, "ad:appid": "1017"}], "next": "/v2/images?..."}
    {"flavors": [{"id", "name", "vcpus": 1, "ram": 512, "disk": 1}]}
    {"networks": [{"id", "name", "subnets": [], "shared": false, "router:external": false, "project_id"}]}
    {"limits": {"absolute": {"maxTotalInstances": 10, "totalInstancesUsed": 3}}}

An image is listed whatever its status, a network whether or not a VM can be on it. Properties of an image stand beside
its fields; those of EGI may also be in one of them, APPLIANCE_ATTRIBUTES, as JSON in a string.
Source: Compute API 2.1, Image API v2, Networking API v2.0; openstack.md sections 4 to 7.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.formats.openstack import read_json_property
from libprobe.records import Record
from libprobe.text import MAX_COMPARED_CHARS, similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

MAX_LISTED = 20_000
MAX_ATTRIBUTES = 16 << 10
MAX_ADDRESSES = 20
GIB = 1 << 30
APP_ID, IMAGE_REF, ATTRIBUTES = "ad:appid", "eu.egi.cloud.image_ref", "APPLIANCE_ATTRIBUTES"
MARK, MONITOR = "egi-sam", "argo-mon-host"
"""Metadata of a server: the title that we gave it; whose monitor's it is, which argo-probe-fedcloud tells as well."""

MONITORING = "1017"
"""The AppDB's number of the image that the federation monitors with."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,255}")


class Server(Record):
    """A virtual machine. title: its name. addresses: in all networks.

    status: as Nova has it, `BUILD`; task: what is being done to it, `spawning`, empty for nothing.
    fault: Nova's words for what has gone wrong, in ERROR only.
    hostname: what its metadata say of whose it is (see `read_mark`); empty if nothing.
    """

    id: str
    title: str
    status: str
    task: str
    addresses: list[str]
    fault: str
    hostname: str = ""

    @property
    def state(self) -> str:
        """`active`, or what else it is in Nova's words: `BUILD, spawning`. One that is being deleted is not active."""
        if self.status == "ACTIVE" and self.task != "deleting":
            return "active"
        return f"{self.status}, {self.task}" if self.task else self.status


class GlanceImage(Record):
    """min_disk: GiB; min_ram: MiB; size: bytes, 0 where it is not told. created: in a form that sorts."""

    id: str
    name: str
    status: str
    min_disk: int
    min_ram: int
    size: int
    created: str
    app_id: str
    image_ref: str


class Size(Record):
    """A flavour. ram: MiB; disk: GiB, 0 for one that only boots from a volume."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int

    def can_boot(self, image: GlanceImage) -> bool:
        """Whether the image may be booted from this size's own disk."""
        needed = max(image.min_disk, -(-image.size // GIB), 1)
        return self.disk >= needed and self.ram >= image.min_ram


class Network(Record):
    """is_own: the project's. is_usable: that a VM can be on it, as far as is to be seen."""

    id: str
    name: str
    is_own: bool
    is_usable: bool


class Quota(Record):
    """One limit of a project and what is used of it; a limit of -1 is none."""

    name: str
    used: int
    limit: int

    def is_short_of(self, more: int) -> bool:
        return self.limit >= 0 and self.used + more > self.limit


def read_server(document: object) -> Server:
    """Raises: BadData."""
    server = document.get("server") if isinstance(document, dict) else None
    if not isinstance(server, dict) or not is_identifier(server.get("id")):
        raise BadData("what describes the VM is missing")
    fault = server.get("fault")
    said = fault.get("message") if isinstance(fault, dict) else ""
    return Server(
        server["id"],
        _text(server.get("name")),
        _text(server.get("status")) or "of no status",
        _text(server.get("OS-EXT-STS:task_state")),
        list(_addresses(server.get("addresses"))),
        said.strip()[:1000] if isinstance(said, str) else "",
        read_mark(server.get("metadata")),
    )


def read_names(document: object) -> list[tuple[str, str, str]]:
    """Id, name and mark (see `read_mark`) of each server of a list; one without details has none. Raises: BadData."""
    return [
        (each["id"], _text(each.get("name")), read_mark(each.get("metadata"))) for each in _listed(document, "servers")
    ]


def goes_on(document: Any) -> bool:
    """Whether a list of servers has a page after this one: a site may make them shorter than it was asked to."""
    links = document.get("servers_links")
    return isinstance(links, list) and any(isinstance(each, dict) and each.get("rel") == "next" for each in links)


def read_mark(metadata: object) -> str:
    """Whose a server is by its metadata: the title that a run of ours gave it, `egi-sam-mon-1e78b6-19d1c7e3b501`;
    `VM of monitor mon.example.org` for one of argo-probe-fedcloud, which is never ours; empty for anybody else's.
    """
    if not isinstance(metadata, dict):
        return ""
    monitor = _text(metadata.get(MONITOR))
    return _text(metadata.get(MARK)) or (f"VM of monitor {monitor}" if monitor else "")


def read_images(document: object) -> list[GlanceImage]:
    """The images of one page, whatever their status. Raises: BadData."""
    return [read_image(each) for each in _listed(document, "images")]


def read_image(image: object) -> GlanceImage:
    """Raises: BadData."""
    if not isinstance(image, dict) or not is_identifier(image.get("id")):
        raise BadData("what describes the image is missing")
    attributes = {**read_json_property(image.get(ATTRIBUTES), MAX_ATTRIBUTES), **image}
    return GlanceImage(
        image["id"],
        _text(image.get("name")),
        _text(image.get("status")),
        _number(image.get("min_disk")),
        _number(image.get("min_ram")),
        max(_number(image.get("size")), _number(image.get("virtual_size"))),
        _text(image.get("created_at")),
        _text(str(attributes.get(APP_ID, ""))),
        _text(str(attributes.get(IMAGE_REF, ""))),
    )


def read_sizes(document: object) -> list[Size]:
    """The flavours that may be used. Raises: BadData."""
    return [
        Size(
            each["id"],
            _text(each.get("name")),
            _number(each.get("vcpus")),
            _number(each.get("ram")),
            _number(each.get("disk")),
        )
        for each in _listed(document, "flavors")
        if each.get("OS-FLV-DISABLED:disabled") is not True
    ]


def read_networks(document: object, project_id: str) -> list[Network]:
    """The networks that a project sees. project_id: its own. Raises: BadData.

    `status` is ACTIVE whatever a network is good for. An external one of others takes no VM, unless it is shared.
    """
    found = []
    for each in _listed(document, "networks"):
        is_own = project_id in (each.get("project_id"), each.get("tenant_id"))
        may_be_used = is_own or each.get("shared") is True
        is_ready = bool(each.get("subnets")) and each.get("admin_state_up") is not False
        found.append(Network(each["id"], _text(each.get("name")), is_own, may_be_used and is_ready))
    return found


def read_quotas(document: object) -> list[Quota]:
    """What a project may have of VMs, cores and memory (MiB), as far as it is told. Raises: BadData."""
    limits = document.get("limits") if isinstance(document, dict) else None
    absolute = limits.get("absolute") if isinstance(limits, dict) else None
    if not isinstance(absolute, dict):
        raise BadData("the limits of the project are missing")
    quotas = []
    for name, used, limit in (
        ("instances", "totalInstancesUsed", "maxTotalInstances"),
        ("cores", "totalCoresUsed", "maxTotalCores"),
        ("ram", "totalRAMUsed", "maxTotalRAMSize"),
    ):
        has, may = absolute.get(used), absolute.get(limit)
        if type(has) is int and type(may) is int:
            quotas.append(Quota(name, has, may))
    return quotas


def find_images(wanted: str, images: Sequence[GlanceImage]) -> list[GlanceImage]:
    """The images that a word means, the newest first: by id, else by name, else by AppDB number, else by image_ref.

    The tag of an image_ref, which ends it after a colon, may be left out.
    """
    for values in (
        lambda each: (each.id,),
        lambda each: (each.name,),
        lambda each: (each.app_id,),
        lambda each: (each.image_ref, each.image_ref.rpartition(":")[0]),
    ):
        found = [each for each in images if wanted in values(each)]
        if found:
            return sorted(found, key=lambda each: (each.created, each.id), reverse=True)
    return []


def nearest_images(wanted: str, images: Sequence[GlanceImage], count: int = 3) -> list[str]:
    """The names of images that are most like a word that means none of them; the first where none is."""
    known = {word: each.name for each in images for word in (each.name, each.app_id, each.image_ref, each.id) if word}
    near = [known[each] for each in similar(wanted, known, count=count, cutoff=0.4)]
    return list(dict.fromkeys(near or [each.name for each in images if each.name][:count]))


def default_image(images: Sequence[GlanceImage]) -> GlanceImage | None:
    """The image to take where none is named: the monitoring image, else the smallest, those of EGI before others."""
    monitoring = find_images(MONITORING, [each for each in images if each.app_id == MONITORING])
    if monitoring:
        return monitoring[0]
    of_egi = [each for each in images if each.app_id or each.image_ref]
    return min(of_egi or images, key=lambda each: (each.min_disk, each.min_ram, each.size, each.id), default=None)


def smallest_size(image: GlanceImage, sizes: Sequence[Size]) -> Size | None:
    """The smallest size that can hold an image; None if none can."""
    fitting = [each for each in sizes if each.can_boot(image)]
    return min(fitting, key=lambda each: (each.vcpus, each.ram, each.disk, each.id), default=None)


def is_identifier(value: object) -> bool:
    """Whether it is an id that may be part of a URL."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None and value.strip(".") != ""


def _listed(document: object, name: str) -> list[dict[str, Any]]:
    """The entries of a list that have an id; others are passed over. Raises: BadData."""
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadData(f"a list of {name} is missing")
    if len(entries) > MAX_LISTED:
        raise BadData(f"the list of {name} has more than {MAX_LISTED} entries")
    return [each for each in entries if isinstance(each, dict) and is_identifier(each.get("id"))]


def _addresses(networks: object) -> Iterator[str]:
    found = 0
    for entries in networks.values() if isinstance(networks, dict) else ():
        for each in entries if isinstance(entries, list) else ():
            address = _text(each.get("addr")) if isinstance(each, dict) else ""
            if address and found < MAX_ADDRESSES:
                found += 1
                yield address


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else 0


def _text(value: object) -> str:
    return value[:MAX_COMPARED_CHARS] if isinstance(value, str) else ""
