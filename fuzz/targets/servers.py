"""What Nova, Glance and Neutron return about VMs and of what they are made of. The first byte says which of it is
read."""

from __future__ import annotations

import json
from pathlib import Path

from libprobe.formats import servers
from libprobe.formats.openstack import next_marker

MAX_BYTES = 8 << 10
RECORDED = Path(__file__).parents[2] / "tests/data/openstack"
NAMES = ("server-active", "server-error", "images", "flavors", "networks", "limits")
WORDS = (
    b'{"server": {"id": "', b'"status": "ERROR"', b'"OS-EXT-STS:task_state": ', b'"fault": {"message": "',
    b'"addresses": {',
    b'{"images": [{"id": "', b'"ad:appid": ', b'"APPLIANCE_ATTRIBUTES": "{', b'"next": "/v2/images?', b'"min_disk": ',
    b'{"flavors": [{"id": "', b'"vcpus": ', b'{"networks": [{"id": "', b'"subnets": [', b'"shared": true',
    b'{"limits": {"absolute": {', b'"maxTotalCores": -1', b"null", b"[[[[", b"\\u0000", b"1e999", b"NaN",
)  # fmt: skip


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0] % 5
    try:
        document = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if kind == 0:
        assert servers.read_server(document).state
    elif kind == 1:
        images = servers.read_images(document)
        next_marker(document)
        chosen = servers.default_image(images)
        for image in images[:5]:
            assert image in servers.find_images(image.id, images)
            servers.nearest_images(image.name, images)
        assert chosen in images or not images
    elif kind == 2:
        sizes = servers.read_sizes(document)
        image = servers.read_image({"id": "i", "min_disk": 1})
        chosen_size = servers.smallest_size(image, sizes)
        assert chosen_size is None or chosen_size.can_boot(image)
    elif kind == 3:
        servers.read_networks(document, "8181077e9b0741daa81c3411bca0e6ba")
    else:
        for quota in servers.read_quotas(document):
            quota.is_short_of(1)


def seeds() -> dict[str, bytes]:
    kinds = dict(zip(NAMES, b"\0\0\1\2\3\4", strict=True))
    return {
        name: bytes([kind]) + (RECORDED / f"{name}-zed-2026-11-28.json").read_bytes() for name, kind in kinds.items()
    }
