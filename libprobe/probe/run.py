"""The one way in and the one way out of every probe.

    options -> check (resources, contexts, summary) -> results -> one report, one exit code

`probe` is what an executable calls; `execute` does the same without touching the process, so that
tests and a resident worker get the same bytes.
"""

from __future__ import annotations

import gc
import os
import sys

from libprobe import redact
from libprobe.deadline import (
    ENFORCE_AFTER_S,
    OVERLOADED,
    Deadline,
    Interrupted,
    OutOfTime,
    handle_signals,
    kept_seconds,
    since_start,
    unwrap_end,
)
from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING, Failure
from libprobe.probe import cli, door, output
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence
    from types import FrameType
    from typing import Any, NoReturn

    from libprobe.judge.evaluation import Evaluation

    Options = Callable[[cli.Parser], None]
    MakeCheck = Callable[[argparse.Namespace, Deadline], Iterable[Any]]

GC_THRESHOLD = 50_000
"""Objects between two garbage collections: importing makes much and frees nothing; 700 cost 6 % of a run."""

GRACE_S = 4.0
"""How long a run may still clean up after SIGTERM, SIGINT or SIGHUP."""

DEFAULT_TIMEOUT_S = 60.0

MAX_NOTES = 3
"""Addresses that the status line names because they did not answer."""


def probe(
    name: str,
    options: Options,
    check: MakeCheck,
    *,
    doc: str | None,
    timeout: float = 0,
) -> NoReturn:
    """Run a probe as this process: read sys.argv, print one report, exit with its code.

    name:    subject of the status line, `OCCI-VM`.
    options: adds the probe's own options to a parser that has the standard ones.
    check:   yields the resources, contexts and summary of the check; imports what it needs itself, so
             that --help stays quick and a missing library is a report and not a traceback.
    doc:     the executable's docstring, shown by --help.
    timeout: default of -t in seconds.
    """
    gc.set_threshold(GC_THRESHOLD)
    code, report, _ = execute_as_process(
        name, options, check, doc=doc, timeout=timeout, spent=lambda: since_start(waited=door.spent_s)
    )
    output.print_and_exit(code, report)


def execute_as_process(
    name: str,
    options: Options,
    check: MakeCheck,
    *,
    doc: str | None,
    spent: Callable[[], float],
    timeout: float = 0,
    parser: cli.Parser | None = None,
) -> tuple[int, str, bool]:
    """Run a probe with sys.argv and the signals of this process; those that would end it are ignored afterwards.

    spent:  tells the seconds of its time that are over when it begins.
    parser: of `make_parser`, if there is one already.
    Returns exit code, report, and whether it came to its end within its time and by no signal.
    """
    output.open_descriptors()
    signals = _EndOnSignals()
    try:
        signals.install()
        try:
            if door.sentence:
                code, report = UNKNOWN, _report_without_check(name, door.sentence, sys.argv)
            else:
                code, report = execute(
                    name,
                    options,
                    check,
                    sys.argv,
                    doc=doc,
                    timeout=timeout,
                    spent=spent(),
                    on_deadline=signals.watch,
                    parser=parser,
                )
        finally:
            signals.ignore()
    except Interrupted:
        code, report = UNKNOWN, _report_without_check(name, signals.sentence(), sys.argv)
    except Exception as error:  # where nothing can be imported any more, say: an exit code of 1 would be a WARNING
        code, report = UNKNOWN, output.render(name, UNKNOWN, _describe_bug(error), [], [])
    return code, report, signals.has_time_left()


