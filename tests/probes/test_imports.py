"""What each executable has loaded when it ends: start-up time is a feature, and this is how it is lost."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from functools import cache

import pytest

from tests.conftest import ROOT, clean_environment, command

HEAVY = {
    "requests",
    "urllib3",
    "charset_normalizer",
    "ssl",
    "socket",
    "http.client",
    "urllib.parse",
    "email",
    "json",
    "logging",
    "typing",
    "datetime",
    "random",
    "hashlib",
    "threading",
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
    "inspect",
    "subprocess",
    "tempfile",
    "importlib.metadata",
    "nagiosplugin",
}
PROBES = sorted(path.name for path in (ROOT / "probes").glob("check_*"))
OVER_HTTP = {
    "check_occi_vm": ("-u", "https://127.0.0.1:1/?image=a&resource=b"),
    "check_occi_context": ("-u", "https://127.0.0.1:1/?image=a&resource=b"),
    "check_perun": ("-u", "https://127.0.0.1:1/"),
    "check_openstack_images": ("-u", "https://127.0.0.1:1/v3", "--list", "https://127.0.0.1:1/image.list"),
    "check_cloud_info": ("-u", "https://127.0.0.1:1/v3", "--information-system", "https://127.0.0.1:1/"),
    "check_openstack_swift": ("-u", "https://127.0.0.1:1/v3"),
    "check_openstack_vm": ("-u", "https://127.0.0.1:1/v3"),
    "check_apel_pub": ("--site", "EXAMPLE-SITE", "-u", "https://127.0.0.1:1/"),
    "check_appdb_update": ("-u", "https://127.0.0.1:1/"),
}


@cache
def loaded_by(library: str) -> set[str]:
    """What a library loads in turn, of what is heavy."""
    code = f"import {library}, sys; print(*sys.modules)"
    return HEAVY & set(subprocess.check_output([sys.executable, "-I", "-c", code], text=True).split())


def loaded(*words: object, code: int = 3, **environment: object) -> set[str]:
    """The modules that a run loads, of those that are heavy. code: with which it has to end."""
    name, *arguments = words
    interpreter, *line = command(str(name), *arguments)
    done = subprocess.run(
        [interpreter, "-X", "importtime", *line],
        capture_output=True,
        text=True,
        env=clean_environment(**{"HOME": "/dev/null", **environment}),
    )
    assert done.returncode == code, done.stdout
    seen = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "libprobe.probe.run" in seen
    return seen & HEAVY | {"nagiosplugin" for module in seen if module.startswith("nagiosplugin.")}


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-t", "0"], ["--no-such-option"]])
def test_help_version_and_usage_errors_load_nothing_heavy(probe, arguments):
    assert loaded(probe, *arguments) == set()


def test_a_tcp_check_loads_the_model_of_nagiosplugin_and_sockets_and_nothing_else():
    assert loaded("check_endpoint_tcp", "-H", "127.0.0.1", "-p", "1", code=2) == {"nagiosplugin", "socket"}


@pytest.mark.parametrize(
    "words",
    [
        ("check_broker", "-u", "stomp://127.0.0.1:1"),
        ("check_cloud_bdii", "-u", "ldap://127.0.0.1:1/o=glue", "--site", "EXAMPLE-SITE"),
    ],
)
def test_a_refused_connection_is_told_without_loading_the_library_of_its_protocol(words):
    seen = loaded(*words, code=2, FEDCLOUD_PROBES_CONFIG="/dev/null")
    assert not seen & {"stomp", "ldap3", "ssl", "requests", "urllib3", "cryptography"}


@pytest.mark.parametrize("probe", OVER_HTTP)
def test_a_refused_connection_is_told_without_loading_requests(federation, tmp_path, probe):
    environment = {**federation.environment(), "FEDCLOUD_PROBES_CONFIG": "/dev/null"}
    code = 3 if probe == "check_apel_pub" else 2  # the portal is a third party
    options = ("--state-dir", tmp_path / "state") if probe != "check_appdb_update" else ()
    seen = loaded(probe, *OVER_HTTP[probe], *options, code=code, **environment)
    allowed = {"nagiosplugin", "socket", "ssl", "urllib.parse", "json", "datetime", "configparser"}
    assert seen - allowed <= ({"hashlib", "asn1crypto"} if probe == "check_appdb_update" else set())


@pytest.mark.parametrize(
    "probe",
    [
        "check_cloud_info",
        "check_occi_vm",
        "check_occi_context",
        "check_openstack_images",
        "check_openstack_swift",
        "check_openstack_vm",
        "check_perun",
    ],
)
def test_a_credential_that_has_expired_is_told_without_any_network(federation, tmp_path, probe):
    expired = federation.authority.proxy(path=tmp_path / "proxy", lifetime=timedelta(hours=-1))
    seen = loaded(probe, *OVER_HTTP[probe], "--cert", expired, "--state-dir", tmp_path / "state")
    assert not seen & {"requests", "urllib3", "ssl", "http.client", "logging", "cryptography"}


def test_a_good_answer_over_http_loads_requests_and_little_else(federation, tmp_path):
    """Whatever requests needs is loaded once an endpoint is there; cryptography is for signatures."""
    site = federation.site("ooi")
    good = {
        "check_occi_vm": ("-u", site.url),
        "check_occi_context": ("-u", site.url),
        "check_perun": ("-u", f"{federation.service('perun').web.url}/"),
        "check_apel_pub": ("--site", site.gocdb_name),
        "check_openstack_images": ("-u", federation.cloud("stack").url),
        "check_cloud_info": ("-u", federation.cloud("stack").url),
        "check_openstack_swift": ("-u", federation.cloud("stack").url),
        "check_openstack_vm": ("-u", federation.cloud("stack").url),
    }
    for probe, options in good.items():
        seen = loaded(probe, *options, code=0, HOME=tmp_path, **federation.environment())
        assert seen - loaded_by("requests") - {"nagiosplugin", "configparser"} == set(), probe
