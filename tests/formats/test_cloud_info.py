"""What the information system publishes: sites with their projects, or anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.cloud_info import MAX_SITES, Project, Site, read_sites

ENTRY = {
    "id": "12249G0",
    "name": "EXAMPLE",
    "url": "https://ks.example.org:5000/v3",
    "state": "",
    "hostname": "",
    "projects": [{"id": "038db3", "name": "ops"}, {"id": "", "name": "none"}, {"id": 1, "name": "none"}, None],
}


def test_a_site_is_read_with_the_projects_that_have_a_vo_and_an_id():
    assert read_sites([ENTRY, None, {"name": "no URL"}]) == [
        Site("EXAMPLE", "https://ks.example.org:5000/v3", (Project("ops", "038db3"),))
    ]


@pytest.mark.parametrize("document", [{}, None, "x", [ENTRY] * (MAX_SITES + 1)])
def test_what_is_no_list_of_sites_is_refused(document):
    with pytest.raises(BadData):
        read_sites(document)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://KS.example.org:5000/v3/", True),
        ("https://ks.example.org:5000", True),
        ("http://ks.example.org:5000/v3", False),
        ("https://ks.example.org:5001/v3", False),
        ("https://ks.example.org:5000/identity/v3", False),
        ("https://ks.example.org.evil.test:5000/v3", False),
    ],
)
def test_an_endpoint_is_compared_by_where_it_leads(url, same):
    assert read_sites([ENTRY])[0].is_same_as(url) is same


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "url", "projects"]), inner)
    ),
    max_leaves=20,
)


@given(json_values, st.text(max_size=30))
def test_whatever_is_published_is_sites_or_bad_data(document, url):
    try:
        for site in read_sites(document):
            assert site.is_same_as(site.url)
            site.is_same_as(url)
    except BadData:
        pass
