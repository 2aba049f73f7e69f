"""The Ansible role: run by ansible-core against a copy of this machine, in a namespace of its own.

`make packages` runs it with the Debian package; without one, a small package stands in for it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from libprobe.probe.settings import KNOWN, read_settings
from tests.conftest import ROOT
from tests.pace import AMPLE_S
from tests.packages.conftest import SWITCHED_ON_BY_THE_OPERATOR, built

DIRECTORY = ROOT / "etc/ansible"
ROLE = DIRECTORY / "roles/fedcloud_probes"
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
REAL = "FEDCLOUD_PACKAGES" in os.environ

needs_ansible = pytest.mark.needs("ansible-core")
needs_a_machine = [
    pytest.mark.needs("ansible-core", "python3-apt", "systemd", "nagios4-core"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can put something over /etc and /usr"),
]

NAMESPACE = """
mount -t tmpfs none "$1"
for each in etc usr var; do
    mkdir "$1/$each" "$1/$each.work"
    mount -t overlay none -o "lowerdir=/$each,upperdir=$1/$each,workdir=$1/$each.work" "/$each"
done
mount -t tmpfs none /run
# of what could be installed apt needs to know nothing: it makes a cache of that each time, which takes long
rm -rf /etc/fedcloud-probes /var/lib/apt/lists /var/cache/apt/*.bin
mkdir -p /var/lib/apt/lists/partial
echo ready
exec cat
"""
"""A copy of this machine that nobody else sees, and that goes when its input ends."""

NAGIOS = r"""
mkdir /etc/nagios4.test
cd /etc/nagios4.test
printf 'define command {\ncommand_name own\ncommand_line /bin/true\n}\n' >own.cfg
for each in log_file object_cache_file status_file temp_file lock_file state_retention_file command_file; do
    echo "$each=$PWD/$each"
done >nagios.cfg
cat >>nagios.cfg <<END
cfg_file=$PWD/own.cfg
check_result_path=$PWD
log_archive_path=$PWD
temp_path=$PWD
use_syslog=0
check_for_updates=0
service_check_timeout=60
nagios_user=root
nagios_group=root
illegal_object_name_chars=\`~!\$%^&*|"<>?,()=
END
"""
"""The configuration of an operator who has a command of his own, and no host yet."""


class Run(NamedTuple):
    """code: of ansible-playbook. changed: how many tasks changed something; output: all of it."""

    code: int
    changed: int
    output: str


def environment(directory: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(directory),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "ansible/tmp"),
        "ANSIBLE_REMOTE_TEMP": str(directory / "ansible/tmp"),
        "ANSIBLE_ROLES_PATH": str(DIRECTORY / "roles"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        # there is no systemd in the namespace; Ansible and systemctl both take this as a reason to keep to files
        "SYSTEMD_OFFLINE": "1",
    }


def ansible(directory: Path, variables: dict, *options: str, within: tuple[str, ...] = ()) -> Run:
    """Apply the role to localhost."""
    book = directory / "book.yml"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": ["fedcloud_probes"],
        "vars": variables,
    }
    book.write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [
            *within,
            "ansible-playbook",
            "-i",
            "localhost,",
            "-e",
            "ansible_python_interpreter=/usr/bin/python3",
            *options,
            book,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=AMPLE_S,
        env=environment(directory),
    )
    recap = re.search(r"^localhost .*changed=(\d+)", done.stdout, re.MULTILINE)
    return Run(done.returncode, int(recap[1]) if recap else 0, done.stdout + done.stderr)


# ---- Without running it


def test_each_setting_of_the_probes_and_of_the_timers_is_known_to_the_role_and_no_other() -> None:
    sections = SPECS["fedcloud_probes_settings"]["options"]
    assert {name: set(section["options"]) for name, section in sections.items()} == KNOWN
    names = re.findall(r"^#([A-Z_]+)=", (ROOT / "etc/timers.conf").read_text(), re.MULTILINE)
    assert set(SPECS["fedcloud_probes_timer_settings"]["options"]) == set(names)
    timers = {
        name[len("fedcloud-") : -len(".timer")] for name in SWITCHED_ON_BY_THE_OPERATOR if name.endswith(".timer")
    }
    assert set(SPECS["fedcloud_probes_timers"]["choices"]) == timers
    internal = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    assert set(internal["fedcloud_probes_all_timers"]) == timers


def test_each_variable_is_explained_and_has_the_default_that_is_told() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert {name: spec["default"] for name, spec in SPECS.items() if "default" in spec} == defaults
    left_alone = re.findall(r"^# (fedcloud_probes_\w+):", (ROLE / "defaults/main.yml").read_text(), re.MULTILINE)
    assert set(left_alone) == set(SPECS) - set(defaults)
    page = (ROOT / "docs/ansible.md").read_text()
    assert [name for name in SPECS if f"| `{name}` |" not in page] == []


@needs_ansible
def test_the_example_is_a_playbook(tmp_path: Path) -> None:
    words = ["ansible-playbook", "--syntax-check", "-i", "monitor.example.org,", DIRECTORY / "monitor.yml"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    [play] = yaml.safe_load((DIRECTORY / "monitor.yml").read_text())
    assert set(play["roles"][0]["vars"]) <= set(SPECS)


@needs_ansible
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"fedcloud_probes_settings": {"gocdb": {"ur": "https://x/"}}},
            r"ur\. Supported parameters include: .*\burl\b",
        ),
        ({"fedcloud_probes_settings": {"gocbd": {}}}, r"gocbd\. Supported parameters include: .*\bgocdb\b"),
        ({"fedcloud_probes_settings": {"gocdb": {"cache_hours": "long"}}}, "cache_hours.*'long'.*float|float.*long"),
        ({"fedcloud_probes_timer_settings": {"NCG": "-x"}}, r"NCG\. Supported parameters include: .*NCG_OPTIONS"),
        ({"fedcloud_probes_timers": ["proxy", "worker"]}, "fedcloud_probes_timers must be .*one or more of.*worker"),
        (
            {"fedcloud_probes_timer_settings": {"VO": "ops\nBROKER=x"}},
            "fedcloud_probes_timer_settings: VO has a line break in it",
        ),
        (
            {"fedcloud_probes_settings": {"credentials": {"cert": "/x\n[gocdb]"}}},
            "fedcloud_probes_settings: credentials: cert has a line break in it",
        ),
    ],
)
def test_wrong_variables_are_told_before_anything_is_done(variables: dict, said: str, tmp_path: Path) -> None:
    run = ansible(tmp_path, variables, "--check", "--tags", "settings")
    assert (run.code, run.changed) == (2, 0), run.output
    assert re.search(said, run.output), run.output
    assert "Write the settings" not in run.output


@needs_ansible
def test_the_files_are_what_the_probes_and_systemd_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    variables = {
        "fedcloud_probes_settings": {
            "gocdb": {"url": "https://goc.example.org/pi?a=1#x", "cache_hours": 0},
            "http": {"proxy_from_environment": True},
            "occi": {"image": None},
            "tls": None,
        },
        "fedcloud_probes_timer_settings": {"VO": "ops", "NCG_OPTIONS": r'"quoted" a\b $HOME `x`', "BROKER": None},
    }
    # an extra variable, as it wins over what the role itself has
    run = ansible(tmp_path, variables, "--tags", "settings", "-e", f"fedcloud_probes_directory={tmp_path}/etc")
    assert (run.code, run.changed) == (0, 2), run.output
    settings = read_settings(str(tmp_path / "etc/probes.ini"))
    assert settings.get("gocdb", "url") == "https://goc.example.org/pi?a=1#x"
    assert (settings.number("gocdb", "cache_hours", 1), settings.flag("http", "proxy_from_environment")) == (0, True)
    assert settings.get("occi", "image", "built in") == "built in"
    lines = (tmp_path / "etc/timers.conf").read_text().splitlines()
    assert set(lines[1:]) == {'VO="ops"', r'NCG_OPTIONS="\"quoted\" a\\b $HOME `x`"', 'BROKER=""'}
    again = ansible(tmp_path, variables, "--tags", "settings", "-e", f"fedcloud_probes_directory={tmp_path}/etc")
    assert (again.code, again.changed) == (0, 0), again.output


# ---- All of it


class Machine:
    def __init__(self, directory: Path, process: subprocess.Popen) -> None:
        self.directory = directory
        # In a chroot the root of the mount namespace is another one; and what was the working directory lies outside.
        self.within = ("nsenter", f"--target={process.pid}", "--mount", "--root", "--wd")

    def do(self, *words: str | Path) -> str:
        done = subprocess.run(
            [*self.within, *words], capture_output=True, text=True, timeout=AMPLE_S, env=environment(self.directory)
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def script(self, text: str) -> str:
        return self.do("sh", "-ec", text)

    def apply(self, variables: dict, *options: str) -> Run:
        return ansible(self.directory, variables, *options, within=self.within)

    def switched_on(self) -> set[str]:
        return set(self.script("cd /etc/systemd/system; ls timers.target.wants | grep ^fedcloud- || true").split())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "over").mkdir()
    words = ["unshare", "--mount", "sh", "-ec", NAMESPACE, "sh", tmp_path / "over"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if process.stdout.readline() != "ready\n":
            pytest.skip(f"no overlay of /etc can be mounted here: {process.communicate()[1].strip()}")
        try:
            yield Machine(tmp_path, process)
        finally:
            process.stdin.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package; else one with its configuration and units, and the fedcloud-ncg of this checkout."""
    if REAL:
        return built("deb/*.deb")
    root = tmp_path_factory.mktemp("package") / "root"
    for source, place in (("ncg", "etc/fedcloud-probes/ncg"), ("systemd", "usr/lib/systemd/system")):
        shutil.copytree(ROOT / "etc" / source, root / place)
    for name in ("probes.ini", "timers.conf"):
        shutil.copy(ROOT / "etc" / name, root / "etc/fedcloud-probes")
    program = root / "usr/bin/fedcloud-ncg"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT))}/probes/fedcloud-ncg "$@"\n'
    )
    program.chmod(0o755)
    control = root / "DEBIAN/control"
    control.parent.mkdir()
    control.write_text(
        "Package: fedcloud-probes\nVersion: 0.1\nArchitecture: all\n"
        "Maintainer: x <x@example.org>\nDescription: stands in\n"
    )
    (root / "DEBIAN/conffiles").write_text("/etc/fedcloud-probes/probes.ini\n/etc/fedcloud-probes/timers.conf\n")
    for path in root.rglob("*"):
        path.chmod(path.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))
    file = root.with_name("fedcloud-probes.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, file], check=True, capture_output=True)
    return file


@pytest.fixture
def variables(machine: Machine, package: Path, federation) -> dict:
    """For a host that watches the federation with a Nagios."""
    machine.do("mkdir", "-p", "/etc/grid-security")
    machine.do("cp", "-rL", federation.ca_directory, "/etc/grid-security/ours")
    machine.do("cp", package, "/etc/p.deb")
    machine.script(NAGIOS)
    return {
        "fedcloud_probes_package": "/etc/p.deb",
        "fedcloud_probes_update_cache": False,
        "fedcloud_probes_settings": {
            "gocdb": {"url": federation.gocdb.url},
            "tls": {"ca_path": "/etc/grid-security/ours"},
        },
        "fedcloud_probes_timer_settings": {"NCG_OPTIONS": "--contact 'grid-alarms@example.org'"},
        "fedcloud_probes_timers": ["proxy", "ncg"],
        "fedcloud_probes_ncg": True,
        "fedcloud_probes_nagios_cfg": "/etc/nagios4.test/nagios.cfg",
        # who may read this checkout
        **({} if REAL else {"fedcloud_probes_nagios_user": "root"}),
    }


class TestAHost:
    pytestmark = needs_a_machine

    def test_is_set_up_once_and_then_left_as_it_is(self, machine: Machine, variables: dict) -> None:
        foretold = machine.apply(variables, "--check")
        assert foretold.code == 0, foretold.output
        assert "The package is not installed on localhost: what comes after it cannot be checked" in foretold.output
        assert machine.script("ls -d /etc/fedcloud-probes /usr/bin/fedcloud-ncg 2>/dev/null || true") == ""

        first = machine.apply(variables)
        assert first.code == 0, first.output
        assert machine.do("dpkg-query", "-W", "-f", "${db:Status-Status}", "fedcloud-probes") == "installed"
        assert machine.switched_on() == {"fedcloud-proxy.timer", "fedcloud-ncg.timer"}
        nagios = machine.do("cat", "/etc/nagios4.test/nagios.cfg").splitlines()
        assert "cfg_dir=/var/lib/fedcloud-ncg/monitor/nagios/objects" in nagios
        assert [line for line in nagios if line.startswith("service_check_timeout")] == ["service_check_timeout=450"]
        told = machine.do("nagios4", "-v", "/etc/nagios4.test/nagios.cfg")
        assert int(re.search(r"Checked (\d+) services", told)[1]) > 20
        assert "grid-alarms@example.org" in machine.script(
            "cat /var/lib/fedcloud-ncg/monitor/nagios/objects/contacts.cfg"
        )
        for link in ("/etc/ncg-metric-config.d/fedcloud-probes.conf", "/etc/argo-ncg/ncg-localdb.d/fedcloud-probes"):
            assert machine.do("readlink", "-e", link).startswith("/etc/fedcloud-probes/ncg/")

        second = machine.apply(variables)
        assert (second.code, second.changed) == (0, 0), second.output
        checked = machine.apply(variables, "--check")
        assert (checked.code, checked.changed) == (0, 0), checked.output

        other = variables | {"fedcloud_probes_timers": ["selfcheck"], "fedcloud_probes_ncg": False}
        checked = machine.apply(other, "--check")
        assert (checked.code, checked.changed) == (0, 2), checked.output
        assert machine.switched_on() == {"fedcloud-proxy.timer", "fedcloud-ncg.timer"}
        changed = machine.apply(other)
        assert (changed.code, changed.changed) == (0, 2), changed.output
        assert machine.switched_on() == {"fedcloud-selfcheck.timer"}
        assert machine.script("ls /etc/ncg-metric-config.d /etc/argo-ncg/ncg-localdb.d | grep fedcloud || true") == ""

    def test_keeps_what_no_variable_is_about(self, machine: Machine, variables: dict) -> None:
        only = {name: variables[name] for name in ("fedcloud_probes_package", "fedcloud_probes_update_cache")}
        first = machine.apply(only)
        assert (first.code, first.changed) == (0, 1), first.output
        assert machine.switched_on() == set()
        machine.script(
            "echo '[occi]' >>/etc/fedcloud-probes/probes.ini; mkdir -p /etc/systemd/system/timers.target.wants;"
            " ln -s /etc/x /etc/systemd/system/timers.target.wants/fedcloud-publish.timer"
        )
        before = machine.do("cat", "/etc/fedcloud-probes/probes.ini")
        second = machine.apply(only)
        assert (second.code, second.changed) == (0, 0), second.output
        assert machine.do("cat", "/etc/fedcloud-probes/probes.ini") == before
        assert machine.switched_on() == {"fedcloud-publish.timer"}

    def test_has_a_nagios_that_refuses_and_stays_as_it_was(self, machine: Machine, variables: dict) -> None:
        machine.script(
            "cd /etc/nagios4.test; cp nagios.cfg before;"
            " printf 'define service {\\nuse no-such-template\\n}\\n' >>own.cfg"
        )
        run = machine.apply(variables)
        assert run.code == 2, run.output
        assert re.search("failed to validate.*no-such-template", run.output, re.DOTALL), run.output
        machine.do("cmp", "/etc/nagios4.test/nagios.cfg", "/etc/nagios4.test/before")

    def test_is_not_given_the_package_of_another_system(self, machine: Machine) -> None:
        run = machine.apply({"fedcloud_probes_package": "/tmp/fedcloud-probes.rpm"})
        assert (run.code, run.changed) == (2, 0), run.output
        assert (
            "fedcloud_probes_package is /tmp/fedcloud-probes.rpm, and Debian does not install .rpm files" in run.output
        )
