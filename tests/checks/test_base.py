"""What every check shares: failures become results, details keep their level."""

from __future__ import annotations

import pytest
from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.deadline import Deadline, OutOfTime
from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING, Asked, BadData, HelperFailure


class Subject(Check):
    def __init__(self, *found: object) -> None:
        super().__init__(Deadline(90))
        self._found = found

    def measure(self):
        for each in self._found:
            if isinstance(each, BaseException):
                raise each
            yield each


def outcome(metric: Metric) -> tuple[str, str, int, str]:
    return metric.name, metric.context, metric.value.status, metric.value.sentence


def test_metrics_pass_through():
    metric = Metric("value", 7)
    assert list(Subject(metric).probe()) == [metric]


@pytest.mark.parametrize(("failure", "status"), [(BadData, CRITICAL), (HelperFailure, UNKNOWN)])
def test_a_failure_is_one_more_result_with_its_remedy(failure, status):
    metric = Metric("value", 7)
    first, second = Subject(metric, failure("it broke", remedy="mend it"), Metric("never", 1)).probe()
    assert first is metric
    assert outcome(second) == ("outcome", "outcome", status, "it broke (mend it)")


def test_time_that_is_up_is_the_doing_of_whoever_took_the_larger_part():
    subject = Subject(OutOfTime())
    now = 0.0
    subject.deadline = Deadline(90, clock=lambda: now)
    now = 90.0
    said = "not finished within 90 s by this machine, which took"
    to_do = "(look whether the monitoring host is overloaded)"
    assert outcome(*subject.probe()) == ("outcome", "outcome", UNKNOWN, f"{said} 90 s of it {to_do}")
    subject.deadline.waits.add(20.0, 20.0)
    assert outcome(*subject.probe()) == (
        *("outcome", "outcome", UNKNOWN),
        f"{said} 70 s of it, and the endpoint 20 s {to_do}",
    )
    subject.deadline.waits.add(60.0, 60.0)
    assert outcome(*subject.probe()) == (
        *("outcome", "outcome", CRITICAL),
        "not finished within 90 s by the endpoint (raise -t to wait longer)",
    )
    subject.subject = "https://cloud.example.org"
    assert outcome(*subject.probe())[3].startswith("not finished within 90 s by cloud.example.org:443 ")


def test_how_the_endpoint_was_found_is_told_of_its_own_failures_only():
    guessed = ("tried on port 8787", "the GOCDB failed")
    for failure, said in ((BadData("it broke"), "it broke; " + "; ".join(guessed)), (HelperFailure("gone"), "gone")):
        subject = Subject(failure)
        subject.caveats = guessed
        assert outcome(*subject.probe())[3] == said
    late = Subject(OutOfTime())
    late.caveats = guessed
    now = 0.0
    late.deadline = Deadline(90, clock=lambda: now)
    now = 90.0
    assert "8787" not in outcome(*late.probe())[3]
    late.deadline.waits.add(80.0, 80.0)
    assert outcome(*late.probe())[3].endswith(" (raise -t to wait longer); tried on port 8787; the GOCDB failed")


def test_what_was_asked_is_told_once_with_v():
    failure = BadData("it broke", of=Asked("cloud.example.org:443", "GET https://cloud.example.org/a"))
    subject = Subject()
    assert outcome(subject.failed(failure, "a note", status=WARNING)) == (
        *("outcome", "outcome", WARNING),
        "it broke on cloud.example.org:443; a note",
    )
    subject.failed(failure)
    assert subject.details == [(1, "asked: GET https://cloud.example.org/a")]


def test_a_project_that_seems_to_be_another_vos_is_a_warning():
    subject = Subject()
    subject.subject = "https://cloud.example.org/v3"
    [metric] = subject.judge_project("acts in project x")
    assert outcome(metric)[2:] == (
        WARNING,
        "acts in project x, on cloud.example.org:443 (if it is meant, name it with --project)",
    )
    assert list(subject.judge_project("")) == []


def test_a_bug_is_not_caught():
    with pytest.raises(ZeroDivisionError):
        list(Subject(ZeroDivisionError()).probe())


@pytest.mark.parametrize("status", [OK, WARNING, CRITICAL, UNKNOWN])
def test_a_judgement_is_a_metric_of_the_context_that_is_always_there(status):
    assert outcome(outcome_metric(status, "so")) == ("outcome", "outcome", status, "so")


def test_a_check_begins_with_no_facts_and_no_details():
    first, second = Subject(), Subject()
    first.facts["a"] = "b"
    first.detail(1, "one")
    first.detail(3, "three")
    assert (first.facts, first.details) == ({"a": "b"}, [(1, "one"), (3, "three")])
    assert (second.facts, second.details, second.deadline.seconds) == ({}, [], 90)


def test_what_is_asked_is_for_the_check_to_say():
    with pytest.raises(NotImplementedError):
        list(Check(Deadline(1)).probe())
