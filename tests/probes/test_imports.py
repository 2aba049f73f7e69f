"""What each executable has loaded when it ends: start-up time is a feature, and this is how it is lost."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import ROOT, clean_environment, command

HEAVY = {
    "requests",
    "urllib3",
    "ssl",
    "http.client",
    "json",
    "logging",
    "configparser",
    "cryptography",
    "asn1crypto",
    "ldap3",
    "stomp",
    "paramiko",
    "dateutil",
    "jinja2",
    "rich",
    "asyncio",
    "dataclasses",
    "subprocess",
    "tempfile",
    "importlib.metadata",
    "nagiosplugin",
}
PROBES = sorted(path.name for path in (ROOT / "probes").glob("check_*"))


def loaded(*words: object) -> set[str]:
    """The modules that a run loads, of those that are heavy."""
    name, *arguments = words
    interpreter, *line = command(str(name), *arguments)
    done = subprocess.run(
        [interpreter, "-X", "importtime", *line],
        capture_output=True,
        text=True,
        env=clean_environment(HOME="/nonexistent"),
    )
    assert done.returncode in (2, 3), done.stdout
    seen = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "libprobe.run" in seen
    return seen & HEAVY | {"nagiosplugin" for module in seen if module.startswith("nagiosplugin.")}


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-t", "0"], ["--no-such-option"]])
def test_help_version_and_usage_errors_load_nothing_heavy(probe, arguments):
    assert loaded(probe, *arguments) == set()


def test_a_tcp_check_loads_the_model_of_nagiosplugin_and_nothing_else():
    assert loaded("check_endpoint_tcp", "-H", "127.0.0.1", "-p", "1") == {"nagiosplugin"}


def test_an_http_probe_that_needs_no_certificate_does_not_load_cryptography(tmp_path):
    seen = loaded(
        "check_occi_vm", "-u", "http://127.0.0.1:1/?image=a", "--auth", "none", "--state-dir", tmp_path / "state"
    )
    assert not seen & {
        "cryptography",
        "ldap3",
        "stomp",
        "paramiko",
        "configparser",
        "dateutil",
        "asyncio",
        "rich",
        "jinja2",
    }
