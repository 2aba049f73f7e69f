"""`run.execute`: a whole run within this process, as the resident worker has it. As a process: test_run.py."""

from __future__ import annotations

import argparse
import errno
import gc
import posix
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from nagiosplugin import Metric, Resource

from libprobe import redact
from libprobe.checks.base import Check, outcome_metric
from libprobe.deadline import ENFORCE_AFTER_S, Deadline, Interrupted, OutOfTime
from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING, BadData, HelperFailure, Misconfigured
from libprobe.judge.contexts import Scalar
from libprobe.judge.summaries import OneLine
from libprobe.probe import cli, output, run
from libprobe.text import duration
from tests.pace import Watch, seconds

DOC = "Check nothing in particular."
PAGE = f"what it means, and what to do: {output.PAGES}check_demo.md"
Body = Callable[[Check], Iterator[Metric] | None]


class Subject(Check):
    """Measures what a test wants."""

    def __init__(self, deadline: Deadline, body: Body) -> None:
        super().__init__(deadline)
        self.facts["word"] = "fine"
        self._body = body

    def measure(self) -> Iterator[Metric]:
        yield from self._body(self) or ()


def options(parser: cli.Parser) -> None:
    cli.thresholds(parser, warning="10", critical="20", of="value")


def made(body: Body, summary: str = "all is {word}") -> run.MakeCheck:
    def check(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        yield Subject(deadline, body)
        yield Scalar("value", args.warning, args.critical)
        yield OneLine(summary)

    return check


def values(*found: float) -> Body:
    return lambda _: (Metric("value", each) for each in found)


def execute(check: run.MakeCheck, *words: str, **more: object) -> tuple[int, str]:
    return run.execute("DEMO", options, check, ["/somewhere/check_demo", *words], doc=DOC, **more)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "none").touch()
    monkeypatch.setenv("FEDCLOUD_PROBES_CONFIG", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("value", "code", "line"),
    [
        (7, OK, "DEMO OK - all is fine | value=7;10;20"),
        (11, WARNING, "DEMO WARNING - value is 11 (limit 10) | value=11;10;20"),
        (21, CRITICAL, "DEMO CRITICAL - value is 21 (limit 20) | value=21;10;20"),
    ],
)
def test_a_value_makes_the_code_and_the_whole_report(value, code, line):
    assert execute(made(values(value))) == (code, f"{line}\n")


def test_options_are_those_of_the_command_line():
    assert execute(made(values(7)), "-w", "5")[0] == WARNING
    assert execute(made(values(7)), "-w", "5", "-c", "6")[0] == CRITICAL


def test_a_usage_error_is_unknown_and_names_the_program():
    said = "DEMO UNKNOWN - usage: unknown argument x (see check_demo --help)\n"
    assert execute(made(values(7)), "x") == (UNKNOWN, said)


@pytest.mark.parametrize("word", ["-v", "-vv", "--verbose"])
def test_a_usage_error_with_v_names_the_page_as_well(word):
    assert execute(made(values(7)), "x", word)[1].splitlines()[1:] == [PAGE]


@pytest.mark.parametrize("word", ["-", "--", "-x", "--verb", "-vx"])
def test_what_only_looks_like_v_names_no_page(word):
    assert execute(made(values(7)), "surplus", word)[1].count("\n") == 1


def test_help_and_version_are_their_text_and_unknown():
    code, text = execute(made(values(7)), "--help")
    assert (code, text[:17], DOC in text) == (UNKNOWN, "usage: check_demo", True)
    assert execute(made(values(7)), "-V")[1].startswith("check_demo ")


def test_a_parser_that_was_made_before_is_used():
    parser = run.make_parser("/elsewhere/check_other", options, doc=None, timeout=7)
    assert (parser.prog, parser.get_default("timeout")) == ("check_other", 7)
    assert "(see check_other --help)" in execute(made(values(7)), "x", parser=parser)[1]
    assert run.make_parser("x", options, doc=DOC).get_default("timeout") == run.DEFAULT_TIMEOUT_S


def test_a_program_without_a_name_has_that_of_the_check():
    assert "(see DEMO --help)" in run.execute("DEMO", options, made(values(7)), ["", "x"], doc=DOC)[1]
    text = run.execute("DEMO", options, made(values(11)), ["", "-v"], doc=DOC)[1]
    assert f"{output.PAGES}DEMO.md" in text


