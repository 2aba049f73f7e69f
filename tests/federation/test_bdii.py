"""The federation's BDII: the real slapd, loaded with what the sites offer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from libprobe.clients import ldap
from libprobe.deadline import Deadline
from libprobe.formats import glue2
from tests.conftest import clean_environment
from tests.federation import bdii as information
from tests.federation.bdii import FAULTS, Bdii, Cloud, glue21_cloud
from tests.pace import AMPLE_S, Watch, until

installed = pytest.mark.needs("slapd", "glue-schema")


def clouds() -> list[Cloud]:
    images = [("http://occi.test/os_tpl#ubuntu", "Ubuntu, 22.04 + ünïcode"), ("#1", " a ")]
    return [Cloud("ONE", "https://one.test:8787", images, [("http://occi.test/size#s", "small")])]


@pytest.fixture
def bdii(tmp_path: Path):
    made = Bdii(tmp_path, clouds)
    made.start()
    yield made
    made.stop()


@installed
def test_names_that_need_escaping_come_back_as_they_are(bdii):
    with ldap.LdapClient(ldap.LdapAddress("ldap", "127.0.0.1", bdii.port), Deadline(AMPLE_S)) as client:
        client.connect()
        client.bind()
        parts = [dict(glue2.split_dn(each.dn)) for each in client.search("o=glue", ["objectClass"])]
    names = {each.get("glue2applicationenvironmentid") for each in parts}
    assert names == {None, "http://occi.test/os_tpl#ubuntu_Ubuntu, 22.04 + ünïcode", "#1_ a "}


@installed
def test_it_starts_quickly_and_keeps_its_port_when_loaded_anew(bdii):
    port = bdii.port
    watch = Watch()
    bdii.publish(glue21_cloud("TWO", "https://two.test", created="2026-11-23T12:00:00Z"))
    watch.ended_within(2)
    assert bdii.port == port
    with socket.create_connection(("127.0.0.1", port)):
        pass


@installed
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_loaded(bdii, fault):
    before = bdii.ldif()
    bdii.faults.on(fault)
    assert bdii.ldif() != before
    bdii.faults.clear()
    assert bdii.ldif() == before


@installed
def test_a_fault_of_one_site_leaves_the_others(tmp_path):
    two = [Cloud("ONE", "https://one.test"), Cloud("TWO", "https://two.test")]
    bdii = Bdii(tmp_path, lambda: two)
    bdii.faults.on("bdii-no-cloud", site="ONE")
    assert "one.test" not in bdii.ldif()
    assert "two.test" in bdii.ldif()


def test_without_slapd_it_says_so_and_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(information, "find", lambda program: None)
    bdii = Bdii(tmp_path, clouds)
    bdii.start()
    assert "not started, slapd or glue-schema is missing" in bdii.describe()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", bdii.port))
    bdii.stop()


@installed
def test_it_ends_with_the_process_that_started_it(tmp_path):
    code = (
        "import os, pathlib, sys; from tests.federation.bdii import Bdii; "
        "made = Bdii(pathlib.Path(sys.argv[1])); made.start(); print(made._process.pid, flush=True); os._exit(9)"
    )
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=clean_environment())
    process = Path("/proc") / done.stdout.strip()

    def is_gone() -> bool:
        try:
            return process.joinpath("stat").read_text().split()[2] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    assert done.returncode == 9
    until(is_gone)


@installed
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_needs_no_privileges(tmp_path):
    nobody = shutil.which("setpriv")
    if not nobody:
        pytest.skip("setpriv is not installed")
    bdii = Bdii(tmp_path, clouds)
    bdii._load()
    config = tmp_path / "slapd.conf"
    home = Path("/tmp") / f"bdii-{os.getpid()}-{bdii.port}"
    try:
        shutil.copytree(tmp_path, home)
        text = config.read_text().replace(str(tmp_path), str(home))
        (home / "slapd.conf").write_text(text)
        for path in (home, *home.rglob("*")):
            os.chown(path, 65534, 65534)
        done = subprocess.run(
            [nobody, "--reuid=65534", "--regid=65534", "--clear-groups",
             str(information.find("slapd")), "-Ttest", "-f", str(home / "slapd.conf")],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(home, ignore_errors=True)
