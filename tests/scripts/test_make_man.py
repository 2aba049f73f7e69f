"""Man pages are made from the parsers, and man reads them without a complaint."""

from __future__ import annotations

import re
import subprocess

import pytest

from scripts import parsers

NAMES = [path.name for path in parsers.EXECUTABLES]


def shown(path) -> str:
    """The page as man shows it, without bold and underline."""
    text = subprocess.run(["mandoc", "-T", "ascii", path], check=True, capture_output=True, text=True).stdout
    return re.sub(".\b", "", text)


def test_every_executable_has_a_page_and_nothing_else_has(made):
    assert sorted(path.name for path in made("make-man").iterdir()) == sorted(f"{name}.1" for name in NAMES)
    assert {"check_occi_vm", "fedcloud-worker"} <= set(NAMES)


def test_no_page_has_anything_that_mandoc_warns_of(made):
    pages = sorted(made("make-man").iterdir())
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_page_has_every_option_and_the_address_of_more(made, path):
    page = " ".join(shown(made("make-man") / f"{path.name}.1").split())
    assert f"NAME {path.name} - " in page
    for action in parsers.parser_of(path).arguments:
        if action.dest != "help":
            for option in action.option_strings:
                assert f" {option} " in page or f" {option}, " in page, option
    assert "EXIT STATUS" in page
    assert "/docs/" in page
    assert (parsers.ROOT / "docs" / page.partition("/docs/")[2].split()[0]).exists()


def test_a_page_says_what_is_judged_line_by_line(made):
    text = shown(made("make-man") / "check_occi_vm.1")
    assert "     Metric:        eu.egi.cloud.OCCI-VM\n       Service type:  eu.egi.cloud.vm-management.occi\n" in text
    assert "2025-11-25" in text
