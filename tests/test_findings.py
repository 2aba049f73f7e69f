"""The findings are scripts that a shell can read and that the table tells of; they themselves are run by hand."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.conftest import ROOT

FINDINGS = sorted((ROOT / "findings").glob("*.sh"))
HEADER = ("Software", "Expected", "Seen", "Matters")
"""What the comment at a finding's top tells, in this order."""


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_a_finding_is_a_script_that_says_what_was_seen_of_whom_and_when(path):
    text = path.read_text()
    assert path.stat().st_mode & 0o111 == 0o111
    assert text.startswith("#!/bin/bash\n# ")
    header = text.partition("\nset -eu\n")[0]
    assert tuple(re.findall(r"^# ([A-Z][a-z]+): ", header, re.MULTILINE)) == HEADER
    assert re.search(r"Seen 20\d\d-\d\d-\d\d", header)
    assert "trap '" in text
    assert "CHANGED" in text
    subprocess.run(["bash", "-n", str(path)], check=True)
    for inline in re.findall(r"<<'PYTHON'.*\n(.*?)^PYTHON$", text, re.DOTALL | re.MULTILINE):
        compile(inline, path.name, "exec")


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_a_finding_pins_what_it_takes_from_the_package_index(path):
    for asked in re.findall(r"pip .*install (.+)", path.read_text()):
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", each) for each in asked.split()), asked


def test_the_table_tells_of_every_finding_once():
    told = re.findall(r"^\| \[([^\]]+)\]\(([^)]+)\) \|", (ROOT / "findings/README.md").read_text(), re.MULTILINE)
    assert sorted(told) == [(path.stem, path.name) for path in FINDINGS]
