"""The Debian package: apt installs it into a clean root, the probes work there, it is upgraded and purged."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.packages.conftest import (
    CONFIGURATION,
    OF_ADDUSER,
    PROBES_DIRECTORY,
    STATE_DIRECTORY,
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


def test_lintian_finds_no_error():
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", "--no-cfg", built("deb/*.changes")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
    (installed / "/usr/local/lib/python3.11/dist-packages/nagiosplugin.py").unlink()
    installed.do("apt-get", "purge", "-q", "-y", PACKAGE)
    after = installed.files()
    assert set(after) - set(installed.before) <= OF_ADDUSER
    assert sorted(set(installed.before) - set(after)) == []
    assert installed.do("id", "-un", "nagios") == "nagios\n"
    owned = installed.do("find", "/", "-xdev", "-user", "nagios")
    assert owned == ""
