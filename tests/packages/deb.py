"""The Debian package: apt installs it into a clean root, the probes work there, it is upgraded and purged."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from libprobe import __version__
from tests.conftest import ROOT
from tests.packages.conftest import (
    CONFIGURATION,
    OF_ADDUSER,
    PROBES_DIRECTORY,
    STATE_DIRECTORY,
    SWITCHED_ON_BY_THE_OPERATOR,
    Installed,
    built,
    temporary_root,
)
from tests.packages.work import *  # noqa: F403

PACKAGE = "fedcloud-probes"
KEEP_OURS = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
"""What unattended upgrades do with a file that both we and the package have changed."""


class Debian(Installed):
    def install(self, pattern: str) -> None:
        package = built(pattern)
        shutil.copy(package, self / "/root")
        self.do("apt-get", "install", "-q", "-y", "--no-install-recommends", *KEEP_OURS, f"/root/{package.name}")

    def contents(self) -> set[str]:
        listed = set(self.do("dpkg", "--listfiles", PACKAGE).split("\n")) - {"", "/."}
        return {name for name in listed if "fedcloud" in name or not (self / name).is_dir()}

    def home(self) -> str:
        return "/usr/lib/fedcloud-probes"


@pytest.fixture(scope="module")
def installed(tmp_path_factory, shared_federation):
    """The older package is installed and configured, and upgraded to the new one."""
    with temporary_root(Debian, tmp_path_factory, shared_federation) as root:
        # what it needs of Debian comes first, so that the list of files before and after differs by the package
        control = subprocess.run(
            ["dpkg", "-f", built("deb/*.deb"), "Depends"], capture_output=True, text=True, check=True
        )
        needed = re.findall(r"(?:^|, )([a-z0-9-]+)", control.stdout)
        assert {"adduser", "ca-certificates", "python3", "libc6"} <= set(needed)
        root.do("apt-get", "install", "-q", "-y", "--no-install-recommends", *needed)
        root.before = root.files()
        root.install("older/*.deb")
        assert "of the release before" in (root / "/etc/fedcloud-probes/ncg/fedcloud-probes.localdb").read_text()
        root.configure()
        root.install("deb/*.deb")
        yield root


def test_lintian_finds_nothing():
    """In the sources and in what is built of them: no error and no warning."""
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", "--no-cfg", built("deb/*.changes")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = built("deb/*.changes").read_text()
    assert ".dsc" in listed
    assert ".deb" in listed


def test_the_test_of_the_package_for_debian_passes(installed):
    """debian/tests, as autopkgtest runs it: as a user, with the package installed."""
    assert "Tests: probes\nDepends: @\n" in (ROOT / "debian/tests/control").read_text()
    installed.write("/opt/tests/probes", (ROOT / "debian/tests/probes").read_text(), 0o755)
    installed.do("install", "-d", "-o", "nobody", "/tmp/autopkgtest")
    report = installed.run(
        "setpriv", "--reuid=nobody", "--clear-groups", "/opt/tests/probes", AUTOPKGTEST_TMP="/tmp/autopkgtest"
    )
    shutil.rmtree(installed / "/opt/tests")
    assert (report.code, report.err) == (0, ""), report.out + report.err
    assert re.search(r"^Endpoint-TCP OK - 127\.0\.0\.1:\d+ accepts connections\b", report.out, re.MULTILINE), report.out
    assert re.search(r"^Endpoint-TCP CRITICAL - connection refused by 127\.0\.0\.1:\d+", report.out, re.MULTILINE), (
        report.out
    )


def test_the_command_that_lists_the_libraries_for_an_audit_works_as_it_is_written(installed):
    page = (installed / "/usr/share/doc/fedcloud-probes/README.Debian").read_text()
    [command] = re.findall(r"^ {4}(/usr/lib/\S+ .*)$", page, re.MULTILINE)
    listed = installed.do("sh", "-c", command).splitlines()
    locked = re.findall(r"^([a-z0-9-]+==\S+)", (ROOT / "release/requirements-3.11.txt").read_text(), re.MULTILINE)
    assert sorted(re.sub(r"[._](?=.*==)", "-", line).lower() for line in listed) == sorted(
        [*locked, f"{PACKAGE}=={__version__}"]
    )


def test_units_are_where_this_debian_has_them_and_are_not_switched_on(installed):
    found = {name for name in installed.contents() if name.endswith((".service", ".socket", ".timer"))}
    [directory] = {name.rpartition("/")[0] for name in found}
    [codename] = re.findall(r"^VERSION_CODENAME=(\w+)$", (installed / "/etc/os-release").read_text(), re.MULTILINE)
    assert directory == ("/lib/systemd/system" if codename == "bookworm" else "/usr/lib/systemd/system")
    scripts = installed.do("cat", f"/var/lib/dpkg/info/{PACKAGE}.postinst", f"/var/lib/dpkg/info/{PACKAGE}.postrm")
    for unit in SWITCHED_ON_BY_THE_OPERATOR:
        assert unit in scripts, unit
    assert not list((installed / "/etc/systemd/system").glob("*.wants/fedcloud-*"))


def test_an_upgrade_keeps_changed_configuration_and_brings_what_nobody_changed(installed):
    etc = installed / "/etc/fedcloud-probes"
    assert (etc / "probes.ini").read_text() == installed.settings
    assert (etc / "probes.ini.dpkg-dist").read_text().startswith("# /etc/fedcloud-probes/probes.ini: ")
    assert "OUR-SITE" in (etc / "nrpe/fedcloud-probes.cfg").read_text()
    assert "of the release before" not in (etc / "ncg/fedcloud-probes.localdb").read_text()
    conffiles = set(installed.do("dpkg-query", "-f", "${Conffiles}", "-W", PACKAGE).split())
    assert conffiles >= CONFIGURATION
    assert {name for name in conffiles if name.startswith("/")} == CONFIGURATION


def test_files_are_as_the_package_has_them(installed):
    changed = installed.run("dpkg", "--verify", PACKAGE).out.splitlines()
    assert [line for line in changed if " c /etc/" not in line] == []


def test_its_directories_are_its_own(installed):
    for directory in (PROBES_DIRECTORY, "/usr/lib/fedcloud-probes", "/etc/fedcloud-probes", STATE_DIRECTORY):
        assert installed.do("dpkg", "--search", directory).startswith(f"{PACKAGE}: ")


def test_zz_removal_keeps_configuration_and_purge_leaves_nothing_but_the_user(installed):
    installed.write("/etc/fedcloud-probes/generated/nagios/objects/x.cfg", "")
    installed.do("apt-get", "remove", "-q", "-y", PACKAGE)
    assert not (installed / "/usr/lib/fedcloud-probes").exists()
    assert (installed / "/etc/fedcloud-probes/probes.ini").read_text() == installed.settings
    assert any((installed / STATE_DIRECTORY).iterdir())
    # the operator takes away what is the operator's own
    (installed / "/etc/fedcloud-probes/proxy.pem").unlink()
    shutil.rmtree(installed / "/etc/grid-security")
    shutil.rmtree(installed / "/opt/middleware")
    (installed / f"/usr/local/lib/python{installed.python()}/dist-packages/nagiosplugin.py").unlink()
    installed.do("apt-get", "purge", "-q", "-y", PACKAGE)
    after = installed.files()
    assert set(after) - set(installed.before) <= OF_ADDUSER
    assert sorted(set(installed.before) - set(after)) == []
    assert installed.do("id", "-un", "nagios") == "nagios\n"
    owned = installed.do("find", "/", "-xdev", "-user", "nagios")
    assert owned == ""
