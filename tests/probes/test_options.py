"""Any command line, whatever is in it, is one line and an exit code from 0 to 3: every option of every executable.

In this process, for thousands of runs; that the executables themselves pass on what comes out here is shown by the
tests of each. Nothing leaves this machine: names are not resolved, and addresses beyond loopback refuse.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libprobe import cli, handler, run
from libprobe.ncg import program as ncg
from libprobe.selfcheck import command as selfcheck
from libprobe.worker import executables
from libprobe.worker import program as worker
from tests.conftest import ROOT

PROBES = sorted(path.name for path in (ROOT / "probes").glob("check_*"))
OTHERS = ("fedcloud-publish", "fedcloud-publish --drain", "fedcloud-ncg", "fedcloud-selfcheck", "fedcloud-worker")

WORDS = [
    "", " ", "-", "--", "---", "-1", "0", "1", "007", "0" * 20 + "1", "000000001999999", "65535", "65536", "9" * 5000,
    "٣", "1e3", "nan", "inf", "0.5", "1d", "7x", "1d:", "~:5", "@1:2", "5:3", ":", "@", "2m,1h", ",", "1KiB", "60MiB",
    "127.0.0.1", "::1", "[::1]", "localhost", "a..b", ".", "-", "x" * 300, "ünï.example", "xn--", "xn--é", "a:b:c",
    "a@b", "127.0.0.1:1", "http://127.0.0.1:1/", "https://127.0.0.1:1/?image=x&resource=y", "https://[::1]:1/",
    "http://[", "https://", "http://a:99999/", "http://u:p@127.0.0.1:1/", "http://127.0.0.1:1/{site}",
    "http://127.0.0.1:1/{0}%s", "file:///etc/passwd", "ldap://127.0.0.1:1/o=glue", "ldaps://127.0.0.1:1",
    "stomp://127.0.0.1:1/topic", "stomp+ssl://127.0.0.1:1", "amqp://x/",
    "https://127.0.0.1:1/?image=%00&resource=%ff", "https://127.0.0.1:1/\u202e", "dir", "empty", "garbage",
    "settings", "loop", "missing", "missing/below", "garbage/below", "/dev/null", "/proc/self/mem", "y" * 5000,
    "a\nb", "a\tb", "\x1b[31m", "|", "<b>", "%s", "%(prog)s", "{}", "{x}", "$HOSTNAME$", "\udcff", "\u202e", "\u2028",
    "'", '"', "\\", "*", "~", "$(id)", "`id`", "/ops/Role=NULL", "ops", "OCCI", "EGI", "auto", "none", "x509",
    "token", "nagios", "icinga2", "CRITICAL", "OK",
]  # fmt: skip
CHARACTERS = st.characters(exclude_characters="\0/", exclude_categories=("Cs",)) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)
TEXT = st.text(CHARACTERS, max_size=12)
"""What a command line can hold: bytes that are not UTF-8 come as surrogates. No path leads out of the test's place."""

VALUES = st.sampled_from(WORDS) | TEXT

HERE = "http://127.0.0.1:1/"
REGISTERED = ["-H", "127.0.0.1", "--gocdb", HERE, "--state-dir", "dir/state"]
BASES = {
    "check_apel_pub": [["--site", "X", "-u", HERE + "{site}"], REGISTERED],
    "check_appdb_update": [["-u", HERE], REGISTERED],
    "check_broker": [["-u", "stomp://127.0.0.1:1"], REGISTERED],
    "check_cloud_bdii": [["-u", "ldap://127.0.0.1:1/o=glue", "--site", "X"], REGISTERED],
    "check_endpoint_tcp": [["-H", "127.0.0.1", "-p", "1"], REGISTERED],
    "check_occi_context": [["-u", HERE + "?image=x&resource=y", "--auth", "none"], [*REGISTERED, "--auth", "none"]],
    "check_occi_vm": [["-u", HERE + "?image=x&resource=y", "--auth", "none"], [*REGISTERED, "--auth", "none"]],
    "check_perun": [["-u", "https://127.0.0.1:1/"], REGISTERED],
    "fedcloud-publish": [
        ["--publish", "stomp://127.0.0.1:1/x", "-H", "x", "--metric", "y", "--service-type", "z", "--state", "OK"]
    ],
    "fedcloud-publish --drain": [["--publish", "stomp://127.0.0.1:1/topic"]],
    "fedcloud-ncg": [["--output", "dir/out", "--gocdb", HERE], ["--output", "dir/out", "--from", "empty"]],
    "fedcloud-selfcheck": [["--all", "--gocdb", HERE], ["--host", "127.0.0.1", "--gocdb", HERE]],
    "fedcloud-worker": [["--socket", "missing"]],
}
"""Command lines of each that get beyond its options."""


def command_lines(name: str, parser: cli.Parser) -> st.SearchStrategy[list[str]]:
    """Command lines made of a parser's own options, with values good and bad, and of what is no option."""
    options = [option for action in parser._actions for option in action.option_strings]
    known = st.sampled_from(options)
    part = st.one_of(
        st.tuples(known, VALUES).map(list),
        st.tuples(known, VALUES).map(list),
        st.builds(lambda option, value: [f"{option}={value}"], known, VALUES),
        st.builds(lambda option, value: [f"{option[:2]}{value}"], known, VALUES),
        known.map(lambda option: [option]),
        known.map(lambda option: [option[:-1] or "-"]),
        VALUES.map(lambda value: [value]),
    )
    bases = st.sampled_from(BASES[name])
    anything = st.lists(part, max_size=7).map(lambda parts: [word for words in parts for word in words])
    added = st.builds(lambda base, more: [*base, *more], bases, anything)
    changed = st.builds(_with_another, bases, st.integers(0, 9), VALUES)
    return st.one_of(anything, added, added, changed)


