from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.judge.ranges import DURATION, FORMS, NUMBER, SIZE, BadRange, Limit, Range, quantity


@pytest.mark.parametrize(
    ("spec", "alerts", "quiet"),
    [
        ("10", [-0.1, 10.1], [0, 10]),
        ("10:", [9.9], [10, 1e9]),
        ("~:10", [10.1], [-1e9, 10]),
        ("10:20", [9, 21], [10, 20]),
        ("@10:20", [10, 15, 20], [9, 21]),
        ("@10", [0, 10], [-1, 11]),
        ("", [], [-5, 0, 1e9]),
        ("-5:-1", [-6, 0], [-5, -1]),
        (":10", [-1, 11], [0, 10]),
    ],
)
def test_ranges_are_those_of_the_guidelines(spec, alerts, quiet):
    judged = Range(spec)
    assert [value for value in alerts if not judged.alerts(value)] == []
    assert [value for value in quiet if judged.alerts(value)] == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("7d", "604800"),
        ("14d:", "1209600:"),
        ("1h:2h", "3600:7200"),
        ("@1m:90s", "@60:90"),
        ("~:5m", "~:300"),
        ("", ""),
        ("@10", "@10"),
    ],
)
def test_bounds_carry_units_and_are_printed_in_seconds(spec, text):
    assert str(Range(spec, DURATION)) == text


@pytest.mark.parametrize(
    "spec",
    ["abc", "5:3", "1:2:3", ":", "@", "1e5", "0x10", "nan", "inf", "--5", "1.2.3", "5 d d", "٣", "10:x", "1,5", "~"],
)
def test_what_is_no_range_is_refused(spec):
    with pytest.raises(BadRange):
        Range(spec, DURATION)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("@", "'@' needs a range after it"),
        ("1:2:3", f"'1:2:3' has more than one ':'; {FORMS}"),
        (":", f"':' has no bound; {FORMS}"),
        ("5:3", f"'5:3' starts above its end; {FORMS}"),
        ("1.2.3", "'1.2.3' is not a number"),
        ("5X", "'5X' has the unit 'X'; known are ms, s, m, min, h, d, w"),
        ("9" * 400, f"'{'9' * 400}' is too large"),
    ],
)
def test_a_range_that_is_none_is_explained(spec, sentence):
    with pytest.raises(BadRange) as caught:
        Range(spec, DURATION)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "units", "sentence"),
    [
        ("5d", NUMBER, "'5d' has the unit 'd', but takes none"),
        ("abc", DURATION, "'abc' is not a number, alone or with a unit (ms, s, m, min, h, d, w)"),
        ("abc", NUMBER, "'abc' is not a number"),
        ("5X", DURATION, "'5X' has the unit 'X'; known are ms, s, m, min, h, d, w"),
    ],
)
def test_a_quantity_that_is_none_is_explained(text, units, sentence):
    with pytest.raises(BadRange) as caught:
        quantity(text, units)
    assert str(caught.value) == sentence


def test_a_range_may_be_one_value():
    assert [Range("5:5").alerts(value) for value in (4, 5, 6)] == [True, False, True]
    assert [Range("@5:5").alerts(value) for value in (4, 5, 6)] == [False, True, False]


def test_a_limit_is_reached_by_its_value_itself():
    limit = Limit(604800.0, "7d")
    assert [limit.alerts(value) for value in (604799.9, 604800, 604800.1)] == [False, True, True]
    assert (str(limit), limit.spec) == ("604800", "7d")


@pytest.mark.parametrize("judge", [Range("10"), Range(""), Limit(10, "10")])
def test_nan_cannot_be_judged(judge):
    with pytest.raises(ValueError, match=r"^NaN cannot be judged$"):
        judge.alerts(float("nan"))


def test_sizes_have_their_own_units():
    assert quantity("2KiB", SIZE) == 2048
    with pytest.raises(BadRange, match="unit 'd'"):
        quantity("2d", SIZE)
    with pytest.raises(BadRange, match="takes none"):
        quantity("2d", {"": 1.0})


@given(st.text(max_size=20))
def test_any_text_is_a_range_or_refused(text):
    try:
        judged = Range(text, DURATION)
    except BadRange:
        return
    judged.alerts(1.0)
    assert "e" not in str(judged)
