"""NCG's files, whatever is in them: metrics, or a sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import ncg
from tests.conftest import ROOT
from tests.programs.test_catalogue import endpoint

SHIPPED = json.loads((ROOT / "etc/ncg/fedcloud-probes.conf").read_text())
SHIPPED_LOCALDB = (ROOT / "etc/ncg/fedcloud-probes.localdb").read_text()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["config", "flags"]), inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_document_is_metrics_or_bad_data(document: object) -> None:
    try:
        ncg.read_metrics(json.dumps(document))
    except BadData:
        pass


@given(st.text())
def test_any_text_is_metrics_or_bad_data(text: str) -> None:
    for read in (ncg.read_metrics, ncg.read_localdb):
        try:
            read(text)
        except BadData:
            pass


@given(st.sampled_from(["probe", "config", "attribute", "parameter", "dependency", "flags", "docurl"]), JSON)
def test_a_definition_with_one_wrong_part_is_read_or_bad_data(key: str, value: object) -> None:
    definition = {**SHIPPED["eu.egi.cloud.OCCI-VM"], key: value}
    try:
        [metric] = ncg.read_metrics(json.dumps({"m": definition}))
    except BadData as error:
        assert error.sentence.startswith("m")
        return
    assert metric.interval_s >= 60
    for _, option in metric.attributes:
        assert option.startswith("-")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BadData):
        ncg.read_metrics("[" * 100_000)


@given(st.text())
def test_attributes_of_any_url_are_found_or_missed_with_a_reason(url: str) -> None:
    for service_type in (ncg.OCCI, ncg.CDMI, ncg.BDII, *ncg.BROKERS, *ncg.IMAGE_LISTS, "egi.Perun"):
        found, problem = ncg.attributes(endpoint(service_type, url), None)
        assert problem is None or problem.sentence
        for name, value in found.items():
            assert value
            if name.endswith("_PORT"):
                assert 1 <= int(value) <= 65535


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?image=a", {"OCCI_IMAGE": "a", "OCCI_RESOURCE": "small"}),
        ("?image=a&platform=openstack", {"OCCI_IMAGE": "a", "OCCI_RESOURCE": "m1-tiny", "OCCI_PLATFORM": "openstack"}),
        ("?IMAGE=a&amp;resource=b", {"OCCI_IMAGE": "a", "OCCI_RESOURCE": "b"}),
        ("", {"OCCI_RESOURCE": "small"}),
    ],
)
def test_what_ncg_derives_from_an_occi_url(query: str, expected: dict[str, str]) -> None:
    found, problem = ncg.attributes(endpoint(url=f"https://c.example.org/x/{query}"))
    assert problem is None
    assert found == {
        "OCCI_URL": "https://c.example.org/x",
        "OCCI_PORT": "443",
        "OCCI_SCHEME": "https",
        **expected,
    }


def test_a_localdb_adds_to_what_was_read_before() -> None:
    localdb = ncg.read_localdb(SHIPPED_LOCALDB)
    both = ncg.read_localdb(
        "REMOVE_HOST!old.example.org\nADD_HOST_SERVICE_METRIC!c.example.org!other!eu.egi.cloud.Perun-Check\n",
        localdb,
    )
    assert both.removed_hosts == {"old.example.org"}
    assert both.host_metrics == {("c.example.org", "other"): ["eu.egi.cloud.Perun-Check"]}
    assert both.metrics["egi.Perun"] == ["eu.egi.cloud.Perun-Check"]
