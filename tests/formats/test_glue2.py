from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import glue2


@pytest.mark.parametrize(
    ("dn", "parts"),
    [
        ("GLUE2DomainID=KR , O=glue", [("glue2domainid", "KR"), ("o", "glue")]),
        ("GLUE2ServiceID=http://h:35357/v2.0_cloud.compute,o=glue",
         [("glue2serviceid", "http://h:35357/v2.0_cloud.compute"), ("o", "glue")]),
        (r"a=x\,y\+z\=\\,b=1+c=2", [("a", r"x,y+z=\ "[:-1]), ("b", "1"), ("c", "2")]),
        (r"a=\C3\BC\23,o=glue", [("a", "ü#"), ("o", "glue")]),
        (r"a=end\ ,o=glue", [("a", "end "), ("o", "glue")]),
        ("a=b=c", [("a", "b=c")]),
        ("", []),
    ],
)  # fmt: skip
def test_a_dn_is_split_and_its_escapes_undone(dn, parts):
    assert glue2.split_dn(dn) == parts


@pytest.mark.parametrize("dn", ["nothing", "=x", ",".join(["a=b"] * 65), "a=" + "x" * 9000])
def test_what_is_no_dn_is_bad_data(dn):
    with pytest.raises(BadData):
        glue2.split_dn(dn)


@given(st.text(alphabet="ab=,+\\ #2F\x00ü", max_size=60))
def test_any_text_is_a_dn_or_bad_data(text):
    try:
        assert all(name for name, _ in glue2.split_dn(text))
    except BadData:
        pass


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T12:00:00Z", "2026-11-23T21:00:00+09:00", "2026-11-23T21:00:00+0900", " 2026-11-23 12:00:00.123456Z "],
)
def test_a_time_with_its_zone_is_exact(text):
    assert glue2.read_creation_time(text) == (NOON, NOON)


def test_a_time_without_a_zone_is_any_instant_that_it_can_mean():
    read = glue2.read_creation_time("2026-11-23T12:00:00.654321")
    assert read == (NOON - timedelta(hours=14), NOON + timedelta(hours=12))
    assert not read.is_exact


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-11-23", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "23/11/2026 12:00", "1700000000",
     "0001-01-01T00:00:00", "9999-12-31T23:59:59", "٢٠٢٦-11-23T12:00:00Z", "2026-11-23T12:00:00+99:99", "x" * 999],
)  # fmt: skip
def test_what_is_no_time_is_bad_data(text):
    with pytest.raises(BadData, match=r"creation time .* is not of the form"):
        glue2.read_creation_time(text)


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([+-][0-9:]{5}|Z)?", fullmatch=True))
def test_any_text_is_a_time_or_bad_data(text):
    try:
        assert glue2.read_creation_time(text).latest.tzinfo is UTC
    except BadData:
        pass


def test_validity_is_seconds_and_a_minute_means_ten():
    assert (glue2.read_validity("3600"), glue2.read_validity("60"), glue2.read_validity("0")) == (3600, 600, 0)
    assert (glue2.read_validity(" 7\n"), glue2.read_validity("\x1e7")) == (7, 7)
    for text in ("", "-1", "1h", "1e9", "1" * 11, "٣"):
        with pytest.raises(BadData, match="not a number of seconds"):
            glue2.read_validity(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://H.example.org:8787/", "https://h.example.org:8787/?image=a&resource=b"),
        ("https://h:443/x/", "HTTPS://h/x"),
        ("http://h:80", "http://h./"),
        ("https://[2001:DB8::1]:8787", "https://[2001:db8::1]:8787/"),
    ],
)
def test_urls_that_mean_the_same_are_the_same(one, other):
    assert glue2.normal_url(one) == glue2.normal_url(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("https://h:8787", "http://h:8787"), ("https://h:8787", "https://h"), ("https://h/a", "https://h/A")],
)
def test_urls_that_differ_stay_different(one, other):
    assert glue2.normal_url(one) != glue2.normal_url(other)


@given(st.text(max_size=60))
def test_any_text_can_be_compared_as_a_url(text):
    for prefix in ("", "https://", "https://[", "https://h:"):
        assert isinstance(glue2.normal_url(prefix + text), str)


@pytest.mark.parametrize(
    ("attribute", "value", "fault"),
    [
        ("glue2servicecapability", "['cloud.managementSystem', 'cloud.vm.uploadImage']", "a list printed as one value"),
        ("glue2servicecapability", "[u'a']", "a list printed as one value"),
        ("glue2servicecapability", "[]", "a list printed as one value"),
        ("glue2entityname", "{'a': 1}", "a list printed as one value"),
        ("glue2servicequalitylevel", "None", "no value"),
        ("glue2entityname", "UNDEFINEDVALUE", "no value"),
        ("glue2entityname", "  ", "blank"),
        ("glue2endpointurl", "https://cloud.example.org:8787", "a placeholder"),
        ("glue2entityname", "<site name>", "a placeholder"),
        ("glue2endpointservingstate", "pre-production", "not a serving state of GLUE 2"),
        ("glue2endpointhealthstate", "fine", "not a health state of GLUE 2"),
        ("glue2entitycreationtime", "2026-11-23T12:00:00.1", "a time without its zone"),
        ("glue2entitycreationtime", "yesterday", "not of the form YYYY-MM-DDTHH:MM:SSZ"),
        ("glue2entityvalidity", "1h", "not a number of seconds"),
        ("glue2servicecapability", "cloud.managementSystem", ""),
        ("glue2endpointurl", "https://cloud.site.test:8787", ""),
        ("glue2entityname", "[EGI] CentOS 7", ""),
        ("glue2entityname", "Nonesuch", ""),
        ("glue2endpointservingstate", "production", ""),
        ("glue2entitycreationtime", "2026-11-23T12:00:00Z", ""),
        ("glue2entityvalidity", "3600", ""),
    ],
)
def test_known_faults_of_providers_are_named_and_good_values_are_not(attribute, value, fault):
    assert glue2.value_problem(attribute, value) == fault


@given(st.sampled_from(["glue2entityvalidity", "glue2entitycreationtime", "glue2entityname"]), st.text(max_size=300))
def test_any_value_is_judged(attribute, value):
    assert isinstance(glue2.value_problem(attribute, value), str)
