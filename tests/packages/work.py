"""What must work wherever a package has put the probes: the same for the RPM and the Debian package.

Each test takes `installed`, a root in which the package was upgraded and configured.
"""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess

import pytest

from libprobe import __version__
from tests.conftest import ROOT
from tests.pace import AMPLE_S
from tests.packages.conftest import (
    CONFIGURATION,
    ETC,
    PROBES_DIRECTORY,
    PROGRAMS,
    STATE_DIRECTORY,
    UNITS,
    installed_as,
)

PROBES = [name for name in PROGRAMS if name.startswith("check_")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_executable_runs_from_path_and_from_where_ncg_expects_it(installed, name):
    for command in (name, f"{PROBES_DIRECTORY}/{name}"):
        assert installed.probe(command, "--version") == (3, f"{name} {__version__}\n", "")
    report = installed.probe(name, "--help")
    assert (report.code, report.err) == (3, "")
    assert report.out.startswith(f"usage: {name} ")


def test_a_probe_creates_and_removes_a_vm(installed):
    site = installed.federation.site("ooi")
    before = len(site.occi.created)
    report = installed.probe("check_occi_vm", "-H", site.hostname)
    assert report.first.startswith("OCCI-VM OK - VM active after "), report.out
    assert (report.code, report.err) == (0, "")
    assert len(site.occi.created) == before + 1
    assert site.occi.vms() == []
    assert installed.do("ls", STATE_DIRECTORY), "the GOCDB's answer is kept there"


def test_every_metric_of_a_site_is_asked_with_the_packages_definitions(installed):
    report = installed.probe("fedcloud-selfcheck", installed.federation.site("ooi").gocdb_name)
    assert report.code in (0, 1, 2), report.out
    assert re.search(r"^  OK +eu\.egi\.cloud\.OCCI-VM ", report.out, re.MULTILINE), report.out
    assert re.search(r"^  OK +org\.nagios\.CloudBDII-Check ", report.out, re.MULTILINE), report.out
    assert "not run" not in report.out


def test_pythonpath_and_what_pip_installs_for_others_change_nothing(installed):
    broken = "raise SystemExit('not ours')\n"
    installed.write("/opt/middleware/requests.py", broken)
    installed.write("/opt/middleware/libprobe/__init__.py", broken)
    installed.write(f"/usr/local/lib/python{installed.python()}/dist-packages/nagiosplugin.py", broken)
    site = installed.federation.site("ooi")
    report = installed.probe(
        "check_occi_context",
        "-H",
        site.hostname,
        PYTHONPATH="/opt/middleware",
        PYTHONSTARTUP="/opt/x",
        PYTHONHOME="/opt",
    )
    assert report.first.startswith("OCCI-Context OK - "), report.out + report.err
    report = installed.probe("fedcloud-selfcheck", site.gocdb_name, PYTHONPATH="/opt/middleware")
    assert re.search(r"^  OK +eu\.egi\.cloud\.OCCI-VM ", report.out, re.MULTILINE), report.out


def test_the_library_is_compiled_and_its_compiled_form_is_used(installed):
    home = installed.home()
    modules = [path for path in (installed / home).rglob("*.py") if path.stem != "__main__"]
    assert len(modules) > 500
    assert [str(path) for path in modules if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))] == []
    report = installed.probe(
        f"{home}/bin/python3", "-I", "-v", "-c", "import libprobe.probe.run, requests, cryptography.x509"
    )
    ours = [line for line in report.err.splitlines() if home in line and ".pyc" in line]
    assert any(re.match(r"# .*/libprobe/probe/__pycache__/run\.cpython-\d+\.pyc matches ", line) for line in ours), (
        report.err
    )
    assert [line for line in ours if " matches " not in line and "code object from" not in line] == []


def test_nothing_of_it_can_be_changed_by_others_and_the_state_is_for_nagios_alone(installed):
    names = installed.contents()
    assert names >= CONFIGURATION | {f"{PROBES_DIRECTORY}/{name}" for name in PROGRAMS}
    for name in names:
        path = installed / name
        status = path.lstat()
        if name == STATE_DIRECTORY:
            assert (installed.owner(name), stat.S_IMODE(status.st_mode)) == (("nagios", "nagios"), 0o700)
        else:
            assert (status.st_uid, status.st_gid) == (0, 0), name
            assert stat.S_ISLNK(status.st_mode) or not status.st_mode & 0o7022, name
            if stat.S_ISREG(status.st_mode) and not name.endswith(".so"):
                assert bool(status.st_mode & 0o111) == name.startswith(f"{PROBES_DIRECTORY}/"), name


def test_links_lead_to_what_is_there(installed):
    links = [name for name in installed.contents() if (installed / name).is_symlink()]
    assert {f"/usr/bin/{name}" for name in PROGRAMS} <= set(links)
    for name in links:
        installed.do("test", "-e", name)


