"""The tests' own names: one address for this machine, whatever /etc/hosts has, and no name server to wait for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pace import AMPLE_S

WRAPPER = ROOT / "scripts/with-local-names"
LOOK_UP = """
import os, socket
def found(name):
    try:
        return sorted({each[4][0] for each in socket.getaddrinfo(name, 1)})
    except socket.gaierror as error:
        return error.errno
print(found("localhost"), found("other.example"), found("none.invalid") == socket.EAI_NONAME, os.getuid())
"""
INSTALLED = "127.0.0.1\tlocalhost\n127.0.1.1\tother.example\n::1     localhost ip6-localhost ip6-loopback\n"
"""As Debian's installer writes it."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a command another /etc/hosts")


def where(tmp_path, hosts: str, *command: object, uid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command where /etc/hosts is another one, in a network without any name server."""
    for name, text in (("hosts", hosts), ("nsswitch.conf", "passwd: files\nhosts:  files dns\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    inner = (
        'for each in hosts nsswitch.conf; do mount --bind "$1/$each" "/etc/$each"; done; shift; '
        f'exec setpriv --reuid {uid} --regid {uid} --clear-groups "$@"'
    )
    return subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-euc", inner, "sh", tmp_path, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=AMPLE_S,
        env={name: value for name, value in os.environ.items() if name != "TMPDIR"},  # which another user may not use
    )


@pytest.mark.parametrize("uid", [0, 65534])
def test_localhost_is_one_address_other_names_are_none_and_the_machine_keeps_its_files(tmp_path, uid):
    files = [Path("/etc/hosts"), Path("/etc/nsswitch.conf")]
    before = [each.read_text() for each in files]
    python = ["/usr/bin/env", "python3", "-c", LOOK_UP] if uid else [sys.executable, "-c", LOOK_UP]
    plain = where(tmp_path, INSTALLED, *python, uid=uid)
    assert plain.stdout == f"['127.0.0.1', '::1'] ['127.0.1.1'] False {uid}\n", plain.stderr
    wrapped = where(tmp_path, INSTALLED, WRAPPER, *python, uid=uid)
    assert (wrapped.stdout, wrapped.stderr) == (f"['127.0.0.1'] ['127.0.1.1'] True {uid}\n", "")
    assert [each.read_text() for each in files] == before


def test_what_else_the_machine_looks_up_stays_and_the_code_is_the_commands(tmp_path):
    done = where(tmp_path, INSTALLED, WRAPPER, "sh", "-c", "cat /etc/nsswitch.conf; exit 7")
    assert (done.returncode, done.stdout) == (7, "hosts: files\npasswd: files\n"), done.stderr
