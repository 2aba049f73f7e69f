"""A project of a Harbor registry: which of its artefacts are images for clouds, and in which version.

    GET <api>/projects/<project>/repositories                      [{"name": "egi_vm_images/ubuntu"}]
    GET <api>/projects/<project>/repositories/<name>/artifacts     [{"digest", "push_time", "tags": [{"name"}]}]
    GET /v2/<project>/<name>/manifests/<digest>                    {"layers": [{"annotations": {"eu.egi.cloud.tag"}}]}

The tag that makes an artefact an image for clouds is an annotation of its file, which only the manifest has. A manifest
wants a token also of what everybody may read: it is got at the place that the refusal names, on the registry itself.
Source: Harbor API 2.0; OCI distribution specification; the rules by which atrope chooses (image_list/harbor.py).
"""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, urlencode

from libprobe import redact
from libprobe.failures import Asked, BadData, Misconfigured, OwnCredential, ProtocolFailure
from libprobe.formats.address import path_of, same_origin, without_query
from libprobe.formats.challenges import read_challenges
from libprobe.formats.imagelist import read_time
from libprobe.formats.images import TAG, from_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Any

    from libprobe.clients.http import HttpClient, Response
    from libprobe.formats.images import PublishedImage

DEFAULT_URL = "https://registry.egi.eu/api/v2.0/projects/egi_vm_images"
PAGE, MAX_PAGES = 100, 20
MAX_ARTEFACTS = 500
"""Images of a project; each costs a request."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_PROJECT = re.compile(r"(/.*)?/api/v2\.0/projects/([A-Za-z0-9][A-Za-z0-9._-]{0,254})/?")
_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,254}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_registry(url: str) -> bool:
    """Whether a URL is that of a project in a registry's API."""
    return bool(_PROJECT.fullmatch(path_of(url)))


class Registry:
    """One project of a registry.

    url:   as DEFAULT_URL. login: `user:password`, empty for what everybody may read; it goes to that host only.
    Raises: Misconfigured for another URL.
    """

    def __init__(self, http: HttpClient, url: str, login: str = "") -> None:
        found = _PROJECT.fullmatch(path_of(url))
        if not found:
            raise Misconfigured(f"{without_query(url)} is not a project of a registry, like {DEFAULT_URL}")
        self.url = without_query(url).rstrip("/")
        self.project = found[2]
        self.name = f"{self.url.partition('://')[2].partition('/')[0]}/{self.project}"
        self._root = self.url[: -len(f"/api/v2.0/projects/{self.project}")]
        self._http = http
        self._login = f"Basic {redact.register(base64.b64encode(login.encode()).decode())}" if login else ""
        self._has_login = bool(login)

    def images(self) -> list[PublishedImage]:
        """The images for clouds. Raises: Failure."""
        return list(self._images())

    def _images(self) -> Iterator[PublishedImage]:
        count = 0
        for repository in self._pages(f"{self.url}/repositories"):
            name = repository.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.startswith(f"{self.project}/"):
                continue
            # a slash within the name is to be encoded twice
            inner = quote(quote(name[len(self.project) + 1 :], safe=""), safe="")
            for artefact in self._pages(f"{self.url}/repositories/{inner}/artifacts", with_tag="true"):
                count += 1
                if count > MAX_ARTEFACTS:
                    raise BadData(
                        f"more than {MAX_ARTEFACTS} artefacts", of=Asked(self.name, f"GET {self.url}"), link="in"
                    )
                digest, tags = artefact.get("digest"), _tags(artefact.get("tags"))
                if not _is_for_sites(tags) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                    continue
                version = self._version(name, digest)
                if version:
                    yield from_registry(name, tags, digest, version, _time(artefact.get("push_time")))

    def _pages(self, url: str, **query: str) -> Iterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            answer = self._get(f"{url}?{urlencode({'page': page, 'page_size': PAGE, **query})}", "application/json")
            listed = answer.json()
            if not isinstance(listed, list):
                raise answer.bad_answer("answer that is no list")
            yield from (each for each in listed if isinstance(each, dict))
            if len(listed) < PAGE:
                return
        raise BadData(f"more than {MAX_PAGES} pages", of=Asked(self.name, f"GET {url}"), link="in")

    def _version(self, repository: str, digest: str) -> str:
        """The value of the annotation that makes an artefact an image for clouds; empty where it has none."""
        answer = self._get(f"{self._root}/v2/{repository}/manifests/{digest}", MANIFEST)
        manifest = answer.json()
        layers = manifest.get("layers") if isinstance(manifest, dict) else None
        for part in [manifest, *(layers[:1] if isinstance(layers, list) else [])]:
            annotations = part.get("annotations") if isinstance(part, dict) else None
            value = annotations.get(TAG) if isinstance(annotations, dict) else None
            if isinstance(value, str) and 0 < len(value) <= 200:
                return value
        return ""

    # ---- asking

    def _get(self, url: str, kind: str) -> Response:
        answer = self._ask(url, kind, self._login)
        if answer.status == 401:
            token = self._token(answer)
            if token:
                answer = self._ask(url, kind, f"Bearer {token}")
        if answer.status in (401, 403):
            what = "our login not taken" if self._has_login else "login wanted: not everybody may read it"
            remedy = "" if self._has_login else "give one with --list-login-file"
            raise answer.failure(OwnCredential, reason=what, remedy=remedy)
        if answer.status != 200:
            raise answer.failure(ProtocolFailure, "list images")
        return answer

    def _ask(self, url: str, kind: str, login: str) -> Response:
        headers = [("Accept", kind)] + ([("Authorization", login)] if login else [])
        return self._http.request("GET", url, headers=headers, follow=None, doing="list images")

    def _token(self, refusal: Response) -> str:
        """What the registry gives to whoever it lets read, by the place that a refusal names; empty for none."""
        for each in read_challenges(refusal.headers):
            realm = each.parameters.get("realm", "")
            if each.scheme != "bearer" or not _is_same_host(realm, self.url):
                continue
            wanted = {key: value for key, value in each.parameters.items() if key in ("service", "scope")}
            headers = [("Authorization", self._login)] if self._login else []
            answer = self._http.request(
                "GET", f"{realm}?{urlencode(wanted)}", headers=headers, follow=None, secret_body=True
            )
            document = answer.json() if answer.status == 200 else None
            token = document.get("token") if isinstance(document, dict) else None
            if isinstance(token, str) and token.isascii() and token.isprintable() and token:
                return redact.register(token)
        return ""


def _is_same_host(realm: str, url: str) -> bool:
    try:
        return "?" not in realm and same_origin(realm, url)
    except BadData:
        return False


def _is_for_sites(tags: list[str]) -> bool:
    """Whether an artefact goes to the sites: it has a tag without a dash.

    `22.04` stays with the newest image; `22.04-2025-09-04` is the name of one for good.
    """
    return any("-" not in tag for tag in tags)


def _tags(value: object) -> list[str]:
    """The names of tags, first those that stay."""
    names = [each.get("name") for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    found = [name for name in names[:100] if isinstance(name, str) and _TAG.fullmatch(name)]
    return sorted(found, key=lambda name: ("-" in name, name))


def _time(value: object) -> datetime | None:
    try:
        return read_time(value) if isinstance(value, str) else None
    except BadData:
        return None