def _with_another(base: list[str], which: int, value: str) -> list[str]:
    """A good command line, with another value of one of its options."""
    at = (2 * which + 1) % len(base)
    return [*base[:at], value, *base[at + 1 :]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory to run in, with files that can be named, on a machine without a network."""
    here = tmp_path_factory.mktemp("options") / "a" / "b" / "c" / "d"
    here.mkdir(parents=True)
    (here / "dir").mkdir()
    (here / "empty").touch()
    (here / "garbage").write_bytes(bytes(range(256)) * 40)
    (here / "settings").write_text(f"[state]\ndirectory = {here / 'state'}\n")
    (here / "loop").symlink_to("loop")
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LANG") if key in os.environ}
    environment = {**kept, "HOME": str(here), "FEDCLOUD_PROBES_CONFIG": str(here / "settings"), "TMPDIR": str(here)}
    with pytest.MonkeyPatch.context() as patched:
        for name in set(os.environ) - set(environment):
            patched.delenv(name)
        for name, value in environment.items():
            patched.setenv(name, value)
        patched.chdir(here)
        patched.setattr(socket, "getaddrinfo", _only_addresses(socket.getaddrinfo))
        for method in ("connect", "connect_ex"):
            patched.setattr(socket.socket, method, _only_loopback(getattr(socket.socket, method)), raising=False)
        patched.setattr(os, "fork", lambda: 1)  # the sender of fedcloud-publish: no process of its own here
        yield here


def _only_addresses(real: Callable[..., Any]) -> Callable[..., Any]:
    """As where no name server answers: what is no address has none, and what no resolver takes still raises."""

    def look_up(host: object, port: object, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        return real(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)

    return look_up


def _only_loopback(real: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        return real(self, address)

    return connect


EXAMPLES = 60


SILENT = [(0, "", "fedcloud-publish"), (0, "", "fedcloud-worker")]
"""A result that is kept needs no words; a worker that has ended has none."""


class _Exit(BaseException):
    """In place of the end of the process. Its argument: the exit code."""


Executed = Callable[[list[str]], tuple[int, str]]


def load(name: str) -> tuple[cli.Parser, Executed]:
    """An executable's parser, and a function that runs it in this process: exit code and standard output."""
    file, _, drain = name.partition(" ")
    path = str(ROOT / "probes" / file)
    if file == "fedcloud-ncg":
        return ncg._parser(file, ""), lambda words: _joined(*ncg.execute([path, *words]))
    if file in ("fedcloud-selfcheck", "fedcloud-worker"):
        options, main = {
            "fedcloud-selfcheck": (selfcheck.options, selfcheck.main),
            "fedcloud-worker": (worker.options, worker.main),
        }[file]
        parser = cli.Parser(prog=file, doc="")
        options(parser)
        return parser, lambda words: _ended(main, [path, *words])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", [path, "--drain"])
        found = executables.load(path)
    parser = run.make_parser(path, found._options, doc=found._doc)
    if file == "fedcloud-publish" and not drain:
        return parser, lambda words: _with_arguments(lambda: handler._kept(found._options, ""), [path, *words])
    fixed = [path, *drain.split()]
    return parser, lambda words: run.execute(
        found.name, found._options, found._check, [*fixed, *words], doc=found._doc, timeout=found._timeout
    )


def _joined(code: int, lines: list[str]) -> tuple[int, str]:
    return code, "".join(f"{line}\n" for line in lines)


def _with_arguments(call: Callable[[], tuple[int, str]], argv: list[str]) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", argv)
        code, text = call()
    return code, f"{text}\n" if text else ""


def _ended(main: Callable[[str], object], argv: list[str]) -> tuple[int, str]:
    """Run what ends its process; what it prints is caught, as is the end."""
    printed = io.StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}

    def end(code: int) -> None:
        raise _Exit(code)

    def write(descriptor: int, data: bytes) -> int:
        assert descriptor == 1
        printed.write(data.decode())
        return len(data)

    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(printed):
        patched.setattr(sys, "argv", argv)
        patched.setattr(os, "_exit", end)
        patched.setattr(os, "write", write)
        patched.setattr("libprobe.worker.supervisor.Supervisor.run", lambda self: None)
        try:
            main("")
        except _Exit as ended:
            return ended.args[0], printed.getvalue()
        except SystemExit as ended:
            return int(ended.code or 0), printed.getvalue()
        finally:
            for number, handler_ in before.items():
                signal.signal(number, handler_)
    raise AssertionError("it did not end")


@pytest.mark.parametrize("name", [*PROBES, *OTHERS])
def test_any_command_line_is_judged(place: Path, name: str) -> None:
    parser, execute = load(name)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(command_lines(name, parser))
    @example([" "])
    @example(["--no-such-option\udcff"])
    @example([*BASES[name][0], "\x1b[31m", "\u202e"])
    @example([*BASES[name][0], "--config=--"])
    @example(BASES[name][0])
    @example(BASES[name][-1])
    def check(words: list[str]) -> None:
        code, out = execute(words)
        assert code in (0, 1, 2, 3)
        assert out.endswith("\n") or (code, out, name) in SILENT
        for line in out[:-1].split("\n"):
            assert line.isprintable(), line
        assert "a bug" not in out and "Traceback" not in out, out
        if not any(re.match("--verbose|--help|-[^-]*[vh]", word) for word in words):
            assert out.count("\n") <= 1, out
        assert threading.active_count() < 50

    check()
