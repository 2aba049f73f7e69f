from __future__ import annotations

import json

import pytest

from libprobe.failures import Misconfigured
from libprobe.timelines import profiles


def packaged(name):
    with open(f"{profiles.PACKAGED}/{name}.json") as file:
        return json.load(file)


@pytest.fixture
def saved(tmp_path):
    def save(document):
        path = tmp_path / "profile.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return save


def test_a_profile_as_the_web_api_answers(saved):
    document = {"status": {"code": "200"}, "data": [{"id": "1", "date": "2026-10-01", **packaged("aggregation")}]}
    assert profiles.read(aggregation=saved(document)).service_types == profiles.read().service_types


def refused(**files):
    with pytest.raises(Misconfigured) as caught:
        profiles.read(**files)
    return str(caught.value)


@pytest.mark.parametrize(
    "document, says",
    [
        ("{", "is not a profile in the form of ARGO's web API"),
        ("[]", "is not a profile in the form of ARGO's web API"),
        ({"name": "x"}, "is not the profile that is needed here: it has no 'groups'"),
        ({"data": []}, "holds 0 profiles, and not one"),
        ({**packaged("aggregation"), "profile_operation": "XOR"}, "it joins by XOR, which the operations profile does"),
        ({**packaged("aggregation"), "groups": []}, "it has no service type, so no site would have a figure"),
    ],
)
def test_what_is_no_aggregation_profile_is_named(saved, document, says):
    path = saved(document)
    said = refused(aggregation=path)
    assert path in said and says in said


def test_a_type_without_a_metric_names_the_option(saved):
    path = saved({"name": "x", "services": [{"service": "org.openstack.swift", "metrics": ["m"]}]})
    assert "of which the metric profile has no metric (give the --metric-profile" in refused(metric=path)


def test_an_unknown_status_is_named(saved):
    document = packaged("operations")
    document["operations"][0]["truth_table"][0]["x"] = "GOOD"
    assert "there is no status GOOD; there are OK, WARNING" in refused(operations=saved(document))


def test_a_file_that_is_not_there(tmp_path):
    assert "cannot be read: No such file" in refused(metric=str(tmp_path / "none"))
