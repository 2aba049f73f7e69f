"""The template that a registration means, and what is said of one that is not offered."""

from __future__ import annotations

import pytest

from libprobe.failures import BadData
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.query import Category, nearest
from libprobe.targets.templates import KINDS, find_registered
from tests.conftest import at

BASE = "https://cloud.example.org:8787"


def template(term: str, title: str = "") -> Category:
    return Category(term, "http://x#", "mixin", title, (occi.OS_TPL,), None, (), ())


OFFERED = [template("uuid_sl6", "SL 6"), template("uuid_centos7", "CentOS 7")]


@pytest.mark.parametrize("wanted", ["uuid_sl6", "http://x#uuid_sl6", "SL 6"])
def test_a_template_is_meant_by_term_identifier_or_title(wanted):
    assert find_registered(BASE, "image", wanted, OFFERED) is OFFERED[0]


@pytest.mark.parametrize(
    ("wanted", "offered", "sentence"),
    [
        (
            "uuid_sl7",
            OFFERED,
            f"registered image uuid_sl7 not among the 2 templates offered by {at(BASE)}; nearest: ",
        ),
        ("zzz", OFFERED[:1], f"registered image zzz not offered by {at(BASE)}; the only template is uuid_sl6"),
    ],
)
def test_one_that_is_not_offered_is_the_sites_and_the_nearest_are_named(wanted, offered, sentence):
    with pytest.raises(BadData) as raised:
        find_registered(BASE, "image", wanted, offered)
    assert raised.value.sentence.startswith(sentence)
    assert raised.value.remedy == "correct the URL in the GOCDB"
    named = raised.value.sentence.partition("; nearest: ")[2]
    assert named == ", ".join(nearest(wanted, offered))


def test_the_options_are_those_of_the_two_kinds_of_templates():
    assert KINDS == {"image": occi.OS_TPL, "resource": occi.RESOURCE_TPL}
