"""Resources asked, metrics judged by their contexts, results kept."""

from __future__ import annotations

import pytest
from nagiosplugin import Metric, Resource

from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING
from libprobe.judge.contexts import Judgement, Scalar
from libprobe.judge.evaluation import Evaluation
from libprobe.judge.ranges import Range
from libprobe.judge.summaries import OneLine


class Fixed(Resource):
    """Yields what it is given, and raises what is an exception."""

    def __init__(self, *metrics: object) -> None:
        self.facts = {"word": "fine"}
        self._metrics = metrics

    def probe(self):
        for each in self._metrics:
            if isinstance(each, Exception):
                raise each
            yield each


def evaluated(*parts: object) -> Evaluation:
    made = Evaluation()
    for each in parts:
        made.add(each)
    made.evaluate()
    return made


LIMITS = Scalar("value", Range("10"), Range("20"))


def test_each_metric_is_judged_by_the_context_of_its_name():
    made = evaluated(Fixed(Metric("value", 15), Metric("other", 99)), LIMITS, Scalar("other"), OneLine("{word}"))
    assert made.status == WARNING
    assert made.sentence() == "value is 15 (limit 10)"
    assert made.performance == ["other=99", "value=15;10;20"]


def test_a_metric_may_name_another_context():
    made = evaluated(Fixed(Metric("x", 15, context="value")), LIMITS, OneLine("{word}"))
    assert (made.status, made.performance) == (WARNING, ["x=15;10;20"])


def test_the_outcome_is_always_there():
    judgement = Metric("outcome", Judgement(CRITICAL, "down"), context="outcome")
    made = evaluated(Fixed(judgement), OneLine("{word}"))
    assert (made.status, made.sentence(), made.performance) == (CRITICAL, "down", [])


def test_all_resources_are_asked_and_ok_is_said_of_their_facts():
    made = evaluated(Fixed(Metric("value", 1)), Fixed(Metric("value", 2)), LIMITS, OneLine("all {word}"))
    assert (made.status, made.sentence(), len(made.results), len(made.resources)) == (OK, "all fine", 2, 2)
    assert made.performance == ["value=1;10;20", "value=2;10;20"]


def test_what_was_judged_before_an_exception_stays():
    made = Evaluation()
    for each in (Fixed(Metric("value", 25), ValueError("broken")), LIMITS, OneLine("{word}")):
        made.add(each)
    with pytest.raises(ValueError, match="broken"):
        made.evaluate()
    assert made.status == CRITICAL
    made.judge(UNKNOWN, "and broken")
    assert (made.status, len(made.results), made.sentence()) == (CRITICAL, 2, "value is 25 (limit 20)")


@pytest.mark.parametrize("status", [OK, WARNING, CRITICAL, UNKNOWN])
def test_a_result_from_elsewhere_has_the_status_that_it_is_given(status):
    made = Evaluation()
    made.add(OneLine("all is well"))
    made.judge(status, "said")
    assert made.status == status
    assert made.sentence() == ("all is well" if status == OK else "said")


def test_a_metric_without_a_context_is_a_bug():
    with pytest.raises(KeyError, match="value"):
        evaluated(Fixed(Metric("value", 1)))


def test_what_is_no_part_of_a_check_is_a_bug():
    with pytest.raises(TypeError, match="'text' is neither a resource nor a context nor a summary"):
        Evaluation().add("text")


def test_a_value_that_cannot_be_printed_leaves_the_others():
    made = evaluated(Fixed(Metric("value", float("nan")), Metric("other", 1)), LIMITS, Scalar("other"), OneLine("x"))
    assert (made.status, made.performance) == (UNKNOWN, ["other=1"])
