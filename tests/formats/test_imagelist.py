"""Image lists: the fields that count, however they are written."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.imagelist import (
    MAX_PARTS,
    ImageListEntry,
    appdb_error,
    find_image,
    read_image_list,
    read_time,
    same_name,
    without_revision,
)

CREATED = datetime(2015, 11, 30, 5, 0, 12, tzinfo=UTC)
FIELDS = {
    "dc:date:created": "2015-11-30T05:00:12Z",
    "dc:date:expires": "2499-12-31T22:00:00Z",
    "dc:identifier": "6f1d0000-0000-4000-8000-000000000001",
    "dc:title": "Example list",
    "dc:description": "",
    "dc:source": "https://appdb.example.org/",
    "ad:vo": "ops",
    "hv:version": "20151130050012",
    "hv:uri": "https://appdb.example.org/store/vo/ops/image.list",
    "hv:endorser": {"hv:x509": {"hv:ca": "/C=XX/CN=CA", "hv:dn": "/C=XX/O=Hosts/CN=appdb"}},
    "hv:images": [
        {"hv:image": {"ad:mpuri": "https://appdb.example.org/store/vo/image/c000:484/", "dc:title": "X", "hv:size": 12}}
    ],
}


def read(wrap: bool = True, **changes: object):
    fields = {**FIELDS, **{name.replace("__", ":"): value for name, value in changes.items()}}
    kept = {name: value for name, value in fields.items() if value is not ...}
    return read_image_list(json.dumps({"hv:imagelist": kept} if wrap else kept).encode())


def test_a_list_is_read():
    found = read()
    assert (found.created, found.expires.year, found.has_zone) == (CREATED, 2499, True)
    assert (found.endorser, found.endorser_ca) == ("/C=XX/O=Hosts/CN=appdb", "/C=XX/CN=CA")
    assert (found.version, found.vo, found.missing_fields, found.is_wrapped) == ("20151130050012", "ops", (), True)
    [image] = found.images
    assert image.mpuri == "https://appdb.example.org/store/vo/image/c000:484/"
    assert "sl:checksum:sha512" in image.missing_fields
    assert "hv:size" not in image.missing_fields


def test_the_deprecated_form_without_a_wrapper_is_read():
    found = read(wrap=False)
    assert (found.created, found.is_wrapped) == (CREATED, False)


def test_numbers_may_be_numbers_and_what_is_missing_is_named():
    found = read(hv__version=20151130, dc__source=..., dc__title=..., hv__endorser=...)
    assert (found.version, found.missing_fields, found.endorser) == ("20151130", ("dc:title", "dc:source"), "")


@pytest.mark.parametrize("value", [None, [], "x", {"hv:x509": "x"}, {"hv:x509": {"hv:dn": ["x"]}}])
def test_an_endorser_of_another_shape_is_none(value):
    assert read(hv__endorser=value).endorser == ""


def test_a_date_without_a_zone_is_utc_and_known_to_be():
    found = read(dc__date__created="2015-11-30T05:00:12")
    assert (found.created, found.has_zone) == (CREATED, False)
    assert read(dc__date__created="2015-11-30T05:00:12+00:00").has_zone


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dc__date__created": ...}, "the list has no dc:date:created"),
        ({"dc__date__created": ["x"]}, "the list has no dc:date:created"),
        ({"dc__date__created": "2021-10-06"}, "dc:date:created: '2021-10-06' is not a time of the form"),
        ({"dc__date__created": "2015-11-30T05:00:12+02:00"}, "is not in UTC"),
        ({"dc__date__created": "2015-02-30T05:00:12Z"}, "is a time that does not exist"),
        ({"dc__date__expires": ...}, "the list has no dc:date:expires"),
        ({"hv__images": ...}, "the list has no hv:images"),
        ({"hv__images": {}}, "the list has no hv:images"),
    ],
)
def test_a_list_without_what_counts_is_bad_data(changes, why):
    with pytest.raises(BadData, match=why):
        read(**changes)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'no image list, nor JSON at all; it begins ""'),
        ("<html>", "page without a title instead of an image list"),
        ("[]", r'JSON, but no image list; it begins "\[\]"'),
        ("{}", r'JSON without an hv:imagelist; it begins "\{\}"'),
        ('{"hv:imagelist": 3}', "without an hv:imagelist"),
        (
            '{"hv:imagelist": {"dc:date:created": NaN}}',
            r'no image list, nor JSON at all; it begins "\{"hv:imagelist": \{"dc:date:\.\.\."',
        ),
        ("[" * 60_000, r'no image list, nor JSON at all; it begins "\[{27}\.\.\."'),
        ("[" + "[]," * MAX_PARTS + "1]", "values or more"),
        ('{"a": ' + "9" * 10_000 + "}", r'no image list, nor JSON at all; it begins "\{"a": 9+\.\.\."'),
    ],
)
def test_what_is_no_list_is_bad_data(text, why):
    with pytest.raises(BadData, match=why):
        read_image_list(text.encode())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"status": "error", "details": "No such list"}, "No such list"),
        ({"details": "a", "errors": ["b", "c"]}, "a; b; c"),
        ({"status": "failed", "errors": {"x": 1}}, "failed"),
        ("gone", "gone"),
        ({}, "without a reason"),
        (None, "without a reason"),
        ({"details": 7}, "without a reason"),
    ],
)
def test_an_error_of_appdb_is_told_in_its_own_words(error, words):
    body = json.dumps({"egiappdb": error}).encode()
    assert appdb_error(body) == words
    with pytest.raises(BadData) as caught:
        read_image_list(body)
    assert str(caught.value) == f'error "{words}" instead of an image list'


def test_a_list_beside_an_error_is_a_list():
    body = json.dumps({"egiappdb": {}, "hv:imagelist": FIELDS}).encode()
    assert read_image_list(body).created == CREATED
    assert appdb_error(body) == appdb_error(b"<html>") == ""


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("/C=XX/CN=a", "/C=XX/CN=a", True),
        ("/C=XX/CN=a", " /C=XX/CN=a ", True),
        ("/C=XX/CN=a", "/C=XX/CN=A", False),
        ("/CN=a/Email=x@y", "/CN=a/emailAddress=x@y", True),
        ("/CN=a/E=x@y", "/CN=a/emailAddress=x@y", True),
        ("/CN=\u00c9", "/CN=\\xC3\\x89", True),
        ("", "/CN=a", False),
    ],
)
def test_names_of_different_tools_are_compared(first, second, same):
    assert same_name(first, second) is same
    assert same_name(second, first) is same


def test_an_image_is_found_with_and_without_its_revision():
    image = ImageListEntry("c000", "https://a.test/store/vo/image/c000:484/", "", "", None, ())
    for wanted in (image.mpuri, image.mpuri.rstrip("/"), "https://a.test/store/vo/image/c000"):
        assert find_image((image,), wanted) is image
    for wanted in ("https://a.test/store/vo/image/c000:485/", "https://a.test/store/vo/image/c00", ""):
        assert find_image((image, image._replace(mpuri="")), wanted) is None
    assert without_revision("https://a.test:8080") == "https://a.test:8080"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "hv:image", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(list(FIELDS)), json_values), st.booleans())
def test_nothing_but_a_list_or_bad_data_comes_of_any_shape(changes, wrap):
    fields = {**FIELDS, **changes}
    body = json.dumps({"hv:imagelist": fields} if wrap else fields).encode()
    try:
        found = read_image_list(body)
    except BadData:
        return
    assert found.created.tzinfo is UTC


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nothing_but_a_list_or_bad_data_comes_of_bytes(data):
    with pytest.raises(BadData):
        read_image_list(data)
    appdb_error(data)


@given(st.text(max_size=30))
def test_nothing_but_a_time_or_bad_data_comes_of_text(text):
    try:
        assert read_time(text).tzinfo is UTC
    except BadData:
        pass
