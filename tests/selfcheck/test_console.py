"""The table and the plain lines: whatever is in them, a terminal obeys none of it."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.selfcheck import console
from tests import browser
from tests.selfcheck.test_page import RESULT, a_run, hostile


@pytest.mark.parametrize("text", browser.hostile("http://127.0.0.1:1"))
def test_hostile_text_is_plain_text(text):
    check(text)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet="[]/bold red\x1b\x9b", max_size=20))
def test_any_text_is_plain_text(text):
    check(text)


@pytest.mark.parametrize(("columns", "name"), [(80, "OCCI-VM"), (140, "eu.egi.cloud.OCCI-VM")])
def test_a_metrics_name_stays_in_one_piece_however_narrow_the_terminal(monkeypatch, columns, name):
    monkeypatch.setenv("COLUMNS", str(columns))
    table = io.StringIO()
    console.table(a_run(RESULT._replace(sentence="word " * 40)), table)
    lines = table.getvalue().split("\n")
    assert max(map(len, lines)) <= columns
    assert re.match(rf"OK +{name} +45 s +word word", lines[1]), lines


def check(text):
    run = hostile(text)
    plain = console.plain(run, details=True)
    assert all(line.isprintable() for line in plain.split("\n"))
    table = io.StringIO()
    console.table(run, table, details=True)
    assert all(line.isprintable() for line in table.getvalue().split("\n"))
