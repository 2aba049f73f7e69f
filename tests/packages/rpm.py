"""The RPM: rpm installs it into a clean root, the probes work there, it is upgraded and removed.

The root is a Debian: 12 has Python 3.11 where EL 9 has it; any other stands in for EL 10, with its own Python.
The names of EL's packages mean nothing there (--nodeps).
"""

from __future__ import annotations

import re
import subprocess

import pytest

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


def rpm(*words: object, check: bool = True) -> str:
    done = subprocess.run(["rpm", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    assert "warning: user" not in done.stderr
    return done.stdout


class EnterpriseLinux(Installed):
    def rpm(self, *words: object, check: bool = True) -> str:
        return rpm("--root", self.path, "--dbpath", "/var/lib/rpm", *words, check=check)

    def contents(self) -> set[str]:
        return set(self.rpm("-ql", PACKAGE).split())

    def home(self) -> str:
        return "/usr/lib64/fedcloud-probes"


@pytest.fixture(scope="module")
def installed(tmp_path_factory, shared_federation):
    """The older package is installed and configured, and upgraded to the new one."""
    with temporary_root(EnterpriseLinux, tmp_path_factory, shared_federation) as root:
        root.do("apt-get", "install", "-q", "-y", "--no-install-recommends", "python3", "ca-certificates")
        root.before = root.files()
        root.rpm("-i", "--nodeps", built("older/*/*.rpm"))
        assert root.rpm("-V", "--nodeps", PACKAGE) == ""
        assert "of the release before" in (root / "/etc/fedcloud-probes/ncg/fedcloud-probes.localdb").read_text()
        root.configure()
        root.rpm("-U", "--nodeps", built("rpm/RPMS/*/*.rpm"))
        yield root


def test_rpmlint_finds_no_error():
    done = subprocess.run(
        ["rpmlint", "-r", ROOT / "rpm/probes.rpmlintrc", built("rpm/RPMS/*/*.rpm"), built("rpm/SRPMS/*.rpm")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 errors" in done.stdout


def test_an_upgrade_keeps_changed_configuration_and_brings_what_nobody_changed(installed):
    etc = installed / "/etc/fedcloud-probes"
    assert (etc / "probes.ini").read_text() == installed.settings
    assert (etc / "probes.ini.rpmnew").read_text().startswith("# /etc/fedcloud-probes/probes.ini: ")
    assert "OUR-SITE" in (etc / "nrpe/fedcloud-probes.cfg").read_text()
    assert "of the release before" not in (etc / "ncg/fedcloud-probes.localdb").read_text()
    assert set(installed.rpm("-qc", PACKAGE).split()) == CONFIGURATION


def test_files_are_as_the_package_has_them_but_for_what_the_operator_changed(installed):
    changed = installed.rpm("-V", "--nodeps", PACKAGE, check=False).splitlines()
    assert sorted(line.split()[-1] for line in changed) == [
        "/etc/fedcloud-probes/nrpe/fedcloud-probes.cfg",
        "/etc/fedcloud-probes/probes.ini",
    ]
    assert all(line.split()[1] == "c" for line in changed)


def test_its_directories_are_its_own_and_those_that_others_share_are_not(installed):
    owned = installed.contents()
    assert {PROBES_DIRECTORY, "/usr/lib64/fedcloud-probes", "/etc/fedcloud-probes", STATE_DIRECTORY} <= owned
    directories = {name for name in owned if (installed / name).is_dir() and not (installed / name).is_symlink()}
    assert {name for name in directories if "fedcloud" not in name} == set()
    assert {"/usr/share/licenses/fedcloud-probes/LICENSE"} <= set(installed.rpm("-qL", PACKAGE).split())


def test_units_are_known_to_systemd_and_not_switched_on(installed):
    scripts = rpm("-qp", "--scripts", built("rpm/RPMS/*/*.rpm"))
    for when in ("install-system-units", "remove-system-units"):
        [named] = re.findall(rf"systemd-update-helper {when} (.*?) *\|\|", scripts)
        assert sorted(named.split()) == SWITCHED_ON_BY_THE_OPERATOR
    assert not list((installed / "/etc/systemd/system").glob("*.wants/fedcloud-*"))


def test_it_says_what_it_needs_and_what_it_brings_along(installed):
    package = built("rpm/RPMS/*/*.rpm")
    needs = rpm("-qpR", package).splitlines()
    assert {f"python(abi) = {installed.python()}", "shadow-utils", "ca-certificates"} <= set(needs)
    assert not any("python3dist" in need for need in needs)
    provides = rpm("-qp", "--provides", package).splitlines()
    lock = (ROOT / "release/requirements-3.11.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    assert {line for line in provides if line.startswith("bundled(")} == {
        f"bundled(python3dist({name})) = {version}" for name, version in locked.items()
    }
    assert not any(line.startswith("python3dist") or ".so" in line for line in provides)


def test_on_el_10_it_is_for_the_python_of_the_system():
    spec = [ROOT / "rpm/probes.spec", "--load", ROOT / "rpm/macros.el9", "--define", "rhel 10"]
    asked = subprocess.run(
        ["rpmspec", "-q", "--buildrequires", *spec], capture_output=True, text=True, check=True
    ).stdout
    assert "python3-devel" in asked.split()
    assert "3.11" not in asked


def test_zz_removal_leaves_changed_configuration_and_state_and_nothing_else(installed):
    installed.rpm("-e", PACKAGE)
    left = {name for name in set(installed.files()) - set(installed.before) if not (installed / name).is_dir()}
    ours = {name for name in left if "/etc/grid-security/" in name or "middleware" in name or "/usr/local/" in name}
    ours |= {name for name in left if re.match(r"/etc/fedcloud-probes/\.?generated", name)}
    state = {name for name in left if name.startswith(STATE_DIRECTORY)}
    assert state
    assert left - ours - state - OF_ADDUSER == {
        "/etc/fedcloud-probes/nrpe/fedcloud-probes.cfg.rpmnew",
        "/etc/fedcloud-probes/nrpe/fedcloud-probes.cfg.rpmsave",
        "/etc/fedcloud-probes/probes.ini.rpmnew",
        "/etc/fedcloud-probes/probes.ini.rpmsave",
        "/etc/fedcloud-probes/proxy.pem",
    }
