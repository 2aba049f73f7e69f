"""The information system of the federation's OpenStack sites, as cloud-info-api answers.

    /sites/?include_projects=true      [{"id", "name", "url", "state", "hostname", "projects": [{"id", "name"}]}]

A project's name is that of its VO. A site whose information has expired is not in the list.
Source: the cloud-info-api of June 2026, run with what cloud-info-provider publishes.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault, Faults, register
from .web import Request, Response

FAULTS = {
    "info-absent": Fault("The information system has no site `site`.", {"site": None}),
    "info-empty": Fault("The information system has no site at all."),
    "info-no-projects": Fault("No site has a project."),
}
register(FAULTS)


@dataclass
class Site:
    """projects: VO and id of each."""

    name: str
    url: str
    hostname: str
    projects: list[tuple[str, str]] = field(default_factory=list)


class CloudInfo:
    """sites: as they are. changed: what is published of a site instead, by its name; more: of sites beside these."""

    def __init__(self, sites: Callable[[], list[Site]]) -> None:
        self.faults = Faults()
        self._sites = sites
        self.reset()

    def reset(self) -> None:
        self.changed: dict[str, dict[str, Any]] = {}
        self.more: list[dict[str, Any]] = []

    def app(self, request: Request) -> Response:
        if request.path == "/sites":
            query = urllib.parse.urlencode(request.query, doseq=True)
            host = request.headers.get("Host") or "localhost"
            # behind what ends TLS it knows of none
            return Response(307, [("Location", f"http://{host}/sites/?{query}")], b"")
        if request.path == "/sites/":
            return self._listed(request)
        return self._json(404, {"detail": "Not Found"})

    def _listed(self, request: Request) -> Response:
        words = request.query.get("include_projects", ["false"])[-1].lower()
        if words not in ("true", "false", "1", "0"):
            return self._json(422, {"detail": [{"type": "bool_parsing", "loc": ["query", "include_projects"]}]})
        absent = self.faults.take("info-absent", request.method, request.path)
        is_empty = self.faults.take("info-empty", request.method, request.path) is not None
        is_bare = self.faults.take("info-no-projects", request.method, request.path) is not None
        listed: list[dict[str, Any]] = []
        for number, site in enumerate([] if is_empty else self._sites()):
            if absent and site.name == absent["site"]:
                continue
            entry = {
                "id": f"{9000 + number}G0",
                "name": site.name,
                "url": site.url,
                "state": "",
                "hostname": site.hostname,
                "projects": [{"id": identifier, "name": vo} for vo, identifier in site.projects if not is_bare],
            }
            entry |= self.changed.get(site.name, {})
            if words not in ("true", "1"):
                del entry["projects"]
            listed.append(entry)
        return self._json(200, listed + ([] if is_empty else self.more))

    def _json(self, status: int, document: Any) -> Response:
        return Response(status, [("Content-Type", "application/json")], json.dumps(document).encode())
