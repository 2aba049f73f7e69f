"""What a measured value means. Ages with limits: test_freshness.py."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from nagiosplugin import Metric

from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING
from libprobe.judge.contexts import Judgement, Outcome, Scalar
from libprobe.judge.ranges import DURATION, Range
from libprobe.text import duration

RESOURCE = SimpleNamespace(subject="cloud.example.org")


def judge(context, value, **more):
    result = context.evaluate(Metric(context.name, value, **more), RESOURCE)
    return int(result.state), result.hint


@pytest.mark.parametrize(
    ("value", "code", "hint"),
    [
        (0, OK, None),
        (10, OK, None),
        (10.5, WARNING, "value is 10.5 (limit 10)"),
        (20, WARNING, "value is 20 (limit 10)"),
        (20.001, CRITICAL, "value is 20.001 (limit 0:20)"),
        (-1, CRITICAL, "value is -1 (limit 0:20)"),
    ],
)
def test_the_critical_range_is_looked_at_first(value, code, hint):
    assert judge(Scalar("value", Range("10"), Range("0:20")), value) == (code, hint)


def test_without_limits_everything_that_is_a_number_is_fine():
    for context in (Scalar("value"), Scalar("value", Range(""), Range(""))):
        assert [judge(context, value)[0] for value in (0, -5, 1e15)] == [OK, OK, OK]


@pytest.mark.parametrize("limits", [(None, None), (Range("10"), Range("20")), (Range(""), Range(""))])
@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), ("7", "'7'"), (None, "None")]
)
def test_what_is_no_number_is_unknown_even_without_limits(limits, value, word):
    context = Scalar("value", *limits)
    assert judge(context, value) == (UNKNOWN, f"value is {word}, not a number that can be judged")
    assert context.performance(Metric("value", value), RESOURCE) is None


def test_a_value_is_said_in_words_and_in_a_sentence_of_the_check():
    context = Scalar(
        "time", Range("5m", DURATION), words=duration, sentence=lambda said, seen: f"{seen.subject} took {said}"
    )
    assert judge(context, 754) == (WARNING, "cloud.example.org took 13 min (limit 5m)")


def test_the_metric_and_its_state_are_kept_in_the_result():
    metric = Metric("value", 7)
    for context in (Scalar("value"), Scalar("value", None, Range("5")), Scalar("value", Range("5"))):
        assert context.evaluate(metric, RESOURCE).metric is metric
    broken = Metric("value", math.nan)
    assert Scalar("value").evaluate(broken, RESOURCE).metric is broken


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric("value", 0.1 + 0.2, "s", min=0), "value=0.3s;10;20:;0"),
        (Metric("value", 1.23456, min=0, max=100.5), "value=1.235;10;20:;0;100.5"),
        (Metric("value", 5, "B"), "value=5B;10;20:"),
    ],
)
def test_performance_data_has_units_limits_and_bounds_in_plain_decimals(metric, text):
    context = Scalar("value", Range("10"), Range("20:"))
    assert str(context.performance(metric, RESOURCE)) == text


def test_performance_data_is_as_exact_as_asked_for():
    assert str(Scalar("value", places=1).performance(Metric("value", 1.26), RESOURCE)) == "value=1.3"
    assert str(Scalar("value").performance(Metric("value", 1.2345), RESOURCE)) == "value=1.234"


def test_what_is_not_graphed_has_no_performance_data():
    context = Scalar("value", Range("5"), graphed=False)
    assert context.performance(Metric("value", 7), RESOURCE) is None
    assert judge(context, 7)[0] == WARNING


@pytest.mark.parametrize("status", [OK, WARNING, CRITICAL, UNKNOWN])
def test_a_judgement_passes_through(status):
    context = Outcome("outcome")
    metric = Metric("outcome", Judgement(status, "it went so"))
    result = context.evaluate(metric, RESOURCE)
    assert (int(result.state), result.hint, result.metric) == (status, "it went so", metric)
    assert context.performance(metric, RESOURCE) is None
