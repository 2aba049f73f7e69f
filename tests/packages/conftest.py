"""Clean roots to install packages into, and a monitor's work in them: against the federation, over loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, Report
from tests.pace import AMPLE_S

PROGRAMS = sorted(path.name for names in ("check_*", "fedcloud-*") for path in (ROOT / "probes").glob(names))
PROBES_DIRECTORY = "/usr/libexec/argo-monitoring/probes/fedcloud"


def installed_as(name: str) -> str | None:
    """Where the packages have a file of etc/; None for what they do otherwise.

    A directory that is not named here is for other programs, and copied as it is.
    """
    directory, _, rest = name.removeprefix("etc/").partition("/")
    if not rest or (directory in ("ncg", "nagios", "nrpe") and rest != "README.md"):
        return f"/etc/fedcloud-probes/{name.removeprefix('etc/')}"
    if directory == "ncg":
        return f"/usr/share/doc/fedcloud-probes/{name}"
    if directory == "systemd":
        return f"/usr/lib/systemd/system/{rest}"
    if directory == "sysusers":
        return None  # the Debian package has a postinst for it, the RPM has it in place of its %pre
    return f"/usr/share/fedcloud-probes/{directory}/{rest}"


ETC = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "etc").rglob("*") if path.is_file())
CONFIGURATION = {"/etc/fedcloud-probes/icinga2/fedcloud-probes.conf"} | {
    place for place in map(installed_as, ETC) if place and place.startswith("/etc/")
}
UNITS = sorted(path.name for path in (ROOT / "etc/systemd").iterdir())
SWITCHED_ON_BY_THE_OPERATOR = [name for name in UNITS if "\n[Install]\n" in (ROOT / "etc/systemd" / name).read_text()]
STATE_DIRECTORY = "/var/lib/fedcloud-probes"
OF_ADDUSER = {"/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/.pwd.lock", "/run/adduser"}
"""What making a user leaves on a system where that was never done."""


def built(pattern: str) -> Path:
    """The one file of that name that the script has built, below its working directory."""
    [found] = Path(os.environ["FEDCLOUD_PACKAGES"]).glob(pattern)
    return found


class CleanRoot:
    """A small Debian in a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        subprocess.run(["tar", "-xf", built("base.tar"), "-C", path], check=True)
        # a chroot shares our network; debootstrap leaves these to whoever installs a whole machine
        self.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)

    def __truediv__(self, name: str) -> Path:
        return self.path / name.lstrip("/")

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        (self / name).parent.mkdir(parents=True, exist_ok=True)
        (self / name).write_text(text)
        (self / name).chmod(mode)

    def run(self, *words: str, user: str = "root", **environment: str) -> Report:
        """Run a command in the root with as little of an environment as Nagios has."""
        account = [f"--userspec={user}:{user}"] if user != "root" else []
        done = subprocess.run(
            ["chroot", *account, str(self.path), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=AMPLE_S,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", **environment},
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    def do(self, *words: str) -> str:
        report = self.run(*words)
        assert report.code == 0, report.out + report.err
        return report.out

    def files(self) -> dict[str, tuple[int, int]]:
        """All there is, but for what belongs to the system's own work: owner and mode by path."""
        found = {}
        for directory, names, files in os.walk(self.path):
            where = directory.removeprefix(str(self.path))
            if where in (
                "/var/cache",
                "/var/log",
                "/var/lib/apt",
                "/var/lib/dpkg",
                "/var/lib/rpm",
                "/tmp",
                "/root",
                "/proc",
            ):
                names.clear()
                continue
            for name in names + files:
                status = os.lstat(os.path.join(directory, name))
                found[f"{where}/{name}"] = (status.st_uid, status.st_mode & 0o7777)
        return found

    def owner(self, name: str) -> tuple[str, str]:
        """User and group of a file, as the root's own passwd and group name them."""
        user, group = self.do("stat", "-c", "%U %G", name).split()
        return user, group


class Installed(CleanRoot):
    """A root where a monitor of the federation works with the package."""

    def contents(self) -> set[str]:
        """Paths of all that is the package's own."""
        raise NotImplementedError

    def __init__(self, path: Path, federation: object) -> None:
        super().__init__(path)
        self.federation = federation
        self.settings = ""

    def python(self) -> str:
        """The version of the root's Python, as in names of directories."""
        return self.do("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()

    def configure(self) -> None:
        """Do what an operator does: the CAs and a proxy where nagios can read them, and settings."""
        shutil.copytree(self.federation.ca_directory, self / "/etc/grid-security/certificates", symlinks=True)
        shutil.copy(self.federation.proxy, self / "/etc/fedcloud-probes/proxy.pem")
        self.do("chown", "nagios:nagios", "/etc/fedcloud-probes/proxy.pem")
        self.settings = "\n".join(
            (
                "# ours",
                "[gocdb]",
                f"url = {self.federation.gocdb.url}",
                "[credentials]",
                "cert = /etc/fedcloud-probes/proxy.pem",
                "[accounting]",
                f"url = {self.federation.accounting_url}",
                "[appdb]",
                f"url = {self.federation.appdb_url}",
                "",
            )
        )
        self.write("/etc/fedcloud-probes/probes.ini", self.settings)
        nrpe = "/etc/fedcloud-probes/nrpe/fedcloud-probes.cfg"
        self.write(nrpe, (self / nrpe).read_text().replace("EXAMPLE-SITE", "OUR-SITE"))

    def probe(self, *words: str, **environment: str) -> Report:
        return self.run(*words, user="nagios", **environment)


@contextmanager
def temporary_root(kind: type[Installed], factory: pytest.TempPathFactory, federation: object) -> Iterator[Installed]:
    """A clean root, removed at the end, as it is large."""
    directory = factory.mktemp("root")
    try:
        yield kind(directory / "root", federation)
    finally:
        shutil.rmtree(directory)
