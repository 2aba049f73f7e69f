"""The worked example of docs/adding-a-metric.md, followed by the letter in a checkout of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from libprobe.programs import catalogue
from tests.conftest import ROOT, clean_environment
from tests.docs.pages import commands
from tests.federation import gocdb as pi
from tests.programs.ncg import topology

PARTS = ("docs", "etc", "libprobe", "probes", "scripts", "tests", "pyproject.toml", "Makefile")
PAGE = "docs/adding-a-metric.md"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, with the first command of the page done in it."""
    directory = tmp_path_factory.mktemp("checkout")
    leave = shutil.ignore_patterns("__pycache__", "data")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, directory / name, symlinks=True, ignore=leave)
        else:
            shutil.copy(ROOT / name, directory / name)
    [copying] = [each.text for each in commands() if each.page == PAGE and each.text.startswith("cp ")]
    run(directory, "bash", "-c", copying)
    return directory


def run(directory: Path, *words: object, code: int = 0, **environment: object) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=directory,
        capture_output=True,
        text=True,
        env={**clean_environment(HOME=directory, **environment), "PYTHONPATH": str(directory)},
    )
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    return done.stdout


def test_its_own_tests_pass(checkout: Path) -> None:
    own, projects = (
        each.text.partition('"')[2].rstrip('"').split()
        for each in commands()
        if each.page == PAGE and each.text.startswith("make test WHAT=")
    )
    assert len(own) == 2
    assert [name for name in projects if not (ROOT / name).exists()] == []
    assert "failed" not in run(checkout, sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *own)


def test_help_of_the_probe_explains_itself(checkout: Path) -> None:
    said = run(checkout, sys.executable, "probes/check_cdmi", "--help", code=3)
    assert "Metric:        eu.egi.cloud.CDMI-Capabilities" in said


def test_the_commands_of_the_page_work_as_they_are_typed_one_after_the_other(checkout: Path, federation) -> None:
    """In one shell that has nothing but the system's own PATH; `make` is told by the other tests, and `cp` was done."""
    site = "EXAMPLE-SITE"
    service = pi.Service("storage.fedcloud.test", topology.CDMI, site, "https://localhost:1/")
    federation.gocdb.add_service(service)
    (checkout / ".venv").symlink_to(Path(sys.executable).parents[1])
    (checkout / "CHANGELOG.md").write_text("")
    texts = [each.text for each in commands() if each.page == PAGE]
    typed = [text for text in texts if not text.startswith(("make ", "cp "))]
    assert len(typed) == 6
    ends = {"probes/check_cdmi --help": 3, next(text for text in typed if "selfcheck" in text): 2}
    lines = [f"{text} || [ $? = {ends[text]} ]" if text in ends else text for text in typed]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(checkout), **federation.environment()},
    )
    federation.gocdb.remove_service(service)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Metric:        eu.egi.cloud.CDMI-Capabilities" in done.stdout
    assert "  written to " in done.stdout
    assert re.search(r"^out/nagios/objects/sites/EXAMPLE-SITE\.cfg:.*check_cdmi!", done.stdout, re.MULTILINE)
    assert re.search(r"CRITICAL  eu\.egi\.cloud\.CDMI-Capabilities .* connection refused", done.stdout), done.stdout


def test_the_monitor_and_the_tables_take_it_up(checkout: Path) -> None:
    run(checkout, sys.executable, *typed("fedcloud-ncg"), "--no-validate")
    [site] = (checkout / "out/nagios/objects/sites").glob("*.cfg")
    assert re.search(r"check_cdmi!.*-u https://storage\.example\.org:3000/", site.read_text()), site.read_text()
    table = run(checkout, sys.executable, "scripts/make-metrics")
    assert len(re.findall(r"^\| eu\.egi\.cloud\.CDMI-Capabilities \| \[check_cdmi\]", table, re.MULTILINE)) == 2


def test_the_self_check_runs_it(checkout: Path, federation) -> None:
    service = pi.Service("storage.fedcloud.test", topology.CDMI, "OOI-CLOUD", "https://localhost:1/")
    federation.gocdb.add_service(service)
    words = ["OOI-CLOUD" if word == "EXAMPLE-SITE" else word for word in typed("fedcloud-selfcheck")]
    try:
        said = run(checkout, sys.executable, *words, code=2, **federation.environment())
    finally:
        federation.gocdb.remove_service(service)
    assert re.search(r"CRITICAL  eu\.egi\.cloud\.CDMI-Capabilities .* connection refused", said), said


def typed(program: str) -> list[str]:
    """The words of the page's command of a program."""
    [found] = [each.text for each in commands() if each.page == PAGE and f"{program} " in each.text]
    return found.split()


def test_the_catalogue_reads_it_beside_the_shipped_metrics(checkout: Path) -> None:
    names = [each.name for each in catalogue.read(str(checkout / "etc/ncg"))]
    assert "eu.egi.cloud.CDMI-Capabilities" in names
    assert "eu.egi.cloud.OCCI-VM" in names


def test_it_is_in_style_and_in_its_layers(checkout: Path) -> None:
    files = [path.relative_to(ROOT / "docs/example") for path in (ROOT / "docs/example").rglob("*") if path.is_file()]
    ours = [name for name in files if name.suffix == ".py" or name.parent.name == "probes"]
    assert len(ours) == 5
    run(checkout, sys.executable, "-m", "ruff", "check", "-q", "--no-cache", *ours)
    run(checkout, sys.executable, "-m", "ruff", "format", "-q", "--no-cache", "--check", *ours)
    run(checkout, Path(sys.executable).parent / "lint-imports", "--no-cache", code=0)
