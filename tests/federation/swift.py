"""Swift, OpenStack's object store, as a proxy server of release 2.30 behind Apache answers.

    https://localhost:18080/v1/AUTH_<project id>/<container>/<object>

Source: recordings of Swift (release Zed) with keystonemiddleware, its own quotas, and three devices of which some are
taken away.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from .faults import Fault, Faults, register
from .keystone import Keystone, Token
from .web import Request, Response

KIND = "object-store"
OPERATORS = frozenset({"admin", "member", "swiftoperator"})
MAX_NAME = 256

FAULTS = {
    "swift-quota": Fault("The project's quota is full: storing an object is refused, 413."),
    "swift-devices": Fault(
        "So many of three devices are `lost`: of one nothing is seen; of two 503, but for GET; of three GET is 503 "
        "too, and PUT of an object 404; 4 is the minute after, when all is 404.",
        {"lost": 2},
    ),
    "swift-no-keystone": Fault("Swift cannot ask Keystone about a token: 401."),
    "swift-unlisted": Fault("Containers do not list what was stored in them, though it can be read."),
    "swift-damaged": Fault("The byte at `at` of an object that is read is another one.", {"at": 0}),
    "swift-cut": Fault("What is read of an object ends `bytes` early.", {"bytes": 1}),
    "swift-etag": Fault("An object that is stored gets `etag`.", {"etag": "0" * 32}),
    "swift-kept": Fault("A container that is deleted is there still, though it was answered 204."),
    "swift-refused": Fault("A container is made, and its request answered with the refusal `code`.", {"code": 413}),
    "swift-not-empty": Fault("A container that is empty is said not to be: 409 when it is deleted."),
}
register(FAULTS)

WORDS = {
    202: "<html><h1>Accepted</h1><p>The request is accepted for processing.</p></html>",
    401: "<html><h1>Unauthorized</h1><p>This server could not verify that you are authorized to access the document "
    "you requested.</p></html>",
    403: "<html><h1>Forbidden</h1><p>Access was denied to this resource.</p></html>",
    404: "<html><h1>Not Found</h1><p>The resource could not be found.</p></html>",
    405: "<html><h1>Method Not Allowed</h1><p>The method is not allowed for this resource.</p></html>",
    409: "<html><h1>Conflict</h1><p>There was a conflict when trying to complete your request.</p></html>",
    412: "Bad URL",
    413: "Upload exceeds quota.",
    422: "<html><h1>Unprocessable Entity</h1><p>Unable to process the contained instructions</p></html>",
    503: "<html><h1>Service Unavailable</h1><p>The server is currently unavailable. Please try again at a later "
    "time.</p></html>",
}
REASONS = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}


@dataclass(frozen=True)
class Object:
    content: bytes
    kind: str
    etag: str
    at: float


class Swift:
    """The object store of one region, for whoever its Keystone knows.

    accounts: by project id, then by container and object.
    made: every container that was ever made, in order.
    """

    def __init__(self, keystone: Keystone) -> None:
        self.faults = Faults()
        self.accounts: dict[str, dict[str, dict[str, Object]]] = {}
        self.made: list[str] = []
        self._keystone = keystone
        self._lock = threading.Lock()

    def reset(self) -> None:
        with self._lock:
            self.accounts.clear()
            self.made.clear()

    def containers(self, project: str = "ops") -> dict[str, dict[str, Object]]:
        """What a project has, by its name."""
        return self.accounts.setdefault(self._keystone.project_id(project), {})

    def app(self, request: Request) -> Response:
        if request.path in ("/info", "/healthcheck"):
            return self._answer(200, b"OK" if request.path == "/healthcheck" else b'{"swift": {"version": "2.30.1"}}')
        _, version, account, container, name = (*request.path.split("/", 4), "", "", "", "")[:5]
        if version != "v1":
            return self._words(404)
        if not account:
            return self._words(412)
        token = self._keystone.token(request.headers.get("X-Auth-Token"))
        if token is None or self._fault("swift-no-keystone", request):
            challenges = [
                ("Www-Authenticate", f'Swift realm="{account}"'),
                ("WWW-Authenticate", f'Keystone uri="{self._keystone.url}/v3"'),
            ]
            return self._words(401, *challenges)
        if not self._may(token, account):
            return self._words(403)
        if failed := self._failed(request, name):
            return self._words(failed)
        with self._lock:
            containers = self.accounts.setdefault(account.removeprefix("AUTH_"), {})
            if not container:
                return self._account(request, containers)
            if not name:
                return self._container(request, containers, container)
            return self._object(request, containers, container, name)

    def _may(self, token: Token, account: str) -> bool:
        is_its_own = token.project is not None and account == f"AUTH_{self._keystone.project_id(token.project)}"
        return is_its_own and bool(OPERATORS & set(token.roles))

    def _failed(self, request: Request, name: str) -> int:
        """The status with which a request fails because of lost devices; 0 where none does."""
        fault = self.faults.take("swift-devices", request.method, request.path)
        lost = int(fault["lost"]) if fault else 0
        is_reading = request.method in ("GET", "HEAD")
        if lost >= 4:
            return 404
        if lost == 3:
            return 404 if request.method == "PUT" and name else 503
        return 503 if lost == 2 and not is_reading else 0

    def _account(self, request: Request, containers: dict[str, dict[str, Object]]) -> Response:
        if request.method not in ("GET", "HEAD"):
            return self._words(403)
        listed = [
            {"name": name, "count": len(found), "bytes": sum(len(each.content) for each in found.values())}
            for name, found in sorted(containers.items())
        ]
        return self._listing(request, listed, ("X-Account-Container-Count", str(len(listed))))

    def _container(self, request: Request, containers: dict[str, dict[str, Object]], container: str) -> Response:
        if request.method == "PUT":
            if len(container) > MAX_NAME:
                return self._answer(400, f"Container name length of {len(container)} longer than {MAX_NAME}".encode())
            if container in containers:
                return self._words(202)
            containers[container] = {}
            self.made.append(container)
            if (fault := self.faults.take("swift-refused", request.method, request.path)) is not None:
                return self._words(int(fault["code"]))
            return self._answer(201)
        objects = containers.get(container)
        if objects is None:
            return self._words(404)
        if request.method == "DELETE":
            if objects or self._fault("swift-not-empty", request):
                return self._words(409)
            if not self._fault("swift-kept", request):
                del containers[container]
            return self._answer(204)
        if request.method not in ("GET", "HEAD"):
            return self._words(405)
        unlisted = self._fault("swift-unlisted", request)
        listed = [
            {
                "bytes": len(each.content),
                "hash": each.etag,
                "name": name,
                "content_type": each.kind,
                "last_modified": time.strftime("%Y-%m-%dT%H:%M:%S.000000", time.gmtime(each.at)),
            }
            for name, each in sorted(objects.items())
            if not unlisted
        ]
        return self._listing(request, listed, ("X-Container-Object-Count", str(len(listed))))

    def _object(
        self, request: Request, containers: dict[str, dict[str, Object]], container: str, name: str
    ) -> Response:
        objects = containers.get(container)
        if objects is None:
            return self._words(404)
        if request.method == "PUT":
            return self._put(request, objects, name)
        found = objects.get(name)
        if found is None:
            return self._words(404)
        if request.method == "DELETE":
            del objects[name]
            return self._answer(204)
        if request.method not in ("GET", "HEAD"):
            return self._words(405)
        headers = [("Etag", found.etag), ("X-Timestamp", f"{found.at:.5f}"), ("Accept-Ranges", "bytes")]
        return self._answer(200, self._read(request, found.content), *headers, kind=found.kind)

    def _put(self, request: Request, objects: dict[str, Object], name: str) -> Response:
        if request.headers.get("Content-Length") is None and not request.body:
            return self._answer(411, b"Missing Content-Length header.")
        if self._fault("swift-quota", request):
            return self._words(413)
        etag = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
        wanted = request.headers.get("ETag")
        if wanted is not None and wanted != etag:
            return self._words(422)
        if (fault := self.faults.take("swift-etag", request.method, request.path)) is not None:
            etag = str(fault["etag"])
        kind = request.headers.get("Content-Type") or "application/octet-stream"
        objects[name] = Object(request.body, kind, etag, time.time())
        return self._answer(201, b"", ("Etag", etag))

    def _read(self, request: Request, content: bytes) -> bytes:
        if (fault := self.faults.take("swift-damaged", request.method, request.path)) is not None:
            at = int(fault["at"])
            content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        if (fault := self.faults.take("swift-cut", request.method, request.path)) is not None:
            content = content[: len(content) - int(fault["bytes"])]
        return content

    # -- answers --

    def _fault(self, name: str, request: Request) -> bool:
        return self.faults.take(name, request.method, request.path) is not None

    def _listing(self, request: Request, listed: list[dict[str, Any]], *headers: tuple[str, str]) -> Response:
        if request.query.get("format") == ["json"]:
            return self._answer(200, json.dumps(listed).encode(), *headers, kind="application/json; charset=utf-8")
        text = "".join(f"{each['name']}\n" for each in listed).encode()
        return self._answer(200 if text else 204, text, *headers, kind="text/plain; charset=utf-8")

    def _words(self, status: int, *headers: tuple[str, str]) -> Response:
        return self._answer(status, WORDS[status].encode(), *headers)

    def _answer(
        self, status: int, body: bytes = b"", *headers: tuple[str, str], kind: str = "text/html; charset=UTF-8"
    ) -> Response:
        transaction = f"tx{secrets.token_hex(11)[:21]}-{int(time.time()):010x}"
        named = [("X-Trans-Id", transaction), ("X-Openstack-Request-Id", transaction)]
        return Response(status, [("Content-Type", kind), *headers, *named], body, REASONS.get(status))
