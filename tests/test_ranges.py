from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.ranges import DURATION, SIZE, BadRange, Range, quantity


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


def test_nan_cannot_be_judged():
    with pytest.raises(ValueError, match="NaN"):
        Range("10").alerts(float("nan"))


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
