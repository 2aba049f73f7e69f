"""OCCI as real servers write it, and as hostile ones could."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import occi, occi_text

RECORDINGS = Path(__file__).parents[1] / "data" / "occi" / "ooi"
VM = "http://127.0.0.1:8787/occi1.1/compute/179c425e-ce7f-4657-a06d-9eb5b9cd4f42"
VM_ID = VM.rpartition("/")[2]
INFRA = 'scheme="http://schemas.ogf.org/occi/infrastructure#"'
OS = "http://schemas.openstack.org/template/os#"


class Answer(NamedTuple):
    headers: list[tuple[str, str]]
    media_type: str
    body: str


def recorded(name: str) -> Answer:
    """Return the answer of a recorded exchange."""
    text = (RECORDINGS / f"{name}.txt").read_text(encoding="utf-8")
    answer = text.partition("\n----- response")[2].partition("\n")[2]
    head, _, body = answer.partition("\n\n")
    headers = [(key, value.strip()) for key, _, value in (line.partition(":") for line in head.split("\n")[1:])]
    return Answer(headers, dict(headers).get("Content-Type", ""), body)


def only(text: str) -> occi.Category:
    """Return the one category of a model of one line."""
    model = occi.read_model([f"Category: {text}"])
    (category,) = [*model.kinds, *model.mixins, *model.actions]
    return category


# ---- The model


class TestModel:
    @pytest.fixture(params=["10-query-text-plain", "10-query-text-occi", "10-query-occi-json"])
    def model(self, request: pytest.FixtureRequest) -> occi.Model:
        answer = recorded(request.param)
        if request.param.endswith("json"):
            return occi.read_model_json(answer.body.encode())
        if request.param.endswith("text-occi"):
            return occi.read_model_headers(answer.headers)
        return occi.read_model(answer.body.splitlines(keepends=True))

    def test_every_rendering_tells_the_same(self, model: occi.Model) -> None:
        assert (len(model.kinds), len(model.actions), model.skipped) == (9, 12, 0)
        compute = model.find(occi.COMPUTE)
        assert compute is not None
        assert compute.location == "http://127.0.0.1:8787/occi1.1/compute/"
        assert compute.rel == (occi.RESOURCE,)

    def test_templates_are_found_by_what_they_derive_from(self, model: occi.Model) -> None:
        images = [template.title for template in model.templates(occi.OS_TPL)]
        assert images == ["Image for EGI Centos 7 [CentOS/7/VirtualBox]", "cirros-0.3.5"]
        assert [template.term for template in model.templates(occi.RESOURCE_TPL)] == [
            "1",
            "2",
            "6ee1a4d3-8d4f-4c3e-9c5d-1d6a3b0e2f10",
            "98",
            "99",
        ]

    def test_the_context_mixins_are_there(self, model: occi.Model) -> None:
        for wanted in (occi.USER_DATA, occi.PUBLIC_KEY, occi.USER_DATA_1_2, occi.SSH_KEY_1_2):
            assert model.find(wanted) is not None
        assert model.find("http://example.org/#nothing") is None


TEMPLATES = [
    pytest.param(
        'f7-os; scheme="http://schemas.openstack.org/template/os#"; class="mixin"; title="Image: SL6"; '
        f'rel="{occi.OS_TPL}"; location="/os/f7/"',
        OS + "f7-os",
        occi.OS_TPL,
        id="occi-os image",
    ),
    pytest.param(
        'm1-tiny; scheme="http://schemas.openstack.org/template/resource#"; class=mixin; '
        f'title="Flavor: m1.tiny "; rel="{occi.RESOURCE_TPL}";',
        "http://schemas.openstack.org/template/resource#m1-tiny",
        occi.RESOURCE_TPL,
        id="occi-os flavour, class unquoted, semicolon at the end",
    ),
    pytest.param(
        'uuid_monitoring_20; scheme="http://occi.one.example.org/occi/infrastructure/os_tpl#"; '
        f'class="mixin"; title="monitoring"; rel="{occi.OS_TPL} {occi.COMPUTE}"; '
        'location="/mixin/os_tpl/uuid_monitoring_20/"',
        "http://occi.one.example.org/occi/infrastructure/os_tpl#uuid_monitoring_20",
        occi.OS_TPL,
        id="two identifiers in rel",
    ),
    pytest.param(
        'uuid_monitoring_20;scheme="http://occi.one.example.org/occi/infrastructure/os_tpl#";'
        f'class="mixin";title="monitoring";rel="{occi.OS_TPL}"',
        "http://occi.one.example.org/occi/infrastructure/os_tpl#uuid_monitoring_20",
        occi.OS_TPL,
        id="rOCCI 1.1",
    ),
    pytest.param(
        '20; scheme="http://example.org/occi/infrastructure/os_tpl#"; class="mixin"; '
        f'rel="{occi.OS_TPL} {occi.COMPUTE}"',
        "http://example.org/occi/infrastructure/os_tpl#20",
        occi.OS_TPL,
        id="rOCCI 2.0, a bare number",
    ),
    pytest.param(
        f'debian;scheme="http://schemas.ogf.org/occi/os_tpl#";class="mixin";rel="{occi.OS_TPL}"',
        "http://schemas.ogf.org/occi/os_tpl#debian",
        occi.OS_TPL,
        id="snf-occi, no blanks",
    ),
]


@pytest.mark.parametrize(("text", "identifier", "of"), TEMPLATES)
def test_each_server_has_its_own_shape_of_template(text: str, identifier: str, of: str) -> None:
    model = occi.read_model([f"Category: {text}\r\n"])
    assert [template.id for template in model.templates(of)] == [identifier]


def test_the_template_type_itself_is_no_template() -> None:
    line = f'Category: os_tpl; {INFRA}; class="mixin"; rel="{occi.OS_TPL}"'
    assert occi.read_model([line]).templates(occi.OS_TPL) == []


TITLES = [
    ('a \\"quoted\\" title', 'a "quoted" title', "escaped by the specification"),
    ('a "quoted" title', 'a "quoted" title', "unescaped quotes of pyssf and ooi"),
    ("one, two, three", "one, two, three", "commas"),
    ('the "best", they say', 'the "best", they say', "unescaped quote before a comma"),
    ("semi; colon", "semi; colon", "semicolon"),
    ("C:\\\\", "C:\\", "escaped backslash at the end"),
    ("C:\\", "C:\\", "unescaped backslash at the end"),
    ("grün und ☃", "grün und ☃", "not ASCII"),
    ("", "", "empty"),
]


@pytest.mark.parametrize(("written", "title", "_id"), TITLES, ids=[entry[2] for entry in TITLES])
def test_a_title_does_not_hide_what_stands_behind_it(written: str, title: str, _id: str) -> None:
    category = only(f'x; scheme="{OS}"; class="mixin"; title="{written}"; rel="{occi.OS_TPL}"; location="/x/"')
    assert (category.title, category.rel, category.location) == (title, (occi.OS_TPL,), "/x/")


def test_categories_joined_by_commas_are_told_apart() -> None:
    line = f'Category: compute; {INFRA}; class="kind", a; scheme="{OS}"; class="mixin"; title="x, y", b; ' + (
        f'scheme="{OS}"; class=mixin'
    )
    model = occi.read_model([line])
    assert [category.term for category in (*model.kinds, *model.mixins)] == ["compute", "a", "b"]


def test_a_kind_keeps_its_attributes_and_actions() -> None:
    kind = only(
        f'compute; {INFRA}; class="kind"; attributes="occi.compute.cores{{immutable required}} '
        'occi.compute.state"; actions="http://a#start http://a#stop"'
    )
    assert kind.attributes == ("occi.compute.cores", "occi.compute.state")
    assert kind.actions == ("http://a#start", "http://a#stop")


UNREADABLE = [
    "Category: x",
    'Category: ; scheme="s#"; class="mixin"',
    'Category: x; scheme="s#"',
    'Category: x; scheme="s#"; class="nonsense"',
    'Category: x; class="mixin"',
    'Category: x; scheme="s#"; class="mixin"; title="never closed',
    'Category: x; scheme="s#"; class="mixin" title="y"',
]


@pytest.mark.parametrize("line", UNREADABLE)
def test_a_line_that_cannot_be_read_is_counted_and_left_out(line: str) -> None:
    model = occi.read_model([line, f'Category: compute; {INFRA}; class="kind"'])
    assert (len(model.kinds), len(model.mixins), model.skipped) == (1, 0, 1)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "but nothing"),
        (["\r\n", "  "], "but nothing"),
        (["<html>\n", "<h1>Welcome</h1>"], '"<html>"'),
        (["x" * 500], "x" * 77 + '..."'),
        (["Server said: no"], '"Server said: no"'),
    ],
)
def test_what_is_no_model_says_what_came_instead(lines: list[str], said: str) -> None:
    with pytest.raises(BadData) as caught:
        occi.read_model(lines)
    assert said in caught.value.sentence


def test_a_list_of_categories_without_their_name_is_no_model() -> None:
    with pytest.raises(BadData, match="entity"):
        occi.read_model(recorded("10-query-uri-list").body.splitlines())


def test_an_older_nested_json_model_is_read() -> None:
    document = {
        "kinds": [
            {
                "term": "compute",
                "scheme": occi.INFRASTRUCTURE,
                "related": occi.RESOURCE,
                "attributes": {"occi": {"compute": {"cores": {"Mutable": True}, "state": {"Default": "active"}}}},
                "actions": ["http://a#start"],
            }
        ],
        "mixins": [
            {"term": "uuid_a_1", "scheme": "http://x/os_tpl#", "related": [occi.OS_TPL, occi.COMPUTE]},
            "nonsense",
        ],
    }
    model = occi.read_model_json(json.dumps(document).encode())
    assert model.kinds[0].attributes == ("occi.compute.cores", "occi.compute.state")
    assert [template.term for template in model.templates(occi.OS_TPL)] == ["uuid_a_1"]
    assert model.skipped == 1


JSON_JUNK = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"<html>",
    b'{"kinds": 5}',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"kinds": [NaN]}',
    b'{"kinds": [' + b"1" * 5000 + b"]}",
]


@pytest.mark.parametrize("data", JSON_JUNK, ids=range(len(JSON_JUNK)))
def test_json_that_is_no_model_is_bad_data(data: bytes) -> None:
    with pytest.raises(BadData):
        occi.read_model_json(data)


def many_templates(count: int) -> Iterator[str]:
    """Yield lines of about 500 characters, as sites with many images have them."""
    for number in range(count):
        uuid = f"{number:08x}-1111-2222-3333-444455556666"
        title = f"Image: {number} " + "of a long name " * 8
        yield (
            f'Category: {uuid}; scheme="{OS}"; class="mixin"; title="{title}"; '
            f'rel="{occi.OS_TPL}"; location="https://cloud.example.org:8787/occi1.1/os_tpl/{uuid}/"; '
            'attributes="occi.compute.cores{immutable} occi.compute.memory{immutable} org.openstack.disk"\r\n'
        )


def test_a_model_of_20000_templates_needs_little_memory() -> None:
    size = sum(map(len, many_templates(20_000)))
    tracemalloc.start()
    try:
        model = occi.read_model(many_templates(20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(model.templates(occi.OS_TPL)) == 20_000
    assert size > 9_000_000
    assert peak < 25_000_000


def test_a_model_has_a_limit() -> None:
    one = f'Category: x; scheme="{OS}"; class="mixin"'
    with pytest.raises(BadData, match="more than"):
        occi.read_model(one for _ in range(occi.MAX_CATEGORIES + 1))
    with pytest.raises(BadData, match="line of more than"):
        occi.read_model(["x" * (occi.MAX_LINE_CHARS + 1)])


EVIL = [
    'a; scheme="x, ' * 40_000,
    'a; scheme="' + '"; ' * 150_000,
    '"' * 500_000,
    'a; b="\\"' + "\\" * 500_000,
    "," * 500_000,
    'a; t="' + '", ' * 150_000,
    ("a" * 1000 + ",") * 500,
    'a; t="' + '"   ' * 120_000,
    "a" + " " * 500_000,
    'a; t="' + ('";' + "a" * 250) * 2_000,
    "a.b=" + ",a.a.a.a.a.a" * 40_000,
]


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    for line in (text, "<a>" + text, 'a.b="' + text):
        list(occi_text.categories(line))
        list(occi_text.links(line))
        list(occi_text.attributes(line))
    assert time.process_time() - began < 20  # a quadratic one takes minutes


def test_headers_have_limits_too() -> None:
    with pytest.raises(BadData, match="no Category header"):
        occi.read_model_headers([])
    with pytest.raises(BadData, match="header of more than"):
        occi.read_model_headers([("Category", "x" * (occi.MAX_LINE_CHARS + 1))])


def test_related_categories_may_be_described_rather_than_named() -> None:
    mixin = {"term": "a", "scheme": "s#", "depends": [{"scheme": occi.INFRASTRUCTURE, "term": "os_tpl"}]}
    model = occi.read_model_json(json.dumps({"mixins": [mixin]}).encode())
    assert [template.id for template in model.templates(occi.OS_TPL)] == ["s#a"]


def test_bodies_and_collections_have_limits() -> None:
    with pytest.raises(BadData, match="characters"):
        occi.read_entity("x" * (occi.MAX_BODY_CHARS + 1))
    with pytest.raises(BadData, match="bytes of JSON"):
        occi.read_model_json(b" " * (occi.MAX_JSON_BYTES + 1))
    with pytest.raises(BadData, match="members"):
        occi.read_locations("/a\n" * (occi.MAX_ENTRIES + 1))
    with pytest.raises(BadData, match="members"):
        occi.read_locations(json.dumps(["/a"] * (occi.MAX_ENTRIES + 1)), media_type=occi.OCCI_JSON)


# ---- Templates by name


def template(term: str, title: str = "", scheme: str = OS) -> occi.Category:
    return occi.Category(term, scheme, occi.MIXIN, title, (occi.OS_TPL,), None, (), ())


OFFERED = [
    template("uuid_monitoring_20", "monitoring", "http://one/os_tpl#"),
    template("0f0f", "Image: SL6"),
    template("1", "Flavor: m1.tiny "),
    template("2", "Flavor: Twice"),
    template("3", "Flavor: twice"),
    template("m1%2Esmall"),
]


@pytest.mark.parametrize(
    ("wanted", "term"),
    [
        pytest.param(OS + "0f0f", "0f0f", id="full identifier"),
        pytest.param("os_tpl#0f0f", "0f0f", id="os_tpl#term"),
        pytest.param("0f0f", "0f0f", id="term"),
        pytest.param("m1.small", "m1%2Esmall", id="percent-encoded term"),
        pytest.param("sl6", "0f0f", id="title without its prefix"),
        pytest.param("M1.TINY", "1", id="title in another case"),
        pytest.param("twice", None, id="title of two"),
        pytest.param("http://other/os_tpl#0f0f", None, id="identifier of another scheme"),
        pytest.param("uuid_monitoring_21", None, id="not offered"),
        pytest.param("", None, id="empty"),
    ],
)
def test_a_template_is_resolved(wanted: str, term: str | None) -> None:
    found = occi.resolve(wanted, OFFERED)
    assert (found.term if found else None) == term


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("uuid_monitoring_19", "uuid_monitoring_20"),
        ("os_tpl#uuid_monitoring_19", "uuid_monitoring_20"),
        ("m1.tinny", "1 (Flavor: m1.tiny)"),
    ],
)
def test_the_nearest_template_is_proposed(wanted: str, first: str) -> None:
    assert occi.nearest(wanted, OFFERED)[0] == first


def test_nothing_is_proposed_for_something_else() -> None:
    assert occi.nearest("zzzzzz", OFFERED) == []
    assert occi.nearest("", OFFERED) == []


# ---- One machine


@pytest.mark.parametrize("name", ["22-show-active-text-plain", "22-show-active-text-occi", "22-show-active-occi-json"])
def test_every_rendering_describes_the_same_machine(name: str) -> None:
    answer = recorded(name)
    vm = occi.read_entity(answer.body, headers=answer.headers, media_type=answer.media_type)
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
    vm = occi.read_entity(recorded("64b-show-with-public-ip").body)
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
    assert occi.read_entity(recorded(name).body).state == state


def test_an_occi_os_machine_is_read() -> None:
    vm = occi.read_entity(
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
    vm = occi.read_entity(body, media_type="application/occi+json; charset=utf-8")
    assert (vm.id, vm.state, vm.hostname, vm.addresses) == ("7", "waiting", "h", ["10.1.1.1"])


def test_nested_names_cannot_multiply_an_answer() -> None:
    name = "k" * 60_000
    nested: object = {f"a{number}": 1 for number in range(2_000)}
    for _ in range(15):
        nested = {name: nested}
    body = json.dumps({"kind": occi.COMPUTE, "attributes": {"x": {"y": True}, "z": nested}})
    assert occi.read_entity(body, media_type=occi.OCCI_JSON).attributes == {"x.y": True}
    model = json.dumps({"kinds": [{"term": "a", "scheme": "s#", "attributes": nested}]})
    assert occi.read_model_json(model.encode()).kinds[0].attributes == ()


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
    attributes = occi.read_entity(body).attributes
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
        occi.read_entity(body, media_type=media_type)


# ---- Collections and creation


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
    found = occi.read_locations(answer.body, headers=answer.headers, media_type=answer.media_type)
    assert found == expected


def test_a_json_listing_carries_titles() -> None:
    answer = recorded("23-list-occi-json")
    listing = occi.read_listing(answer.body, media_type=answer.media_type)
    assert listing == [occi.Listed(None, VM_ID, "probe-vm", None)]


def sent(name: str) -> list[tuple[str, str]]:
    """Return the headers of what a rOCCI-server sent in text/occi."""
    lines = (RECORDINGS.parent / "rocci" / f"{name}.headers").read_text().splitlines()
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def test_text_occi_of_rocci_is_read() -> None:
    model = occi.read_model_headers(sent("2-model"))
    assert [(kind.id, kind.location) for kind in model.kinds] == [(occi.COMPUTE, "/compute/")]
    vm = occi.read_entity("", headers=sent("2-show"), media_type="text/occi; charset=utf-8")
    assert (vm.kind, vm.state, vm.id, vm.addresses) == (occi.COMPUTE, "active", "7", ["198.51.100.7"])


def test_a_listing_of_rocci_in_text_occi_is_no_empty_one() -> None:
    joined = sent("list")
    addresses = ["https://cloud.example.org/compute/7", "https://cloud.example.org/compute/8"]
    assert occi.read_locations("", headers=joined, media_type="text/occi") == addresses
    repeated = [("location", address) for address in addresses]
    assert occi.read_locations("", headers=repeated, media_type="text/occi; charset=utf-8") == addresses


def test_a_bare_list_of_pyssf_is_a_model() -> None:
    start = {"term": "start", "scheme": occi.COMPUTE_ACTION}
    compute = {"term": "compute", "scheme": occi.INFRASTRUCTURE, "related": [occi.RESOURCE], "location": "/compute/"}
    own = {"term": "own", "scheme": "http://example.org/own#", "related": [occi.LINK]}
    image = {"term": "a", "scheme": "http://example.org/os#", "related": [occi.OS_TPL]}
    model = occi.read_model_json(json.dumps([start, compute, own, image, {"term": "os_tpl", "scheme": "x#"}]).encode())
    assert [kind.term for kind in model.kinds] == ["compute", "own"]
    assert [mixin.term for mixin in model.mixins] == ["a", "os_tpl"]
    assert [action.term for action in model.actions] == ["start"]
    vm = occi.read_entity(json.dumps({"kind": compute, "mixins": [image]}), media_type=occi.OCCI_JSON)
    assert (vm.kind, vm.mixins) == (occi.COMPUTE, ("http://example.org/os#a",))


def test_the_reason_in_a_header_is_the_clouds_own_word() -> None:
    headers = [("Content-Type", "text/occi"), ("X-Occi-Error", " no\troom ")]
    assert occi.error_text("OK", "text/occi", headers) == "no room"
    assert occi.error_text("busy", "text/plain", [("X-OCCI-Error", " ")]) == "busy"


def test_an_id_that_is_the_name_as_well_is_no_address() -> None:
    """So pyssf lists what was created with an id."""
    attributes = {"occi.core.id": "egi-sam-1", "occi.core.title": "egi-sam-1"}
    [listed] = occi.read_listing(json.dumps([{"attributes": attributes}]), media_type=occi.OCCI_JSON)
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
    assert occi.read_locations(body, headers=headers, media_type=media_type) == expected


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
        occi.read_locations(body, media_type=media_type)


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
    location = occi.created_location(answer.body, headers=answer.headers, media_type=answer.media_type)
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
    assert occi.created_location(body, headers=headers, media_type=media_type) == expected


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
    assert occi.path_of(location, BASE) == path


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
        occi.path_of(location, BASE)


# ---- Refusals


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("44-over-quota", "Quota exceeded for ram: Requested 999999, but already used 0 of 51200 ram"),
        ("40d-bad-os-tpl-json-accept", "Can not find requested image"),
        ("40c-bad-os-tpl-text-occi-accept", ""),
        ("01-query-no-token", "The request you have made requires authentication."),
        ("02c-keystone-v2-tokens", "404 Not Found"),
        ("11g-query-wrong-prefix", "404 Not Found The resource could not be found. /-/"),
    ],
)
def test_the_clouds_own_words_are_found(name: str, text: str) -> None:
    answer = recorded(name)
    assert occi.error_text(answer.body, answer.media_type) == text


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        ('{"badRequest": {"message": "no", "code": 400}}', "application/json", "no"),
        ('{"error": "invalid", "error_description": "why"}', "application/json", "why"),
        ('{"error": "invalid"}', "application/json", "invalid"),
        ('{"code": 500, "message": "labelled as text"}', "text/plain", "labelled as text"),
        ("{broken", "application/json", "{broken"),
        ("[1]", "application/json", ""),
        ("<html><title>A &amp; B</title><h1>Too <b>bad</b></h1>", "text/html", "A & B: Too bad"),
        ("<!DOCTYPE html><h1>Gone</h1>", "text/plain", "Gone"),
        ("<html><p>only a paragraph", "text/html", "only a paragraph"),
        ("a\x00b\r\n\tc", "text/plain", "a b c"),
        ("x" * 1000, "text/plain", "x" * 297 + "..."),
        ("", "", ""),
    ],
)
def test_an_error_becomes_one_short_line(body: str, media_type: str, text: str) -> None:
    assert occi.error_text(body, media_type) == text


@pytest.mark.parametrize(
    "text",
    [
        "Quota exceeded for ram: Requested 999999, but already used 0 of 51200 ram",
        "No valid host was found. There are not enough hosts available.",
        "[VirtualMachineAllocate] user [4] limit of 10 reached for RUNNING_VMS quota in VM",
        "Resource Limit Exceeded for your account. Available: 0, Requested: 1",
        "Maximum number of ports exceeded",
        "No more IP addresses available on network",
        "Not enough capacity",
    ],
)
def test_a_lack_of_quota_is_recognised(text: str) -> None:
    assert occi.is_quota(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Can not find requested image",
        "Rate limit exceeded",
        "user_data exceeds the maximum length",
        "limit=5 is odd",
    ],
)
def test_other_refusals_are_no_lack_of_quota(text: str) -> None:
    assert not occi.is_quota(text)


# ---- Requests

CATEGORIES = [(occi.COMPUTE, occi.KIND), (OS + "0f0f", occi.MIXIN)]
WANTED = {occi.TITLE: "EGI-SAM 1448", "occi.compute.cores": "2"}


def test_a_plain_request_is_lines() -> None:
    headers, body = occi.render_request(CATEGORIES, WANTED, occi.TEXT_PLAIN)
    assert headers == [("Content-Type", "text/plain")]
    assert body.decode() == (
        'Category: compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"\n'
        f'Category: 0f0f; scheme="{OS}"; class="mixin"\n'
        'X-OCCI-Attribute: occi.core.title="EGI-SAM 1448"\n'
        "X-OCCI-Attribute: occi.compute.cores=2\n"
    )


def test_a_header_request_has_each_name_once() -> None:
    headers, body = occi.render_request(CATEGORIES, WANTED, occi.TEXT_OCCI)
    assert body == b""
    assert headers == [
        ("Content-Type", "text/occi"),
        (
            "Category",
            'compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind", '
            f'0f0f; scheme="{OS}"; class="mixin"',
        ),
        ("X-OCCI-Attribute", 'occi.core.title="EGI-SAM 1448", occi.compute.cores=2'),
    ]


def test_a_json_request_is_an_object() -> None:
    headers, body = occi.render_request(CATEGORIES, WANTED, occi.OCCI_JSON)
    assert headers == [("Content-Type", "application/occi+json")]
    assert json.loads(body) == {
        "kind": occi.COMPUTE,
        "mixins": [OS + "0f0f"],
        "attributes": {occi.TITLE: "EGI-SAM 1448", "occi.compute.cores": 2},
    }


def test_an_action_is_rendered_too() -> None:
    _, body = occi.render_request([(occi.COMPUTE_ACTION + "stop", occi.ACTION)], {"method": "graceful"}, occi.OCCI_JSON)
    assert json.loads(body) == {"action": occi.COMPUTE_ACTION + "stop", "attributes": {"method": "graceful"}}


@pytest.mark.parametrize("media_type", [occi.TEXT_PLAIN, occi.TEXT_OCCI])
def test_what_is_rendered_can_be_read(media_type: str) -> None:
    headers, body = occi.render_request(CATEGORIES, WANTED, media_type)
    entity = occi.read_entity(body.decode(), headers=headers, media_type=media_type)
    assert (entity.kind, entity.mixins) == (occi.COMPUTE, (OS + "0f0f",))
    assert entity.attributes == {occi.TITLE: "EGI-SAM 1448", "occi.compute.cores": 2}


@pytest.mark.parametrize(
    ("categories", "attributes", "media_type"),
    [
        pytest.param(CATEGORIES, {"a": 'x"y'}, occi.TEXT_PLAIN, id="quote"),
        pytest.param(CATEGORIES, {"a": "x\nCategory: y"}, occi.TEXT_PLAIN, id="line end"),
        pytest.param(CATEGORIES, {"a": "x\\"}, occi.TEXT_PLAIN, id="backslash"),
        pytest.param(CATEGORIES, {"a": "x,y"}, occi.TEXT_OCCI, id="comma in a header"),
        pytest.param(CATEGORIES, {"a": "ü"}, occi.TEXT_OCCI, id="not ASCII in a header"),
        pytest.param(CATEGORIES, {"a b": "x"}, occi.TEXT_PLAIN, id="name with a blank"),
        pytest.param([("no-hash", occi.KIND)], {}, occi.TEXT_PLAIN, id="no identifier"),
        pytest.param([(occi.COMPUTE, "thing")], {}, occi.TEXT_PLAIN, id="no kind of category"),
        pytest.param(CATEGORIES, {}, "text/xml", id="no rendering"),
    ],
)
def test_what_would_break_a_request_is_refused(
    categories: list[tuple[str, str]], attributes: dict[str, str], media_type: str
) -> None:
    with pytest.raises(ValueError):
        occi.render_request(categories, attributes, media_type)


# ---- Nothing but a result or BadData

PIECES = [
    "Category: ",
    "Link: ",
    "X-OCCI-Attribute: ",
    "X-OCCI-Location: ",
    'compute; scheme="http://s#"; class="kind"',
    "<http://x/?action=y>; ",
    'rel="',
    "occi.compute.cores=",
    '"',
    "\\",
    ",",
    ";",
    "\n",
    "=",
    " ",
    "\ud800",
    "1e9999",
]
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
json_values: st.SearchStrategy[object] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.just(10**400)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "kinds",
                    "mixins",
                    "resources",
                    "attributes",
                    "occi",
                    "links",
                    "id",
                    "kind",
                    "term",
                    "scheme",
                ]
                + ["location", "target", "title", "message", "error", "depends", "occi.compute.cores"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)
bodies = st.one_of(texts, json_values.map(json.dumps))
media_types = st.sampled_from(["text/plain", "text/occi", "text/uri-list", "application/occi+json", "text/html", ""])
headers_ = st.lists(st.tuples(st.sampled_from(["Category", "Link", "X-OCCI-Location", "Location"]), texts), max_size=3)


@settings(max_examples=400, deadline=None)
@given(bodies, headers_, media_types)
def test_readers_of_answers_only_return_or_raise_bad_data(
    body: str, headers: list[tuple[str, str]], media_type: str
) -> None:
    occi.created_location(body, headers=headers, media_type=media_type)
    assert len(occi.error_text(body, media_type)) <= 300
    for reader in (occi.read_entity, occi.read_listing, occi.read_locations):
        try:
            reader(body, headers=headers, media_type=media_type)
        except BadData as failure:
            assert failure.sentence


@settings(max_examples=300, deadline=None)
@given(bodies)
def test_readers_of_models_only_return_or_raise_bad_data(body: str) -> None:
    readers: list[Callable[[], occi.Model]] = [
        lambda: occi.read_model(body.split("\n")),
        lambda: occi.read_model_headers([("X-OCCI-Category", body)]),
        lambda: occi.read_model_json(body.encode("utf-8", "surrogatepass")),
    ]
    for read in readers:
        try:
            model = read()
            occi.resolve(body, model.templates(occi.OS_TPL))
            occi.nearest(body, model.mixins)
        except BadData as failure:
            assert failure.sentence


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts, st.text(alphabet="/.%2eEfFcompute:?#ht", max_size=30)))
def test_an_address_is_a_plain_path_or_bad_data(location: str) -> None:
    try:
        path = occi.path_of(location, BASE)
    except BadData:
        return
    assert path.startswith("/")
    assert path.isascii()
    assert path.isprintable()
    assert ".." not in path.split("/")
    assert path.rstrip("/").lower() not in ("", "/occi1.1", "/occi1.1/compute")


def test_a_query_interface_that_is_cut_off_within_a_category_is_not_taken_for_the_whole():
    whole = 'Category: compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"'
    assert occi.read_model([whole]).find(occi.COMPUTE)
    with pytest.raises(BadData, match="breaks off in the middle of a category"):
        occi.read_model([whole, 'Category: small; scheme="http://sch'])


def test_a_stray_quote_in_a_title_does_not_cut_anything_off():
    stray = 'Category: disk; scheme="http://x#"; class="mixin"; title="22" disk"'
    assert len(occi.read_model([stray])) == 1
