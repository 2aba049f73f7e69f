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
    code = "from libprobe.packages import enter; enter('outer.inner'); from outer.inner import part; print(part.value)"
    assert run(code, path=package) == "outer\n1"


def test_the_package_is_whole_for_who_asks_for_a_name_of_it(package):
    code = "from libprobe.packages import enter; enter('outer.inner'); from outer.inner import name; print(name)"
    assert run(code, path=package) == "inner\n7"


def test_a_package_that_is_loaded_stays_as_it_is(package):
    code = "import outer.inner as one; from libprobe.packages import enter; print(enter('outer.inner') is one)"
    assert run(code, path=package) == "outer\ninner\nTrue"


def test_a_missing_package_is_an_import_error(package):
    code = (
        "from libprobe.packages import enter\n"
        "for name in ('nowhere', 'outer.nowhere', 'outer.inner.part'):\n"
        "    try:\n        enter(name)\n    except ImportError as error:\n        print(error.name)"
    )
    assert run(code, path=package) == "nowhere\nouter.nowhere\nouter.inner.part"


def test_an_optional_package_is_missing_within_the_block_only(package):
    code = (
        "from libprobe.packages import without\n"
        "with without('outer'):\n"
        "    try:\n        import outer\n    except ImportError:\n        print('missing')\n"
        "import outer"
    )
    assert run(code, path=package) == "missing\nouter"


def test_requests_is_whole_for_others_in_the_same_process():
    code = (
        "import sys; from libprobe.clients import transport; import requests, urllib3.http2;"
        "print([name for name in ('charset_normalizer', 'importlib.metadata') if name in sys.modules]);"
        "from requests import get, codes; from urllib3.http2 import inject_into_urllib3;"
        "import charset_normalizer; print(codes.ok, 'importlib.metadata' in sys.modules, urllib3.http2.__name__)"
    )
    assert run(code) == "[]\n200 True urllib3.http2"


def test_the_path_of_a_bundle_of_cas_that_nobody_uses_does_not_load_how_it_is_found():
    code = (
        "import logging, sys; before = set(sys.modules);"  # in Python 3.14 that loads inspect itself
        "from libprobe.clients import transport; import requests;"
        "print([name for name in ('inspect', 'importlib.resources') if name in sys.modules.keys() - before]);"
        "import certifi; print(certifi.where() == requests.certs.where() == requests.utils.DEFAULT_CA_BUNDLE_PATH);"
        "print(certifi.contents()[:1] != '', 'importlib.resources' in sys.modules)"
    )
    assert run(code) == "[]\nTrue\nTrue True"


def test_the_http_library_is_the_lean_one_whoever_loads_it_first():
    """The worker imports every module that a probe may import, in any order."""
    code = "import sys, libprobe.clients.lean_requests; print('charset_normalizer' in sys.modules)"
    assert run(code) == "False"
