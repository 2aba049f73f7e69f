"""What a project's token of Keystone v3 says: whose it is, and the catalogue of the services that it is good for.

    {"token": {"project": {"id", "name"}, "roles": [{"name"}],
               "catalog": [{"type": "compute", "endpoints": [{"interface", "region_id", "region", "url"}]}]}}

The order of the endpoints of a service is that of their random ids: the first of `compute` may be of one region and the
first of `image` of another. So nothing is ever taken by its place, and of the interfaces only `public`, unless a
clouds.yaml names another: those are addresses of the site's own network.
Source: Identity API v3; openstack.md section 2.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from libprobe.failures import BadData
from libprobe.formats.address import read_http_url
from libprobe.records import Record
from libprobe.text import MAX_COMPARED_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_ENDPOINTS = 2000
MAX_ROLES = 50
MAX_NAMED = 10
MAX_NEXT = 2048


def read_json_property(text: object, max_chars: int) -> dict[str, Any]:
    """What is written as JSON in one property; nothing of what cannot be read or has more than `limit` characters."""
    import json

    if not isinstance(text, str) or len(text) > max_chars:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class CatalogueEndpoint(Record):
    """One endpoint of the interface that was asked for.

    kind: the type of its service, as `compute` or `object-store`. url: not judged yet.
    """

    kind: str
    region: str
    url: str


class TokenScope(Record):
    """What a token is good for. offered: the endpoints of one interface, sorted."""

    project: str
    project_id: str
    roles: tuple[str, ...]
    offered: tuple[CatalogueEndpoint, ...]
    interface: str = "public"

    def regions(self, *kinds: str) -> list[str]:
        """The regions that have an endpoint of each of the kinds of services, in the order of their names."""
        found = [{each.region for each in self.offered if each.kind == kind} for kind in kinds]
        return sorted(set.intersection(*found)) if found else []

    def url(self, kind: str, region: str) -> str:
        """The URL of a service in a region, without the slash at its end. Raises: BadData for none, or no URL."""
        found = next((each.url for each in self.offered if (each.kind, each.region) == (kind, region)), None)
        if found is None:
            raise BadData(f"the catalogue has no {self.interface} endpoint of type {kind} in region {region}")
        try:
            read_http_url(found)
        except BadData as error:
            raise BadData(f"the catalogue's endpoint of type {kind} in region {region}: {error.sentence}") from None
        if "?" in found or "#" in found:
            raise BadData(f"the catalogue's endpoint of type {kind} in region {region} has a query in its URL")
        return found.rstrip("/")

    def describe(self) -> str:
        """The regions and what they have: `RegionOne (compute, image), RegionTwo (compute)`."""
        regions = sorted({each.region for each in self.offered})
        said = [
            f"{region} ({', '.join(sorted({each.kind for each in self.offered if each.region == region})[:MAX_NAMED])})"
            for region in regions[:MAX_NAMED]
        ]
        return ", ".join(said) or f"no {self.interface} endpoint at all"


def read_scope(document: object, interface: str = "public") -> TokenScope:
    """What a project's token says. interface: of which the endpoints are.

    Raises: BadData for a token of no project, or for anything but a token.
    """
    token = document.get("token") if isinstance(document, dict) else None
    if not isinstance(token, dict):
        raise BadData("what describes the token is missing")
    project = token.get("project")
    if not isinstance(project, dict) or not _text(project.get("id")) or not _text(project.get("name")):
        raise BadData("the token is of no project")
    catalogue = token.get("catalog")
    if not isinstance(catalogue, list):
        raise BadData("the token has no catalogue")
    roles = token.get("roles")
    names = [_text(each.get("name")) for each in roles if isinstance(each, dict)] if isinstance(roles, list) else []
    return TokenScope(
        _text(project["name"]),
        _text(project["id"]),
        tuple(filter(None, names[:MAX_ROLES])),
        tuple(sorted(_offered(catalogue, interface))),
        interface,
    )


def _offered(catalogue: list[Any], interface: str) -> Iterator[CatalogueEndpoint]:
    """The endpoints of an interface; entries of another shape are passed over. Raises: BadData for too many."""
    seen = 0
    for service in catalogue:
        if not isinstance(service, dict) or not isinstance(service.get("endpoints"), list):
            continue
        kind = _text(service.get("type"))
        for each in service["endpoints"]:
            seen += 1
            if seen > MAX_ENDPOINTS:
                raise BadData(f"the catalogue has more than {MAX_ENDPOINTS} endpoints")
            if not kind or not isinstance(each, dict) or each.get("interface") != interface:
                continue
            region = _text(each.get("region_id")) or _text(each.get("region"))
            if region and isinstance(each.get("url"), str):
                yield CatalogueEndpoint(kind, region, each["url"])


def _text(value: object) -> str:
    """A name, if it is one that can be shown and is of a length that names have; else nothing."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= MAX_COMPARED_CHARS else ""


def next_marker(document: Any) -> str:
    """By what Glance knows the page after this one of its list; empty for the last. Raises: BadData."""
    following = document.get("next")
    if following in (None, ""):
        return ""
    told = following if isinstance(following, str) and len(following) <= MAX_NEXT else ""
    try:
        marker = parse_qs(urlsplit(told).query).get("marker", [""])[0]
    except ValueError:
        marker = ""
    if not marker:
        raise BadData(f"the list of images goes on at {str(following)[:80]!r}, which is no page of it")
    return marker
