"""Loading: an executable is read without being run, and what its checks import is known beforehand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from libprobe.programs.worker import executables
from tests.conftest import ROOT, clean_environment

PROBES = sorted((ROOT / "probes").glob("check_*"))


@pytest.mark.parametrize("path", PROBES, ids=lambda path: path.name)
def test_every_executable_of_ours_can_be_loaded(path):
    assert executables.load(str(path)).name


def test_loading_leaves_run_as_it_was():
    from libprobe.probe import run

    before = run.probe
    executables.load(str(PROBES[0]))
    assert run.probe is before


def test_a_process_uses_the_parser_that_there_is(monkeypatch):
    """It is made before the process is forked, as for threads."""
    from libprobe.probe import cli, run

    given = []
    monkeypatch.setattr(run, "execute_as_process", lambda *_, parser, **__: given.append(parser))
    monkeypatch.setattr(sys, "argv", sys.argv)
    loaded = executables.load(str(ROOT / "probes/check_broker"))
    code, report = loaded.execute([loaded.path, "--no-such-option"])
    assert (code, "--no-such-option" in report) == (3, True)
    monkeypatch.setattr(run, "make_parser", None)
    loaded.execute_as_process([loaded.path, "-t", "5"], 0.0)
    assert isinstance(given[0], cli.Parser)


@pytest.mark.parametrize(
    ("text", "error"),
    [("x = 1\n", ValueError), ("#!/bin/sh\necho x y\n", SyntaxError), ("import no_such_library\n", ImportError)],
)
def test_what_is_no_probe_is_refused(tmp_path, text, error):
    (tmp_path / "check_x").write_text(text)
    with pytest.raises(error):
        executables.load(str(tmp_path / "check_x"))


def test_stomp_py_looks_up_no_name_of_ours_when_it_is_imported_ahead():
    """It takes seconds where name servers are slow, and the worker would be that much later."""
    code = (
        "import socket\n"
        "def refuse(*_): raise SystemExit('looked up')\n"
        "socket.gethostbyname = socket.getfqdn = refuse\n"
        "from libprobe.programs.worker import executables\n"
        f"executables.import_ahead([{str(ROOT / 'probes/check_broker')!r}])\n"
        "import sys; print('stomp.utils' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


WARM = """
import sys
from libprobe.programs.worker import executables
from libprobe.failures import Failure
loaded = [executables.load(path) for path in sys.argv[1:]]
missing = executables.import_ahead(sys.argv[1:])
before = set(sys.modules)
for each in loaded:
    each.execute([each.path, "-H", "localhost", "-p", "1", "-u", "https://localhost:1/", "-t", "5"])
    each.execute([each.path, "-H", "localhost", "-p", "1", "-t", "5"])
    each.execute([each.path, "--help"])
print(missing, sorted(set(sys.modules) - before))
"""


def test_once_warm_a_check_imports_nothing_more(tmp_path):
    """Of this library and those that it uses: every fork would import it again."""
    done = subprocess.run(
        [sys.executable, "-c", WARM, *map(str, PROBES)],
        capture_output=True,
        text=True,
        env=clean_environment(HOME=tmp_path),
        cwd="/tmp",
    )
    assert (done.stdout.strip(), done.stderr) == ("[] []", "")


COMPILED = """
import re, sys
from libprobe.programs.worker import executables
loaded = {path.rpartition("/")[2]: executables.load(path) for path in sys.argv[1:]}
executables.import_ahead(sys.argv[1:])
for each in loaded.values():
    each.prepare()
compiled, original = [], re._compiler.compile
def compile(pattern, flags=0):
    frame = sys._getframe(1)
    while "/re/" in frame.f_code.co_filename:
        frame = frame.f_back
    if "/libprobe/" in frame.f_code.co_filename:  # what the libraries of each Python do is theirs
        compiled.append(pattern)
    return original(pattern, flags)
re._compiler.compile = compile
for name, url in (
    ("check_broker", "stomp://127.0.0.1:1"),
    ("check_occi_vm", "https://127.0.0.1:1/?image=a&resource=b"),
    ("check_openstack_vm", "https://127.0.0.1:1/v3"),
):
    code, report = loaded[name].execute([loaded[name].path, "-u", url, "--state-dir", "state", "-t", "60"])
    assert (code == 2 and "connection refused by 127.0.0.1:1" in report) or name != "check_broker", report
print(compiled)
"""


def test_once_warm_a_check_compiles_no_pattern_of_ours(tmp_path):
    """A process that is forked for one check would compile each of them again."""
    environment = clean_environment(HOME=tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", COMPILED, *map(str, PROBES)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_supervisor_has_no_library_of_a_check_loaded():
    code = (
        "import sys; from libprobe.programs.worker import program, supervisor\n"
        "print([name for name in ('requests', 'urllib3', 'nagiosplugin', 'cryptography', 'ldap3', 'ssl', 'logging')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment())
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
