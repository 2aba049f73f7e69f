"""Glance's list of images, as a project sees it, page by page.

    GET <image>/v2/images?limit=100   {"images": [...], "next": "/v2/images?limit=100&marker=<id>"}

A page that is full names a next one, also where nothing follows. Of `next` only the marker is used: it is a path on the
site's own host, which may be another one behind a proxy. Hidden images, and those that were shared with the project and
not accepted, are not in the list.
Source: openstack.md section 4.
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

from libprobe.failures import BadData
from libprobe.formats.images import read_cloud_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.clients.openstack import ServiceClient
    from libprobe.formats.images import CloudImage

KIND = "image"
PAGE = 100
MAX_PAGES = 200


class GlanceImages:
    """The images of a region that a project sees, of any status."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service.at_root("/v2")
        self.base = self._service.base
        self.region = service.region

    def list_all(self) -> list[CloudImage]:
        """All but hidden ones and those that the project has not accepted. Raises: Failure."""
        return self._listed("")

    def list_pending(self) -> list[CloudImage]:
        """Those that were shared with the project, which has not accepted them. Raises: Failure."""
        return self._listed("&visibility=shared&member_status=pending")

    def _listed(self, filters: str) -> list[CloudImage]:
        found: list[CloudImage] = []
        marker, seen = "", set()
        for _ in range(MAX_PAGES):
            query = f"?limit={PAGE}{filters}" + (f"&marker={quote(marker, safe='')}" if marker else "")
            answer = self._service.request("GET", f"/v2/images{query}")
            if answer.status != 200:
                raise self._service.refusal_failure(answer, "list images")
            document = answer.json()
            images = document.get("images") if isinstance(document, dict) else None
            if not isinstance(images, list):
                raise answer.bad_answer("answer that is no list of images")
            found += filter(None, map(read_cloud_image, images))
            marker = _next_marker(document.get("next")) if images else ""
            if not marker:
                return found
            if marker in seen:
                raise answer.bad_answer(
                    "pages that go round in a circle", also=f"the marker {marker[:60]!r} came twice"
                )
            seen.add(marker)
        raise BadData(f"more than {MAX_PAGES * PAGE} images", of=self._service.asked)


def _next_marker(following: object) -> str:
    """The marker of the next page; empty where there is none."""
    if not isinstance(following, str) or len(following) > 2048:
        return ""
    try:
        return parse_qs(urlsplit(following).query).get("marker", [""])[0]
    except ValueError:
        return ""
