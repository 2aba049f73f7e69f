"""scripts/install: executables as a package has them, which start without `site`, say what those of a checkout say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from libprobe import __version__
from tests.conftest import ROOT, Report, clean_environment, command
from tests.pace import AMPLE_S, until

PROGRAMS = sorted(path.name for names in ("check_*", "fedcloud-*") for path in (ROOT / "probes").glob(names))
READS, CREATES = (
    ("check_apel_pub", "--site", "SITE", "-u", "https://127.0.0.1:1/"),
    ("check_broker", "-u", "stomp://127.0.0.1:1"),
)
"""Checks of a port that refuses: one that a worker runs in a thread, and one that it runs in a process of its own."""

PYTHON = f"""#!/bin/sh
case "$1 $2" in
"-m pip")
    while [ $# -gt 1 ]; do
        [ "$1" != --target ] || mkdir -p "$2"
        shift
    done
    ;;
*) exec {sys.executable} "$@" ;;
esac
"""
"""A Python whose pip installs nothing."""


class Installed:
    """What a package puts on a machine, in a directory of its own, with the libraries of this Python."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.probes, self.home = directory / "probes", directory / "home"
        python = directory / "python3"
        python.write_text(PYTHON)
        python.chmod(0o755)
        places = {"HOME_DIR": self.home, "PROBES_DIR": self.probes, "PYTHON": python, "PAGES": "no"}
        for name in ("BIN", "ETC", "STATE", "UNIT", "SHARE"):
            places[f"{name}_DIR"] = directory / name.lower()
        environment = {**os.environ, **{name: str(value) for name, value in places.items()}}
        subprocess.run(["scripts/install", "/", "our.whl"], cwd=ROOT, env=environment, check=True)
        (self.home / "bin/python3").unlink()
        real = os.path.realpath(sys.executable)
        (self.home / "bin/python3").symlink_to(real)
        (self.home / "pyvenv.cfg").write_text(f"home = {os.path.dirname(real)}\ninclude-system-site-packages = false\n")
        [library] = self.home.glob("lib/python*/site-packages")
        (library / "libprobe").symlink_to(ROOT / "libprobe")
        for each in Path(sysconfig.get_path("purelib")).iterdir():
            if each.suffix != ".pth" and not (library / each.name).exists():
                (library / each.name).symlink_to(each)
        (directory / "state").mkdir(exist_ok=True)

    def run(self, *words: object, **environment: object) -> Report:
        """Run a command line from this directory."""
        done = subprocess.run(
            [str(each) for each in words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.directory,
            env={**clean_environment(HOME=self.directory), **{key: str(value) for key, value in environment.items()}},
            timeout=AMPLE_S,
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    def imported(self, *words: object, **environment: object) -> set[str]:
        """The modules that a run of an executable imports."""
        program = self.probes / str(words[0])
        said = self.run(self.home / "bin/python3", "-ISX", "importtime", program, *words[1:], **environment).err
        return {line.rpartition("|")[2].strip() for line in said.splitlines()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def door(installed: Installed) -> Iterator[Path]:
    """The door of a worker of this installation."""
    where = installed.directory / "room/door"
    journal = installed.directory / "journal"
    with open(journal, "wb") as said:
        worker = subprocess.Popen(
            [installed.probes / "fedcloud-worker", "--local", "--door", where],
            stdin=subprocess.DEVNULL,
            stderr=said,
            env=clean_environment(HOME=installed.directory),
        )
    try:
        until(lambda: "open to" in journal.read_text() or worker.poll() is not None)
        assert worker.poll() is None, journal.read_text()
        yield where
    finally:
        worker.terminate()
        worker.wait(AMPLE_S)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_executable_says_by_itself_what_that_of_a_checkout_says(installed: Installed, name: str) -> None:
    assert installed.run(installed.probes / name, "--version") == Report(3, f"{name} {__version__}\n", "")
    expected = installed.run(*command(name, "--help"))
    assert installed.run(installed.probes / name, "--help") == expected
    assert installed.run(installed.home / "bin/python3", "-I", installed.probes / name, "--help") == expected


def test_a_copy_of_an_executable_elsewhere_runs_as_well(installed: Installed, tmp_path: Path) -> None:
    name, *words = READS
    copy = tmp_path / name
    copy.write_bytes((installed.probes / name).read_bytes())
    copy.chmod(0o755)
    expected = installed.run(*command(name, *words))
    assert expected.out == "APEL-Pub UNKNOWN - connection refused by accounting portal 127.0.0.1:1\n"
    assert installed.run(copy, *words) == expected


@pytest.mark.parametrize("check", [READS, CREATES], ids=["in-a-thread", "in-a-process"])
def test_a_worker_of_the_package_says_what_the_executable_says_by_itself(
    installed: Installed, door: Path, check: tuple[str, ...]
) -> None:
    name, *words = check
    alone = installed.run(installed.probes / name, *words)
    assert "connection refused by " in alone.first

    def is_served_thrice() -> bool:  # the second has a runner made, and the third is run there
        assert installed.run(installed.probes / name, *words, FEDCLOUD_PROBES_WORKER=door) == alone
        return served(installed, door) >= before + 3

    before = served(installed, door)
    until(is_served_thrice)


def test_an_executable_that_is_served_imports_neither_site_nor_what_site_imports(
    installed: Installed, door: Path
) -> None:
    def imported_if_served() -> set[str]:
        before = served(installed, door)
        imported = installed.imported(*READS, FEDCLOUD_PROBES_WORKER=door)
        return imported if served(installed, door) > before else set()

    imported = until(imported_if_served)
    assert "libprobe.probe.door" in imported
    assert imported & {"site", "os", "posixpath", "libprobe.probe.run"} == set()
    assert {"site", "os", "libprobe.probe.run"} < installed.imported(*READS)


def test_what_python_takes_from_the_environment_is_none_of_a_packages_executables(
    installed: Installed, tmp_path: Path
) -> None:
    for name in ("libprobe/__init__.py", "requests.py", "os.py", "sitecustomize.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('not ours')\n")
    name, *words = READS
    expected = installed.run(installed.probes / name, *words)
    assert "connection refused by " in expected.first
    assert installed.run(installed.probes / name, *words, PYTHONPATH=tmp_path, PYTHONHOME=tmp_path) == expected


def test_the_check_of_a_site_starts_probes_as_their_first_line_has_it(installed: Installed, door: Path) -> None:
    code = "import sys\nfrom libprobe.programs.selfcheck import plan\nprint(plan._interpreter(sys.argv[1]))"
    ours = installed.probes / "check_perun"
    other = installed.directory / "check_other"
    other.write_text("#!/usr/bin/env python3\n")
    head = f"import sys; sys.path.append({library(installed)!r})\n"
    python = str(installed.home / "bin/python3")
    for path, expected in ((ours, (python, "-IS")), (other, (python, "-I"))):
        assert installed.run(python, "-IS", "-c", head + code, path).out == f"{expected}\n"


def served(installed: Installed, door: Path) -> int:
    told = installed.run(installed.probes / "fedcloud-worker", "--status", "--as", "json", "--door", door)
    return int(json.loads(told.out)["calls"]["served"])


def library(installed: Installed) -> str:
    """Where the package's libraries are."""
    [found] = installed.home.glob("lib/python*/site-packages")
    return str(found)
