"""Packages of which a part is loaded: what is left out is there for whoever asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT, clean_environment


def run(code: str, *, path: object = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(PYTHONPATH=f"{ROOT}:{path}"),
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path):
    """A package `outer.inner` that says when its `__init__` runs, with a module `outer.inner.part`."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "outer/__init__.py").write_text("print('outer')\n")
    (inner / "__init__.py").write_text("print('inner')\nname = 7\n")
    (inner / "part.py").write_text("value = 1\n")
    return tmp_path


def test_a_module_of_an_entered_package_is_imported_alone(package):
    code = (
        "from libprobe.judge.packages import skip_init; skip_init('outer.inner'); "
        "from outer.inner import part; print(part.value)"
    )
    assert run(code, path=package) == "outer\n1"


def test_the_package_is_whole_for_who_asks_for_a_name_of_it(package):
    code = (
        "from libprobe.judge.packages import skip_init; skip_init('outer.inner'); from outer.inner import name; "
        "print(name)"
    )
    assert run(code, path=package) == "inner\n7"


def test_a_package_that_is_loaded_stays_as_it_is(package):
    code = (
        "import outer.inner as one; from libprobe.judge.packages import skip_init; "
        "print(skip_init('outer.inner') is one)"
    )
    assert run(code, path=package) == "outer\ninner\nTrue"


def test_a_missing_package_is_an_import_error(package):
    code = (
        "from libprobe.judge.packages import skip_init\n"
        "for name in ('nowhere', 'outer.nowhere', 'outer.inner.part'):\n"
        "    try:\n        skip_init(name)\n    except ImportError as error:\n        print(error.name)"
    )
    assert run(code, path=package) == "nowhere\nouter.nowhere\nouter.inner.part"
