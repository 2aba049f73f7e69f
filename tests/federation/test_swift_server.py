"""The federation's Swift answers as the recorded one does: status, words and headers of each request."""

from __future__ import annotations

import hashlib

import pytest

from tests.federation.keystone import Keystone
from tests.federation.swift import Swift
from tests.federation.web import Headers, Request, Response

CONTENT = b"This is a test\n"
MD5 = "ff22941336956098ae9a564289d1bf1b"


class Store:
    """A Swift, and its own Keystone, asked without a network. token: of project ops."""

    def __init__(self) -> None:
        self.keystone = Keystone(("v3",), url=lambda: "https://localhost:18500")
        self.swift = Swift(self.keystone)
        self.token = self.issue("ops")
        self.account = f"/v1/AUTH_{self.keystone.project_id('ops')}"

    def issue(self, project: str | None, roles: tuple[str, ...] = ("member", "reader")) -> str:
        now = self.keystone._clock()
        return self.keystone._issue("robot", ("ops",), project, now + self.keystone.lifetime, ("openid",), (), roles).id

    def ask(self, method: str, path: str, body: bytes = b"", *, token: str | None = None, **headers: str) -> Response:
        fields = [("X-Auth-Token", self.token if token is None else token), ("Content-Length", str(len(body)))]
        fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
        path, _, query = path.partition("?")
        parameters = {"format": ["json"]} if query == "format=json" else {}
        return self.swift.app(Request(method, f"{self.account}{path}", parameters, Headers(fields), body))


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_whole_life_is_as_recorded(store):
    life = [
        ("GET", "?format=json", b"", 200, b"[]"),
        ("PUT", "/c", b"", 201, b""),
        ("PUT", "/c", b"", 202, b"<html><h1>Accepted</h1><p>The request is accepted for processing.</p></html>"),
        ("PUT", "/c/o", CONTENT, 201, b""),
        ("GET", "/c/o", b"", 200, CONTENT),
        ("GET", "/c", b"", 200, b"o\n"),
        ("DELETE", "/c", b"", 409, None),
        ("GET", "/c/nosuch", b"", 404, b"<html><h1>Not Found</h1><p>The resource could not be found.</p></html>"),
        ("PUT", "/nosuch/o", CONTENT, 404, None),
        ("DELETE", "/c/o", b"", 204, b""),
        ("DELETE", "/c/o", b"", 404, None),
        ("DELETE", "/c", b"", 204, b""),
        ("DELETE", "/c", b"", 404, None),
        ("DELETE", "", b"", 403, None),
    ]
    for method, path, body, status, answered in life:
        answer = store.ask(method, path, body)
        assert answer.status == status, (method, path)
        assert answered is None or answer.body == answered, (method, path)
        assert dict(answer.headers)["X-Trans-Id"].startswith("tx")
        assert dict(answer.headers)["Content-Type"]


def test_an_objects_etag_is_its_md5_and_a_wrong_one_is_refused(store):
    store.ask("PUT", "/c")
    assert hashlib.md5(CONTENT, usedforsecurity=False).hexdigest() == MD5
    assert dict(store.ask("PUT", "/c/o", CONTENT).headers)["Etag"] == MD5
    assert store.ask("PUT", "/c/o2", CONTENT, ETag="0" * 32).status == 422
    assert [*store.swift.containers()["c"]] == ["o"]
    listed = store.ask("GET", "/c?format=json").body
    assert b'"bytes": 15' in listed
    assert f'"hash": "{MD5}"'.encode() in listed


def test_who_may_not_is_refused_as_recorded(store):
    refused = store.ask("PUT", "/c", token="nonsense")
    assert refused.status == 401
    assert [value for name, value in refused.headers if name.lower() == "www-authenticate"] == [
        f'Swift realm="{store.account[4:]}"',
        'Keystone uri="https://localhost:18500/v3"',
    ]
    assert store.ask("PUT", "/c", token=store.issue(None)).status == 403
    assert store.ask("PUT", "/c", token=store.issue("ops", ("reader",))).status == 403
    store.account += "0"
    assert store.ask("PUT", "/c").status == 403


@pytest.mark.parametrize(
    ("lost", "put", "get", "make", "delete"),
    [(1, 201, 200, 201, 204), (2, 503, 200, 503, 503), (3, 404, 503, 503, 503), (4, 404, 404, 404, 404)],
)
def test_lost_devices_are_seen_as_recorded(store, lost, put, get, make, delete):
    store.ask("PUT", "/c")
    store.ask("PUT", "/c/o", CONTENT)
    store.swift.faults.on("swift-devices", lost=lost)
    asked = [("PUT", "/c/o2", CONTENT), ("GET", "/c/o", b""), ("PUT", "/d", b""), ("DELETE", "/c/o", b"")]
    assert [store.ask(*each).status for each in asked] == [put, get, make, delete]


def test_a_full_quota_is_told_in_plain_words(store):
    store.ask("PUT", "/c")
    store.swift.faults.on("swift-quota")
    answer = store.ask("PUT", "/c/o", CONTENT)
    assert (answer.status, answer.reason, answer.body) == (413, "Request Entity Too Large", b"Upload exceeds quota.")