def execute(
    name: str,
    options: Options,
    check: MakeCheck,
    argv: Sequence[str],
    *,
    doc: str | None,
    timeout: float = 0,
    spent: float = 0.0,
    on_deadline: Callable[[Deadline], None] | None = None,
    parser: cli.Parser | None = None,
) -> tuple[int, str]:
    """Run a probe and return its exit code and its report; raises nothing but Interrupted.

    argv:   as sys.argv, the program's name first.
    spent:  seconds of its time that were over when it was called.
    parser: of `make_parser`, to run a probe many times; without it a new one is made.
    """
    try:
        args = (parser or make_parser(argv[0] or name, options, doc=doc, timeout=timeout)).parse_args(argv[1:])
    except cli.CommandLineExit as stop:
        text = _report_without_check(name, stop.text, argv) if stop.is_error else stop.text
        redact.forget_secrets()
        return UNKNOWN, text
    deadline = Deadline(args.timeout, spent=spent, kept=kept_seconds(args.timeout))
    if on_deadline:
        on_deadline(deadline)
    run = _ProbeRun(name, args, deadline, output.page_of(argv[0] or name))
    try:
        with deadline.enforced():
            run.carry_out(check)
    except OutOfTime:  # outside of any check's own handling: not yet, or no longer, asking the endpoint
        said = f"not finished within {deadline.seconds:g} s by this machine ({OVERLOADED})"
        run.add(UNKNOWN, said)
    try:
        return run.report()
    finally:
        redact.forget_secrets()


def make_parser(program: str, options: Options, *, doc: str | None, timeout: float = 0) -> cli.Parser:
    """The parser of a probe: its own options and the standard ones."""
    parser = cli.Parser(prog=os.path.basename(program), doc=doc or "")
    options(parser)
    cli.standard(parser, timeout=timeout or DEFAULT_TIMEOUT_S)
    if parser.prog.startswith("check_"):  # fedcloud-worker runs no others
        cli.severity(parser)
        cli.worker(parser)
    return parser


def _report_without_check(name: str, sentence: str, argv: Sequence[str]) -> str:
    """The report of a run that came to no check: its options are not known, so -v is looked for in its words."""
    is_verbose = any(word == "--verbose" or (len(word) > 1 and word == "-".ljust(len(word), "v")) for word in argv[1:])
    lines = [_page_remedy(output.page_of(argv[0] or name))] if is_verbose else []
    return output.render(name, UNKNOWN, sentence, [], lines)


def _page_remedy(page: str) -> str:
    return f"what it means, and what to do: {page}"


def _describe_bug(error: Exception) -> str:
    """A sentence for what no check raises on purpose."""
    if said := output.missing_words(error):
        return said
    return f"a bug in the probe: {type(error).__name__}: {error}; run it with -v for the traceback, and report it"


