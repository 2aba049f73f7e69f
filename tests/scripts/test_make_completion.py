"""Completion is made from the parsers, and real shells complete with it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator

import pytest

from scripts import parsers
from tests.conftest import clean_environment
from tests.pace import AMPLE_S

NAMES = [path.name for path in parsers.EXECUTABLES]

CASES = [
    ("check_occi_vm --aut\t x5\t", ["--auth", "x509"]),
    ("check_appdb_update --signature if\t", ["--signature", "if-present"]),
    ("check_broker --password-file only-f\t", ["--password-file", "only-file"]),
    ("check_perun --state-dir only-d\t", ["--state-dir", "only-directory/"]),
    ("fedcloud-ncg --format icin\t --sat\t", ["--format", "icinga2", "--satellite"]),
]


class Shell:
    """A shell on a terminal of its own, at which somebody types."""

    def __init__(self, command: list[str], directory, **environment: str) -> None:
        terminal, inside = pty.openpty()
        self._terminal = terminal
        self._process = subprocess.Popen(
            command,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            cwd=directory,
            env=clean_environment(TERM="dumb", HOME=directory, **environment),
            start_new_session=True,
        )
        os.close(inside)

    def answer(self, typed: str, until: str) -> str:
        """Type something; return what the terminal shows until a text comes."""
        os.write(self._terminal, typed.encode())
        seen = ""
        end = time.monotonic() + AMPLE_S
        while until not in seen:
            assert select.select([self._terminal], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(self._terminal, 65536).decode("utf-8", "replace")
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


SETUP = {
    "bash": "PS1=; bind 'set bell-style none'; for each in $FILES/bash/*; do . $each; done",
    "zsh": "PS1=; unsetopt beep auto_remove_slash; fpath=($FILES/zsh $fpath); autoload -U compinit; compinit -D",
}
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
SHOW = "; ".join(f"{name}() {{ printf '<%s>' \"$@\"; echo '<end''>'; }}" for name in NAMES)


@pytest.fixture(params=["bash", pytest.param("zsh", marks=pytest.mark.needs("zsh"))])
def shell(request, made, tmp_path) -> Iterator[Shell]:
    """An interactive shell with the completion loaded, in which every executable shows its arguments."""
    (tmp_path / "only-file").touch()
    (tmp_path / "only-directory").mkdir()
    running = Shell(SHELLS[request.param], tmp_path, FILES=str(made("make-completion")))
    running.answer(f"{SETUP[request.param]}\n", "")
    running.answer(f"{SHOW}; echo rea''dy\n", "ready")
    yield running
    running.close()


def arguments(shell: Shell, typed: str) -> list[str]:
    seen = shell.answer(f"{typed}\n", "<end>").partition("<end>")[0]
    return seen[seen.index("<") + 1 :].rstrip(">").split("><")


def test_tab_completes_options_choices_files_and_directories(shell):
    for typed, words in CASES:
        assert arguments(shell, typed) == words


def test_tab_completes_for_every_executable(shell):
    for name in NAMES:
        assert arguments(shell, f"{name} --vers\t") == ["--version"]


@pytest.mark.needs("zsh")
def test_zsh_accepts_every_file(made):
    for path in sorted((made("make-completion") / "zsh").iterdir()):
        done = subprocess.run(["zsh", "-n", path], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), path


def test_every_executable_has_both_and_nothing_else_has(made):
    found = {shell: sorted(path.name for path in (made("make-completion") / shell).iterdir()) for shell in SETUP}
    assert found == {"bash": sorted(NAMES), "zsh": sorted(f"_{name}" for name in NAMES)}
