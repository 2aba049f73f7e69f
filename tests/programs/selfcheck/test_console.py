"""The table and the plain lines: whatever is in them, a terminal obeys none of it."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.programs.selfcheck import console
from tests import browser
from tests.programs.selfcheck.test_page import RESULT, a_run, hostile


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
    console.print_table(a_run(RESULT._replace(sentence="word " * 40)), table)
    lines = table.getvalue().split("\n")
    assert max(map(len, lines)) <= columns
    assert re.fullmatch(rf"OK +{name} +45 s", lines[1]), lines
    assert lines[2].startswith("  word word")


URL = "https://cloud.example.org:8787/occi1.1/compute/7d1c8b0e-52f5-4f0b-9a41-9c6d2b8a1e77"
SENTENCE = f"POST {URL}: refused to create a VM for lack of quota or capacity: Quota exceeded for instances"
BAD = RESULT._replace(status=2, sentence=SENTENCE, remedy="free some, or raise the quota of the VO")


def shown(monkeypatch, columns, *results):
    monkeypatch.setenv("COLUMNS", str(columns))
    table = io.StringIO()
    console.print_table(a_run(*results), table)
    return table.getvalue()


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200])
def test_nothing_is_broken_within_a_word_and_a_sentence_has_the_whole_width(monkeypatch, columns):
    lines = shown(monkeypatch, columns, BAD).splitlines()
    assert " ".join(" ".join(lines).split()).count(SENTENCE) == 1
    assert all(len(line) <= columns or line.strip(" :") == URL for line in lines), lines
    assert [line for line in lines if len(line) > columns] == ([f"  {URL}:"] if columns < len(URL) + 3 else [])
    # no line breaks before it must
    told = [line for line in lines if line.startswith("  ")]
    for line, following in pairwise(told):
        assert following.startswith("  -> ") or len(line) + 1 + len(following.split()[0]) > columns, told


def test_a_sentence_that_fits_stands_beside_its_name(monkeypatch):
    result = RESULT._replace(sentence="all is well")
    assert "OK        OCCI-VM       45 s  all is well" in shown(monkeypatch, 80, result).splitlines()


def test_a_letter_that_takes_two_columns_counts_for_two(monkeypatch):
    text = shown(monkeypatch, 40, RESULT._replace(sentence="雲 " * 30))
    assert max(len(line) + line.count("雲") for line in text.splitlines()) <= 40


def test_what_is_worst_stands_last_on_a_terminal_and_first_in_a_mail(monkeypatch):
    ok = RESULT._replace(job=RESULT.job._replace(hostname="z.example.org"))
    warning = BAD._replace(status=1, job=RESULT.job._replace(hostname="m.example.org"))
    critical = BAD._replace(job=RESULT.job._replace(hostname="a.example.org"))
    hosts = re.findall(r"^(\w)\.example", shown(monkeypatch, 80, ok, critical, warning), re.MULTILINE)
    mail = re.findall(r"^(\w)\.example", console.render_plain(a_run(ok, critical, warning)), re.MULTILINE)
    assert (hosts, mail) == (["z", "m", "a"], ["a", "m", "z"])


def check(text):
    run = hostile(text)
    plain = console.render_plain(run, details=True)
    assert all(line.isprintable() for line in plain.split("\n"))
    table = io.StringIO()
    console.print_table(run, table, details=True)
    assert all(line.isprintable() for line in table.getvalue().split("\n"))
