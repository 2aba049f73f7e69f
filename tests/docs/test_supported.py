"""The table of what is supported: the versions that it says are run are those that are run here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import section

PATH = "/usr/sbin:/usr/bin:/usr/lib/nagios/plugins:/usr/local/bin"
VERSIONS = {
    "Nagios": ("nagios4", "--version", r"Nagios Core ([\d.]+)"),
    "NRPE": ("nrpe", "--version", r"Version: ([\d.]+)"),
    "Icinga": ("icinga2", "--version", r"version: r?([\d.]+)"),
    "systemd": ("systemctl", "--version", r"systemd (\d+)"),
    "VOMS clients": ("voms-proxy-init", "--version", r"(?:voms-proxy-init v\.|Version:) ([\d.]+)"),
    "ansible-core": ("ansible-playbook", "--version", r"core ([\d.]+)"),
    "Prometheus": ("promtool", "--version", r"version ([\d.]+)"),
}


def run_by_the_tests(row: str) -> str:
    page = section((ROOT / "docs/install.md").read_text(), "What is supported, and what was run")
    [line] = re.findall(rf"^\| {re.escape(row)} \| .*$", page, re.MULTILINE)
    return line.split(" | ")[2]


def system() -> tuple[str, str]:
    text = Path("/etc/os-release").read_text()
    return re.search(r"^ID=(\w+)", text, re.MULTILINE)[1], re.search(r'^VERSION_ID="?([\d.]+)', text, re.MULTILINE)[1]


@pytest.mark.parametrize("row", VERSIONS)
def test_the_version_in_the_table_is_the_one_that_is_run(row: str) -> None:
    """Where Debian 12's are installed, with which the table was made."""
    program, option, pattern = VERSIONS[row]
    found = shutil.which(program, path=PATH)
    if not found:
        pytest.skip(f"{program} is not installed")
    if system() != ("debian", "12"):
        pytest.skip("the table was made on Debian 12")
    done = subprocess.run([found, option], capture_output=True, text=True)
    version = re.search(pattern, done.stdout + done.stderr)
    assert version, done.stdout + done.stderr
    assert re.search(rf"\b{re.escape(version[1])}\b", run_by_the_tests(row)), version[1]


def test_this_system_and_python_stand_in_the_table() -> None:
    name, number = system()
    if (name, number) != ("debian", "12"):
        pytest.skip("the table was made on Debian 12")
    assert number in run_by_the_tests("Debian")
    assert sys.version_info >= (3, 11)
    assert "3.11" in run_by_the_tests("Python")
