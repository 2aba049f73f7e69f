"""The sentence of the status line, and which of several results it is about."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nagiosplugin import Critical, Metric, Ok, Result, Unknown, Warn

from libprobe.checks.base import outcome_metric
from libprobe.judge.contexts import Outcome
from libprobe.judge.summaries import LONGEST, OneLine, RankedResults


def results(*found: tuple[object, str | None]) -> RankedResults:
    made = RankedResults()
    for state, hint in found:
        made.add(Result(state, hint))
    return made


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([Ok], 0),
        ([Ok, Warn], 1),
        ([Warn, Unknown, Ok], 3),
        ([Unknown, Critical, Warn], 2),
        ([Critical, Unknown], 2),
        ([Ok, Unknown], 3),
    ],
)
def test_critical_is_above_unknown_above_warning_above_ok(states, code):
    found = results(*((state, "x") for state in states))
    assert found.status == code
    assert [int(each.state) for each in found] == sorted((int(s) for s in states), key=[2, 3, 1, 0].index)
    assert {int(each.state) for each in found.most_significant} == {code}


def test_no_results_have_no_state():
    with pytest.raises(ValueError, match="empty"):
        results().status
    assert list(results()) == []


def test_results_of_one_state_keep_their_order():
    assert [each.hint for each in results((Warn, "a"), (Critical, "b"), (Warn, "c"))] == ["b", "a", "c"]


def test_the_worst_reasons_are_said_once_and_their_place_once():
    summary = OneLine("")
    found = results(
        (Critical, "down on h:1"), (Critical, "gone from h:1 (limit 2); y"), (Critical, "down on h:1"), (Ok, None)
    )
    assert summary.problem(found) == "down on h:1; gone (limit 2); y"
    assert summary.problem(results((Critical, "x on h:1"), (Critical, "y is z, from h:1"))) == "x on h:1; y is z"
    assert summary.problem(results((Critical, None))) == ""
    for first, second in (
        ("x on a.example:1", "y on b.example:1"),
        ("x on a.example:1", "y on a.example:12"),
        ("x on a.example:1 (::1)", "y on a.example:1 (127.0.0.1)"),
        ("x in /tmp/a", "y in /tmp/a/b"),
        ("x", "y on a.example:1"),
    ):
        assert summary.problem(results((Warn, first), (Warn, second))) == f"{first}; {second}"
    both = results((Warn, "x in /tmp/a (do this)"), (Warn, "y in /tmp/a (limit 3d)"))
    assert summary.problem(both) == "x in /tmp/a (do this); y (limit 3d)"
    both = results((Warn, "x on [::1]:2"), (Warn, "y from [::1]:2 when asked to do it"))
    assert summary.problem(both) == "x on [::1]:2; y when asked to do it"


LEFT = ("VM not removed: 500 from h:1 (egi-sam-x; next run retries)", "VM not removed (egi-sam-x; next run retries)")


def judged(*found: tuple[int, str, tuple[str, ...]]) -> RankedResults:
    made = RankedResults()
    for status, sentence, beside in found:
        metric = outcome_metric(status, sentence, beside=beside)
        made.add(Outcome("outcome").evaluate(metric, None))
    return made


@pytest.mark.parametrize(("worse", "status"), [("no answer from h:1", 2), ("interrupted by SIGTERM", 3)])
def test_what_a_run_leaves_behind_is_told_after_a_worse_result(worse, status):
    found = judged((1, "VM active after 1 s, not removed: 500 from h:1", LEFT), (1, "slow", ()), (status, worse, ()))
    left = LEFT[0].replace(" from h:1", "") if "h:1" in worse else LEFT[0]
    assert OneLine("").problem(found) == f"{worse}; {left}"
    assert "warning: VM active after 1 s, not removed: 500 from h:1" in OneLine("").verbose(found)


def test_what_a_run_leaves_behind_is_told_as_it_is_where_nothing_is_worse():
    found = judged((1, "VM active after 1 s, not removed: 500 from h:1", LEFT), (1, "slow on h:1", ()))
    assert OneLine("").problem(found) == "VM active after 1 s, not removed: 500 from h:1; slow"


def test_what_a_run_leaves_behind_is_told_in_the_longest_form_that_fits():
    room = LONGEST - len("; ")
    for length, form in ((room - len(LEFT[0]), 0), (room - len(LEFT[0]) + 1, 1), (LONGEST, 1)):
        reason = "x" * length
        assert OneLine("").problem(judged((2, reason, ()), (1, "y", LEFT))) == f"{reason}; {LEFT[form]}"


def test_what_is_left_behind_twice_is_told_once_and_two_things_both():
    other = ("keypair not removed (egi-sam-x; next run retries)",)
    found = judged((1, "y", LEFT), (1, "y", LEFT), (1, "z", other), (2, "x", ()))
    assert OneLine("").problem(found) == f"x; {LEFT[0]}; {other[0]}"


def test_the_other_reasons_come_with_v():
    summary = OneLine("x")
    found = results((Ok, "fine"), (Warn, "late"), (Unknown, "portal"), (Critical, "down"), (Critical, "gone"))
    assert summary.verbose(found) == ["unknown: portal", "warning: late"]
    assert summary.verbose(results((Ok, "fine"))) == []


def test_all_is_well_is_said_with_the_facts_of_every_resource():
    made = RankedResults()
    for facts in ({"a": "1", "b": "2"}, {"b": "3"}):
        metric = Metric("value", 1, resource=SimpleNamespace(facts=facts))
        made.add(Result(Ok, None, metric))
    made.add(Result(Ok, None, Metric("other", 1, resource=SimpleNamespace())))
    assert OneLine("{a} and {b}").ok(made) == "1 and 3"
    with pytest.raises(KeyError):
        OneLine("{c}").ok(made)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("https://cloud.example.org:8787/occi1.1", "cloud.example.org:8787"),
        ("https://cloud.example.org", "cloud.example.org:443"),
        ("ldap://[::1]:2170/o=glue", "[::1]:2170"),
        ("stomp+ssl://mq.example.org:6162/queue/results", "mq.example.org:6162"),
        ("https://cloud.example.org/ with a word", "https://cloud.example.org/ with a word"),
        ("https://", "https://"),
        ("/tmp/x509up_u998", "/tmp/x509up_u998"),
    ],
)
def test_a_url_is_named_by_its_host_and_port_where_all_is_well(fact, said):
    made = RankedResults()
    made.add(Result(Ok, None, Metric("value", 1, resource=SimpleNamespace(facts={"endpoint": fact}))))
    assert OneLine("VM on {endpoint}").ok(made) == f"VM on {said}"
