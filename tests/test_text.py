from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.text import decimal, duration, number_of, safe, shortened


@given(st.text())
def test_safe_text_is_one_harmless_line(text):
    line = safe(text)
    assert line.isprintable()
    assert not set("|<>\n\r\x1b\u202e\u200b") & set(line)
    assert safe(line) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\tb\r\nc", "a b c"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b[31;1mred", "red"),
        ("x\x9b31mred", "x 31mred"),
        ("a|b", "a/b"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("Überlauf ✓", "Überlauf ✓"),
    ],
)
def test_what_becomes_of_hostile_text(text, line):
    assert safe(text) == line


def test_shortened_text_says_that_it_was_cut():
    assert shortened("x" * 50, 10) == "xxxxxxx..."
    assert shortened("short", 10) == "short"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (1e-07, "0"),
        (-1e-9, "0"),
        (1e16, "10000000000000000"),
        (3, "3"),
        (-2.50, "-2.5"),
        (100.0, "100"),
    ],
)
def test_numbers_are_plain_decimals(value, text):
    assert decimal(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_decimal_reads_back_as_the_same_value(value):
    assert "e" not in decimal(value)
    assert float(decimal(value)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="not a number"):
        decimal(value)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.00312, "3.1 ms"),
        (0.0412, "41 ms"),
        (0.4123, "0.41 s"),
        (41.23, "41.2 s"),
        (179, "179 s"),
        (300, "5 min"),
        (754, "13 min"),
        (7200, "2 h"),
        (3 * 3600, "3 h"),
        (12600, "3.5 h"),
        (41 * 86400, "41 d"),
        (-5, "-5 s"),
        (4004468625, "46348 d"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_what_is_no_length_of_time_is_refused(seconds):
    with pytest.raises(ValueError, match="not a length of time"):
        duration(seconds)


def test_a_noun_follows_its_number():
    assert (number_of(1, "VM"), number_of(2, "VM")) == ("1 VM", "2 VMs")
