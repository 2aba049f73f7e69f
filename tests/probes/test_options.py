"""A deliberate mistake in every option of every executable: it is refused in words that say what would be right."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from libprobe import cli
from scripts import parsers
from tests.conftest import clean_environment, command
from tests.pace import AMPLE_S

NAMES = [path.name for path in parsers.EXECUTABLES]
NONSENSE = "no\tsuch thing"
"""A value that is no number, host, port, URL, choice or word."""

FREE = {"FILE", "DIR", "PATH"}
"""What cannot be judged before it is opened: a value of these kinds may be anything."""

MACROS = (
    "--hostname --metric --service --service-type --site --url --state --output --long-output --time --vo --fqan --roc"
)
"""What Nagios' OCSP command passes on: taken as it comes, and made safe where it is put into a message."""

TOLD_LATER = {
    "fedcloud-downtimes": {"--gocdb"},
    "fedcloud-ncg": {"--gocdb", "--site", "--scope", "--vo", "--contact", "--satellite", "--master"},
    "fedcloud-publish": set(MACROS.split()),
    "fedcloud-worker": {"--probe"},
}
"""Values that are judged in the run, with a sentence of their own: tests/probes/ of each has it."""

REQUIRED = {"fedcloud-publish": ["--publish", "stomp://h/q"], "fedcloud-downtimes": ["--nagios", "nagios.cfg"]}


def options(path) -> list[tuple[cli.Parser, str, object]]:
    parser = parsers.parser_of(path)
    return [(parser, action.option_strings[-1], action) for action in parser._actions if action.option_strings]


def refused(parser: cli.Parser, *words: str) -> str:
    with pytest.raises(cli.Stop) as stop:
        parser.parse_args(words)
    assert stop.value.is_error, words
    return stop.value.text


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_value_that_is_missing_is_said_with_the_option(path):
    for parser, option, action in options(path):
        if action.nargs != 0:
            said = refused(parser, option)
            assert f"{'/'.join(action.option_strings)}: needs a value" in said


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_value_for_a_flag_is_said_with_the_option(path):
    for parser, option, action in options(path):
        if action.nargs == 0 and option.startswith("--"):
            assert f"{option}: takes no value, and 'x' was given" in refused(parser, f"{option}=x")


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_nonsense_is_said_with_the_option_and_what_is_expected(path):
    expected = re.compile(
        r"is (?:empty or has|not (?:an? |the |above |between |one ))|has (?:the unit|control characters|blanks)"
        r"|choose from|is nothing that is required .*\(that is: "
    )
    for parser, option, action in options(path):
        if action.nargs == 0 or action.metavar in FREE or option in TOLD_LATER.get(path.name, ()):
            continue
        said = refused(parser, *REQUIRED.get(path.name, ()), f"{option}={NONSENSE}")
        assert f"argument {'/'.join(action.option_strings)}: " in said, said
        assert expected.search(said), said
        assert said.endswith(f"(see {parser.prog} --help)")


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
@pytest.mark.parametrize("closed", ["a pipe nobody reads", "no descriptor at all"])
def test_where_nobody_reads_what_is_said_the_exit_code_still_says_it(path, closed, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    words = ["sh", "-c", '"$@" >&-', "sh"] if closed == "no descriptor at all" else []
    try:
        done = subprocess.run(
            [*words, *command(path.name, "--no-such-option")],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            env=clean_environment(HOME=tmp_path),
            timeout=AMPLE_S,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (3, b"")
