"""What `make oldest` installs: the oldest version of each library that setup.py allows, and no other."""

from __future__ import annotations

import re
import subprocess
import sys

from packaging.requirements import Requirement

from tests.executables import ROOT


def test_each_library_that_users_need_is_named_in_the_oldest_version_that_is_allowed() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts/oldest-versions"], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    chosen = dict(line.split("==") for line in done.stdout.splitlines())
    declared = (ROOT / "setup.py").read_text().partition("install_requires=[")[2].partition("],")[0]
    required = {each.name: each for each in map(Requirement, re.findall(r'^ +"(.+?)",', declared, re.MULTILINE))}
    assert set(chosen) == {*required, "paramiko"}
    for name, requirement in required.items():
        assert requirement.specifier.contains(chosen[name])
        assert f">={chosen[name]}" in str(requirement.specifier)