def test_the_deadline_is_that_of_t_and_is_handed_out():
    seen: list[Deadline] = []
    execute(made(values(7)), "-t", "33", on_deadline=seen.append)
    execute(made(values(7)), on_deadline=seen.append, timeout=44)
    execute(made(values(7)), on_deadline=seen.append)
    assert [each.seconds for each in seen] == [33.0, 44.0, run.DEFAULT_TIMEOUT_S]


def test_settings_are_read_before_the_check_is_made(tmp_path):
    path = tmp_path / "settings"
    path.write_text("[tls]\nca_path = /somewhere\n")
    seen: list[str] = []

    def check(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        seen.append(args.settings.get("tls", "ca_path"))
        yield from made(values(7))(args, deadline)

    assert execute(check, "--config", str(path))[0] == OK
    assert seen == ["/somewhere"]
    code, text = execute(check, "--config", str(tmp_path / "absent"))
    assert (code, text) == (UNKNOWN, f"DEMO UNKNOWN - settings file {tmp_path / 'absent'} does not exist\n")


def test_a_failure_before_the_check_is_made_has_its_status():
    def broken(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        raise BadData("the registration is wrong", remedy="correct it")
        yield

    assert execute(broken) == (CRITICAL, "DEMO CRITICAL - the registration is wrong (correct it)\n")


def test_what_was_judged_before_a_failure_stays_and_the_worse_is_said():
    def body(check: Check) -> Iterator[Metric]:
        yield Metric("value", 99)
        raise HelperFailure("the portal is down")

    assert execute(made(body)) == (CRITICAL, "DEMO CRITICAL - value is 99 (limit 20) | value=99;10;20\n")
    assert execute(made(body), "-v")[1].splitlines()[1:] == [PAGE, "unknown: the portal is down"]

    def other(check: Check) -> Iterator[Metric]:
        yield Metric("value", 11)
        raise Misconfigured("no state is kept")

    assert execute(made(other)) == (UNKNOWN, "DEMO UNKNOWN - no state is kept | value=11;10;20\n")


def test_a_bug_is_unknown_and_says_so_with_its_traceback_from_v():
    def body(check: Check) -> Iterator[Metric]:
        yield Metric("value", 1)
        raise ZeroDivisionError("by zero")

    said = "a bug in the probe: ZeroDivisionError: by zero; run it with -v for the traceback, and report it"
    assert execute(made(body)) == (UNKNOWN, f"DEMO UNKNOWN - {said} | value=1;10;20\n")
    lines = execute(made(body), "-v")[1].splitlines()
    assert lines[1:3] == [PAGE, "Traceback (most recent call last):"]
    assert lines[-1] == "ZeroDivisionError: by zero"


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (ModuleNotFoundError("No module named 'x'", name="x"), "x"),
        (ModuleNotFoundError("No module named 'x.y'", name="x.y"), "x"),
        (ImportError("odd"), "odd"),
    ],
)
def test_a_missing_library_is_no_bug(error, missing):
    def body(check: Check) -> Iterator[Metric]:
        raise error
        yield

    assert execute(made(body)) == (
        UNKNOWN,
        f"DEMO UNKNOWN - a library is missing: {sys.executable} has no {missing} "
        f"(install it there: {sys.executable} -m pip install '{missing}'; or run this with the Python that this "
        "package was installed for)\n",
    )


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "Too many open files"), "file descriptors for this process"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk space"),
    ],
)
def test_a_machine_that_has_not_what_a_check_needs_is_no_bug(error, what):
    def body(check: Check) -> Iterator[Metric]:
        raise error
        yield

    said = f"monitoring host out of {what} (raise its limits, or run less at a time)"
    assert execute(made(body)) == (UNKNOWN, f"DEMO UNKNOWN - {said}\n")


def test_another_error_of_the_system_is_a_bug():
    def body(check: Check) -> Iterator[Metric]:
        raise OSError(errno.EPERM, "Operation not permitted")
        yield

    assert "a bug in the probe: PermissionError: [Errno 1] Operation not permitted; " in execute(made(body))[1]


def test_a_part_of_our_own_that_is_missing_is_a_bug():
    def body(check: Check) -> Iterator[Metric]:
        raise ModuleNotFoundError("No module named 'libprobe.x'", name="libprobe.x")
        yield

    assert "a bug in the probe: ModuleNotFoundError: No module named 'libprobe.x'" in execute(made(body))[1]


