"""Nothing that could mean something gets out of a template."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libprobe.formats.ncg import is_harmless, is_host, is_label, is_name, is_url, object_name
from libprobe.programs import catalogue
from libprobe.programs.ncg.check_command import CheckedText, UnsafeText, arguments
from libprobe.programs.ncg.configuration import (
    FORMATS,
    ConfigurationOptions,
    ConfigurationWriter,
    icinga_string,
    label,
    satellite_of,
    url,
)
from libprobe.programs.ncg.inventory import Inventory, MonitoredService
from libprobe.programs.ncg.program import WRITERS
from tests.conftest import ROOT
from tests.programs.ncg.topology import HOSTILE

SPECIAL = set("$!;`'\"\\|&<>(){}*? \t\r\n\0")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[ConfigurationWriter]:
    inventory = Inventory(catalogue.read(str(ROOT / "etc/ncg")), str(tmp_path / "inventory"))
    yield ConfigurationWriter(str(tmp_path / "out"), inventory, ConfigurationOptions())
    inventory.close()


@given(st.text() | st.sampled_from(HOSTILE))
@example("a\n")
@example("")
def test_what_is_harmless_has_no_meaning_anywhere(text: str) -> None:
    for judge in (is_harmless, is_name, is_host):
        if judge(text):
            assert text.isascii()
            assert not SPECIAL & set(text)
            assert text[0] not in "-#~=@%"
            assert len(text) <= 512
    if is_url(text):
        assert not SPECIAL - {"?", "&"} & set(text)


@given(st.text(min_size=1) | st.sampled_from([*HOSTILE, "Universität Gießen", "東京", "A  B"]))
@example("\u0660")
@example("A.")
def test_the_name_of_a_site_is_plain_in_files_and_groups_and_means_nothing_anywhere(text: str) -> None:
    if is_label(text):
        assert not (SPECIAL - {" "}) & set(text)
        assert text.isprintable()
        assert is_name(object_name(text))
        assert shlex.split(arguments(MonitoredService("h", "s", "t", "m", "n", [("--site", text)], "", [], []))) == [
            "--site",
            text,
        ]
        assert label(text) == text
    else:
        with pytest.raises(UnsafeText):
            label(text)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_template_refuses_to_print_it(writer: ConfigurationWriter, value: str) -> None:
    for expression in (
        "{{ value }}",
        "{{ value|string }}",
        "{{ value|url }}",
        "{{ [value]|words }}",
        "{{ [value]|strings }}",
    ):
        if is_harmless(value):
            continue
        with pytest.raises(UnsafeText):
            writer._environment.from_string(expression).render(value=value)


@given(st.text())
def test_a_string_of_icinga_holds_what_it_was_given_and_no_macro(text: str) -> None:
    try:
        written = icinga_string(text)
    except UnsafeText:
        return
    assert re.fullmatch(r'"[^"\\$\n]+"', written)
    assert written[1:-1] == text


@given(st.lists(st.text(), max_size=4))
def test_a_command_line_is_read_back_as_the_same_words(values: list[str]) -> None:
    options = [(f"--x{number}", value) for number, value in enumerate(values)]
    service = MonitoredService("h", "s", "t", "m", "n", options, "", [], [])
    try:
        line = arguments(service)
    except UnsafeText:
        assert any(value and not is_harmless(value) for value in values)
        return
    assert shlex.split(line) == [word for option in options for word in option if word]


def test_numbers_and_checked_text_pass(writer: ConfigurationWriter) -> None:
    template = writer._environment.from_string("{{ 7 }} {{ a }} {{ b|url }} {{ 90|minutes }} {{ 90|seconds }}")
    assert template.render(a=CheckedText("a; b"), b="https://a.example.org/?a=b&c=d") == (
        "7 a; b https://a.example.org/?a=b&c=d 1.5 90s"
    )


def test_an_undefined_value_is_an_error_and_not_nothing(writer: ConfigurationWriter) -> None:
    with pytest.raises(UnsafeText):
        writer._environment.from_string("{{ nothing }}").render()


def test_a_url_must_be_one() -> None:
    with pytest.raises(UnsafeText):
        url("javascript:alert(1)")


def test_a_site_keeps_its_satellite_when_another_one_goes() -> None:
    sites = [f"SITE-{number}" for number in range(300)]
    with_three = {site: satellite_of(site, ["a", "b", "c"]) for site in sites}
    with_two = {site: satellite_of(site, ["a", "b"]) for site in sites}
    assert all(with_two[site] == with_three[site] for site in sites if with_three[site] != "c")
    assert 60 < sum(name == "c" for name in with_three.values()) < 140


def test_each_format_has_its_writer() -> None:
    assert tuple(WRITERS) == FORMATS
