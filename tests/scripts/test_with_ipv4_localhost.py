"""The tests' own name for this machine: one address, whatever /etc/hosts has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pace import AMPLE_S

WRAPPER = ROOT / "scripts/with-ipv4-localhost"
LOOK_UP = (
    "import os, socket; print(sorted({each[4][0] for each in socket.getaddrinfo('localhost', 1)}),"
    "sorted({each[4][0] for each in socket.getaddrinfo('other.example', 1)}), os.getuid())"
)
INSTALLED = "127.0.0.1\tlocalhost\n127.0.1.1\tother.example\n::1     localhost ip6-localhost ip6-loopback\n"
"""As Debian's installer writes it."""


def where(tmp_path, hosts: str, *command: object, uid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command where /etc/hosts is another one."""
    (tmp_path / "hosts").write_text(hosts)
    (tmp_path / "hosts").chmod(0o644)
    inner = f'mount --bind "$1" /etc/hosts && shift && exec setpriv --reuid {uid} --regid {uid} --clear-groups "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", inner, "sh", tmp_path / "hosts", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=AMPLE_S,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a command another /etc/hosts")
@pytest.mark.parametrize("uid", [0, 65534])
def test_localhost_is_one_address_and_the_machine_keeps_its_file(tmp_path, uid):
    before = Path("/etc/hosts").read_text()
    python = ["/usr/bin/env", "python3", "-c", LOOK_UP] if uid else [sys.executable, "-c", LOOK_UP]
    plain = where(tmp_path, INSTALLED, *python, uid=uid)
    assert plain.stdout == f"['127.0.0.1', '::1'] ['127.0.1.1'] {uid}\n", plain.stderr
    wrapped = where(tmp_path, INSTALLED, WRAPPER, *python, uid=uid)
    assert (wrapped.stdout, wrapped.stderr) == (f"['127.0.0.1'] ['127.0.1.1'] {uid}\n", "")
    assert Path("/etc/hosts").read_text() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a command another /etc/hosts")
def test_where_it_is_one_address_already_nothing_is_done_but_the_command(tmp_path):
    done = where(tmp_path, "127.0.0.1 localhost\n", WRAPPER, "sh", "-c", "readlink /proc/self/ns/mnt; exit 7")
    plain = where(tmp_path, "127.0.0.1 localhost\n", "readlink", "/proc/self/ns/mnt")
    assert done.returncode == 7
    assert done.stdout.startswith("mnt:["), plain.stdout
