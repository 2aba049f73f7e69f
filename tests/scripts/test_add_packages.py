"""What `make demo` and the others install of Debian is told beforehand, noted, and no service; here apt is a stand-in.

`make other-debian` does it on a machine as new, with apt itself.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

STAND_INS = {
    # has: what is installed; will: what apt installs, one by one; the rest is noted in `said`
    "dpkg-query": """
case "$*" in
*-L*) cat "$machine/files-of-$2" 2>/dev/null ;;
*Package*) sed 's/$/ installed/' "$machine/has" ;;
*) grep -qx "$4" "$machine/has" && printf installed ;;
esac
true""",
    "apt-get": """
echo "apt-get $*" >>"$machine/said"
case "$*" in
*-s*) sed 's/.*/Inst & (1.0 Debian:13 [amd64])/' "$machine/will" ;;
*install*)
    [ -e "$machine/policy" ] && echo "services may not start" >>"$machine/said"
    [ ! -e "$machine/broken" ] || { head -n 1 "$machine/will" >>"$machine/has"; echo "disk full"; exit 100; }
    cat "$machine/will" >>"$machine/has" ;;
esac""",
    "apt-cache": """shift; for each; do printf 'Installed-Size: 2000\\nSize: 500000\\n'; done""",
    "id": 'cat "$machine/uid"',
    "deb-systemd-helper": 'echo "deb-systemd-helper $* for $DPKG_MAINTSCRIPT_PACKAGE" >>"$machine/said"',
    "update-rc.d": 'echo "update-rc.d $*" >>"$machine/said"',
    "debconf-set-selections": "cat >/dev/null",
}
TOOLS = [
    "awk", "cat", "chmod", "cut", "env", "fold", "grep", "head", "mkdir", "mktemp", "printf", "rm", "sed", "sh", "sort",
    "tail", "tr", "wc", "xargs",
]  # fmt: skip


class Machine:
    """Of which these packages are installed, and `will` come with those that are asked for."""

    def __init__(self, directory: Path, *has: str, will: tuple[str, ...] = (), uid: int = 0) -> None:
        self.directory = directory
        (directory / "bin").mkdir()
        for name in TOOLS:
            (directory / "bin" / name).symlink_to(f"/usr/bin/{name}")
        for name, text in STAND_INS.items():
            path = directory / "bin" / name
            path.write_text(f'#!/bin/sh\nmachine="{directory}"\n{text}\n')
            path.chmod(0o755)
        for name, lines in (("has", has), ("will", will), ("uid", (str(uid),)), ("said", ())):
            (directory / name).write_text("".join(f"{line}\n" for line in lines))

    def add(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.directory / "bin"),
            "TMPDIR": str(self.directory),
            "FEDCLOUD_SETUP_STATE": str(self.directory / "state"),
            "FEDCLOUD_SETUP_POLICY": str(self.directory / "policy"),
        }
        command = [ROOT / "scripts/add-packages", *words]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)

    @property
    def said(self) -> list[str]:
        return (self.directory / "said").read_text().splitlines()

    @property
    def noted(self) -> list[str]:
        path = self.directory / "state/packages"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path):
    def make(*has: str, **options: object) -> Machine:
        return Machine(tmp_path, *has, **options)

    return make


def test_what_comes_is_told_beforehand_with_its_number_and_size(machine):
    small = machine("libc6", will=("slapd", "libodbc2"))
    done = small.add("--plan", "make demo", "slapd", "libc6")
    assert done.returncode == 0
    assert "make demo installs 2 packages of Debian, 1 MB to download, 4 MB on disk:\n  libodbc2 slapd" in done.stderr
    assert [line for line in small.said if "-s" not in line.split() and "update" not in line] == []
    assert small.noted == []


def test_where_nothing_is_missing_apt_is_not_asked(machine):
    whole = machine("slapd")
    done = whole.add("make demo", "slapd")
    assert (done.returncode, done.stderr, whole.said) == (0, "", [])


def test_what_came_is_noted_for_clean_machine_and_what_was_there_is_not(machine):
    small = machine("libc6", will=("slapd", "libodbc2"))
    assert small.add("make demo", "slapd", "libc6").returncode == 0
    assert small.noted == ["libodbc2 purge", "slapd purge"]


def test_no_service_starts_now_or_at_the_next_boot(machine):
    small = machine("libc6", will=("epmd",))
    files = ("/lib/systemd/system/epmd.socket", "/usr/lib/systemd/system/epmd@.service", "/etc/init.d/epmd")
    (small.directory / "files-of-epmd").write_text("\n".join((*files, "/usr/bin/epmd", "")))
    assert small.add("make demo", "epmd").returncode == 0
    assert "services may not start" in small.said
    assert [line for line in small.said if not line.startswith(("apt-get", "services"))] == [
        "deb-systemd-helper disable epmd.socket for epmd",
        "update-rc.d epmd disable",
    ]
    assert not (small.directory / "policy").exists(), "what the machine's own packages may start is as before"


def test_without_root_and_sudo_the_command_is_told(machine):
    done = machine("libc6", uid=1000).add("make demo", "slapd", "libc6")
    assert done.returncode == 1
    assert "for make demo packages are missing, and there is no sudo here" in done.stderr
    assert done.stderr.endswith("Have root type: apt-get install --no-install-recommends slapd\n")


def test_what_apt_installed_before_it_failed_is_noted_and_apt_is_quoted(machine):
    small = machine("libc6", will=("libodbc2", "slapd"))
    (small.directory / "broken").touch()
    done = small.add("make demo", "slapd")
    assert done.returncode == 1
    assert "disk full\n" in done.stderr
    assert "apt-get ended with 100" in done.stderr
    assert small.noted == ["libodbc2 purge"]
    assert not (small.directory / "policy").exists()
