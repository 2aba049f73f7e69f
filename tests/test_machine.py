"""What a machine lacks is told with what installs it, and counted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import machine
from tests.conftest import ROOT


@pytest.fixture
def lacking(monkeypatch, tmp_path):
    """A machine with slapd, and with neither chromium nor zsh."""
    (tmp_path / "slapd").touch()
    for name, target in (("slapd", "make demo"), ("chromium", "make test-all"), ("zsh", "make test-all")):
        monkeypatch.setitem(machine.PACKAGES, name, machine.Package(name, target, (str(tmp_path / name),)))
    return machine.lacking


def test_what_is_there_is_not_lacking(lacking):
    assert lacking([]) == lacking(["slapd"]) == ""


def test_what_is_missing_is_told_with_the_target_that_installs_it(lacking):
    assert lacking(["slapd", "zsh"]) == "zsh is not installed (make test-all installs it)"
    assert lacking(["chromium", "zsh"]) == "chromium and zsh are not installed (make test-all installs it)"


def test_a_package_that_is_not_listed_is_a_mistake(lacking):
    with pytest.raises(KeyError):
        lacking(["chromuim"])


def test_skips_are_counted_by_reason_the_most_frequent_first():
    reasons = ["Skipped: b is not installed", "Skipped: only root can", "Skipped: b is not installed"]
    assert machine.told(reasons) == ["2 skipped: b is not installed", "1 skipped: only root can"]


@pytest.mark.parametrize(("all_needed", "code"), [("", 0), ("1", 1)])
def test_a_run_counts_what_it_skipped_and_fails_where_nothing_may_be_missing(tmp_path, all_needed, code):
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_x.py").write_text(
        "import pytest\nfrom tests import machine\n"
        "machine.PACKAGES['x'] = machine.Package('x', 'make test-all', ('/nonexistent/x',))\n"
        "@pytest.mark.needs('x')\ndef test_x(): pass\ndef test_y(): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path / "test_x.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FEDCLOUD_NEEDS_ALL": all_needed},
    )
    assert done.returncode == code, done.stdout + done.stderr
    if all_needed:
        assert "x is not installed (make test-all installs it), and FEDCLOUD_NEEDS_ALL is set" in done.stdout
    else:
        assert "\n1 skipped: x is not installed (make test-all installs it)\n1 passed, 1 skipped in " in done.stdout
