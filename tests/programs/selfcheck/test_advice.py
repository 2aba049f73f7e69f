"""What is to be done about a result: always something, an imperative. For all faults: tests/reliability/matrix.py."""

from __future__ import annotations

import ast
import re

import pytest

from libprobe.formats.plugin_output import IMPERATIVE
from libprobe.programs.selfcheck import advice as module
from libprobe.programs.selfcheck.advice import advice
from tests.conftest import ROOT
from tests.programs.selfcheck.test_page import RESULT

AT = "cloud.example.org:8787"


@pytest.mark.parametrize(
    ("sentence", "critical", "what"),
    [
        (f"certificate expired 3 d ago (2026-11-25 19:17 UTC) on {AT}", True, "renew the host certificate, "),
        (f"certificate expired 3 d ago on GOCDB {AT}", False, "ask whoever runs it to renew the host certificate, "),
        (f"connection refused by {AT} (192.0.2.1)", True, "start the service, "),
        (f"401 Unauthorized from {AT} when asked to log in", True, "let the monitoring in: "),
        (f"500 Internal Server Error from {AT} when asked to say what it offers", True, "read the log "),
        (
            "a sentence that names no cause",
            True,
            "look up this message at https://docs.example.org/, and read the log ",
        ),
        ("a sentence that names no cause", False, "look up this message at https://docs.example.org/"),
        ("cloud.example.org took 30 s to answer (limit 20)", True, "look up this message at "),
    ],
)
def test_a_cause_that_is_named_tells_what_to_do(sentence, critical, what):
    assert advice(sentence, "", critical=critical, page="https://docs.example.org/").startswith(what)


def test_what_the_probe_itself_says_goes_before_all_else():
    assert advice("certificate expired", "ask Jane", critical=True, page="") == "ask Jane"


@pytest.mark.parametrize("status", [1, 2, 3])
@pytest.mark.parametrize("page", ["", "https://docs.example.org/"])
def test_no_result_but_ok_is_without_advice(status, page):
    result = RESULT._replace(job=RESULT.job._replace(docurl=page), sentence="anything", remedy="")
    assert IMPERATIVE.match(result._replace(status=status).advice)
    assert result._replace(status=0, remedy="renew it").advice == ""


def test_every_advice_is_an_imperative():
    assert [what for _, what in module._CAUSES if not IMPERATIVE.match(what)] == []


NO_ADVICE = {"there are {}"}
"""A remark of a message that has nothing else in its brackets."""


def remedies() -> set[str]:
    """Every text of the sources that is given as a remedy."""
    found = set()
    for path in ROOT.glob("libprobe/**/*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            for keyword in call.keywords if isinstance(call, ast.Call) else ():
                if keyword.arg == "remedy" and isinstance(keyword.value, (ast.Constant, ast.JoinedStr)):
                    found.add(re.sub(r"\{[^{}]*\}", "{}", ast.unparse(keyword.value).lstrip("f").strip("\"'")))
    return found - {""}


def test_every_remedy_of_a_failure_is_an_imperative():
    found = remedies()
    assert len(found) > 60
    assert {each for each in found if not IMPERATIVE.match(each) or each.endswith("?")} - NO_ADVICE == set()