class _ProbeRun:
    """The objects of one check, its results so far, and the report they make."""

    def __init__(self, name: str, args: argparse.Namespace, deadline: Deadline, page: str) -> None:
        self.name = name
        self.page = page
        self.args = args
        self.deadline = deadline
        self.early_results: list[tuple[int, str]] = []
        self.lines: list[str] = []
        self.check: Evaluation | None = None
        self.trace: Any = None

    def add(self, status: int, sentence: str) -> None:
        """Add a result that no resource yielded; it is kept even if nagiosplugin cannot be loaded."""
        self.early_results.append((status, sentence))

    def carry_out(self, make: MakeCheck) -> None:
        """Build the check and run it, whatever happens: what was found before a failure is kept."""
        try:
            if self.args.verbose >= 3:
                from libprobe.probe import trace

                self.trace = trace.start()
            self._build(make).evaluate()
        except Failure as failure:
            self.add(failure.status, str(failure))
            self.lines += failure.details if self.args.verbose else []
        except Interrupted as end:
            self.add(UNKNOWN, str(end))
        except Exception as error:
            hidden = unwrap_end(error)
            if isinstance(hidden, Interrupted):
                self.add(UNKNOWN, str(hidden))
            elif hidden:
                raise hidden from None
            else:
                self._add_bug(error)
        finally:
            if self.trace:
                from libprobe.probe import trace

                trace.stop(self.trace)

    def _build(self, make: MakeCheck) -> Evaluation:
        from libprobe.probe.settings import read_settings

        self.args.settings = read_settings(self.args.config)
        if getattr(self.args, "connect_to", None) or getattr(self.args, "source_address", None):
            from libprobe.clients import ways

            self.deadline.connect_options = ways.of_options(self.args)
        from libprobe.judge import nagios

        nagios.load_model()
        from libprobe.judge.evaluation import Evaluation

        self.check = Evaluation()
        for each in make(self.args, self.deadline):
            self.check.add(each)
        return self.check

    def _add_bug(self, error: Exception) -> None:
        self.add(UNKNOWN, _describe_bug(error))
        if self.args.verbose:
            import traceback

            self.lines += traceback.format_exc().splitlines()

    def report(self) -> tuple[int, str]:
        """Exit code and report of all results, the most significant first."""
        status, sentence, performance = self._verdict()
        ways = self.deadline.connect_options
        sentence = "; ".join(
            [sentence, *self._silent_addresses(), *(ways.notes(is_known=status != UNKNOWN) if ways else ())]
        )
        lines = [_page_remedy(self.page)] if self.args.verbose and status != OK else []
        if status == CRITICAL and getattr(self.args, "severity", "") == "warn":
            status = WARNING
            sentence += "; CRITICAL without --severity warn"
            if self.args.verbose:
                lines.append("the verdict is CRITICAL, and --severity warn has it reported as WARNING")
        lines += self.lines
        for resource in self.check.resources if self.check else ():
            lines += [text for level, text in getattr(resource, "details", ()) if level <= self.args.verbose]
        if self.args.verbose and self.check:
            lines += self.check.summary.verbose(self.check.results)
        if self.trace:
            lines += self.trace.lines
            if self.trace.dropped:
                lines.append(f"{number_of(self.trace.dropped, 'more line')} not kept")
        limit = output.MAX_DEBUG_BYTES if self.args.verbose >= 3 else output.MAX_BYTES
        return status, output.render(self.name, status, sentence, performance, lines, max_bytes=limit)

    def _silent_addresses(self) -> list[str]:
        """Notes on addresses that did not answer where another one of the host did: its users wait for them."""
        if not self.deadline.unanswered:
            return []
        from libprobe.clients import sockets

        return sockets.unanswered_addresses(self.deadline)[:MAX_NOTES]

    def _verdict(self) -> tuple[int, str, list[str]]:
        if self.check is None:
            status, sentence = self.early_results[0]
            return status, sentence, []
        for status, sentence in self.early_results:
            self.check.judge(status, sentence)
        if not len(self.check.results):
            return UNKNOWN, "the check came to no result; this is a bug in the probe", []
        try:
            sentence = self.check.sentence()
        except Exception as error:  # a summary that names a fact nobody found must not lose the result
            sentence = f"the result could not be put into words: {type(error).__name__}: {error}"
            return self.check.status or UNKNOWN, sentence, self.check.performance
        return self.check.status, sentence, self.check.performance


class _EndOnSignals:
    """SIGTERM, SIGINT and SIGHUP end the run by an exception, once; the run then has GRACE_S to clean up."""

    def __init__(self) -> None:
        self._deadline: Deadline | None = None
        self._name = ""

    def install(self) -> None:
        handle_signals(self._interrupt)

    def ignore(self) -> None:
        """From here on nothing may keep the report from being printed."""
        import signal

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)

    def watch(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def has_time_left(self) -> bool:
        """Whether no signal came and, if there was a check, its time is not over."""
        return not self._name and (self._deadline is None or self._deadline.remaining() > 0)

    def sentence(self) -> str:
        return f"interrupted by {self._name}"

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        import signal

        if self._name:
            return
        self._name = signal.Signals(number).name
        if self._deadline:
            self._deadline.end_within(GRACE_S)
            signal.setitimer(signal.ITIMER_REAL, GRACE_S + ENFORCE_AFTER_S, 1.0)
        raise Interrupted(self.sentence())
