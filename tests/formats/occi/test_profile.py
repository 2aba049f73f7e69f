"""What an endpoint has to announce, and how what is missing is found."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.occi import profile
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.profile import (
    PROFILE,
    PUBLIC_KEY,
    USER_DATA,
    MissingRequirement,
    Requirement,
    choose_context_mixins,
    find_missing,
    select_requirements,
)
from libprobe.formats.occi.query import Model, read_model
from tests.formats.occi.samples import recorded

DATA = Path(__file__).parent.parent.parent / "data" / "occi"
IDENTIFIERS = [identifier for need in PROFILE for identifier in need.identifiers]


def model(*without: str, more: str = "", swapped: str = "") -> Model:
    """Everything that is required, but for the categories with these identifiers."""
    return read_model([*model_lines(*without, swapped=swapped), *more.splitlines()])


def model_lines(*without: str, swapped: str = "") -> list[str]:
    lines = []
    for need in PROFILE:
        for identifier in need.identifiers:
            scheme, _, term = identifier.partition("#")
            what = need.what if identifier != swapped else {"kind": "mixin", "mixin": "kind"}[need.what]
            if identifier not in without:
                lines.append(f'Category: {term}; scheme="{scheme}#"; class="{what}"')
    for term, of in (("image", occi.OS_TPL), ("small", occi.RESOURCE_TPL)):
        if term not in without:
            lines.append(f'Category: {term}; scheme="http://example.org/{term}#"; class="mixin"; rel="{of}"')
    return lines


def missing(found: Model, *, optional: list[str] | None = None, required: list[str] | None = None) -> list[str]:
    return [lack.name for lack in find_missing(found, select_requirements(optional or [], required or []))]


@pytest.mark.parametrize("name", ["10-query-text-plain", "11-query-well-known"])
def test_a_real_ooi_announces_all_that_is_required(name):
    found = read_model(recorded(name).body.splitlines())
    assert missing(found) == []


def test_nothing_is_missing_from_a_model_with_everything():
    assert find_missing(model(), select_requirements()) == []


def test_what_pyssf_announces_is_all_that_there_is_to_announce():
    """As pyssf 0.4.7 renders it: no core kinds; old snf-occi registers no storage either."""
    kinds = (DATA / "pyssf" / "query.txt").read_text().splitlines()
    of_storage = [line for line in kinds if "storage" in line]
    rest = [line for line in model_lines(occi.ENTITY, occi.RESOURCE, occi.LINK) if 'class="kind"' not in line]
    assert missing(read_model([*kinds, *rest])) == []
    without_storage = read_model([*(line for line in kinds if line not in of_storage), *rest])
    assert missing(without_storage) == []
    assert profile.find_excused(without_storage, select_requirements()) == [
        "entity",
        "resource",
        "link",
        "storage",
        "storagelink",
    ]


def test_what_is_implied_is_missed_where_it_was_required_by_name():
    found = model(occi.ENTITY, occi.RESOURCE, occi.LINK, occi.STORAGE, occi.STORAGE_LINK)
    assert missing(found, required=["entity", occi.LINK, "storage"]) == ["entity", "link", "storage"]


def test_a_core_kind_is_missed_where_nothing_derives_from_it():
    assert missing(model(occi.LINK, occi.STORAGE_LINK, occi.NETWORK_INTERFACE)) == [
        *("link", "storagelink", "networkinterface"),
    ]


@pytest.mark.parametrize("gone", [occi.STORAGE, occi.STORAGE_LINK])
def test_half_of_the_storage_is_missed_on_pyssf_too(gone):
    assert missing(model(occi.ENTITY, occi.RESOURCE, occi.LINK, gone)) == [gone.rpartition("#")[2]]


CORE_KINDS = (occi.ENTITY, occi.RESOURCE, occi.LINK)


@pytest.mark.parametrize(
    "need",
    [need for need in PROFILE if len(need.identifiers) == 1 and need.identifiers[0] not in CORE_KINDS],
    ids=lambda need: need.name,
)
def test_each_category_is_missed_by_its_name_and_can_be_made_optional(need):
    found = model(*need.identifiers)
    assert find_missing(found, select_requirements()) == [MissingRequirement(need.name, False)]
    for word in (need.name, *need.identifiers):
        assert missing(found, optional=[word]) == []


@pytest.mark.parametrize("need", [need for need in PROFILE if need.is_context], ids=lambda need: need.name)
def test_either_form_of_a_contextualisation_mixin_will_do(need):
    for identifier in need.identifiers:
        assert missing(model(identifier)) == []
    assert find_missing(model(*need.identifiers), select_requirements()) == [MissingRequirement(need.name, True)]
    assert find_missing(model(*need.identifiers), select_requirements(required=[need.name])) == [
        MissingRequirement(need.name, False)
    ]


def test_one_form_can_be_required_by_its_identifier():
    found = model(occi.USER_DATA)
    assert missing(found, required=[occi.USER_DATA]) == [occi.USER_DATA]
    assert missing(found, required=[occi.USER_DATA_1_2]) == []


@pytest.mark.parametrize("identifier", [occi.COMPUTE, occi.OS_TPL])
def test_a_kind_that_is_announced_as_a_mixin_and_the_reverse_are_missing(identifier):
    assert missing(model(swapped=identifier)) == [identifier.rpartition("#")[2]]


def test_templates_are_missed_apart_from_what_they_derive_from():
    assert missing(model("image")) == ["image template"]
    assert missing(model("image", "small", occi.OS_TPL)) == ["os_tpl", "image template", "size template"]
    assert missing(model("image", "small"), optional=["os_tpl", "resource_tpl"]) == []


def test_what_is_required_beyond_the_profile_may_be_any_category():
    assert missing(model(), required=["ipnetwork", "small", "http://example.org/image#image"]) == ["ipnetwork"]
    assert missing(model(), required=["http://example.org/x#y"]) == ["http://example.org/x#y"]


def test_all_that_is_missing_is_found_in_the_order_of_the_profile():
    entity = 'Category: entity; scheme="http://schemas.ogf.org/occi/core#"; class="kind"'
    compute = 'Category: compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"'
    assert missing(read_model([entity, compute])) == [
        *("link", "storage", "network", "storagelink", "networkinterface"),
        *("os_tpl", "image template", "resource_tpl", "size template", "user_data", "public_key"),
    ]
    found = read_model([compute])
    assert missing(found) == [
        *("link", "network", "networkinterface"),
        *("os_tpl", "image template", "resource_tpl", "size template", "user_data", "public_key"),
    ]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("storage", "storage"),
        (occi.STORAGE, "storage"),
        ("ssh_key", "public_key"),
        (occi.SSH_KEY_1_2, "public_key"),
        ("Storage", None),
        ("", None),
        ("http://example.org/other#storage", None),
    ],
)
def test_a_word_names_a_part_of_the_profile_exactly_or_not_at_all(word, name):
    found = profile.find_requirement(word)
    assert (found.name if found else None) == name


def test_the_name_that_was_perhaps_meant_is_proposed():
    assert profile.nearest_names("storagelnk") == ["storagelink"]
    assert profile.nearest_names("http://schemas.ogf.org/occi/infrastructure#networkinterfaces") == ["networkinterface"]
    assert profile.nearest_names("zzz") == []


BOTH = [USER_DATA, PUBLIC_KEY]


@pytest.mark.parametrize(
    ("gone", "forms"),
    [
        ([], [occi.USER_DATA, occi.PUBLIC_KEY]),
        ([occi.USER_DATA_1_2, occi.SSH_KEY_1_2], [occi.USER_DATA, occi.PUBLIC_KEY]),
        ([occi.PUBLIC_KEY], [occi.USER_DATA_1_2, occi.SSH_KEY_1_2]),
        ([occi.USER_DATA, occi.PUBLIC_KEY], [occi.USER_DATA_1_2, occi.SSH_KEY_1_2]),
        ([occi.PUBLIC_KEY, occi.USER_DATA_1_2], [occi.USER_DATA, occi.SSH_KEY_1_2]),
        ([occi.PUBLIC_KEY, occi.SSH_KEY_1_2], [occi.USER_DATA, None]),
    ],
)
def test_the_forms_are_not_mixed_unless_they_must_be(gone, forms):
    assert list(choose_context_mixins(model(*gone), BOTH).values()) == forms


def test_what_is_handed_over_alone_takes_the_older_form():
    assert choose_context_mixins(model(occi.PUBLIC_KEY), [USER_DATA]) == {USER_DATA: occi.USER_DATA}


@given(
    st.lists(st.sampled_from(IDENTIFIERS) | st.text(max_size=20), max_size=12),
    st.lists(st.sampled_from([need.name for need in PROFILE]) | st.text(max_size=20), max_size=6),
    st.lists(st.sampled_from(IDENTIFIERS) | st.text(max_size=20), max_size=6),
)
def test_any_model_and_any_words_give_a_list_of_what_is_missing(categories, optional, required):
    lines = []
    for each in categories:
        scheme, _, term = each.partition("#")
        lines.append(f'Category: {term}; scheme="{scheme}#"; class="mixin"')
    try:
        found = read_model(lines)
    except BadData:
        return
    wanted = select_requirements(optional, required)
    lacks = find_missing(found, wanted)
    names = {need.name for need in wanted}
    assert {lack.name for lack in lacks} <= names | {"image template", "size template"}
    meant = [
        {need.name for word in words if (need := profile.find_requirement(word))} for words in (optional, required)
    ]
    exempt = meant[0] - meant[1] - set(required)
    assert not exempt & {lack.name for lack in lacks}


def test_a_large_model_is_judged_quickly():
    template = f'Category: {{}}; scheme="http://x.org/os#"; class="mixin"; rel="{occi.OS_TPL}"'
    found = model(more="\n".join(template.format(f"t{number}") for number in range(20_000)))
    began = time.process_time()
    assert find_missing(found, select_requirements(required=["t19999", "nowhere"])) == [
        MissingRequirement("nowhere", False)
    ]
    assert time.process_time() - began < 1  # a fiftieth of that, on a machine with nothing else to do


def test_a_need_is_meant_by_its_name_its_identifiers_and_their_terms():
    need = Requirement("public_key", (occi.PUBLIC_KEY, occi.SSH_KEY_1_2))
    assert [need.is_named_by(word) for word in ("public_key", "ssh_key", occi.PUBLIC_KEY, "key")] == [
        True,
        True,
        True,
        False,
    ]
