"""What a Keystone says of a token, with its catalogue; and what a service of it answers. The first byte says which."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from libprobe.clients.http import Response, ResponseHead
from libprobe.clients.keystone import LoginRequest
from libprobe.clients.openstack import OpenStackCloud, ServiceClient
from libprobe.clients.swift import KIND, Swift
from libprobe.formats.openstack import TokenScope

MAX_BYTES = 8 << 10
RECORDED = Path(__file__).parents[2] / "tests/data/openstack/token-zed-2026-11-28.json"
STATUSES = (200, 200, 204, 302, 401, 403, 409, 413, 503)
WORDS = (
    b'{"token": ', b'"project": ', b'"catalog": [', b'"endpoints": [', b'"interface": "public"', b'"region_id": ',
    b'"region": "RegionOne"', b'"url": "https://', b'"type": "object-store"', b'"roles": [{"name": "member"}]', b"null",
    b'"id": ', b'"name": ', b"[[[[", b"\\u0000", b"NaN", b'[{"name": "probe", "bytes": 15, "hash": "', b"<html><h1>",
)  # fmt: skip


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0]
    status = STATUSES[kind % len(STATUSES)] if kind & 0x80 else 200
    headers = [("Content-Type", "text/html" if kind & 0x40 else "application/json")]
    if kind & 0x20:
        headers += [(name, data[1:200].decode("latin-1")) for name in ("Location", "Retry-After", "X-Trans-Id")]
    answer = Response(ResponseHead("GET https://keystone.example.org/", status, "Reason", headers), data[1:])
    http = SimpleNamespace(request=lambda *_, **__: answer, credential=None, clock_skew_words="", loading_s=0.0)
    cloud = OpenStackCloud(http, "https://keystone.example.org:5000/v3", LoginRequest("ops"), "a token")
    if kind & 0x80:
        _ask_a_service(cloud)
    else:
        _enter(cloud)


def _enter(cloud: OpenStackCloud) -> None:
    cloud.log_in()
    cloud.scope.describe()
    for region in cloud.regions(KIND, chosen=""):
        cloud.service(KIND, region)


def _ask_a_service(cloud: OpenStackCloud) -> None:
    cloud.login = SimpleNamespace(token="a token", caveat="")
    cloud.scope = TokenScope("ops", "1", ("member",), ())
    store = Swift(ServiceClient(cloud, KIND, "RegionOne", "https://swift.example.org/v1/AUTH_1"))
    store.list_objects("container")
    store.create_container("container")


def seeds() -> dict[str, bytes]:
    whole = json.loads(RECORDED.read_bytes())
    whole["token"]["catalog"] = whole["token"]["catalog"][-1:]
    return {
        "token": b"\0" + json.dumps(whole).encode(),
        "unscoped": b'\0{"token": {"methods": ["openid"], "user": {"name": "robot"}}}',
        "listing": b'\x87[{"bytes": 15, "hash": "ff22941336956098ae9a564289d1bf1b", "name": "probe"}]',
        "refused": b"\xc2<html><h1>Forbidden</h1><p>Access was denied to this resource.</p></html>",
    }
