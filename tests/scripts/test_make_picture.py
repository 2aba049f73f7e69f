"""The pictures of README.md: that of the self-check's page shows what the page shows now."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import shutil
import struct
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT, clean_environment

SCRIPT = ROOT / "scripts/make-picture"
PICTURE = ROOT / "docs/pictures/selfcheck.png"


def run(*arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=clean_environment(**environment),
    )


@pytest.fixture(scope="module")
def script() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("make_picture", str(SCRIPT))
    spec = importlib.util.spec_from_loader("make_picture", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    """The page of a self-check as it is now."""
    done = run("--page")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def test_the_picture_shows_what_the_page_shows_now(script: types.ModuleType, page: str) -> None:
    """After a change of the page or of a sentence in it: scripts/make-picture docs/pictures/selfcheck.png"""
    assert script.shown(PICTURE.read_bytes()) == script.digest(page)


def test_the_page_has_nothing_of_this_machine_or_of_this_moment(page: str) -> None:
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert not re.search(r"localhost|127\.0\.0|/tmp/", text)
    assert set(re.findall(r"\d{4}-\d\d-\d\d", text)) == {"2026-11-23", "2026-11-20"}
    for part in ("CRITICAL", "WARNING", ">OK<", "in downtime", "certificate expired", "quota"):
        assert part in text
    said = re.findall(r"<strong>What to do:</strong>", text)
    assert len(said) == len(re.findall(r"<li><div><span class=\"badge [^>]*>(?!OK)", text)) == 5


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed: the picture is not drawn anew")
def test_the_script_draws_the_page(script: types.ModuleType, page: str, tmp_path: Path) -> None:
    done = run(tmp_path / "made.png", HOME=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = (tmp_path / "made.png").read_bytes()
    assert script.shown(made) == script.digest(page)
    width, height = struct.unpack(">II", made[16:24])
    assert (width, height) == (script.WIDTH * script.SCALE, script.HEIGHT * script.SCALE)
    assert len(made) > len(PICTURE.read_bytes()) / 3  # not blank


def test_a_machine_without_chromium_is_told_so(tmp_path: Path) -> None:
    done = run(tmp_path / "made.png", PATH=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "chromium is not here: install the package chromium\n"


def test_the_readme_shows_both_pictures_with_words_for_who_does_not_see_them() -> None:
    shown = re.findall(r"!\[([^\]]{20,})\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert [path for _, path in shown] == ["docs/pictures/selfcheck.png", "docs/pictures/federation.svg"]
    drawing = ElementTree.parse(ROOT / "docs/pictures/federation.svg").getroot()
    text = "".join(drawing.itertext())
    for part in ("GOCDB", "Master", "Satellite", "NRPE", "broker", "OCCI", "prefers-color-scheme: dark"):
        assert part in text
    names = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    assert not names & {"script", "image", "foreignObject", "a"}  # nothing is loaded, nothing runs
