"""One machine, as real servers describe it."""

from __future__ import annotations

import json

import pytest

from libprobe.failures import BadData
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import read_entity
from libprobe.formats.occi.query import (
    read_model_headers,
    read_model_json,
)
from tests.formats.occi.samples import INFRA, VM, VM_ID, recorded, sent


@pytest.mark.parametrize("name", ["22-show-active-text-plain", "22-show-active-text-occi", "22-show-active-occi-json"])
def test_every_rendering_describes_the_same_machine(name: str) -> None:
    answer = recorded(name)
    vm = read_entity(answer.body, headers=answer.headers, media_type=answer.media_type)
    assert (vm.kind, vm.state, vm.hostname, vm.title) == (occi.COMPUTE, "active", "probe-vm", "probe-vm")
    assert vm.mixins[1] == "http://schemas.openstack.org/template/resource#1"
    assert vm.addresses == ["192.168.77.126"]
    assert vm.id == VM_ID
    assert vm.attributes["occi.compute.cores"] == 1
    assert vm.attributes["occi.compute.memory"] == 512.0
    assert vm.location == ("" if "json" in name else VM)
    assert occi.NETWORK_INTERFACE in vm.links[0].categories
    assert vm.links[0].rel == (occi.NETWORK,)


def test_a_public_address_is_one_more() -> None:
    vm = read_entity(recorded("64b-show-with-public-ip").body)
    assert vm.addresses == ["192.168.77.159", "203.0.113.10"]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("25b-show-stopped", "inactive"),
        ("44c-show-error-state", "inactive"),
        ("50b-show-building", "inactive"),
    ],
)
def test_states_are_as_recorded(name: str, state: str) -> None:
    assert read_entity(recorded(name).body).state == state


def test_an_occi_os_machine_is_read() -> None:
    vm = read_entity(
        f'\nCategory: compute; {INFRA}; class="kind"; title="A compute instance"; location="/compute/"\n'
        'X-OCCI-Attribute: occi.compute.cores="2"\n'
        'X-OCCI-Attribute: occi.compute.speed="0.0"\n'
        'X-OCCI-Attribute: occi.compute.memory="1.5"\n'
        'X-OCCI-Attribute: org.openstack.compute.state="building"\n'
        'X-OCCI-Attribute: org.openstack.compute.console.vnc="http://c.example.org/?token=x"\n'
        'X-OCCI-Attribute: occi.compute.state="inactive"\n'
        'Link: </network/interface/1>; rel="http://schemas.ogf.org/occi/infrastructure#network"; '
        'self="/network/interface/1"; '
        'category="http://schemas.ogf.org/occi/infrastructure#networkinterface"; '
        'occi.networkinterface.address="10.0.0.4"; occi.networkinterface.interface="eth0"'
    )
    assert vm.attributes["occi.compute.cores"] == 2
    assert vm.attributes["occi.compute.memory"] == 1.5
    assert vm.attributes[occi.OPENSTACK_STATE] == "building"
    assert (vm.state, vm.addresses) == ("inactive", ["10.0.0.4"])


def test_nested_json_of_rocci_is_read() -> None:
    body = json.dumps(
        {
            "resources": [
                {
                    "kind": occi.COMPUTE,
                    "mixins": ["http://x/os_tpl#a"],
                    "id": "7",
                    "title": "t",
                    "attributes": {"occi": {"compute": {"cores": 1, "state": "waiting", "hostname": "h"}}},
                    "links": [
                        "/link/networkinterface/1",
                        {"attributes": {"occi": {"networkinterface": {"address": "10.1.1.1"}}}},
                    ],
                }
            ]
        }
    )
    vm = read_entity(body, media_type="application/occi+json; charset=utf-8")
    assert (vm.id, vm.state, vm.hostname, vm.addresses) == ("7", "waiting", "h", ["10.1.1.1"])


def test_nested_names_cannot_multiply_an_answer() -> None:
    name = "k" * 60_000
    nested: object = {f"a{number}": 1 for number in range(2_000)}
    for _ in range(15):
        nested = {name: nested}
    body = json.dumps({"kind": occi.COMPUTE, "attributes": {"x": {"y": True}, "z": nested}})
    assert read_entity(body, media_type=occi.OCCI_JSON).attributes == {"x.y": True}
    model = json.dumps({"kinds": [{"term": "a", "scheme": "s#", "attributes": nested}]})
    assert read_model_json(model.encode()).kinds[0].attributes == ()


ATTRIBUTES = [
    ('occi.core.title="a "b", c"', {"occi.core.title": 'a "b", c'}, "quotes and a comma in a title"),
    (
        'occi.core.title="a", occi.compute.cores=3',
        {"occi.core.title": "a", "occi.compute.cores": 3},
        "joined",
    ),
    ('occi.core.title="open', {"occi.core.title": "open"}, "never closed"),
    ("x.flag=true", {"x.flag": True}, "boolean"),
    ("x.number=2.5;", {"x.number": 2.5}, "number with a semicolon"),
    ("x.word=plain words", {"x.word": "plain words"}, "unquoted words"),
    ("occi.compute.cores=NaN", {}, "not a number"),
    ("occi.compute.memory=1e999", {}, "infinity"),
    ('occi.compute.cores="two"', {}, "a word for a number"),
    ("occi.compute.cores=" + "9" * 5000, {}, "an endless number"),
    ('method="x"', {"method": "x"}, "name without dots"),
    ("no attribute", {}, "junk"),
]


@pytest.mark.parametrize(("line", "expected", "_id"), ATTRIBUTES, ids=[entry[2] for entry in ATTRIBUTES])
def test_an_attribute_does_not_hide_the_others(line: str, expected: dict[str, object], _id: str) -> None:
    body = f'X-OCCI-Attribute: {line}\r\nX-OCCI-Attribute: occi.compute.state="active"\r\n'
    attributes = read_entity(body).attributes
    assert attributes == {**expected, "occi.compute.state": "active"}
    assert [type(value) for value in attributes.values()][:-1] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("", "text/plain"),
        ("OK", "text/plain"),
        ("<html>login</html>", "text/html"),
        ("[]", "application/occi+json"),
        ("{}", "application/json"),
        ("x", "application/occi+json"),
        ("", "text/occi"),
    ],
)
def test_an_answer_without_a_resource_is_bad_data(body: str, media_type: str) -> None:
    with pytest.raises(BadData):
        read_entity(body, media_type=media_type)


def test_text_occi_of_rocci_is_read() -> None:
    model = read_model_headers(sent("2-model"))
    assert [(kind.id, kind.location) for kind in model.kinds] == [(occi.COMPUTE, "/compute/")]
    vm = read_entity("", headers=sent("2-show"), media_type="text/occi; charset=utf-8")
    assert (vm.kind, vm.state, vm.id, vm.addresses) == (occi.COMPUTE, "active", "7", ["198.51.100.7"])