def test_an_interruption_is_unknown_with_what_was_found():
    def body(check: Check) -> Iterator[Metric]:
        yield Metric("value", 1)
        raise Interrupted("interrupted by SIGTERM")

    assert execute(made(body)) == (UNKNOWN, "DEMO UNKNOWN - interrupted by SIGTERM | value=1;10;20\n")


def test_time_that_is_up_while_the_endpoint_was_waited_for_is_its_doing_and_else_this_machines():
    def slow(check: Check) -> Iterator[Metric]:
        check.deadline.waits.add(1000.0, 1000.0)  # as if it had been the endpoint's turn
        time.sleep(300)
        yield

    def slow_by_itself(check: Check) -> Iterator[Metric]:
        time.sleep(300)
        yield

    def never(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        time.sleep(300)
        yield

    watch = Watch()
    within = seconds(0.05)
    limit = f"not finished within {duration(within)} by the endpoint (raise -t to wait longer)"
    assert execute(made(slow), "-t", f"{within:g}") == (CRITICAL, f"DEMO CRITICAL - {limit}\n")
    code, said = execute(made(slow_by_itself), "-t", f"{within:g}")
    limit = f"DEMO UNKNOWN - not finished within {duration(within)} by this machine, which took "
    assert (code, said[: len(limit)]) == (UNKNOWN, limit)
    limit = f"not finished within {within:g} s by this machine (look whether the monitoring host is overloaded)"
    assert execute(never, "-t", f"{within:g}") == (UNKNOWN, f"DEMO UNKNOWN - {limit}\n")
    watch.ended_within(25)


def test_no_result_is_a_bug_that_is_said():
    assert execute(made(lambda _: None)) == (
        UNKNOWN,
        "DEMO UNKNOWN - the check came to no result; this is a bug in the probe\n",
    )


def test_a_summary_that_names_what_nobody_found_loses_no_result():
    code, text = execute(made(values(7), "all is {other}"))
    assert (code, text) == (
        UNKNOWN,
        "DEMO UNKNOWN - the result could not be put into words: KeyError: 'other' | value=7;10;20\n",
    )


def test_details_come_by_their_level_and_ok_names_no_page():
    def body(check: Check) -> Iterator[Metric]:
        for level in (1, 2, 3):
            check.detail(level, f"level {level}")
        yield Metric("value", 1)

    for words, shown in (((), []), (("-v",), [1]), (("-vv",), [1, 2]), (("-v", "-v", "-v"), [1, 2, 3])):
        assert execute(made(body), *words)[1].splitlines()[1:] == [f"level {level}" for level in shown]


def test_a_resource_without_details_has_none():
    class Bare(Resource):
        def probe(self) -> Iterator[Metric]:
            yield Metric("value", 1)

    def check(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        yield from (Bare(), Scalar("value"), OneLine("fine"))

    assert execute(check, "-v") == (OK, "DEMO OK - fine | value=1\n")


def test_vvv_shows_the_loggers_and_more_than_nagios_reads():
    import logging

    before = list(logging.getLogger().handlers)

    def body(check: Check) -> Iterator[Metric]:
        logging.getLogger("some.library").debug("hello")
        for number in range(2000):
            check.detail(1, f"line {number}")
        yield Metric("value", 1)

    text = execute(made(body), "-vvv")[1]
    assert "some.library: hello" in text and "line 1999" in text
    text = execute(made(body), "-vv")[1]
    assert "some.library" not in text and len(text.encode()) <= output.MAX_BYTES
    assert logging.getLogger().handlers == before, "a listener stays behind"


def test_more_lines_than_are_kept_are_counted(monkeypatch):
    from libprobe.probe import trace

    start = trace.start

    def full() -> object:
        started = start()
        started.dropped = 7
        return started

    monkeypatch.setattr(trace, "start", full)
    assert execute(made(values(1)), "-vvv")[1].endswith("\n7 more lines not kept\n")


def test_secrets_are_blanked_and_forgotten_when_the_run_is_over():
    def body(check: Check) -> Iterator[Metric]:
        redact.register("s3cr3t-t0ken")
        yield outcome_metric(WARNING, "it said s3cr3t-t0ken")

    assert execute(made(body)) == (WARNING, "DEMO WARNING - it said [secret]\n")
    assert redact.blank("s3cr3t-t0ken") == "s3cr3t-t0ken"


class _Left(BaseException):
    """In place of the end of the process."""


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run `run.probe` in this process; its exit code and what it printed."""
    import os
    import signal

    before = {number: signal.getsignal(number) for number in (1, 2, 14, 15)}
    threshold = gc.get_threshold()
    printed: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        assert descriptor == 1
        printed.append(bytes(data[:1000]))  # a pipe takes only so much at a time
        return len(printed[-1])

    def leave(code: int) -> None:
        raise _Left(code)

    def call(check: run.MakeCheck, *words: str, **more: object) -> tuple[int, str]:
        printed.clear()
        monkeypatch.setattr(sys, "argv", ["check_demo", *words])
        with pytest.raises(_Left) as left:
            run.probe("DEMO", options, check, doc=DOC, **more)
        return left.value.args[0], b"".join(printed).decode()

    monkeypatch.setattr(run, "since_start", lambda **_: 0.0)  # this process is not one of a probe, and may be old
    monkeypatch.setattr(posix, "write", write)
    monkeypatch.setattr(os, "_exit", leave)
    yield call
    gc.set_threshold(*threshold)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_process_prints_the_whole_report_and_ends_with_its_code(as_process):
    def body(check: Check) -> Iterator[Metric]:
        for number in range(300):
            check.detail(1, f"line {number}")
        yield Metric("value", 11)

    code, text = as_process(made(body), "-v")
    assert (code, text) == execute(made(body), "-v")
    assert gc.get_threshold()[0] == run.GC_THRESHOLD


def test_a_process_has_its_own_default_of_t(as_process):
    seen: list[float] = []

    def check(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        seen.append(deadline.seconds)
        yield from made(values(1))(args, deadline)

    as_process(check, timeout=12)
    as_process(check)
    assert DOC in as_process(check, "--help")[1]
    assert seen == [12.0, 60.0]


def test_a_signal_ends_the_check_once_and_leaves_time_to_clean_up(as_process, monkeypatch):
    import os
    import signal

    timers: list[tuple[float, ...]] = []
    real = signal.setitimer
    monkeypatch.setattr(signal, "setitimer", lambda _, *times: timers.append(times) or real(_, *times))

    def body(check: Check) -> Iterator[Metric]:
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(300)
        except Interrupted:
            os.kill(os.getpid(), signal.SIGTERM)  # changes nothing
            assert 0 < check.deadline.remaining() <= run.GRACE_S
            raise
        yield

    code, text = as_process(made(body))
    assert (code, text) == (UNKNOWN, "DEMO UNKNOWN - interrupted by SIGHUP\n")
    assert (run.GRACE_S + ENFORCE_AFTER_S, 1.0) in timers, "a net below what cleans up"
    assert [signal.getsignal(number) for number in (1, 2, 14, 15)] == [signal.SIG_IGN] * 4


def test_a_signal_before_there_is_a_check_is_said_as_well(as_process, monkeypatch):
    import os
    import signal

    def early(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(300)

    monkeypatch.setattr(run, "execute", early)
    assert as_process(made(values(1)), "-v") == (UNKNOWN, f"DEMO UNKNOWN - interrupted by SIGINT\n{PAGE}\n")


def test_a_bug_outside_of_any_check_is_unknown_as_well(as_process, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(run, "execute", broken)
    said = "a bug in the probe: ZeroDivisionError: by zero; run it with -v for the traceback, and report it"
    assert as_process(made(values(1))) == (UNKNOWN, f"DEMO UNKNOWN - {said}\n")


def test_nobody_who_reads_is_no_reason_not_to_end(as_process, monkeypatch):
    def gone(descriptor: int, data: bytes) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(posix, "write", gone)
    assert as_process(made(values(21))) == (CRITICAL, "")


class Ended:
    """An attribute within whose class, while it is made, the run ends."""

    def __init__(self, end: BaseException) -> None:
        self.end = end

    def __set_name__(self, owner: type, name: str) -> None:
        raise self.end


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (OutOfTime(), "not finished within 60 s by this machine (look whether the monitoring host is overloaded)"),
        (Interrupted("interrupted by SIGTERM"), "interrupted by SIGTERM"),
    ],
)
def test_a_run_that_ends_while_a_library_is_loaded_is_no_bug(end, said):
    """Loading makes classes, and before Python 3.12 what is raised while one is made comes out as a RuntimeError."""

    def check(args: argparse.Namespace, deadline: Deadline) -> Iterator[object]:
        type("Loaded", (), {"attribute": Ended(end)})
        yield from ()

    assert execute(check) == (UNKNOWN, f"DEMO UNKNOWN - {said}\n")
