"""Options that every probe shares: what is taken, and in which words the rest is refused."""

from __future__ import annotations

import argparse

import pytest

from libprobe import __version__
from libprobe.probe import cli


def parser() -> cli.Parser:
    made = cli.Parser(prog="check_x", doc="Check x.")
    cli.endpoint(made)
    cli.address_family(made)
    made.add_argument("--colour", choices=("green", "blue"), help="of the light")
    cli.standard(made, timeout=60)
    return made


def refused(*words: str) -> str:
    with pytest.raises(cli.CommandLineExit) as stop:
        parser().parse_args(list(words))
    assert stop.value.is_error
    return stop.value.text


NEEDS_A_VALUE = "needs a value (one that begins with a dash is written"
NO_HOST = "is not the name of a host (give a URL with -u)"
A_PORT = "is not the name of a host (give a port with -p, or a URL with -u)"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([" "], "unknown argument ' '"),
        (["\t", ""], "unknown argument '\\t '"),
        (["a", "b"], "unknown argument a b"),
        (["--hostnam", "x"], "unknown argument --hostnam; did you mean --hostname?"),
        (["--hostnam=x"], "unknown argument --hostnam; did you mean --hostname?"),
        (["x\x1b[31m\u202ey"], "unknown argument x y"),
        (["--timeout=--"], f"argument -t/--timeout: {NEEDS_A_VALUE} --timeout=-...)"),
        (["-t--"], f"argument -t/--timeout: {NEEDS_A_VALUE} --timeout=-...)"),
        (["-v=x"], "argument -v/--verbose: takes no value, and 'x' was given"),
        (["--verbose=x"], "argument -v/--verbose: takes no value, and 'x' was given"),
        (["-vvq"], "unknown argument -q"),
        (["-vvqz=1"], "unknown argument -qz=1"),
        (["--verbose=a b\t"], "argument -v/--verbose: takes no value, and 'a b\\t' was given"),
        (["--colour", "red"], "argument --colour: invalid choice: 'red' (choose from 'green', 'blue')"),
        (["-4", "-6"], "argument -6: not allowed with argument -4"),
        (["-H", "https://a.example.org/"], f"argument -H/--hostname: 'https://a.example.org/' {NO_HOST}"),
        (["-H=-a"], f"argument -H/--hostname: '-a' {NO_HOST}"),
        (["-H", "."], f"argument -H/--hostname: '.' {NO_HOST}"),
        (["-H", "a.example.org:5000"], f"argument -H/--hostname: 'a.example.org:5000' {A_PORT}"),
        (["-H", "192.0.2.7:5000"], f"argument -H/--hostname: '192.0.2.7:5000' {A_PORT}"),
        (["-H", "[2001:db8::7]:5000"], f"argument -H/--hostname: '[2001:db8::7]:5000' {A_PORT}"),
        (["--port=--"], f"argument -p/--port: {NEEDS_A_VALUE} --port=-...)"),
    ],
)
def test_a_command_line_that_is_wrong_is_explained(words, sentence):
    assert refused(*words) == f"usage: {sentence} (see check_x --help)"


@pytest.mark.parametrize("host", ["a.example.org", "192.0.2.7", "2001:db8::7", "[2001:db8::7]", "fe80::1%eth0", "::1"])
def test_a_host_is_a_name_or_an_address(host):
    assert parser().parse_args(["-H", host]).hostname == host


def test_the_dot_at_the_end_of_a_host_name_is_left_out():
    """Of the DNS only: the GOCDB, a certificate and a server have the name without it."""
    assert parser().parse_args(["-H", "a.example.org."]).hostname == "a.example.org"


def test_a_long_command_line_is_not_repeated_whole():
    text = refused("x" * 100_000)
    assert len(text) < 700
    assert text.endswith("xxx... (see check_x --help)")


@pytest.mark.parametrize("text", ["1", "443", "00443", "65535"])
def test_a_port_is_a_number_from_1_to_65535(text):
    assert parser().parse_args(["-p", text]).port == int(text)


@pytest.mark.parametrize("text", ["0", "65536", "00000000199999", "0" * 9 + "1", "9" * 400, "-1", "٣", "1.0", "", "x"])
def test_what_is_no_port_is_refused(text):
    assert "is not a port between 1 and 65535" in refused(f"--port={text}")


