"""JUnit's XML: well-formed whatever is in it, and harmless on a terminal."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.programs.selfcheck import junit
from tests.programs.selfcheck.test_page import RESULT, a_run, hostile


@pytest.mark.parametrize(
    "text", ["\x1b[31m\x9b31m\x07", "]]><x/>", "\u202eabc\u2028", "\ud800\ufffe\0", "é ✓", "a\n\tb"]
)
def test_hostile_text_is_text(text):
    check(text)


@given(st.text(max_size=40))
def test_any_text_makes_a_document_whose_lines_can_be_printed(text):
    check(text)


def check(text):
    rendered = junit.render(hostile(text))
    assert all(line.replace("\t", "").isprintable() for line in rendered.split("\n"))
    rendered.encode()
    root = ElementTree.fromstring(rendered)
    assert {each.tag for each in root.iter()} <= {
        *("testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out")
    }


def test_states_are_told_as_test_systems_know_them():
    results = [RESULT._replace(status=status, sentence="said", remedy="do") for status in (0, 1, 2, 3)]
    root = ElementTree.fromstring(junit.render(a_run(*results)))
    assert [child.tag for case in root.iter("testcase") for child in case] == ["system-out", "failure", "error"]
    assert root.attrib["failures"] == root.attrib["errors"] == "1"
    assert root.find(".//failure").text == "said\nWhat to do: do"
