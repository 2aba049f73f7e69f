"""The federation's information system: which OpenStack site has which endpoint, and which project for which VO.

    [{"name": "EXAMPLE-SITE", "url": "https://ks.example.org:5000/v3", "projects": [{"id": "0a1b", "name": "ops"}]}]

A project's `name` is that of its VO. URLs are written in many ways for the same place: with and without the default
port, which ARGO adds, a slash at the end, `/v3`.
Source: cloud-info-api, its answer to /sites/?include_projects=true.
"""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats.address import NormalizedUrl, normalize_url
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_SITES, MAX_PROJECTS, MAX_CHARS = 5000, 1000, 1024


class Project(Record):
    vo: str
    id: str


class Site(Record):
    """A site as it is published. url: of its Keystone, not judged."""

    name: str
    url: str
    projects: tuple[Project, ...]

    def is_same_as(self, url: str) -> bool:
        """Whether its endpoint is the one of a URL, however that is written."""
        return normalize_keystone_url(self.url) == normalize_keystone_url(url)


def normalize_keystone_url(url: str) -> NormalizedUrl:
    """Where a Keystone is, whichever version of it a URL names."""
    place = normalize_url(url)
    return place._replace(query=(), path=place.path.removesuffix("v3").strip("/"))


def read_sites(document: object) -> list[Site]:
    """The sites that are published; entries of another shape are passed over. Raises: BadData."""
    if not isinstance(document, list):
        raise BadData("no list of sites")
    if len(document) > MAX_SITES:
        raise BadData(f"{len(document)} sites, more than {MAX_SITES}")
    return [
        Site(_text(each.get("name")), _text(each.get("url")), tuple(_projects(each.get("projects"))))
        for each in document
        if isinstance(each, dict) and _text(each.get("url"))
    ]


def _projects(value: Any) -> list[Project]:
    listed = value[:MAX_PROJECTS] if isinstance(value, list) else []
    read = [Project(_text(each.get("name")), _text(each.get("id"))) for each in listed if isinstance(each, dict)]
    return [each for each in read if each.vo and each.id]


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) and len(value) <= MAX_CHARS else ""
