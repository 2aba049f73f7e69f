from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.text import decimal, duration, number_of, safe, shortened, similar
from tests.conftest import ROOT


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
        ("\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\ here", "click here"),
        ("\x1bP+q544e\x1b\\x \x1b_app\x1b\\y \x1b^pm\x07z", "x y z"),
        ("it said \x1b]0;title and (renew it)", "it said 0;title and (renew it)"),
        ("it said \x1b[ (renew it)", "it said (renew it)"),
        ("ten\b\b\bfive\x7f", "ten five"),
        ("left\u202eright\u2066a\u2069b\u200fc\u061cd", "left right a b c d"),
        ("one\u2028two\u2029three\x85four\x0bfive\x0csix", "one two three four five six"),
        ("zero\u200bwidth\u200dand\ufeffmark\U000e0041", "zero width and mark"),
        ("a\u3164b\u2800c\uffa0d", "a b c d"),
        ("adm\u034fin ❤\ufe0f x\U000e0101", "admin ❤ x"),
        ("Z\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308 e\u0301", "Z\u0301\u0302\u0303\u0304 e\u0301"),
        ("tiếng Việt, עִבְרִית, हिन्दी", "tiếng Việt, עִבְרִית, हिन्दी"),
        (b"\xff\xfe\x1b[31m".decode("utf-8", "replace"), "\ufffd\ufffd"),
        (b"\xff".decode("utf-8", "surrogateescape") + "x", "x"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("Überlauf ✓", "Überlauf ✓"),
    ],
)
def test_what_becomes_of_hostile_text(text, line):
    assert safe(text) == line


@given(st.lists(st.sampled_from(["\x1b", "]", "[", "P", "8;;", "\x07", "\\", "a", "\u0301", "\u034f", "\u3164", " "])))
def test_no_sequence_of_controls_hides_what_is_said_after_it(parts):
    assert safe("".join(parts) + " then (renew it)").endswith("then (renew it)")


def test_much_of_anything_is_made_safe_at_once():
    for piece in ("\x1b", "\x1b]", "\x1b[0", "\x1bP", "\u0301", "\u202e", "<|", "a\u3164", "\ud800"):
        assert safe(piece * (1 << 16)).isprintable()


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


def test_one_of_a_thing_is_one_whatever_its_plural():
    assert [number_of(count, "entry", "entries") for count in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
    assert [number_of(count, "message") for count in ("0", "1", "1.5")] == ["0 messages", "1 message", "1.5 messages"]


AT_LEAST_TWO = {
    "consumers",
    "rows for",
    "publication statuses",
    "signatures; one",
    "private keys",
    "certificates in",
} | {f"bytes {word}" for word in ("is", "long", "of")}
"""Counted only where there cannot be one: where several are the fault, or more than a limit."""


def counted_by_hand(source: str) -> list[str]:
    """What is said after a count in the f-strings of a source, where that is a plural."""
    found = []
    for text in ast.walk(ast.parse(source)):
        for value, words in zip(text.values, text.values[1:], strict=False) if isinstance(text, ast.JoinedStr) else ():
            if not isinstance(value, ast.FormattedValue) or not isinstance(words, ast.Constant):
                continue
            counts = re.search(
                r"\blen\(|(count|number|total|dropped|left|running|done)\b(?!\()", ast.unparse(value.value)
            )
            if counts and (
                plural := re.match(r" (?!(?:is|was|has|as)\b)(?:more )?[a-z]+(?:s|s;)(?:$| \w+| )", words.value)
            ):
                found.append(plural[0].strip())
    return found


def test_no_sentence_counts_in_the_plural_by_itself():
    """`1 messages`: whatever is counted is put into words by number_of."""
    assert counted_by_hand('f"is {count} messages behind"') == ["messages behind"]
    assert counted_by_hand('f"a runner died with {len(runner.jobs)} checks"') == ["checks"]
    assert counted_by_hand('f"{number_of(count, thing)} seen"; f"{len(parts)} is"') == []
    paths = [*ROOT.glob("libprobe/**/*.py"), *(path for path in ROOT.glob("probes/*") if path.is_file())]
    found = {words: path.name for path in paths for words in counted_by_hand(path.read_text())}
    assert {words: name for words, name in found.items() if words not in AT_LEAST_TWO} == {}


def test_of_many_and_long_words_so_many_and_so_much_of_each_are_compared():
    known = [*("x" * 200 for _ in range(299)), "ops.example.org", "ops.example.com"]
    assert similar("ops.example.net", known) == ["ops.example.org"]
    assert similar("ops.example.net", known, count=2, most=301) == ["ops.example.org", "ops.example.com"]
    assert similar("y" * 10_000, ["y" * 9_999]) == ["y" * 200]
    assert similar("ops", known) == []
