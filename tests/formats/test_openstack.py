"""What a project's token says: its project, and the public endpoints of one region at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.openstack import MAX_ENDPOINTS, next_marker, read_scope

RECORDED = Path(__file__).parent.parent / "data" / "openstack" / "token-zed-2026-11-28.json"
PROJECT = "8181077e9b0741daa81c3411bca0e6ba"


def token(*endpoints: dict[str, object], **more: object) -> dict[str, object]:
    """A token with one service of type image."""
    said = {"project": {"id": "p", "name": "ops"}, "catalog": [{"type": "image", "endpoints": list(endpoints)}]}
    return {"token": said | more}


def test_a_recorded_token_names_its_services_by_region():
    scope = read_scope(json.loads(RECORDED.read_bytes()))
    assert (scope.project, scope.project_id, scope.roles) == ("ops", PROJECT, ("member", "reader"))
    assert scope.regions("compute", "image", "network") == ["RegionOne", "RegionTwo"]
    assert scope.regions("compute", "placement") == ["RegionOne"]
    assert scope.regions("compute", "volumev3") == scope.regions() == []
    # in the recorded order, the first public one of image is of RegionTwo and the first of compute of RegionOne
    assert scope.url("image", "RegionOne") == "https://localhost:19292"
    assert scope.url("compute", "RegionTwo") == "https://localhost:28774/v2.1"
    assert scope.url("object-store", "RegionOne") == f"https://localhost:18080/v1/AUTH_{PROJECT}"
    assert not [each for each in scope.offered if "127.0.0.1" in each.url]
    assert scope.describe() == (
        "RegionOne (compute, identity, image, network, object-store, occi, placement), "
        "RegionTwo (compute, image, network, object-store)"
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "what describes the token is missing"),
        ({"token": "x"}, "what describes the token is missing"),
        ({"token": {"catalog": []}}, "the token is of no project"),
        (token(project={"id": "", "name": "ops"}), "the token is of no project"),
        (token(catalog=None), "the token has no catalogue"),
    ],
)
def test_what_is_no_projects_token_is_refused(document, said):
    with pytest.raises(BadData) as caught:
        read_scope(document)
    assert caught.value.sentence == said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://h/", "does not begin with https"),
        ("https://user:word@h/", "a user name or password"),
        ("https://a\\@b/", "a backslash"),
        ("https://h/v1?a=b", "has a query"),
        ("https://h/\n", "blank"),
    ],
)
def test_an_endpoint_that_is_no_plain_url_is_named_with_its_service(url, said):
    scope = read_scope(token({"interface": "public", "region": "R", "url": url}))
    with pytest.raises(BadData) as caught:
        scope.url("image", "R")
    assert "type image in region R" in caught.value.sentence
    assert said in caught.value.sentence


def test_a_catalogue_without_end_is_refused():
    with pytest.raises(BadData, match=f"more than {MAX_ENDPOINTS} endpoints"):
        read_scope(token(*[{"interface": "admin"}] * (MAX_ENDPOINTS + 1)))


KEYS = ["project", "catalog", "endpoints", "interface", "region", "url", "type", "id", "name", "roles"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


@given(json_values, json_values, json_values)
def test_nothing_else_than_bad_data_is_raised(project, catalogue, roles):
    for document in (project, {"token": {"project": project, "catalog": catalogue, "roles": roles}}, token(catalogue)):
        try:
            scope = read_scope(document)
            for each in scope.offered:
                scope.url(each.kind, each.region)
            scope.describe()
        except BadData:
            pass


@pytest.mark.parametrize(
    ("following", "marker"),
    [
        (None, ""),
        ("", ""),
        ("/v2/images?limit=2&marker=a00f5534-68f3-4790-a3a9-b8d2d18eea9b", "a00f5534-68f3-4790-a3a9-b8d2d18eea9b"),
        ("https://behind.example.org/v2/images?marker=a%2Fb", "a/b"),
    ],
)
def test_of_the_next_page_only_the_marker_counts(following, marker):
    assert next_marker({} if following is None else {"next": following}) == marker


@pytest.mark.parametrize(
    "following",
    [
        "/v2/images",
        "/v2/images?limit=2",
        "/v2/images?marker=",
        "//[?marker=a",
        f"/?marker={'a' * 2048}",
        7,
        [],
        False,
    ],
)
def test_a_next_page_without_a_marker_is_none(following):
    with pytest.raises(BadData, match=r"^the list of images goes on at .*, which is no page of it$"):
        next_marker({"next": following})
