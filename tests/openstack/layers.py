"""What is on disk: a Debian 12 with the packages, the clouds' content upon it, and upon both what one run writes.

Each is a directory below HOME; overlayfs puts them together. The first two are made once, and anew when what they are
made of has changed; the third is as new for each run. Nothing is installed on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.executables import ROOT
from tests.pace import until

HERE = Path(__file__).parent
HOME = Path(os.environ.get("CACHE", "/var/cache/fedcloud-probes")) / "openstack"
SUITE = "bookworm"
"""Its OpenStack is Zed, with Python 3.11: of later ones it was not tried whether ooi, of 2017, still runs there."""

PACKAGES = [
    "apache2",
    "libapache2-mod-auth-openidc",
    "mariadb-server",
    "rabbitmq-server",
    "uwsgi-plugin-python3",
    "keystone",
    "python3-placement",
    "glance-common",
    "neutron-common",
    "nova-common",
    "swift-proxy",
    "swift-account",
    "swift-container",
    "swift-object",
]
OOI = "ooi==1.2.0"


class Layer:
    """A directory of HOME. made_of: texts and files; when one of them changes, it is made anew."""

    def __init__(self, name: str, made_of: Sequence[str | Path] = ()) -> None:
        self.name = name
        self.made_of = made_of
        self.path = HOME / name
        self.files = self.path / "files"
        self._stamp = self.path / "made-of"

    def _digest(self) -> str:
        parts = [each.encode() if isinstance(each, str) else each.read_bytes() for each in self.made_of]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def is_current(self) -> bool:
        return self._stamp.exists() and self._stamp.read_text() == self._digest()

    def begin(self) -> None:
        self.remove()
        self.files.mkdir(parents=True)
        (self.path / "begun").write_text(self._digest())

    def finish(self) -> None:
        """It is complete, and the name spaces in which it was made are gone."""
        subprocess.run(["rm", "-rf", self.path / "work", self.path / "root"], check=True)
        (self.path / "begun").rename(self._stamp)

    def remove(self) -> None:
        words = ["rm", "-rf", "--one-file-system", self.path]
        # what was killed a moment ago may still be ending
        until(lambda: subprocess.run(words).returncode == 0, f"{self.path} is removed", every_s=0.5, patience_s=60)


DEBIAN = Layer("debian", (SUITE, *PACKAGES, OOI))
CONTENT = Layer("content", [*DEBIAN.made_of, HERE / "content.py", *sorted((HERE / "inside").glob("*.*"))])
RUNNING = Layer("running")


def install_packages() -> None:
    """Make the layer DEBIAN, in a process and mount name space of its own, with the machine's network."""
    DEBIAN.begin()
    root = DEBIAN.files
    subprocess.run([ROOT / "scripts/add-packages", "make openstack", "debootstrap"], check=True)
    base = subprocess.run([ROOT / "scripts/base-root", SUITE], check=True, stdout=subprocess.PIPE, text=True)
    subprocess.run(["tar", "-xpf", base.stdout.strip(), "-C", root], check=True)
    root.chmod(0o755)
    policy = root / "usr/sbin/policy-rc.d"  # which maintainers' scripts ask whether a service may be started
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    # as this machine's own apt reaches Debian
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy("/etc/hosts", root / "etc/hosts")
    settings = subprocess.run(["apt-config", "dump"], check=True, stdout=subprocess.PIPE, text=True).stdout
    wanted = re.findall(r"^Acquire::(?:http|https|Retries|Check-).*\n", settings, re.MULTILINE)
    (root / "etc/apt/apt.conf.d/90network").write_text("".join(wanted))
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    # a power cut would cost no more than this directory
    quick = ["-o", "DPkg::Options::=--force-unsafe-io"]
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *quick, *PACKAGES]
    for words in (["apt-get", "update", "-q"], install, ["apt-get", "clean"]):
        subprocess.run(
            ["chroot", root, *words],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    # the libraries that it needs are Debian's
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-binary", "ooi", "--no-compile"]
    subprocess.run([*pip, "--target", root / "srv/openstack/ooi", OOI], check=True)


@contextlib.contextmanager
def mounted(top: Layer, *below: Layer) -> Iterator[Path]:
    """The root that the layers make together; what is written there goes into `top`, which begins empty.

    For a mount name space of its own.
    """
    top.begin()
    work, root = top.path / "work", top.path / "root"
    work.mkdir()
    root.mkdir()
    lower = ":".join(str(each.files) for each in reversed(below))
    mount("-t", "overlay", "-o", f"lowerdir={lower},upperdir={top.files},workdir={work}", "overlay", root)
    inside = root / "srv/openstack/inside"
    for each in (inside, root / "dev/shm"):
        each.mkdir(parents=True, exist_ok=True)
    mount("-t", "proc", "proc", root / "proc")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev/shm")
    mount("--bind", "-o", "ro", HERE / "inside", inside)
    try:
        yield root
    finally:
        # RabbitMQ leaves a daemon behind, which ends with the name space
        subprocess.run(["umount", "--recursive", "--lazy", root], check=True)


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)
