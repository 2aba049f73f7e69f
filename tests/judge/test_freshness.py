"""Ages as limits, and the context that judges them."""

from __future__ import annotations

import argparse
import math
from types import SimpleNamespace

import pytest
from nagiosplugin import Metric

from libprobe.judge.contexts import Freshness
from libprobe.probe.cli import age_limit, size


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 604800), ("6h", 21600), ("90m", 5400), ("604800", 604800), ("5s", 5), ("0.5s", 0.5)]
)
def test_an_age_is_a_duration(text, seconds):
    assert age_limit(text).value == seconds
    assert age_limit(text).spec == text


@pytest.mark.parametrize("text", ["0", "0d", "", " "])
def test_zero_is_no_limit(text):
    assert age_limit(text) is None


@pytest.mark.parametrize("text", ["7", "31", "9", "-7d", "x", "7y", "nan", "7d:", "1e3"])
def test_a_small_number_without_a_unit_and_what_is_no_duration_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        age_limit(text)


def test_a_small_number_is_told_how_to_be_meant():
    with pytest.raises(argparse.ArgumentTypeError, match="'7' would be seconds: say 7s, 7h or 7d"):
        age_limit("7")


@pytest.mark.parametrize(
    ("age", "code"), [(0, 0), (9.999, 0), (10, 1), (19.999, 1), (20, 2), (1e9, 2), (math.nan, 3), (math.inf, 3)]
)
def test_an_age_that_reaches_a_limit_has_the_worse_state(age, code):
    context = Freshness("age", age_limit("10s"), age_limit("20s"))
    assert int(context.evaluate(Metric("age", age, "s"), SimpleNamespace()).state) == code


def test_an_age_is_said_in_words_by_its_name_or_in_a_sentence_of_the_check():
    metric, limits = Metric("age", 41 * 86400, "s"), (age_limit("7d"), age_limit("30d"))
    assert Freshness("age", *limits).evaluate(metric, None).hint == "age is 41 d (limit 30d)"
    told = Freshness("age", *limits, sentence=lambda said, _: f"published {said} ago")
    assert told.evaluate(metric, None).hint == "published 41 d ago (limit 30d)"


def test_performance_data_has_the_limits_in_seconds():
    context = Freshness("age", age_limit("6h"), age_limit("12h"))
    assert str(context.performance(Metric("age", 0.1 + 0.2, "s", min=0), None)) == "age=0.3s;21600;43200;0"
    assert str(Freshness("age", None, None).performance(Metric("age", 1, "s"), None)) == "age=1s"


def test_sizes_have_units_and_bounds():
    assert (size("1MiB"), size("2048"), size("50MiB")) == (1 << 20, 2048, 50 << 20)
    for text in ("0", "100", "1GiB", "x", "-1MiB"):
        with pytest.raises(argparse.ArgumentTypeError):
            size(text)
