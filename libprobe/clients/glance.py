"""Glance, OpenStack's images: a list of them, page by page.

    GET <image>/v2/images?limit=500   {"images": [...], "next": "/v2/images?limit=500&marker=<id>"}

A page that is full names a next one, also where nothing follows. Of `next` only the marker is used: it is a path on the
site's own host, which may be another one behind a proxy. Hidden images, and those that were shared with the project and
not accepted, are not in the list.
Source: openstack.md section 4.
"""

from __future__ import annotations

from math import inf
from urllib.parse import quote

from libprobe.clients.openstack import time_limit
from libprobe.failures import BadData
from libprobe.formats.openstack import next_marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from libprobe.clients.openstack import ServiceClient

    ImageT = TypeVar("ImageT")

PAGE, MAX_PAGES = 500, 200
MAX_PAGE = 16 << 20


class GlanceClient:
    """The images of a region that a project sees, of any status.

    limit_s: seconds that one request may take. unreadable: entries of the last list that are no images.
    """

    limit_s = inf
    unreadable = 0

    def __init__(self, service: ServiceClient) -> None:
        self._service = service.at_root("/v2")
        self.base = self._service.base
        self.region = service.region

    def listed(self, read: Callable[[Any], list[ImageT]], doing: str, filters: str = "") -> list[ImageT]:
        """What `read` makes of the pages of a list, in one list. Other entries are left out: `unreadable`.

        filters: what follows the page's size in the query. Raises: Failure.
        """
        found: list[ImageT] = []
        self.unreadable = 0
        marker, seen = "", set()
        for _ in range(MAX_PAGES):
            query = f"?limit={PAGE}{filters}" + (f"&marker={quote(marker, safe='')}" if marker else "")
            with time_limit(self._service, self.limit_s):
                answer = self._service.request("GET", f"/v2/images{query}", max_bytes=MAX_PAGE)
            if answer.status != 200:
                raise self._service.refusal_failure(answer, doing)
            images, count, marker = answer.read_json(
                lambda document: (read(document), len(document["images"]), next_marker(document))
            )
            found += images
            self.unreadable += count - len(images)
            if not marker or not count:  # a page that is full names one after it, which may be empty
                return found
            if marker in seen:
                raise answer.bad_answer(
                    "pages that go round in a circle", also=f"the marker {marker[:60]!r} came twice"
                )
            seen.add(marker)
        raise BadData(f"list of images without an end within {MAX_PAGES} pages", of=self._service.asked, link="from")
