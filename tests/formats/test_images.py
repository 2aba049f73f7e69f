"""Images of lists and of a cloud: recorded ones, what atrope writes, and anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import images
from libprobe.formats.imagelist import ImageListEntry
from libprobe.formats.images import (
    CloudImage,
    from_image_list,
    from_registry,
    read_cloud_image,
    read_cloud_images,
)

DIGEST = "4d06e117d590e0b6a5b7ad48baeffde0182d2aab0709254bc27adc13738a4b6c"
NAME = "egi_vm_images/ubuntu:22.04"
LISTED = from_registry("egi_vm_images/ubuntu", ["22.04", "22.04-2025-09-04"], f"sha256:{DIGEST}", "2025-09-04", None)
HEPIX = ImageListEntry("C000", "https://appdb.test/store/vo/image/c000:484/", "X", "1.2", None, (), "ab" * 64)


def cloud(**properties: object) -> CloudImage:
    image = read_cloud_image({"id": "i1", "name": "x", "status": "active", **properties})
    assert image is not None
    return image


@pytest.mark.parametrize(
    "properties",
    [
        {"appdb_id": f"registry.egi.eu/{NAME}-sha256:{DIGEST}"},
        {"vmcatcher_event_ad_mpuri": f"registry.egi.eu:443/{NAME}-sha256:{DIGEST}"},
        {"APPLIANCE_ATTRIBUTES": json.dumps({"eu.egi.cloud.image_ref": NAME, "eu.egi.cloud.tag": "2025-09-04"})},
        {"eu.egi.cloud.image_ref": f"registry.egi.eu/{NAME}-2025-09-04"},
    ],
)
def test_an_image_of_the_registry_is_known_by_its_reference_with_and_without_its_host(properties):
    image = cloud(**properties)
    assert image.names & LISTED.names
    assert image.is_version_of(LISTED)


@pytest.mark.parametrize(
    "properties",
    [
        {"appdb_id": f"registry.egi.eu/{NAME}-sha256:{'0' * 64}"},
        {"eu.egi.cloud.image_ref": NAME, "eu.egi.cloud.tag": "2025-08-01"},
    ],
)
def test_another_digest_or_version_is_another_version(properties):
    image = cloud(**properties)
    assert image.names & LISTED.names
    assert not image.is_version_of(LISTED)


@pytest.mark.parametrize(
    ("properties", "same"),
    [
        ({"appdb_id": "c000"}, True),
        ({"appdb_id": "c000", "sha512": "AB" * 64}, True),
        ({"dc:identifier": "C000", "image_hash": f"sha512:{'cd' * 64}"}, False),
        ({"vmcatcher_event_ad_mpuri": "http://appdb.test/store/vo/image/c000:484"}, True),
        ({"vmcatcher_event_ad_mpuri": "https://appdb.test/store/vo/image/c000:483/"}, False),
        ({"APPLIANCE_ATTRIBUTES": '{"dc:identifier": "c000", "hv:version": "1.1"}'}, False),
        ({"vmcatcher_event_dc_identifier": "c000", "vmcatcher_event_hv_version": "1.2"}, True),
    ],
)
def test_an_image_of_a_signed_list(properties, same):
    image, listed = cloud(**properties), from_image_list(HEPIX)
    assert image.names & listed.names
    assert image.is_version_of(listed) is same


def test_the_digest_of_a_converted_file_tells_nothing_of_the_version():
    assert cloud(appdb_id="c000", image_hash="sha256:00", os_hash_value="00").is_version_of(from_image_list(HEPIX))


def test_recorded_images_of_glance_are_read():
    path = Path(__file__).parent.parent / "data" / "openstack" / "images-properties-zed-2026-11-28.json"
    found = [read_cloud_image(each) for each in json.loads(path.read_text())["images"]]
    assert [(each and each.name, each and each.names) for each in found] == [
        ("Image for EGI Centos 7 [CentOS/7/VirtualBox]", {"identifier 0f0f"}),
        ("registry alpine", {"reference egi_vm_images/alpine:3.20-2026.01.30-abc"}),
        ("queued", set()),
    ]
    assert found[0] and found[0].created == datetime(2026, 11, 28, 17, 34, 17, tzinfo=UTC)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=10,
)
KEYS = ("id", "name", "status", "created_at", "image_hash", "vo", "APPLIANCE_ATTRIBUTES", *images._IDENTIFIERS)
KEYS += (*images._ADDRESSES, *images._REFERENCES, *images._VERSIONS, *images._SHA512)


@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=8), json_values)
def test_whatever_stands_there_is_an_image_or_none(document, attributes):
    document["APPLIANCE_ATTRIBUTES"] = json.dumps(attributes)
    image = read_cloud_image(document)
    assert image is None or (isinstance(image.names, frozenset) and all(image.version_marks.values()))


@given(json_values)
def test_what_is_no_image_is_none(document):
    if not isinstance(document, dict):
        assert read_cloud_image(document) is None


@pytest.mark.parametrize("document", [[], {}, {"images": {}}, None, "images"])
def test_what_has_no_images_is_no_list(document):
    with pytest.raises(BadData, match=r"^answer that is no list of images$"):
        read_cloud_images(document)


def test_entries_that_are_no_images_are_passed_over():
    read = read_cloud_images({"images": [None, {"id": ""}, {"id": "a", "name": "x"}, 7]})
    assert [each.id for each in read] == ["a"]
