"""The one way in and out, seen from outside: exit code, standard output, standard error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from libprobe.deadline import OVERLOADED
from tests.conftest import Probe, Report, clean_environment, command
from tests.pace import AMPLE_S, Watch, seconds

SCRIPT = '''
"""Check nothing in particular."""
import os, time
from libprobe.probe import cli, run
from libprobe.failures import *
from libprobe.failures import UNKNOWN, WARNING, CRITICAL

def options(parser):
    cli.endpoint(parser)
    cli.thresholds(parser, warning="10", critical="20", of="value")

def check(args, deadline):
    from nagiosplugin import Metric
    from libprobe.checks.base import Check, outcome_metric
    from libprobe.judge.contexts import Scalar
    from libprobe.judge.summaries import OneLine

    class Subject(Check):
        def measure(self):
            self.facts["word"] = "fine"
{body}

    yield Subject(deadline)
    yield Scalar("value", args.warning, args.critical)
    yield Scalar("other")
    yield OneLine("all is {{word}}")

if __name__ == "__main__":
    run.probe("DEMO", options, check, doc=__doc__)
'''


@pytest.fixture
def script(tmp_path: Path, probe: Probe):
    """Run a probe whose measurement is the given code."""

    def run(body: str, *arguments: object, **environment: object) -> Report:
        return probe(str(write(tmp_path, body)), *arguments, **environment)

    return run


def write(directory: Path, body: str) -> Path:
    path = directory / "check_demo"
    path.write_text(SCRIPT.format(body=textwrap.indent(textwrap.dedent(body), " " * 12)))
    return path


@pytest.mark.parametrize(
    ("value", "code", "line"),
    [
        ("7", 0, "DEMO OK - all is fine | value=7;10;20"),
        ("10", 0, "DEMO OK - all is fine | value=10;10;20"),
        ("11", 1, "DEMO WARNING - value is 11 (limit 10) | value=11;10;20"),
        ("20.5", 2, "DEMO CRITICAL - value is 20.5 (limit 20) | value=20.5;10;20"),
        ("0.1 + 0.2", 0, "DEMO OK - all is fine | value=0.3;10;20"),
        ("1e-07", 0, "DEMO OK - all is fine | value=0;10;20"),
        ("float('nan')", 3, "DEMO UNKNOWN - value is nan, not a number that can be judged"),
        ("float('inf')", 3, "DEMO UNKNOWN - value is inf, not a number that can be judged"),
        ("-1", 2, "DEMO CRITICAL - value is -1 (limit 20) | value=-1;10;20"),
    ],
)
def test_a_value_decides_the_status(script, value, code, line):
    assert script(f"yield Metric('value', {value})") == Report(code, line + "\n", "")


def test_the_time_of_a_run_begins_with_its_process_and_ends_before_what_is_kept(script):
    report = script(
        """
        is_whole = deadline.elapsed() >= time.process_time() - 0.05
        self.facts["word"] = f"{is_whole} {deadline.elapsed() + deadline.remaining():.2f}"
        yield Metric('value', 7)
        """,
        "-t",
        AMPLE_S,
    )
    assert report == Report(0, f"DEMO OK - all is True {AMPLE_S - 0.3:.2f} | value=7;10;20\n", "")


@pytest.mark.parametrize(
    ("value", "code", "line"),
    [
        ("7", 0, "DEMO OK - all is fine | value=7;10;20"),
        ("11", 1, "DEMO WARNING - value is 11 (limit 10) | value=11;10;20"),
        ("21", 1, "DEMO WARNING - value is 21 (limit 20); CRITICAL without --severity warn | value=21;10;20"),
        ("float('nan')", 3, "DEMO UNKNOWN - value is nan, not a number that can be judged"),
    ],
)
def test_a_severity_makes_of_what_is_critical_a_warning_that_says_so_and_of_nothing_else(script, value, code, line):
    assert script(f"yield Metric('value', {value})", "--severity", "warn") == Report(code, line + "\n", "")


def test_the_severity_is_critical_by_default_and_v_tells_the_verdict(script):
    line = "DEMO CRITICAL - value is 21 (limit 20) | value=21;10;20\n"
    assert script("yield Metric('value', 21)", "--severity", "crit") == Report(2, line, "")
    report = script("yield Metric('value', 21)", "--severity", "warn", "-v")
    assert report.code == 1
    assert report.lines[1:] == ["the verdict is CRITICAL, and --severity warn has it reported as WARNING"]


def test_a_failure_is_reported_by_the_severity_too_and_a_helpers_stays_unknown(script):
    for raised, code, said in (
        ("EndpointFailure", 1, "WARNING - it fell over; CRITICAL without --severity warn"),
        ("HelperFailure", 3, "UNKNOWN - it fell over"),
    ):
        report = script(f"raise {raised}('it fell over')\nyield", "--severity", "warn")
        assert report == Report(code, f"DEMO {said}\n", "")


FORMS = "a range is END (from 0), START:, ~:END, START:END, or @START:END for its inside"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--warnin", "3"], "unknown argument --warnin; did you mean --warning?"),
        (["--verb"], "unknown argument --verb; did you mean --verbose?"),
        (["--severity", "ok"], "argument --severity: invalid choice: 'ok' (choose from 'warn', 'crit')"),
        (["surplus"], "unknown argument surplus; did you mean -H surplus?"),
        (["-w", "5:3"], f"argument -w/--warning: '5:3' starts above its end; {FORMS}"),
        (["-c", "7x"], "argument -c/--critical: '7x' has the unit 'x'; known are ms, s, m, min, h, d, w"),
        (["-c", "nan"], "argument -c/--critical: 'nan' is not a number, alone or with a unit (ms, s, m, min, h, d, w)"),
        (["-t", "0"], "argument -t/--timeout: '0' is not above 0 and at most 86400 s"),
        (["-t", "-3"], "argument -t/--timeout: '-3' is not above 0 and at most 86400 s"),
        (["-p", "99999"], "argument -p/--port: '99999' is not a port between 1 and 65535"),
        (["-p", "0"], "argument -p/--port: '0' is not a port between 1 and 65535"),
        (
            ["-H"],
            "argument -H/--hostname: needs a value (one that begins with a dash is written --hostname=-...)",
        ),
        (["-H", ""], "argument -H/--hostname: '' is empty or has blanks or control characters in it"),
        (["-H", "a b"], "argument -H/--hostname: 'a b' is empty or has blanks or control characters in it"),
    ],
)
def test_a_usage_error_is_one_line_on_standard_output_and_exit_code_3(script, arguments, sentence):
    report = script("yield Metric('value', 7)", *arguments)
    assert report == Report(3, f"DEMO UNKNOWN - usage: {sentence} (see check_demo --help)\n", "")


def test_help_and_version_exit_with_3_and_help_names_every_standard_option(script):
    report = script("", "--help")
    assert (report.code, report.err) == (3, "")
    assert report.out.startswith("usage: check_demo ")
    for option in ("-H", "-p", "-u", "-t", "-w", "-c", "-v", "-V", "-h", "--config"):
        assert f"  {option}" in report.out
    assert script("", "-V").out.startswith("check_demo 1.")
    assert script("", "-V").code == 3


def out_of_time(script, body: str) -> tuple[float, Report]:
    """A limit of half a second, or longer where a busy machine has not come to the body by then; and its report."""
    limit = seconds(0.5)
    while True:
        watch = Watch()
        report = script(body, "-t", limit)
        if OVERLOADED not in report.out or limit > AMPLE_S:
            break
        limit *= 4
    watch.ended_within(limit + 2.5)
    return limit, report


def test_a_fraction_of_a_second_is_a_timeout_and_not_none_at_all(script):
    limit, report = out_of_time(script, "deadline.waits.add(1000, 1000)\ntime.sleep(2000)\nyield Metric('value', 7)")
    assert report == Report(
        2, f"DEMO CRITICAL - not finished within {limit:g} s by the endpoint (raise -t to wait longer)\n", ""
    )


def test_a_library_that_catches_every_exception_does_not_swallow_the_timeout(script):
    body = """
        deadline.waits.add(1000, 1000)  # as if it had been the endpoint's turn
        while True:
            try:
                time.sleep(2000)
            except Exception:
                pass
        yield
    """
    assert out_of_time(script, body)[1].code == 2


def test_what_was_critical_stays_critical_when_an_error_follows(script):
    report = script("yield Metric('value', 99)\nraise HelperFailure('the portal is down')")
    assert report == Report(2, "DEMO CRITICAL - value is 99 (limit 20) | value=99;10;20\n", "")
    report = script("yield Metric('value', 99)\nraise KeyError('oops')", "-v")
    assert report.code == 2
    assert (
        "unknown: a bug in the probe: KeyError: 'oops'; run it with -v for the traceback, and report it" in report.lines
    )


def test_unknown_hides_a_warning_and_critical_hides_unknown(script):
    yielded = "yield outcome_metric(WARNING, 'late')\nyield outcome_metric(UNKNOWN, 'not known')\n"
    assert script(yielded).first == "DEMO UNKNOWN - not known"
    assert script(yielded + "yield outcome_metric(CRITICAL, 'down')").first == "DEMO CRITICAL - down"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("NameUnknown", 2),
        ("Refused", 2),
        ("Unreachable", 2),
        ("NoAnswer", 2),
        ("TlsFailure", 2),
        ("Rejected", 2),
        ("ProtocolFailure", 2),
        ("BadData", 2),
        ("HelperFailure", 3),
        ("OwnCredential", 3),
        ("Misconfigured", 3),
    ],
)
def test_each_failure_has_its_status_and_says_what_to_do(script, failure, code):
    report = script(f"raise {failure}('it went wrong', remedy='do this')\nyield")
    assert report == Report(code, f"DEMO {['', '', 'CRITICAL', 'UNKNOWN'][code]} - it went wrong (do this)\n", "")


def test_a_bug_is_unknown_on_one_line_and_the_traceback_comes_with_v(script):
    plain = script("raise ZeroDivisionError('a\\nb')\nyield")
    assert plain == Report(
        3,
        "DEMO UNKNOWN - a bug in the probe: ZeroDivisionError: a b; run it with -v for the traceback, and report it\n",
        "",
    )
    assert any("Traceback" in line for line in script("raise ZeroDivisionError\nyield", "-v").lines)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "raise OSError(24, 'Too many open files', 'x.py')",
            "monitoring host out of file descriptors for this process",
        ),
        ("raise MemoryError", "monitoring host out of memory"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); import wave",
            "monitoring host out of file descriptors for this process",
        ),
        ("import sys; sys.modules['traceback'] = None; raise MemoryError", "monitoring host out of memory"),
    ],
)
def test_a_machine_that_has_not_what_a_check_needs_is_no_bug(script, body, said):
    for options in ([], ["-v"]):
        report = script(f"{body}\nyield", *options)
        assert (report.code, report.err) == (3, "")
        assert report.first.startswith("DEMO UNKNOWN - ")
        assert said in report.first or "has no traceback" in report.first


def test_a_missing_library_is_unknown_and_no_traceback(script):
    report = script("import no_such_library\nyield")
    assert report.code == 3
    assert report.first == (
        f"DEMO UNKNOWN - a library is missing: {sys.executable} has no no_such_library (install it there: "
        f"{sys.executable} -m pip install 'no_such_library'; or run this with the Python that this package was "
        "installed for)"
    )


def test_a_check_that_yields_nothing_is_unknown(script):
    assert script("return\nyield").first == "DEMO UNKNOWN - the check came to no result; this is a bug in the probe"


def test_hostile_text_stays_on_one_line_without_markup(script):
    body = r"""
        raise BadData('a\nb | c=1\x1b[31mred\x1b[0m <script>x</script>\u202egnp\x00end')
        yield
    """
    report = script(body)
    assert report == Report(2, "DEMO CRITICAL - a b / c=1 red [script]x[/script] gnp end\n", "")


def test_four_hundred_metrics_stay_below_the_limit_and_the_first_line_is_whole(script):
    report = script(
        "yield Metric('value', 3)\n"
        "for n in range(400):\n    yield Metric(f'a_long_label_{n:03}', 1.5, 's', context='other')"
    )
    assert report.code == 0
    assert len(report.out.encode()) <= 20_000
    assert report.first == "DEMO OK - all is fine"
    assert "performance values left out" in report.lines[0]


def test_long_output_is_cut_at_20000_bytes_and_says_so(script):
    body = "for n in range(3000):\n    self.detail(1, f'line {n}')\nyield Metric('value', 7)"
    report = script(body, "-v")
    assert 19_900 < len(report.out.encode()) <= 20_000
    assert report.lines[0] == "line 0"
    assert report.lines[-1].endswith("more lines left out")
    assert script(body).lines == []


PAGE = "what it means, and what to do: https://github.com/EGI-Federation/fedcloud-probes/blob/main/docs/check_demo.md"


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ("yield Metric('value', 11)", []),
        ("yield Metric('value', 99)", []),
        ("raise HelperFailure('the portal is down')", []),
        ("time.sleep(200)\nyield", ["-t", "0.2"]),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(200)\nyield", []),
        ("", ["--config", "/proc/nonexistent"]),
        ("", ["--no-such-option"]),
        ("", ["-w", "5:3"]),
    ],
)
def test_with_v_whatever_is_not_ok_names_its_page_before_all_detail(script, body, arguments):
    for words in (["-v", *arguments], [*arguments, "--verbose"], ["-vv", *arguments]):
        report = script(body, *words)
        assert (report.code > 0, report.lines[0]) == (True, PAGE), report.out
        assert report.out.count(PAGE) == 1
    assert "/docs/" not in script(body, *arguments).out


def test_what_is_ok_names_no_page(script):
    assert script("yield Metric('value', 7)", "-v").lines == []


def test_vvv_shows_the_loggers_of_every_library(script):
    body = "import logging\nlogging.getLogger('some.library').debug('hello')\nyield Metric('value', 7)"
    assert "some.library: hello" in script(body, "-vvv").lines
    assert script(body, "-vv").lines == []


def test_registered_secrets_never_come_out(script):
    body = """
        from libprobe import redact
        import logging
        redact.register('s3cr3t-token')
        logging.getLogger('x').debug('sent s3cr3t-token')
        self.detail(1, 'with s3cr3t-token')
        raise BadData('got s3cr3t-token back')
        yield
    """
    report = script(body, "-vvv")
    assert "s3cr3t" not in report.out
    assert report.first == "DEMO CRITICAL - got [secret] back"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_prints_a_line_and_exits_with_3(tmp_path, number):
    path = write(tmp_path, "yield Metric('value', 7)\nprint(end='ready', flush=True)\ntime.sleep(300)")
    with subprocess.Popen(
        command(str(path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(HOME=tmp_path)
    ) as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 5) == b"ready"
        process.send_signal(number)
        out, err = process.communicate(timeout=AMPLE_S)
    line = f"DEMO UNKNOWN - interrupted by {signal.Signals(number).name} | value=7;10;20\n"
    assert (process.returncode, out.decode(), err) == (3, line, b"")


def test_the_exit_code_survives_a_closed_standard_output(tmp_path):
    path = write(tmp_path, "yield Metric('value', 99)")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command(str(path)), stdout=writer, stderr=subprocess.PIPE, env=clean_environment(HOME=tmp_path)
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (2, b"")


def test_text_that_is_not_ascii_is_printed_whatever_the_locale(script):
    assert script("raise BadData('Überlauf')\nyield", LC_ALL="C", PYTHONUTF8="0").first == "DEMO CRITICAL - Überlauf"


def test_a_summary_that_cannot_be_said_keeps_the_status(script):
    report = script("del self.facts['word']\nyield Metric('value', 3)")
    assert report.code == 3
    assert "could not be put into words: KeyError" in report.first
