"""Sentences, help texts and pages keep to the rules of docs/style.md."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from scripts import parsers
from tests.conftest import ROOT
from tests.docs import language
from tests.docs.language import RULES, STYLE, Found, Rule, prose, refused, strings


@pytest.mark.parametrize("rule", RULES, ids=[rule.bad for rule in RULES])
def test_a_rule_refuses_its_bad_sample_and_takes_the_good_one(rule: Rule):
    assert rule in [each for _, each in refused(rule.bad)]
    assert rule not in [each for _, each in refused(rule.good)]
    assert rule.reason


@pytest.mark.parametrize(
    "source",
    [
        '"""Raises: Misconfigured for what is no DN."""',
        'raise NoAnswer(f"{url}: did not let us finish within {time}")',
        'help = "critical when the age is so " "much or more"',
        'def check():\n    """The check.\n\n    It runs for who\n    asks."""',
    ],
)
def test_a_planted_sentence_is_found_in_python(source: str):
    assert [match for _, text in strings(source) for match, _ in refused(text)]


def test_a_planted_sentence_is_found_in_a_page():
    page = "# Page\n\nThe address\nstands\nin `probes.ini`.\n\n    lets us not in\n\n`who we are`"
    assert [match for match, _ in refused(prose(page))] == ["stands in"]


def test_what_is_no_sentence_is_left_alone():
    assert list(strings('x = r"what is no (sentence|word)"; y = rf"what is no {x} sentence"; z = "two words"')) == []


def told(found: Iterable[Found]) -> list[str]:
    return [f"{each.where}: {each.match!r}: {each.rule.reason}, as in {each.rule.good!r}" for each in found]


def test_no_string_of_the_library_or_of_an_executable_is_refused():
    assert sum(len(list(strings(path.read_text()))) for path in ROOT.glob("libprobe/**/*.py")) > 2000
    assert told(language.in_python()) == []


def test_no_page_is_refused():
    assert told(language.in_pages()) == []


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=[path.name for path in parsers.EXECUTABLES])
def test_help_texts_are_phrases_in_lower_case_without_a_full_stop(path):
    for option, text in language.help_texts(path):
        assert not text.rstrip().removesuffix("...").endswith("."), option
        first = text.split()[0]
        assert first == first.lower() or first != first.capitalize() or first in NAMES, f"{option}: {text}"


NAMES = {"Keystone", "Keystone's", "Nagios", "Nagios'", "Icinga", "Prometheus", "Prometheus'"}
"""Words that a help text may begin with in upper case, for they are names."""


def test_the_glossary_has_each_word_once_and_says_what_it_means():
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \|([^|]*)\|$", STYLE.read_text().partition("\n## Glossary\n")[2], re.MULTILINE
    )
    words = [word for word, _, _ in rows if word not in {"word", "---"}]
    assert len(words) > 20
    assert sorted(set(words)) == sorted(words)
    for word in ("site", "endpoint", "metric", "probe", "check", "VO", "FQAN", "proxy", "age", "lifetime", "journal"):
        assert word in words