def test_a_whole_number_has_its_bounds():
    assert (cli.whole_number("1", 5), cli.whole_number("5", 5)) == (1, 5)
    for text in ("0", "6", "5.", "five"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a number from 1 to 5"):
            cli.whole_number(text, 5)


def test_a_line_may_have_blanks_and_no_control_characters():
    assert cli.line(" CZ Site, two ") == "CZ Site, two"
    assert cli.line("") == ""
    for text in ("a\nb", "a\x00", "a\udcff", "a\u202eb"):
        with pytest.raises(argparse.ArgumentTypeError, match="has control characters in it, or is not UTF-8"):
            cli.line(text)


@pytest.mark.parametrize("text", ["a b", "", "  ", "a\tb", "a\u2028b", "a\udcff"])
def test_a_word_has_no_blanks(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is empty or has blanks or control characters in it"):
        cli.word(text)


def test_a_word_is_taken_without_the_blanks_around_it():
    assert cli.word(" x ") == "x"


def test_the_timeout_is_above_0_and_at_most_a_day():
    assert parser().parse_args(["-t", "1d"]).timeout == 86400
    assert parser().parse_args([]).timeout == 60
    for text in ("0", "-1", "86401", "1e3", "nan"):
        assert "-t/--timeout" in refused(f"--timeout={text}")


def test_a_longer_run_raises_the_limit_unless_one_is_given():
    made = parser()
    made.add_argument("--boot", action=cli.LongerRunAction, seconds=600, help="takes longer")
    assert made.parse_args([]).boot is False
    assert made.parse_args(["--boot"]).timeout == 600
    assert made.parse_args(["--boot", "-t", "90"]).timeout == 90
    assert made.parse_args(["-t", "60", "--boot"]).timeout == 60
    assert made.parse_args(["--boot"]).boot is True


def test_two_ranges_of_a_lifetime_stand_beside_a_comma():
    warning, critical = cli.lifetime_ranges("1h:,1m:")
    assert (str(warning), str(critical)) == ("3600:", "60:")
    assert [str(each) for each in cli.lifetime_ranges("2m:")] == ["120:", ""]
    assert [str(each) for each in cli.lifetime_ranges(",2m:")] == ["", "120:"]
    assert [str(each) for each in cli.lifetime_ranges("~:2m")] == ["~:120", ""]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("30d", "30d:"), ("30", "30d:"), ("30,14", "30d:,14d:"), ("30d:,7d", "30d:,7d:"), (",7d", ",7d:")],
)
def test_a_lifetime_as_other_plugins_take_it_is_refused_with_what_was_meant(text, meant):
    said = f"'{text}' would alert when much time is left; did you mean {meant}[?]$"
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        cli.lifetime_ranges(text)


def test_a_warning_of_a_lifetime_that_would_never_be_seen_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="7d: would never be seen, for 30d: is critical wherever"):
        cli.lifetime_ranges("7d:,30d:")


LIMITS = {
    "ranges": (cli.duration_range, lambda made: cli.thresholds(made, warning="", critical="", of="time")),
    "ages": (cli.age_limit, lambda made: cli.age_limits(made, warning="7d", critical="30d", of="age")),
    "numbers": (cli.number_range, lambda made: cli.number_thresholds(made, of="number")),
}
HIDDEN = [
    ("ranges", "10", "5"),
    ("ranges", "10", "10"),
    ("ranges", "10:", "20:"),
    ("ranges", "10", "~:5"),
    ("ranges", "@10:20", "@5:30"),
    ("ranges", "@10:20", "5"),
    ("ages", "30d", "7d"),
    ("ages", "7d", "7d"),
    ("ages", "40d", None),
    ("numbers", "100", "10"),
]
SEEN = [
    ("ranges", "5", "10"),
    ("ranges", "20:", "10:"),
    ("ranges", "@10:20", "20"),
    ("ranges", "10:20", "5:30"),
    ("ranges", "0:", "5"),
    ("ranges", "", "5"),
    ("ranges", "10", ""),
    ("ages", "7d", "30d"),
    ("ages", "0", "1d"),
    ("ages", None, "1d"),
    ("numbers", "10", "100"),
]


def limited(kind: str, warning: str | None, critical: str | None):
    made = cli.Parser(prog="check_x", doc="Check x.")
    LIMITS[kind][1](made)
    words = [f"{flag}={text}" for flag, text in (("-w", warning), ("-c", critical)) if text is not None]
    return made.parse_args(words)


@pytest.mark.parametrize(("kind", "warning", "critical"), HIDDEN)
def test_a_warning_limit_that_the_critical_one_hides_is_refused_whatever_its_kind(kind, warning, critical):
    with pytest.raises(cli.CommandLineExit) as stop:
        limited(kind, warning, critical)
    assert stop.value.text == (
        f"usage: -w {warning} would never be seen, for -c {critical or '30d'} is critical wherever it alerts; are they "
        "the wrong way round? (see check_x --help)"
    )


@pytest.mark.parametrize(("kind", "warning", "critical"), SEEN)
def test_a_warning_limit_that_can_be_seen_is_taken(kind, warning, critical):
    limited(kind, warning, critical)


def test_help_is_as_wide_as_the_terminal_says(monkeypatch):
    made = parser()
    for columns in (60, 80, 110):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = made.format_help().splitlines()
        assert columns - 20 < max(map(len, lines)) < columns


HELP = """\
options:
  --colour {green,blue}     of the light

endpoint:
  -H, --hostname HOST       host name, looked up in the GOCDB
  -p, --port PORT           port, if it differs from the registered one
  -u, --url URL             URL as registered in the GOCDB
  --connect-to HOST:PORT    connect there instead, and verify the endpoint's own name;
                            HOST1:PORT1:HOST2:PORT2 as curl has it
  --source-address ADDRESS  address of this machine that connections come from; one of each kind,
                            IPv4 and IPv6
  -4                        IPv4 addresses only
  -6                        IPv6 addresses only

standard options:
  -t, --timeout DURATION    time limit of the whole run, cleaning included: seconds, or 5m, 1h
                            (default 60)
  -v, --verbose             more detail; -vv and -vvv: still more
  --config FILE             settings file (default /etc/fedcloud-probes/probes.ini)
  -V, --version             print the version and exit with 3
  -h, --help                print this text and exit with 3
"""


def test_help_is_the_same_plain_text_with_every_python(monkeypatch):
    """3.11 repeats the value after each name of an option, 3.14 colours where it is told to."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "102")
    with pytest.raises(cli.CommandLineExit) as stop:
        parser().parse_args(["--help"])
    assert HELP in stop.value.text
    assert "\x1b" not in stop.value.text


def test_help_and_version_are_no_errors():
    for words, text in ((["-V"], f"check_x {__version__}\n"), (["-h"], "usage: check_x")):
        with pytest.raises(cli.CommandLineExit) as stop:
            parser().parse_args(words)
        assert not stop.value.is_error
        assert stop.value.text.startswith(text)
