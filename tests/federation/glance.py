"""Glance, OpenStack's images, as release 25 behind Apache answers.

    https://localhost:19292/v2/images?limit=25&marker=<id>

Source: recordings of Glance (release Zed). Its images are those of the recorded one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from .faults import Fault, register
from .openstack import END, Api, short_id
from .web import Request, Response

KIND = "image"
PAGE, MOST = 25, 1000

FAULTS = {
    "glance-pages": Fault("A page of images has `size` of them.", {"size": 2}),
    "glance-next": Fault("Each page of images names `next` as the one after it.", {"next": "/v2/images?marker=again"}),
}
register(FAULTS)


@dataclass
class Image:
    """properties: those that stand beside the fields of Glance's own. owner: project, by name; empty for the site's.

    member: for a shared image, whether the project that asks has accepted it: `pending` or `accepted`.
    """

    name: str
    status: str = "active"
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = 65536
    hidden: bool = False
    owner: str = ""
    visibility: str = "public"
    member: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or short_id(f"image/{self.name}/{self.created}")


def recorded() -> list[Image]:
    """The images of the recorded site, the newest first."""
    ubuntu = '{"ad:appid": "1018", "ad:mpuri": "https://appdb.egi.eu/store/vo/image/x:1/", "eu.egi.cloud.tag": "22.04"}'
    alpine = '{"eu.egi.cloud.image_ref": "registry.egi.eu/egi_vm_images/alpine:3.20-2026.01.30-abc"}'
    centos = "Image for EGI Centos 7 [CentOS/7/VirtualBox]"
    images = [
        Image("deactivated", "deactivated"),
        Image("queued", "queued", size=None),
        Image("bigram", min_ram=4096),
        Image("bigdisk", min_disk=40),
        Image("registry alpine", properties={"APPLIANCE_ATTRIBUTES": alpine}),
        Image("EGI Ubuntu 22.04", properties={"APPLIANCE_ATTRIBUTES": ubuntu}),
        Image(centos, properties={"ad:appid": "1017"}),
        Image("cirros-0.3.5"),
        Image("hidden", hidden=True),
    ]
    for age, image in enumerate(images):
        image.created = 1.79e9 - age
        image.id = short_id(f"image/{image.name}")
    return images


class Glance(Api):
    """The images of one region. images: the newest first."""

    delays_auth = True
    images: list[Image]

    def reset(self) -> None:
        self.images = recorded()

    def __init__(self, keystone: Any) -> None:
        super().__init__(keystone)
        self.reset()

    def named(self, name: str) -> Image:
        return next(each for each in self.images if each.name == name)

    def seen(self, identifier: str, project: str | None) -> Image | None:
        """The image of an id, if a project may use it."""
        return next((each for each in self.images if each.id == identifier and _is_seen(each, project)), None)

    def answer(self, request: Request) -> Response:
        if request.path in ("/", ""):
            return self.json(300, {"versions": [{"id": "v2.15", "status": "CURRENT", "links": []}]})
        token = self.token(request)
        if request.path == "/v2/images":
            return self._list(request, token.project)
        if request.path.startswith("/v2/images/") and request.method == "GET":
            identifier = request.path.removeprefix("/v2/images/")
            image = self.seen(identifier, token.project)
            if image:
                return self.json(200, self._shown(image))
            return self.web_error(404, f"No image found with ID {identifier}{END}", "Not Found")
        return self.not_found()

    def _list(self, request: Request, project: str | None) -> Response:
        query = {name: values[-1] for name, values in request.query.items()}
        fault = self.fault("glance-pages", request)
        limit = int(fault["size"]) if fault else min(int(query.pop("limit", PAGE)), MOST)
        query.pop("limit", None)
        marker = query.pop("marker", "")
        member = query.pop("member_status", "accepted")
        shown = [each for each in self.images if not each.hidden and _is_seen(each, project)]
        found = [each for each in shown if each.member in ("", member)]
        for name, value in query.items():
            found = [each for each in found if str(self._shown(each).get(name)) == value]
        if marker:
            places = [at for at, each in enumerate(found) if each.id == marker]
            if not places:
                return self.web_error(400, f"Image {marker} could not be found.{END}", "Bad Request")
            found = found[places[0] + 1 :]
        page = found[:limit]
        filters = f"&{urlencode(query)}" if query else ""
        document: dict[str, Any] = {
            "images": [self._shown(each) for each in page],
            "first": f"/v2/images?limit={limit}{filters}",
            "schema": "/v2/schemas/images",
        }
        if page and len(page) == limit:  # also where nothing follows
            document["next"] = f"/v2/images?limit={limit}{filters}&marker={page[-1].id}"
        if (fault := self.fault("glance-next", request)) is not None:
            document["next"] = fault["next"]
        return self.json(200, document)

    def _shown(self, image: Image) -> dict[str, Any]:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(image.created))
        return {
            **image.properties,
            "name": image.name,
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": image.visibility,
            "size": image.size,
            "virtual_size": image.size,
            "status": image.status,
            "checksum": None if image.size is None else "fcd6bcb56c1689fcef28b57c22475bad",
            "protected": False,
            "min_ram": image.min_ram,
            "min_disk": image.min_disk,
            "owner": self.keystone.project_id(image.owner or "admin"),
            "os_hidden": image.hidden,
            "id": image.id,
            "created_at": stamp,
            "updated_at": stamp,
            "tags": [],
            "self": f"/v2/images/{image.id}",
            "file": f"/v2/images/{image.id}/file",
            "schema": "/v2/schemas/image",
        }


def _is_seen(image: Image, project: str | None) -> bool:
    is_others = image.visibility in ("public", "community") or bool(image.member)
    return is_others or (bool(image.owner) and image.owner == project)
