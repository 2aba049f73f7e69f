"""Addresses as real servers give them, and the path that may be asked or deleted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.answers import MAX_BODY_CHARS, MAX_JSON_BYTES
from libprobe.formats.error_text import error_text
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import read_entity
from libprobe.formats.occi.location import ListedResource, created_location, path_of, read_listing, read_locations
from libprobe.formats.occi.query import (
    read_model_json,
)
from tests.formats.occi.samples import VM, VM_ID, bodies, headers_, media_types, recorded, sent, texts


def test_bodies_and_collections_have_limits() -> None:
    with pytest.raises(BadData, match="characters"):
        read_entity("x" * (MAX_BODY_CHARS + 1))
    with pytest.raises(BadData, match="bytes of JSON"):
        read_model_json(b" " * (MAX_JSON_BYTES + 1))
    with pytest.raises(BadData, match="members"):
        read_locations("/a\n" * (occi.MAX_ENTRIES + 1))
    with pytest.raises(BadData, match="members"):
        read_locations(json.dumps(["/a"] * (occi.MAX_ENTRIES + 1)), media_type=occi.OCCI_JSON)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("23-list-text-plain", [VM]),
        ("23-list-text-occi", [VM]),
        ("23-list-uri-list", [VM]),
        ("23-list-occi-json", [VM_ID]),
        ("29-list-empty", []),
        ("29b-list-empty-json", []),
    ],
)
def test_a_recorded_collection_is_read(name: str, expected: list[str]) -> None:
    answer = recorded(name)
    found = read_locations(answer.body, headers=answer.headers, media_type=answer.media_type)
    assert found == expected


def test_a_json_listing_carries_titles() -> None:
    answer = recorded("23-list-occi-json")
    listing = read_listing(answer.body, media_type=answer.media_type)
    assert listing == [ListedResource(None, VM_ID, "probe-vm", None)]


def test_a_listing_of_rocci_in_text_occi_is_no_empty_one() -> None:
    joined = sent("list")
    addresses = ["https://cloud.example.org/compute/7", "https://cloud.example.org/compute/8"]
    assert read_locations("", headers=joined, media_type="text/occi") == addresses
    repeated = [("location", address) for address in addresses]
    assert read_locations("", headers=repeated, media_type="text/occi; charset=utf-8") == addresses


def test_an_id_that_is_the_name_as_well_is_no_address() -> None:
    """So pyssf lists what was created with an id."""
    attributes = {"occi.core.id": "egi-sam-1", "occi.core.title": "egi-sam-1"}
    [listed] = read_listing(json.dumps([{"attributes": attributes}]), media_type=occi.OCCI_JSON)
    assert (listed.title, listed.address) == ("egi-sam-1", "")


@pytest.mark.parametrize(
    ("body", "headers", "media_type", "expected"),
    [
        pytest.param("# uri:/compute/\n/compute/1\n", (), "text/uri-list", ["/compute/1"], id="comment of pyssf"),
        pytest.param("OK", [("X-Occi-Location", "/a, /b")], "text/occi", ["/a", "/b"], id="joined header"),
        pytest.param("\nX-OCCI-Location: /a", (), "text/plain", ["/a"], id="empty line first"),
        pytest.param("OK", (), "text/plain", [], id="OK for nothing"),
        pytest.param('["http://h/1"]', (), "application/json", ["http://h/1"], id="bare list"),
        pytest.param('{"resources": []}', (), "application/occi+json", [], id="no resources"),
        pytest.param(
            '{"resources": [{"location": "/c/1", "id": "1"}, {}, 5]}',
            (),
            "application/occi+json",
            ["/c/1"],
            id="location first",
        ),
    ],
)
def test_a_collection_is_read(body: str, headers: occi.Headers, media_type: str, expected: list[str]) -> None:
    assert read_locations(body, headers=headers, media_type=media_type) == expected


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("<html>", "text/html"),
        ("sorry", "text/plain"),
        ('{"x": 1}', "application/occi+json"),
        ("5", "text/json"),
    ],
)
def test_what_is_no_collection_is_bad_data(body: str, media_type: str) -> None:
    with pytest.raises(BadData):
        read_locations(body, media_type=media_type)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("20-create-text-plain-os-context", VM_ID),
        ("30-create-text-occi", "e1b16406-1824-40cf-bcd5-e664ea9ffb1d"),
        ("31-create-json", "fa565d3a-62c2-4173-abe5-9f2ca6c388e6"),
        ("32-create-accept-uri-list", "ed4a6eeb-e92c-4a95-b944-c9ffce8d0214"),
    ],
)
def test_a_recorded_creation_names_its_machine(name: str, last: str) -> None:
    answer = recorded(name)
    location = created_location(answer.body, headers=answer.headers, media_type=answer.media_type)
    assert location is not None
    assert location.rpartition("/")[2] == last


@pytest.mark.parametrize(
    ("body", "headers", "media_type", "expected"),
    [
        pytest.param("X-OCCI-Location: /b", [("Location", "/a")], "text/plain", "/a", id="Location first"),
        pytest.param("X-OCCI-Location: /b", [("X-OCCI-LOCATION", "/h")], "text/plain", "/h", id="header second"),
        pytest.param("http://h/c\nX-OCCI-Location: /b", (), "text/plain", "/b", id="line third"),
        pytest.param("# /x\nhttp://h/c", (), "text/uri-list", "http://h/c", id="address fourth"),
        pytest.param('{"resources": [{"id": "1"}]}', (), "application/occi+json", "1", id="JSON last"),
        pytest.param('{"id": "1"}', (), "application/occi+json", "1", id="the resource itself"),
        pytest.param("OK", (), "text/plain", None, id="nothing"),
        pytest.param("{", (), "application/occi+json", None, id="broken JSON"),
    ],
)
def test_the_new_address_is_looked_for_in_order(
    body: str, headers: occi.Headers, media_type: str, expected: str | None
) -> None:
    assert created_location(body, headers=headers, media_type=media_type) == expected


BASE = "/occi1.1/compute/"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("http://127.0.0.1:8787/occi1.1/compute/1", "/occi1.1/compute/1"),
        ("HTTPS://internal/compute/1?x=y#z", "/compute/1"),
        ("/occi1.1/compute/1", "/occi1.1/compute/1"),
        ("http://h:8787//compute/1", "/compute/1"),
        ("1", "/occi1.1/compute/1"),
        ("urn:uuid:0f-0f", "/occi1.1/compute/0f-0f"),
        ("compute/1", "/occi1.1/compute/1"),
        (" /occi1.1/compute/1/ ", "/occi1.1/compute/1"),
    ],
)
def test_only_the_path_of_an_address_counts(location: str, path: str) -> None:
    assert path_of(location, BASE) == path


DANGEROUS = [
    "",
    " ",
    "/",
    "http://h",
    "http://h/",
    "http://h?x=/compute/1",
    "/occi1.1",
    "/occi1.1/compute",
    "/occi1.1/compute/",
    "http://h/occi1.1/compute/?x",
    "/occi1.1/%63ompute/",
    "/OCCI1.1/Compute",
    "/compute/",
    "compute",
    "/occi1.1/network/",
    "/other/storage",
    "/occi1.1/compute/../compute/1",
    "/occi1.1/compute/%2e%2e/x",
    "/occi1.1/compute/.",
    "/occi1.1/compute/%2f",
    "/occi1.1/compute/x%00",
    "/occi1.1/compute/x%0d%0ay",
    "/occi1.1/compute/a b",
    "/occi1.1/compute/a\r\nHost: x",
    "/occi1.1/compute/\x00",
    "/occi1.1/compute/ü",
    "/occi1.1/compute/x%",
    "/occi1.1/compute\\1",
    "//compute/1",
    "ftp://h/compute/1",
    "#x",
    "?x",
]


@pytest.mark.parametrize("location", DANGEROUS)
def test_an_address_that_could_delete_too_much_is_refused(location: str) -> None:
    with pytest.raises(BadData):
        path_of(location, BASE)


@settings(max_examples=400, deadline=None)
@given(bodies, headers_, media_types)
def test_readers_of_answers_only_return_or_raise_bad_data(
    body: str, headers: list[tuple[str, str]], media_type: str
) -> None:
    created_location(body, headers=headers, media_type=media_type)
    assert len(error_text(body, media_type)) <= 300
    for reader in (read_entity, read_listing, read_locations):
        try:
            reader(body, headers=headers, media_type=media_type)
        except BadData as failure:
            assert failure.sentence


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts, st.text(alphabet="/.%2eEfFcompute:?#ht", max_size=30)))
def test_an_address_is_a_plain_path_or_bad_data(location: str) -> None:
    try:
        path = path_of(location, BASE)
    except BadData:
        return
    assert path.startswith("/")
    assert path.isascii()
    assert path.isprintable()
    assert ".." not in path.split("/")
    assert path.rstrip("/").lower() not in ("", "/occi1.1", "/occi1.1/compute")


def test_the_collection_of_links_below_that_of_storage_is_no_storage() -> None:
    """pyssf has them there; ends of addresses without a slash would else look like a storage of that name."""
    with pytest.raises(BadData, match="whole collection"):
        path_of("/storage/link/", "/storage/")
    assert path_of("/storage/link/7", "/storage/link/") == "/storage/link/7"
