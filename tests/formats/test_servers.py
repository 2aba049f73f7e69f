"""What Nova, Glance and Neutron say of VMs, images, sizes, networks and quotas; and which of them is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import servers
from libprobe.formats.servers import GlanceImage, Quota, Size

DATA = Path(__file__).parent.parent / "data" / "openstack"
PROJECT = "8181077e9b0741daa81c3411bca0e6ba"
READERS = (
    servers.read_server,
    servers.read_names,
    servers.read_images,
    servers.read_sizes,
    servers.read_quotas,
    lambda document: servers.read_networks(document, PROJECT),
)


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}-zed-2026-11-28.json").read_bytes())


@pytest.mark.parametrize(
    ("metadata", "mark"),
    [
        ({"argo-mon-host": "mon.example.org", "egi-sam": "egi-sam-x-0123456789ab"}, "egi-sam-x-0123456789ab"),
        ({"argo-mon-host": "mon.example.org"}, "VM of monitor mon.example.org"),
        ({"egi-sam": 1, "argo-mon-host": None}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_whose_a_server_is_by_its_metadata(metadata, mark):
    server = {"id": "s", "name": "n", "metadata": metadata}
    assert servers.read_server({"server": server}).hostname == mark
    assert servers.read_names({"servers": [server]}) == [("s", "n", mark)]


def image(identifier: str = "i", **more: Any) -> GlanceImage:
    known = {"name": "", "status": "active", "min_disk": 0, "min_ram": 0, "size": 0, "created": "", "app_id": ""}
    return GlanceImage(id=identifier, **{**known, "image_ref": "", **more})


def test_recorded_servers():
    active = servers.read_server(recorded("server-active"))
    assert (active.title, active.state, active.addresses, active.fault) == ("probe", "active", ["192.168.71.23"], "")
    failed = servers.read_server(recorded("server-error"))
    assert (failed.state, failed.addresses, failed.fault) == ("ERROR", [], "No valid host was found.")


def test_a_server_that_is_being_deleted_is_not_active():
    document = recorded("server-active")
    document["server"]["OS-EXT-STS:task_state"] = "deleting"
    assert servers.read_server(document).state == "ACTIVE, deleting"


def test_recorded_images_and_which_is_meant():
    found = servers.read_images(recorded("images"))
    assert {each.name: each.status for each in found if each.status != "active"} == {
        "deactivated": "deactivated",
        "queued": "queued",
    }
    centos, alpine = "Image for EGI Centos 7 [CentOS/7/VirtualBox]", "registry.egi.eu/egi_vm_images/alpine"
    meant = {
        "1017": centos,
        "1018": "EGI Ubuntu 22.04",  # in APPLIANCE_ATTRIBUTES
        f"{alpine}:3.20-2026.01.30-abc": "registry alpine",
        alpine: "registry alpine",
        "cirros-0.3.5": "cirros-0.3.5",
        found[0].id: found[0].name,
    }
    for word, name in meant.items():
        assert [each.name for each in servers.find_images(word, found)] == [name], word
    assert servers.find_images("cirros", found) == []
    assert servers.nearest_images("cirros", found)[0] == "cirros-0.3.5"
    assert servers.nearest_images("1016", found)[0] in (centos, "EGI Ubuntu 22.04")
    assert servers.default_image(found).name == centos
    assert servers.default_image([each for each in found if each.app_id != "1017"]).name in (
        "EGI Ubuntu 22.04",
        "registry alpine",
    )
    assert servers.default_image([]) is None


def test_of_images_of_one_name_the_newest_is_first():
    old, new = (
        image("a", name="x", created="2026-01-01T00:00:00Z"),
        image("b", name="x", created="2026-02-01T00:00:00Z"),
    )
    assert servers.find_images("x", [old, new]) == [new, old]


def test_attributes_that_are_no_json_do_no_harm():
    for text in ("{x", "[1]", "{" * 20_000, '{"ad:appid": 7}', ""):
        read = servers.read_image({"id": "i", "APPLIANCE_ATTRIBUTES": text})
        assert read.app_id == ("7" if "7" in text else "")


def test_the_smallest_size_that_holds_an_image():
    sizes = servers.read_sizes(recorded("flavors"))
    found = {each.name: each for each in servers.read_images(recorded("images"))}
    for name, size in {"cirros-0.3.5": "m1.tiny", "bigram": "m1.nohost", "bigdisk": None}.items():
        chosen = servers.smallest_size(found[name], sizes)
        assert (chosen.name if chosen else None) == size, name
    assert not next(each for each in sizes if each.name == "volume.small").can_boot(image())
    assert not Size("1", "", 1, 512, 1).can_boot(image(size=(1 << 30) + 1))


def test_recorded_networks():
    networks = servers.read_networks(recorded("networks"), PROJECT)
    assert [(each.name, each.is_own, each.is_usable) for each in networks] == [
        ("no-subnet", True, False),
        ("ops-net", True, True),
        ("down-net", True, False),
        ("public", False, False),
    ]


def test_a_shared_network_may_be_used_by_all():
    entry = {"id": "n", "name": "s", "subnets": ["x"], "shared": True, "project_id": "other"}
    [network] = servers.read_networks({"networks": [entry]}, PROJECT)
    assert (network.is_own, network.is_usable) == (False, True)


def test_quotas():
    assert servers.read_quotas(recorded("limits")) == [
        Quota("instances", 0, 50),
        Quota("cores", 0, 20),
        Quota("ram", 0, 51200),
    ]
    assert [Quota("cores", 3, each).is_short_of(1) for each in (-1, 3, 4)] == [False, True, False]


@pytest.mark.parametrize(("word", "is_one"), [("a-1", True), ("..", False), (".", False), ("a/b", False), (1, False)])
def test_what_may_stand_in_a_url(word, is_one):
    assert servers.is_identifier(word) is is_one


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "server",
                    "servers",
                    "images",
                    "flavors",
                    "networks",
                    "limits",
                    "absolute",
                    "id",
                    "name",
                    "fault",
                    "addresses",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_is_said_is_read_or_refused(document):
    for read in READERS:
        try:
            read(document)
        except BadData:
            pass
