from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.formats.plugin_output import PerformanceValue, read_plugin_output


def test_a_report_of_ours_is_taken_apart():
    read = read_plugin_output(
        "OCCI-VM CRITICAL - https://cloud.example.org: quota used up (give the VO more) | time=1.5s;300;~:600;0 n=3\n"
        "VM: /compute/7\n\nsize: small\n",
        is_problem=True,
    )
    assert read.subject == "OCCI-VM"
    assert read.sentence == "https://cloud.example.org: quota used up"
    assert read.remedy == "give the VO more"
    assert read.performance == [
        PerformanceValue("time", 1.5, "s", "300", "~:600", 0.0, None),
        PerformanceValue("n", 3.0, "", "", "", None, None),
    ]
    assert read.lines == ["VM: /compute/7", "size: small"]


@pytest.mark.parametrize(
    ("sentence", "remedy"),
    [
        ("VM active only after 312 s (limit 300)", ""),
        ("certificate expired 3 d ago (2026-11-20 08:00 UTC)", ""),
        ("localhost port 1 (127.0.0.1): refused", ""),
        ("refused our client certificate (TLS alert: unknown ca)", ""),
        (
            "proxy expired (make a new one with voms-proxy-init (of VOMS) --rfc)",
            "make a new one with voms-proxy-init (of VOMS) --rfc",
        ),
        ("unbalanced) (give x", ""),
        ("f(give me more)", ""),
        ("no answer (raise -t to wait longer)", "raise -t to wait longer"),
    ],
)
def test_only_brackets_that_give_advice_are_a_remedy(sentence, remedy):
    read = read_plugin_output(f"X CRITICAL - {sentence}", is_problem=True)
    assert read.remedy == remedy
    assert read.sentence == (sentence.removesuffix(f" ({remedy})") if remedy else sentence)
    assert read_plugin_output(f"X OK - {sentence}", is_problem=False).remedy == ""


def test_the_output_of_other_plugins_is_kept_as_it_is():
    read = read_plugin_output(
        "TCP OK: 0.001 second response time on port 80|'time''s'=0.000812s;;;0.0;10.0", is_problem=False
    )
    assert (read.subject, read.sentence) == ("TCP", "0.001 second response time on port 80")
    assert read.performance == [PerformanceValue("time's", 0.000812, "s", "", "", 0.0, 10.0)]
    assert read_plugin_output("all is well", is_problem=False).sentence == "all is well"


@pytest.mark.parametrize("value", ["nan", "1e9", "U", "", "1s2", "0x10", "1" * 40, "--1"])
def test_a_value_that_is_no_plain_number_is_left_out(value):
    assert read_plugin_output(f"X OK - y | a={value} b=2", is_problem=False).performance[-1].label == "b"
    assert len(read_plugin_output(f"X OK - y | a={value} b=2", is_problem=False).performance) == 1


def test_escapes_and_markup_do_not_come_through():
    read = read_plugin_output("X OK - \x1b[31mred\x1b[0m <b>\u202e | '<i>'=1\n\x1b]0;title\x07line", is_problem=False)
    assert read.sentence == "red [b]"
    assert read.performance[0].label == "[i]"
    assert read.lines == ["line"]


@given(st.text(), st.booleans())
def test_anything_is_read(text, is_problem):
    read = read_plugin_output(text, is_problem=is_problem)
    for part in (read.subject, read.sentence, read.remedy, *read.lines, *(each.label for each in read.performance)):
        assert part.isprintable()
    assert all(math.isfinite(each.value) for each in read.performance)


def test_a_hundred_thousand_labels_and_brackets_take_no_time():
    text = "X CRITICAL - " + "(" * 50_000 + ")" * 50_000 + " | " + "a=1 " * 100_000
    assert len(read_plugin_output(text, is_problem=True).performance) <= 100
