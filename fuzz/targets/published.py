"""What is published of clouds, and what Glance has of it: images, a registry's answers, the information system's.

The first byte says which.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

from libprobe.clients.http import Response, ResponseHead
from libprobe.clients.registry import DEFAULT_URL, Registry
from libprobe.formats import cloud_info
from libprobe.formats.images import from_registry, read_cloud_image

MAX_BYTES = 8 << 10
RECORDED = Path(__file__).parents[2] / "tests/data/openstack/images-properties-zed-2026-11-28.json"
WORDS = (
    b'{"images": [{"id": "', b'"appdb_id": "registry.egi.eu/', b"-sha256:", b'"APPLIANCE_ATTRIBUTES": "{',
    b'"vmcatcher_event_ad_mpuri": "https://', b'"image_hash": "sha512:', b'"eu.egi.cloud.image_ref": "',
    b'[{"name": "egi_vm_images/', b'"digest": "sha256:', b'"tags": [{"name": "', b'"push_time": "', b'"layers": [{',
    b'"annotations": {"eu.egi.cloud.tag": "', b'"url": "https://', b'"projects": [{"id": "', b"null", b"[[[[", b"NaN",
)  # fmt: skip
LISTED = from_registry("egi_vm_images/alpine", ["3.20"], f"sha256:{'0' * 64}", "2026.01.30-abc", None)


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0]
    headers = [("Content-Type", "application/json")]
    if kind & 0x80:
        headers.append(("WWW-Authenticate", data[1:300].decode("latin-1")))
    answer = Response(ResponseHead("GET https://registry.egi.eu/", 401 if kind & 0x80 else 200, "", headers), data[1:])
    if kind % 3 == 0:
        document = answer.json()
        for each in islice(document.get("images") or () if isinstance(document, dict) else (), 100):
            image = read_cloud_image(each)
            if image:
                image.is_version_of(LISTED)
                assert all(image.version_marks.values())
    elif kind % 3 == 1:
        for site in cloud_info.read_sites(answer.json()):
            assert site.is_same_as(site.url)
    else:
        http = SimpleNamespace(request=lambda *_, **__: answer)
        for listed in Registry(http, DEFAULT_URL).images():
            assert listed.version_description


def seeds() -> dict[str, bytes]:
    site = {"name": "S", "url": "https://ks.example.org:5000/v3", "projects": [{"id": "0a1b", "name": "ops"}]}
    artefact = {"name": "egi_vm_images/alma", "digest": f"sha256:{'0' * 64}", "tags": [{"name": "9"}]}
    challenge = (
        b'Bearer realm="https://registry.egi.eu/service/token",service="harbor-registry",scope="repository:x:pull"'
    )
    return {
        "images": b"\0" + RECORDED.read_bytes(),
        "sites": b"\1" + json.dumps([site]).encode(),
        "artefacts": b"\2" + json.dumps([artefact]).encode(),
        "refused": b"\x80" + challenge,
    }
