"""The JSON document: the same to a program whatever is in it, and harmless on a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.programs.selfcheck import document
from tests.programs.selfcheck.test_page import a_run, hostile


@pytest.mark.parametrize(
    "text", ["\x1b[31m\x9b31m\x07", "\u202eabc\u2028", "a\u200b\U000e0041", "\x7f", "\ud800", "é ✓ 東京", "\n\t"]
)
def test_what_a_terminal_would_obey_is_escaped_and_means_the_same(text):
    check(text)


@given(st.text(max_size=40))
def test_any_text_comes_back_and_every_line_can_be_printed(text):
    check(text)


def check(text):
    rendered = document.render(hostile(text))
    assert all(line.isprintable() for line in rendered[:-1].split("\n"))
    rendered.encode()
    read = json.loads(rendered)
    assert read["subject"] == text
    assert read["results"][0]["hostname"] == text


def test_letters_stay_readable():
    assert '"subject": "Zürich ✓"' in document.render(a_run(subject="Zürich ✓"))
