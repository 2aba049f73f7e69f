"""What is sent: each rendering, and what none of them may carry."""

from __future__ import annotations

import json

import pytest

from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import read_entity
from libprobe.formats.occi.rendering import render_request
from tests.formats.occi.samples import OS

CATEGORIES = [(occi.COMPUTE, occi.KIND), (OS + "0f0f", occi.MIXIN)]


WANTED = {occi.TITLE: "EGI-SAM 1448", "occi.compute.cores": "2"}


def test_a_plain_request_is_lines() -> None:
    headers, body = render_request(CATEGORIES, WANTED, occi.TEXT_PLAIN)
    assert headers == [("Content-Type", "text/plain")]
    assert body.decode() == (
        'Category: compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"\n'
        f'Category: 0f0f; scheme="{OS}"; class="mixin"\n'
        'X-OCCI-Attribute: occi.core.title="EGI-SAM 1448"\n'
        "X-OCCI-Attribute: occi.compute.cores=2\n"
    )


def test_a_header_request_has_each_name_once() -> None:
    headers, body = render_request(CATEGORIES, WANTED, occi.TEXT_OCCI)
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
    headers, body = render_request(CATEGORIES, WANTED, occi.OCCI_JSON)
    assert headers == [("Content-Type", "application/occi+json")]
    assert json.loads(body) == {
        "kind": occi.COMPUTE,
        "mixins": [OS + "0f0f"],
        "attributes": {occi.TITLE: "EGI-SAM 1448", "occi.compute.cores": 2},
    }


def test_an_action_is_rendered_too() -> None:
    _, body = render_request([(occi.COMPUTE_ACTION + "stop", occi.ACTION)], {"method": "graceful"}, occi.OCCI_JSON)
    assert json.loads(body) == {"action": occi.COMPUTE_ACTION + "stop", "attributes": {"method": "graceful"}}


@pytest.mark.parametrize("media_type", [occi.TEXT_PLAIN, occi.TEXT_OCCI])
def test_what_is_rendered_can_be_read(media_type: str) -> None:
    headers, body = render_request(CATEGORIES, WANTED, media_type)
    entity = read_entity(body.decode(), headers=headers, media_type=media_type)
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
        render_request(categories, attributes, media_type)
