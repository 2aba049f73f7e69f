"""OpenStack's own interfaces, asked as one of its local users, past Apache and ooi: what is true there."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

IMAGE = "0c1f05a6-6f7e-4d6c-9a56-0d7f0a1f3d11"
"""The one image."""

BASES = {
    "identity": "http://127.0.0.2:5000/v3",
    "compute": "http://127.0.0.2:8774/v2.1",
    "image": "http://127.0.0.2:9292/v2",
    "network": "http://127.0.0.2:9696",
    "object-store": "http://127.0.0.2:8080/v1",
}


class Api:
    """A login. Raises: AssertionError for a refusal, with the answer; OSError where nobody answers."""

    def __init__(self, user: str, password: str, project: str) -> None:
        domain = {"name": "Default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": user, "password": password, "domain": domain}},
                },
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        self.token = ""
        answer, headers = self._ask("POST", "identity", "/auth/tokens", body)
        self.token = headers["X-Subject-Token"]
        self.project = answer["token"]["project"]["id"]

    def _ask(self, method: str, service: str, path: str, body: Any, kind: str = "application/json") -> tuple[Any, Any]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind, "X-Auth-Token": self.token}
        request = urllib.request.Request(BASES[service] + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
                is_json = response.headers.get_content_type() == "application/json"
                return (json.loads(text) if text and is_json else text), response.headers
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {request.full_url}: {error.code} {error.read()[:500]!r}") from None

    def get(self, service: str, path: str) -> Any:
        return self._ask("GET", service, path, None)[0]

    def post(self, service: str, path: str, body: Any) -> Any:
        return self._ask("POST", service, path, body)[0]

    def put(self, service: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        return self._ask("PUT", service, path, body, kind)[0]

    def delete(self, service: str, path: str) -> Any:
        return self._ask("DELETE", service, path, None)[0]

    def named(self, service: str, path: str, name: str) -> Any:
        """The one entry of that name of a list."""
        [found] = [each for each in self.get(service, path)[path.rpartition("/")[2]] if each["name"] == name]
        return found

    # ---- VMs

    def servers(self) -> dict[str, tuple[str, str]]:
        """All VMs of the whole cloud: name and state by id. Wants an admin."""
        listed = self.get("compute", "/servers/detail?all_tenants=1")["servers"]
        return {each["id"]: (each["name"], each["status"]) for each in listed}

    def create(self, name: str) -> str:
        """A VM in this login's project, active; returns its id."""
        body = {"server": {"name": name, "imageRef": IMAGE, "flavorRef": "tiny", "networks": "none"}}
        request = urllib.request.Request(BASES["compute"] + "/servers", json.dumps(body).encode(), method="POST")
        for header in (
            ("Content-Type", "application/json"),
            ("X-Auth-Token", self.token),
            ("OpenStack-API-Version", "compute 2.37"),  # that of "networks": "none"
        ):
            request.add_header(*header)
        with urllib.request.urlopen(request, timeout=60) as response:
            made = json.loads(response.read())["server"]["id"]
        while (state := self.get("compute", f"/servers/{made}")["server"]["status"]) == "BUILD":
            time.sleep(0.2)
        assert state == "ACTIVE", state
        return str(made)
