"""OcciOffer on a model that is at hand. Over a real connection: tests/probes/test_check_occi_context.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from libprobe.checks.offer import MAX_NAMED, OcciOffer, read_requirements
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, OK, WARNING, Misconfigured
from libprobe.formats.occi import profile
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.query import Category, Model
from libprobe.targets.topology import CloudEndpoint
from tests.checks.judging import judge
from tests.conftest import at

BASE = "https://cloud.example.org:8787"


def category(identifier: str, what: str = "mixin", *rel: str, title: str = "") -> Category:
    scheme, _, term = identifier.rpartition("#")
    return Category(term, f"{scheme}#", what, title, rel, None, (), ())


def whole(*, without: tuple[str, ...] = ()) -> Model:
    model = Model()
    for need in profile.PROFILE:
        if need.identifiers[0] not in without:
            found = category(need.identifiers[0], need.what)
            (model.kinds if need.what == occi.KIND else model.mixins).append(found)
    for identifier, kind in (("http://x/os#sl6", occi.OS_TPL), ("http://x/res#small", occi.RESOURCE_TPL)):
        if kind not in without:
            model.mixins.append(category(identifier, "mixin", kind, title=f"title of {identifier[-3:]}"))
    return model


def offer(model: Model, *, image=None, resource=None, project="", needs=None, notes=()) -> OcciOffer:
    client = SimpleNamespace(query=lambda: model, server="ooi/1.2", project=project, caveat="", loading_s=0.0)
    access = SimpleNamespace(client=client, description="a proxy")
    endpoint = CloudEndpoint(BASE, image, resource, "small", "EXAMPLE-SITE", notes)
    return OcciOffer(endpoint, access, Deadline(60), read_requirements([], []) if needs is None else needs)


def judged(check: OcciOffer):
    return judge(check, "{endpoint} offers {images} and {sizes}{notes}", "response_time", "count")


def test_all_that_users_need_is_ok():
    check = offer(whole(), image="sl6", resource="small", notes=("a note",), project="ops")
    found = judged(check)
    assert (found.status, found.sentence) == (OK, f"{at(BASE)} offers 1 image and 1 size; a note")
    assert check.is_usable
    kinds = len([need for need in profile.PROFILE if need.what == occi.KIND])
    assert found.values["kinds"] == f"{kinds};;;0"
    assert (found.values["images"], found.values["sizes"]) == ("1;;;0", "1;;;0")
    texts = [text for _, text in found.details]
    assert texts[0] == f"endpoint: {BASE} of EXAMPLE-SITE"
    assert "server software: ooi/1.2" in texts
    assert "registered image: http://x/os#sl6 (title of sl6)" in texts
    assert "user_data: OCCI 1.1 (http://schemas.openstack.org/compute/instance#user_data)" in texts
    assert (2, "acting as: a proxy, project ops") in found.details
    assert not any("optional" in text or "could not be read" in text for text in texts)


def test_of_the_templates_only_the_registered_ones_are_kept():
    model = whole()
    model.mixins.append(category("http://x/os#other", "mixin", occi.OS_TPL))
    check = offer(model, image="sl6", resource="small")
    judged(check)
    terms = {each.term for each in check.model.mixins}
    assert {"sl6", "small"} <= terms and "other" not in terms
    assert check.model.kinds == model.kinds


@pytest.mark.parametrize(
    ("gone", "status", "said"),
    [
        ((occi.COMPUTE,), CRITICAL, "not offered: compute, on cloud.example.org:8787"),
        (
            (occi.USER_DATA,),
            WARNING,
            "not offered: user_data, on cloud.example.org:8787, so what users hand over does not reach their VMs",
        ),
        (
            (occi.USER_DATA, occi.PUBLIC_KEY),
            WARNING,
            (
                "not offered: user_data or public_key, on cloud.example.org:8787, so what "
                "users hand over does not reach their VMs"
            ),
        ),
        ((occi.STORAGE, occi.USER_DATA), CRITICAL, "not offered: storage or user_data, on cloud.example.org:8787"),
    ],
)
def test_what_is_missing_decides(gone, status, said):
    check = offer(whole(without=gone))
    found = judged(check)
    assert (found.status, found.sentence) == (status, said)
    assert not check.is_usable
    assert ((1, "user_data: not offered") in found.details) == (occi.USER_DATA in gone)


@pytest.mark.parametrize(("project", "where"), [("", " to us"), ("ops", " to project ops")])
def test_templates_that_are_not_shared_with_us_are_said_to_be(project, where):
    model = whole()
    model.mixins = [each for each in model.mixins if occi.OS_TPL not in each.rel]
    found = judged(offer(model, project=project))
    expected = f"not offered{where}: image template, on {at(BASE)} (share some with the monitoring VO)"
    assert (found.status, found.sentence) == (CRITICAL, expected)


@pytest.mark.parametrize("option", ["image", "resource"])
def test_a_registered_template_that_is_not_offered_is_critical(option):
    found = judged(offer(whole(), **{option: "absent"}))
    assert found.status == CRITICAL
    assert found.sentence.startswith(f"registered {option} absent not offered by {at(BASE)}; the only template is ")


def test_more_than_can_be_named_is_counted():
    needs = [profile.Requirement(f"n{number}", (f"http://x#n{number}",)) for number in range(MAX_NAMED + 3)]
    named = ", ".join(f"n{number}" for number in range(MAX_NAMED))
    assert judged(offer(whole(), needs=needs)).sentence == f"not offered: {named} or 3 more, on {at(BASE)}"
    assert judged(offer(whole(), needs=needs[:MAX_NAMED])).sentence.endswith(f"n10 or n11, on {at(BASE)}")


def test_what_is_optional_is_told_and_not_judged():
    check = offer(whole(without=(occi.STORAGE,)), needs=read_requirements(["storage"], []))
    found = judged(check)
    assert found.status == OK
    assert (1, "not offered, and optional: storage") in found.details


def test_parts_that_cannot_be_read_are_counted():
    model = whole()
    model.skipped = 2
    assert (1, "2 parts of the query interface could not be read") in judged(offer(model)).details


def test_what_is_optional_cannot_be_required():
    with pytest.raises(Misconfigured) as raised:
        read_requirements(["storage"], ["storage"])
    assert str(raised.value) == "--optional storage contradicts --require or --boot (leave out one of them)"
    assert {need.name for need in read_requirements(["storage"], ["user_data"])} == {
        need.name for need in profile.PROFILE
    } - {"storage"}
    assert [need.is_context for need in read_requirements([], ["user_data"]) if need.name == "user_data"] == [False]
