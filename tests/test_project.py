"""What the project says of itself in several places is the same everywhere."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from libprobe import __version__
from tests.conftest import ROOT

PROGRAMS = sorted(path.name for names in ("check_*", "fedcloud-*") for path in (ROOT / "probes").glob(names))
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "release/requirements-3.11.txt").read_text(), re.MULTILINE))


def first(pattern: str, name: str) -> str:
    """What the group of a pattern finds first in a file."""
    found = re.search(pattern, (ROOT / name).read_text(), re.MULTILINE)
    assert found, f"{name} has no {pattern}"
    return found[1]


# ---- versions


def test_the_version_is_semantic_and_the_same_in_the_packages_and_the_changelog():
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", __version__)
    assert first(r"^Version: +(\S+)$", "rpm/probes.spec") == __version__
    assert first(r"^%changelog\n\* .* - (\S+)-\d+$", "rpm/probes.spec") == __version__
    assert first(r"^fedcloud-probes \((\S+)-\d+\) ", "debian/changelog") == __version__
    assert first(r"^## (\S+), ", "CHANGELOG.md") == __version__


def test_every_executable_prints_its_name_and_version_in_one_form(probe):
    for name in PROGRAMS:
        for option in ("--version", "-V"):
            assert probe(name, option) == (3, f"{name} {__version__}\n", "")


# ---- the libraries that packages bring along


def test_the_rpm_declares_every_library_that_it_brings_along():
    spec = (ROOT / "rpm/probes.spec").read_text()
    assert dict(re.findall(r"^Provides: +bundled\(python3dist\((\S+)\)\) = (\S+)$", spec, re.MULTILINE)) == LOCKED


def test_the_licence_of_every_library_is_told():
    stanzas = re.findall(
        r"^Files: wheels/(\S+)-\*\nCopyright: .+\nLicense: (.+)$", (ROOT / "debian/copyright").read_text(), re.MULTILINE
    )
    assert {name.replace("_", "-") for name, _ in stanzas} == set(LOCKED)
    of_debian = {"Expat": "MIT", "LGPL-2.1": "LGPL-2.1-only", "LGPL-3": "LGPL-3.0-only"}
    told = {of_debian.get(each, each) for _, licence in stanzas for each in licence.split(" and ")} | {"Apache-2.0"}
    assert set(first(r"^License: +(.+)$", "rpm/probes.spec").split(" AND ")) == told


def test_every_dependency_is_locked_with_hashes():
    asked = re.findall(r'^ +"([a-zA-Z0-9.-]+)>=', (ROOT / "setup.py").read_text().partition('"dev"')[0], re.MULTILINE)
    assert {name.lower().replace(".", "-") for name in asked} <= set(LOCKED)
    entries = re.split(r"^(?=[a-z])", (ROOT / "release/requirements-3.11.txt").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED)
    assert all("--hash=sha256:" in entry for entry in entries)


# ---- habits


def test_hooks_before_a_commit_run_what_make_lint_runs_and_download_nothing():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    lint = first(r"^lint:.*\n((?:\t.+\n)+)", "Makefile").replace("$(BIN)", ".venv/bin")
    assert [hook["entry"].removeprefix("env ") for hook in repository["hooks"]] == [
        line.strip() for line in lint.splitlines()
    ]


@pytest.mark.parametrize("name", ["wrong-result", "unclear-message", "new-metric"])
def test_issue_templates_ask_for_vvv_and_say_that_it_is_safe(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
    assert {"name", "description", "body"} <= set(form)
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    asked = [f"{field['attributes']['label']} {field['attributes'].get('description', '')}" for field in form["body"]]
    assert any("-vvv" in text and "safe to paste" in text for text in asked)


def test_scripts_for_the_shell_are_sound():
    scripts = [
        path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
    ]
    scripts += [ROOT / f"debian/fedcloud-probes.{name}" for name in ("postinst", "prerm", "postrm")]
    assert len(scripts) > 5
    for script in scripts:
        assert subprocess.run(["sh", "-n", script], capture_output=True, text=True).stderr == ""
