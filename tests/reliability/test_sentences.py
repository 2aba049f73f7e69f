"""What is counted of a status line, and how."""

from __future__ import annotations

import pytest

from tests.reliability.sentences import Said, figures, sentence_of


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        ("OCCI-VM OK - VM up after 2 s on h:1 | time_to_active=2s;300\nlong output\n", "VM up after 2 s on h:1"),
        ("Perun-Check CRITICAL - refused by h:1 (start it)\n", "refused by h:1 (start it)"),
        ("fedcloud-ncg: not written: refused; the old stays\n", "not written: refused; the old stays"),
    ],
)
def test_the_sentence_is_what_stands_between_the_state_and_performance_data(report, sentence):
    assert sentence_of(report) == sentence


def test_the_figures_are_those_of_results_that_are_not_ok():
    said = [Said("a x b", 2, "x" * length) for length in range(1, 101)] + [Said("a x c", 0, "x" * 500)]
    assert figures(said) == (
        "100 sentences of results that are not OK: median 50 characters, 95 % at most 95, the longest 100."
    )
    assert str(said[-1]) == f" 500  a x c: {'x' * 500}"
