"""The source distribution and the wheel: what they hold, and that pip installs them."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from libprobe import __version__
from tests.conftest import ROOT
from tests.packages.conftest import PROGRAMS

OWN = ("check_availability", "check_credential")
"""Probes of the monitoring host itself."""

SDIST = ROOT / f"dist/fedcloud_probes-{__version__}.tar.gz"
WHEEL = ROOT / f"dist/fedcloud_probes-{__version__}-py3-none-any.whl"
MADE = re.compile(r"(man/.*\.1|completion/(bash/|zsh/_).*|icinga2/fedcloud-(probes\.conf|director-basket\.json))")
OF_SETUPTOOLS = re.compile(r"PKG-INFO|setup\.cfg|fedcloud_probes\.egg-info/.*")


def in_sdist() -> dict[str, tarfile.TarInfo]:
    with tarfile.open(SDIST) as archive:
        return {member.name.partition("/")[2]: member for member in archive.getmembers() if not member.isdir()}


def in_git() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split("\0")) - {""}


def test_the_source_distribution_is_what_git_has_and_what_is_made_from_it():
    found = set(in_sdist())
    assert in_git() - found == set()
    more = {name for name in found - in_git() if not OF_SETUPTOOLS.fullmatch(name)}
    assert {name for name in more if not MADE.fullmatch(name)} == set()
    assert len(more) == 3 * len(PROGRAMS) + 2


def test_links_and_modes_are_kept():
    found = in_sdist()
    assert (found["probes/libprobe"].linkname, found["libprobe/programs/definitions"].linkname) == (
        "../libprobe",
        "../../etc/ncg",
    )
    for name, member in found.items():
        if member.isfile() and (ROOT / name).exists():
            assert bool(member.mode & 0o100) == bool((ROOT / name).stat().st_mode & 0o100), name


def test_the_wheel_has_the_library_the_executables_and_the_licence():
    names = set(zipfile.ZipFile(WHEEL).namelist())
    library = {name for name in in_git() if name.startswith("libprobe/") and name != "libprobe/programs/definitions"}
    definitions = {
        f"libprobe/programs/definitions/{name.partition('etc/ncg/')[2]}"
        for name in in_git()
        if name.startswith("etc/ncg/")
    }
    scripts = {f"fedcloud_probes-{__version__}.data/scripts/{name}" for name in PROGRAMS}
    about = {name for name in names if name.startswith(f"fedcloud_probes-{__version__}.dist-info/")}
    assert names - about == library | definitions | scripts
    assert {name.rpartition("/")[2] for name in about} == {"LICENSE", "METADATA", "RECORD", "WHEEL", "top_level.txt"}
    metadata = zipfile.ZipFile(WHEEL).read(f"fedcloud_probes-{__version__}.dist-info/METADATA").decode()
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert re.search(r"^License(-Expression)?: Apache-2.0$", metadata, re.MULTILINE)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sdist")
    subprocess.run(["tar", "-xf", SDIST, "-C", directory, "--strip-components", "1"], check=True)
    return directory


def test_the_tests_run_in_the_source_distribution(unpacked):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "tests/probes/test_check_perun.py",
            "tests/programs/test_catalogue.py",
        ],
        cwd=unpacked,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_libraries_for_every_supported_python_are_locked_and_fetched(version, tmp_path):
    words = ["--no-index", "--find-links", ROOT / "wheels", "--only-binary", ":all:", "--python-version", version]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            *words,
            "--target",
            tmp_path / "x",
            "--dry-run",
            f"{WHEEL}[boot]",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_icinga_accepts_the_check_commands(tmp_path):
    main = tmp_path / "icinga2.conf"
    main.write_text(f'include "{ROOT}/icinga2/fedcloud-probes.conf"\nobject CheckerComponent "checker" {{ }}\n')
    directories = [
        f"-DConfiguration.{each}={tmp_path}" for each in ("DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir")
    ]
    done = subprocess.run(
        ["icinga2", "daemon", "-C", "-c", main, "-DRunAsUser=root", "-DRunAsGroup=root", *directories],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # those of services; a monitor looks at what is its own by services of its own
    probes = [name for name in PROGRAMS if name.startswith("check_") and name not in OWN]
    assert f"{len(probes)} CheckCommands" in done.stdout, done.stdout