def test_man_pages_completion_units_licence_and_pages_are_there(installed):
    names = installed.contents()
    for program in PROGRAMS:
        assert names & {f"/usr/share/man/man1/{program}.1", f"/usr/share/man/man1/{program}.1.gz"}
        assert f"/usr/share/bash-completion/completions/{program}" in names
        assert any(re.fullmatch(rf"/usr/share/zsh/.*/_{program}", name) for name in names)
    for unit in UNITS:
        [name] = [name for name in names if name.endswith(f"/systemd/system/{unit}")]
        text = (installed / name).read_text()
        for documentation in re.findall(r"^Documentation=file://(.*)$", text, re.MULTILINE):
            assert names & {documentation, f"{documentation}.gz"}, documentation
        for program in re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE):
            assert program in names or "fedcloud" not in program
    assert any(re.search(r"/(LICENSE|copyright)$", name) for name in names)


def test_all_that_etc_has_is_installed(installed):
    names = {re.sub("^/lib/", "/usr/lib/", name) for name in installed.contents()}
    places = {name: installed_as(name) for name in ETC}
    assert [name for name, place in places.items() if place is None] == ["etc/sysusers/fedcloud-probes.conf"]
    assert {name: place for name, place in places.items() if place and place not in names} == {}


ON_THE_WEB = re.compile(r"https://github\.com/EGI-Federation/fedcloud-probes/(blob|tree)/main/(\S+)")
FOR_DEVELOPERS = re.compile(
    r"(ARCHITECTURE|CONTRIBUTING)\.md|(docs/example|findings|fuzz|libprobe/timelines/profiles|release|tests|benchmarks)(/.*)?"
)
"""Of what the pages lead to, what only the sources have."""


def test_links_of_installed_pages_lead_to_installed_files(installed):
    pages = [name for name in installed.contents() if re.search(r"/doc/.*\.md$", name)]
    assert len(pages) > 20
    wrong, followed = [], 0
    for name in pages:
        for target in re.findall(r"""(?:\]\(|\b(?:src|href)=")([^)\s"#]+)""", (installed / name).read_text()):
            if web := ON_THE_WEB.fullmatch(target):
                source = ROOT / web[2]
                expected = source.is_dir() if web[1] == "tree" else source.is_file()
                if not expected or not FOR_DEVELOPERS.fullmatch(web[2]):
                    wrong.append(f"{name}: {target}")
            elif "://" not in target:
                followed += 1
                if not (installed / name).parent.joinpath(target).exists():
                    wrong.append(f"{name}: {target}")
    assert wrong == []
    assert followed > 50


def test_the_units_are_accepted_by_systemd(installed, tmp_path):
    for socket_unit in (installed / "/usr/lib/systemd/system").glob("fedcloud-*.socket"):
        shutil.copy(socket_unit, tmp_path)
    for unit in (installed / "/usr/lib/systemd/system").glob("fedcloud-*.service"):
        copy = tmp_path / unit.name
        text = unit.read_text().replace("ExecStart=/usr/bin/fedcloud", f"ExecStart={installed.path}/usr/bin/fedcloud")
        # voms-proxy-init is of another package
        text = re.sub(r"/usr/bin/voms-proxy-\w+", "/bin/true", text)
        copy.write_text(re.sub(r"^(Documentation|OnSuccess)=.*\n", "", text, flags=re.MULTILINE))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        said = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
        assert (done.returncode, said) == (0, []), done.stderr


def test_the_worker_registers_every_probe_as_the_unit_starts_it(installed):
    [unit] = [name for name in installed.contents() if name.endswith("/fedcloud-worker.service")]
    [command] = re.findall(r"^ExecStart=(.*)$", (installed / unit).read_text(), re.MULTILINE)
    registered = set()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(installed / "/run/nagios.qh"))
        (installed / "/run/nagios.qh").chmod(0o666)
        server.listen()
        server.settimeout(AMPLE_S)
        worker = subprocess.Popen(
            ["chroot", "--userspec=nagios:nagios", installed.path, *command.split(), "--socket", "/run/nagios.qh"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        connections = []
        try:
            while len(registered) < len(PROBES):
                connections.append(server.accept()[0])
                asked = connections[-1].recv(4096)
                registered |= set(re.findall(rb"plugin=([^;\0]+)", asked))
                connections[-1].sendall(b"OK\0")
        finally:
            worker.terminate()
            worker.wait(AMPLE_S)
            for each in connections:
                each.close()
            (installed / "/run/nagios.qh").unlink()
    assert registered == {f"{PROBES_DIRECTORY}/{name}".encode() for name in PROBES}


def test_each_command_for_nrpe_is_one_that_its_probe_understands(installed):
    lines = (installed / "/etc/fedcloud-probes/nrpe/fedcloud-probes.cfg").read_text().splitlines()
    commands = [line.partition("=")[2].split() for line in lines if line.startswith("command[")]
    assert len(commands) == 9
    for words in commands:
        report = installed.probe(*words)
        assert "usage" not in report.first, report.out
        assert re.match(r"[\w-]+ (CRITICAL|UNKNOWN) - .*(example\.org|OUR-SITE)", report.first), report.out


def test_configuration_for_a_monitor_is_written_with_the_packages_definitions(installed):
    report = installed.run("fedcloud-ncg", "--no-validate")
    assert report.code in (0, 1), report.out + report.err
    assert "written to /etc/fedcloud-probes/generated" in report.out
