"""The query interface as real servers write it, and as hostile ones could; and the template that is meant."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings

from libprobe.failures import BadData
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import read_entity
from libprobe.formats.occi.query import (
    MAX_CATEGORIES,
    MAX_LINE_CHARS,
    Category,
    Model,
    nearest,
    read_model,
    read_model_headers,
    read_model_json,
    resolve,
)
from tests.formats.occi.samples import INFRA, OS, bodies, recorded


def only(text: str) -> Category:
    """Return the one category of a model of one line."""
    model = read_model([f"Category: {text}"])
    (category,) = [*model.kinds, *model.mixins, *model.actions]
    return category


class TestModel:
    @pytest.fixture(params=["10-query-text-plain", "10-query-text-occi", "10-query-occi-json"])
    def model(self, request: pytest.FixtureRequest) -> Model:
        answer = recorded(request.param)
        if request.param.endswith("json"):
            return read_model_json(answer.body.encode())
        if request.param.endswith("text-occi"):
            return read_model_headers(answer.headers)
        return read_model(answer.body.splitlines(keepends=True))

    def test_every_rendering_tells_the_same(self, model: Model) -> None:
        assert (len(model.kinds), len(model.actions), model.skipped) == (9, 12, 0)
        compute = model.find(occi.COMPUTE)
        assert compute is not None
        assert compute.location == "http://127.0.0.1:8787/occi1.1/compute/"
        assert compute.rel == (occi.RESOURCE,)

    def test_templates_are_found_by_what_they_derive_from(self, model: Model) -> None:
        images = [template.title for template in model.templates(occi.OS_TPL)]
        assert images == ["Image for EGI Centos 7 [CentOS/7/VirtualBox]", "cirros-0.3.5"]
        assert [template.term for template in model.templates(occi.RESOURCE_TPL)] == [
            "1",
            "2",
            "6ee1a4d3-8d4f-4c3e-9c5d-1d6a3b0e2f10",
            "98",
            "99",
        ]

    def test_the_context_mixins_are_there(self, model: Model) -> None:
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
    model = read_model([f"Category: {text}\r\n"])
    assert [template.id for template in model.templates(of)] == [identifier]


def test_the_template_type_itself_is_no_template() -> None:
    line = f'Category: os_tpl; {INFRA}; class="mixin"; rel="{occi.OS_TPL}"'
    assert read_model([line]).templates(occi.OS_TPL) == []


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
    model = read_model([line])
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
    model = read_model([line, f'Category: compute; {INFRA}; class="kind"'])
    assert (len(model.kinds), len(model.mixins), model.skipped) == (1, 0, 1)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "empty answer"),
        (["\r\n", "  "], "empty answer"),
        (["<html>\n", "<h1>Welcome</h1>"], 'no category; it begins "<html>"'),
        (["x" * 500], 'no category; it begins "' + "x" * 27 + '..."'),
        (["Server said: no"], 'no category; it begins "Server said: no"'),
    ],
)
def test_what_is_no_model_says_what_came_instead(lines: list[str], said: str) -> None:
    with pytest.raises(BadData) as caught:
        read_model(lines)
    assert caught.value.sentence == said


def test_a_list_of_categories_without_their_name_is_no_model() -> None:
    with pytest.raises(BadData, match="entity"):
        read_model(recorded("10-query-uri-list").body.splitlines())


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
    model = read_model_json(json.dumps(document).encode())
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
        read_model_json(data)


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
        model = read_model(many_templates(20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(model.templates(occi.OS_TPL)) == 20_000
    assert size > 9_000_000
    assert peak < 25_000_000


def test_a_model_has_a_limit() -> None:
    one = f'Category: x; scheme="{OS}"; class="mixin"'
    with pytest.raises(BadData, match="more than"):
        read_model(one for _ in range(MAX_CATEGORIES + 1))
    with pytest.raises(BadData, match="line of more than"):
        read_model(["x" * (MAX_LINE_CHARS + 1)])


def test_headers_have_limits_too() -> None:
    with pytest.raises(BadData, match="no Category header"):
        read_model_headers([])
    with pytest.raises(BadData, match="header of more than"):
        read_model_headers([("Category", "x" * (MAX_LINE_CHARS + 1))])


def test_related_categories_may_be_described_rather_than_named() -> None:
    mixin = {"term": "a", "scheme": "s#", "depends": [{"scheme": occi.INFRASTRUCTURE, "term": "os_tpl"}]}
    model = read_model_json(json.dumps({"mixins": [mixin]}).encode())
    assert [template.id for template in model.templates(occi.OS_TPL)] == ["s#a"]


def template(term: str, title: str = "", scheme: str = OS) -> Category:
    return Category(term, scheme, occi.MIXIN, title, (occi.OS_TPL,), None, (), ())


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
    found = resolve(wanted, OFFERED)
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
    assert nearest(wanted, OFFERED)[0] == first


def test_nothing_is_proposed_for_something_else() -> None:
    assert nearest("zzzzzz", OFFERED) == []
    assert nearest("", OFFERED) == []


def test_a_bare_list_of_pyssf_is_a_model() -> None:
    start = {"term": "start", "scheme": occi.COMPUTE_ACTION}
    compute = {"term": "compute", "scheme": occi.INFRASTRUCTURE, "related": [occi.RESOURCE], "location": "/compute/"}
    own = {"term": "own", "scheme": "http://example.org/own#", "related": [occi.LINK]}
    image = {"term": "a", "scheme": "http://example.org/os#", "related": [occi.OS_TPL]}
    model = read_model_json(json.dumps([start, compute, own, image, {"term": "os_tpl", "scheme": "x#"}]).encode())
    assert [kind.term for kind in model.kinds] == ["compute", "own"]
    assert [mixin.term for mixin in model.mixins] == ["a", "os_tpl"]
    assert [action.term for action in model.actions] == ["start"]
    vm = read_entity(json.dumps({"kind": compute, "mixins": [image]}), media_type=occi.OCCI_JSON)
    assert (vm.kind, vm.mixins) == (occi.COMPUTE, ("http://example.org/os#a",))


@settings(max_examples=300, deadline=None)
@given(bodies)
def test_readers_of_models_only_return_or_raise_bad_data(body: str) -> None:
    readers: list[Callable[[], Model]] = [
        lambda: read_model(body.split("\n")),
        lambda: read_model_headers([("X-OCCI-Category", body)]),
        lambda: read_model_json(body.encode("utf-8", "surrogatepass")),
    ]
    for read in readers:
        try:
            model = read()
            resolve(body, model.templates(occi.OS_TPL))
            nearest(body, model.mixins)
        except BadData as failure:
            assert failure.sentence


def test_a_query_interface_that_is_cut_off_within_a_category_is_not_taken_for_the_whole():
    whole = 'Category: compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"'
    assert read_model([whole]).find(occi.COMPUTE)
    with pytest.raises(BadData, match=r'^a category breaks off; it begins "small; scheme="http://sch"'):
        read_model([whole, 'Category: small; scheme="http://sch'])


def test_a_stray_quote_in_a_title_does_not_cut_anything_off():
    stray = 'Category: disk; scheme="http://x#"; class="mixin"; title="22" disk"'
    assert len(read_model([stray])) == 1
