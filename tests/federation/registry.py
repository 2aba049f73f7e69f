"""A Harbor registry with the images that EGI makes, as its API 2.0 and the OCI distribution interface answer.

    /api/v2.0/projects/<project>/repositories?page=1&page_size=100
    /api/v2.0/projects/<project>/repositories/<name>/artifacts
    /v2/<project>/<name>/manifests/<tag or digest>      with a token of /service/token

Source: Harbor's API description; manifests as oras 0.2.43 pushed them to a distribution 2.8.2 registry: what is said of
the file is in its layer, and what is said of the manifest beside the layers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .. import planted
from .faults import Fault, Faults, register
from .web import Request, Response

PROJECT = "egi_vm_images"
PATH = f"/api/v2.0/projects/{PROJECT}"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MOST = 100

FAULTS = {
    "registry-private": Fault("Everything wants this login, as user:password.", {"login": None}),
    "registry-realm": Fault("A refusal names `realm` as where tokens are.", {"realm": None}),
    "registry-no-end": Fault("Each page of artefacts is full."),
}
register(FAULTS)


@dataclass
class Artefact:
    """annotations: of its file; without `eu.egi.cloud.tag` it is no image for clouds."""

    repository: str
    tags: list[str]
    version: str
    pushed: float = field(default_factory=lambda: time.time() - 30 * 86400)
    annotations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version:
            self.annotations.setdefault("eu.egi.cloud.tag", self.version)

    @property
    def manifest(self) -> bytes:
        content = hashlib.sha256(f"{self.repository} {self.version}".encode()).hexdigest()
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.unknown.config.v1+json", "size": 2, "digest": "sha256:44"},
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "size": 70000,
                        "digest": f"sha256:{content}",
                        "annotations": {"org.opencontainers.image.title": "disk.qcow2", **self.annotations},
                    }
                ],
                "annotations": {"org.opencontainers.image.revision": "7b98c834862f"},
            }
        ).encode()

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.manifest).hexdigest()}"

    def properties(self) -> dict[str, str]:
        """What atrope writes beside the fields of Glance's own."""
        reference = f"{PROJECT}/{self.repository}:{self.tags[0]}"
        identifier = f"registry.egi.eu/{reference}-{self.digest}"
        attributes = {**self.annotations, "eu.egi.cloud.image_ref": reference}
        layer = json.loads(self.manifest)["layers"][0]["digest"]
        return {
            "appdb_id": identifier,
            "vmcatcher_event_ad_mpuri": identifier,
            "image_hash": layer,
            "image_list": PROJECT,
            "APPLIANCE_ATTRIBUTES": json.dumps(attributes),
        }


class Registry:
    """artefacts: those of the project."""

    def __init__(self, base_url: Callable[[], str]) -> None:
        self.faults = Faults()
        self._base_url = base_url
        self._tokens: set[str] = set()
        self.reset()

    def reset(self) -> None:
        self.artefacts = [
            Artefact("alpine", ["3.20-2026.01.30-abc", "3.20"], "2026.01.30-abc"),
            Artefact("alpine", ["3.20-2025.12.30-abc"], "2025.12.30-abc", time.time() - 60 * 86400),
            Artefact("tools/builder", ["1.0"], ""),
        ]

    @property
    def images(self) -> list[Artefact]:
        """Those that are to be at the sites."""
        return [each for each in self.artefacts if each.version and any("-" not in tag for tag in each.tags)]

    # -- serving --

    def app(self, request: Request) -> Response:
        private = self.faults.take("registry-private", request.method, request.path)
        good = private and f"Basic {base64.b64encode(str(private['login']).encode()).decode()}"
        given = request.headers.get("Authorization") or ""
        has_login = not good or given == good
        if request.path == "/service/token":
            token = planted.plain_secret()
            if has_login:
                self._tokens.add(token)
            return self._json(200, {"token": token, "access_token": "", "expires_in": 1800})
        if request.path.startswith("/v2/"):
            return self._manifest(request, given)
        if not has_login:
            return self._error(401, "UNAUTHORIZED", "unauthorized: unauthorized")
        if request.path == f"{PATH}/repositories":
            names = sorted({each.repository for each in self.artefacts})
            return self._page(request, [{"name": f"{PROJECT}/{name}", "artifact_count": 1} for name in names])
        if request.path.startswith(f"{PATH}/repositories/") and request.path.endswith("/artifacts"):
            name = unquote(unquote(request.path.removeprefix(f"{PATH}/repositories/").removesuffix("/artifacts")))
            found = [self._shown(each) for each in self.artefacts if each.repository == name]
            if self.faults.take("registry-no-end", request.method, request.path) is not None:
                return self._json(200, found[:1] * MOST)
            return self._page(request, found)
        return self._error(404, "NOT_FOUND", f"{request.path} not found")

    def _manifest(self, request: Request, given: str) -> Response:
        if given.removeprefix("Bearer ") not in self._tokens:
            name = request.path.removeprefix("/v2/").partition("/manifests/")[0]
            fault = self.faults.take("registry-realm", request.method, request.path)
            realm = fault["realm"] if fault else f"{self._base_url()}/service/token"
            challenge = f'Bearer realm="{realm}",service="harbor-registry",scope="repository:{name}:pull"'
            refused = self._error(401, "UNAUTHORIZED", "unauthorized to access repository")
            refused.headers.append(("Www-Authenticate", challenge))
            return refused
        for each in self.artefacts:
            for reference in (each.digest, *each.tags):
                if request.path == f"/v2/{PROJECT}/{each.repository}/manifests/{reference}":
                    fields = [("Content-Type", MANIFEST), ("Docker-Content-Digest", each.digest)]
                    return Response(200, fields, each.manifest)
        return self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _shown(self, artefact: Artefact) -> dict[str, Any]:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123Z", time.gmtime(artefact.pushed))
        return {
            "annotations": {"org.opencontainers.image.revision": "7b98c834862f"},
            "digest": artefact.digest,
            "manifest_media_type": MANIFEST,
            "media_type": "application/vnd.unknown.config.v1+json",
            "push_time": stamp,
            "size": 70500,
            "tags": [{"name": tag, "push_time": stamp, "immutable": False} for tag in artefact.tags] or None,
            "type": "UNKNOWN",
        }

    def _page(self, request: Request, listed: list[dict[str, Any]]) -> Response:
        page, size = (
            int(request.query.get(name, [default])[-1]) for name, default in (("page", "1"), ("page_size", "10"))
        )
        part = listed[(page - 1) * min(size, MOST) :][: min(size, MOST)]
        return self._json(200, part, ("X-Total-Count", str(len(listed))))

    def _error(self, status: int, code: str, message: str) -> Response:
        return self._json(status, {"errors": [{"code": code, "message": message}]})

    def _json(self, status: int, document: Any, *headers: tuple[str, str]) -> Response:
        fields = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("X-Request-Id", secrets.token_hex(16)),
            *headers,
        ]
        return Response(status, fields, json.dumps(document).encode())
