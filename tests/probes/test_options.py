"""A deliberate mistake in every option of every executable: it is refused in words that say what would be right."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from libprobe.probe import cli
from scripts import parsers
from tests.conftest import clean_environment, command
from tests.pace import AMPLE_S

NAMES = [path.name for path in parsers.EXECUTABLES]
NONSENSE = "no\tsuch thing"
"""A value that is no number, host, port, URL, choice or word."""

FREE = {"FILE", "DIR", "PATH"}
"""What cannot be judged before it is opened: a value of these kinds may be anything."""

MACROS = (
    "--hostname --metric --service --service-type --site --url --state --state-type --output --long-output --time --vo "
    "--fqan --roc --performance-data"
)
"""What Nagios' OCSP command passes on: taken as it comes, and made safe where it is put into a message."""

TOLD_LATER = {
    "fedcloud-downtimes": {"--gocdb"},
    "fedcloud-ncg": {
        "--gocdb",
        "--site",
        "--scope",
        "--vo",
        "--fqan",
        "--server",
        "--nrpe-at",
        "--contact",
        "--satellite",
        "--master",
    },
    "fedcloud-publish": set(MACROS.split()),
    "fedcloud-worker": {"--probe"},
}
"""Values that are judged in the run, with a sentence of their own: tests/probes/ of each has it."""

REQUIRED = {
    "check_availability": ["--site", "X"],
    "fedcloud-publish": ["--publish", "stomp://h/q"],
    "fedcloud-downtimes": ["--nagios", "nagios.cfg"],
}


def options(path) -> list[tuple[cli.Parser, str, object]]:
    parser = parsers.parser_of(path)
    return [(parser, action.option_strings[-1], action) for action in parser.arguments if action.option_strings]


def refused(parser: cli.Parser, *words: str) -> str:
    with pytest.raises(cli.CommandLineExit) as stop:
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


SAMPLES = {
    "-p": "5000",
    "-H": "h.example.org",
    "-w": "1",
    "-c": "2",
    "--certificate": "30d:",
    "--connect-to": "192.0.2.7:8443",
    "--source-address": "192.0.2.8",
    "--keystone": "https://keystone.example.org/",
    "--icinga": "https://mon.example.org/",
    "--publish": "stomp://h/q",
    "--to": "ams",
    "--master": "m=m.example.org",
    "--satellite": "s=s.example.org",
    "--ssh-port": "22",
    "--response-time": "2s,10s",
    "--login-at": "mq.example.org",
    "--token-to": "vmcaster.example.org",
    "--auth": "x509",
    "--instead-at": "https://new.example.org/",
    "--wait": "1m",
    "--time": "1",
    "--gocdb": "https://goc.example.org/",
    "--shrink-limit": "20",
    "--format": "nrpe",
    "--interval-factor": "2",
    "--as": "json",
    "--calls": "10",
    "--at": "https://x.example.org",
    "--storage-size": "2",
}


def given(parser: cli.Parser, option: str) -> list[str]:
    """An option as it may be given, with a value if it takes one."""
    name, equals, value = option.partition("=")
    if equals:
        return [name, value]
    takes_none = parser.options[name].nargs == 0
    return [name] if takes_none else [name, SAMPLES.get(name, "./x")]


def conditions() -> list[object]:
    return [
        pytest.param(path, *condition, id=f"{path.name}{condition[0]}")
        for path in parsers.EXECUTABLES
        for condition in parsers.parser_of(path).conditions
    ]


@pytest.mark.parametrize(("path", "option", "others", "is_needed"), conditions())
def test_an_option_that_would_do_nothing_is_refused(path, option, others, is_needed):
    parser = parsers.parser_of(path)
    words = [*REQUIRED.get(path.name, ()), *given(parser, option)]
    if is_needed:
        for same, needed, is_also_needed in parser.conditions:
            if same == option and is_also_needed and needed != others:
                words += given(parser, needed[0])
        if path.name == "fedcloud-downtimes":
            monitor = "--icinga" if others == ("--nagios",) else "--nagios"
            words = [*given(parser, monitor), *given(parser, option)]
        assert f"{option} has no effect without {' or '.join(others)} (see" in refused(parser, *words)
        return
    for other in others:
        said = refused(parser, *words, *given(parser, other))
        assert f"{option} has no effect together with {other}; leave one of them out" in said


KNOWN_TO_DO_NOTHING = {
    "check_occi_context": {"--wait", "--ssh-user", "--ssh-port", "--key", "--cert", "--token-file"},
    "check_endpoint_tcp": {"--certificate", "--igtf", "--service-type"},
    "check_broker": {"--login", "--password-file", "--login-at", "--plain-login", "--key", "--service-type"},
    "check_apel_pub": {"-H"},
    "check_credential": {"--key"},
    "check_appdb_update": {"--ignore-endorser", "--allow-sha1", "--token-to", "--plain-token"},
    "fedcloud-publish": {"-w", "-c", "--no-send", "--login", "--plain-login", "--broker-key", "--ams-token-file"},
    "fedcloud-selfcheck": {"--login", "--broker-cert", "--broker-key", "--to"},
    "fedcloud-ncg": {"--satellite", "--master"},
    "fedcloud-downtimes": {"--icinga-login", "--icinga-ca"},
    "fedcloud-leftovers": {"--cert", "--token-file", "--auth", "--instead-at", "--forget", "--ca-path"},
}


@pytest.mark.parametrize("name", KNOWN_TO_DO_NOTHING)
def test_the_options_that_need_others_say_so(name):
    [path] = [path for path in parsers.EXECUTABLES if path.name == name]
    assert {option for option, _, _ in parsers.parser_of(path).conditions} >= KNOWN_TO_DO_NOTHING[name]


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_help_begins_with_whom_is_asked_and_ends_with_examples(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = parsers.parser_of(path)
    text = parser.format_help()
    if path.name.startswith("check_") and path.name not in (
        "check_credential",
        "check_availability",
    ):  # of this machine
        assert text.startswith(f"usage: {path.name} [-H HOST] ")
        assert re.search(r"^  (-[\w-]+)", text, re.MULTILINE)[1] == "-H"
    assert 2 <= len(parser.examples) <= 3
    closing = text.partition("\nexamples:\n")[2]
    assert all(f"    {example}\n" in closing for example in parser.examples)
    assert all(example.split()[0] == path.name for example in parser.examples)
    assert all(len(line) < 80 for line in text.splitlines() if not line.startswith("    "))


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_help_explains_the_limits_that_there_are_and_no_others(path):
    parser = parsers.parser_of(path)
    kinds = {action.metavar for action in parser.arguments}
    text = " ".join(parser.format_help().split())
    assert ("A RANGE is Nagios' own" in text) == ("RANGE" in kinds)
    assert ("An AGE is not a range" in text) == ("AGE" in kinds)
    assert ("-w" in parser.options) <= bool(kinds & {"RANGE", "AGE"})


BEGINS = {"leftovers": "LEFTOVERS UNKNOWN - ", "publish": "PUBLISH UNKNOWN - ", "selfcheck": "SELFCHECK UNKNOWN - "}
"""Of the usage errors of programs that report as a probe does; the others begin with their name."""


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("fedcloud-")])
def test_a_programs_usage_error_says_whose_it_is(name, tmp_path):
    """In a journal or a mail of cron it stands beside those of others."""
    words = command(name, "--no-such-option")
    done = subprocess.run(words, capture_output=True, text=True, env=clean_environment(HOME=tmp_path), timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(BEGINS.get(name.partition("-")[2], f"{name}: ") + "usage: ")
    assert done.stdout.endswith(f" (see {name} --help)\n")


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
