"""nagiosplugin's model without its machinery."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT, clean_environment


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), cwd=ROOT, check=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_model_is_found_and_the_machinery_is_not_loaded():
    code = (
        "import sys; from libprobe.judge.nagios import load_model; load_model();"
        "from nagiosplugin import Context, Metric, Resource, Result, Summary, Ok;"
        "print(sorted(m for m in ('logging', 'json', 'tempfile', 'nagiosplugin.runtime') if m in sys.modules))"
    )
    assert run(code) == "[]"


def test_what_is_not_of_the_model_is_there_when_it_is_asked_for():
    code = (
        "from libprobe.judge.nagios import load_model; load_model(); import nagiosplugin;"
        "from nagiosplugin import Metric, Cookie, Check;"
        "print(Cookie.__name__, Check.__name__, nagiosplugin.__version__,"
        "nagiosplugin.Metric is Metric)"
    )
    assert run(code).startswith("Cookie Check 1.")
    assert run(code).endswith("True")


def test_a_package_that_is_loaded_already_stays_as_it_is():
    code = (
        "import nagiosplugin; from libprobe.judge.nagios import load_model; load_model();"
        "print(nagiosplugin.guarded.__name__)"
    )
    assert run(code) == "guarded"


def test_a_missing_package_is_an_import_error():
    code = (
        "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        "from libprobe.judge.nagios import load_model\n"
        "try:\n    load_model()\nexcept ImportError as error:\n    print(error.name)"
    )
    assert run(code) == "nagiosplugin"
