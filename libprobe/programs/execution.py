"""How a program runs that is no probe: one report, one exit code, and a sentence for whatever keeps it from its work.

main: signals and standard descriptors, the report, the end of the process
carry_out: one deadline for all of the work; what it raises becomes what the report says
"""

from __future__ import annotations

import sys

from libprobe import host_resources, redact
from libprobe.deadline import Interrupted, OutOfTime, end_on_signals
from libprobe.failures import Failure
from libprobe.probe import output
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from libprobe.deadline import Deadline

DONE, WITH_WARNINGS, NOT_DONE, USAGE = 0, 1, 2, 3
"""Exit codes: all is done; done but for what a line tells; not done; wrong usage or a missing library."""


def main(execute: Callable[[Sequence[str]], tuple[int, str]], not_done: Callable[[str], str]) -> NoReturn:
    """Run as this process: read sys.argv, print the report, exit with its code.

    execute:  from argv, as sys.argv has it, to exit code and report; raises nothing but Interrupted.
    not_done: a sentence as the line of the report that says why nothing was done.
    """
    output.open_descriptors()
    end_on_signals()
    try:
        code, text = execute(sys.argv)
    except Interrupted as end:
        code, text = NOT_DONE, report([not_done(str(end))])
    output.print_and_exit(code, text)


def carry_out(
    work: Callable[[], tuple[int, str]], deadline: Deadline, not_done: Callable[[str], str], *, verbose: int
) -> tuple[int, str]:
    """Do the work within its deadline; exit code and report, whatever happens. Raises nothing but Interrupted."""
    try:
        return _carried_out(work, deadline, not_done, verbose)
    finally:
        redact.forget_secrets()


def _carried_out(
    work: Callable[[], tuple[int, str]], deadline: Deadline, not_done: Callable[[str], str], verbose: int
) -> tuple[int, str]:
    try:
        with deadline.enforced():
            return work()
    except OutOfTime:
        code, said = NOT_DONE, f"not finished within {deadline.seconds:g} s ({deadline.remedy()})"
    except Failure as failure:
        code, said = NOT_DONE, str(failure)
    except Exception as error:
        code, said = NOT_DONE, f"a bug: {type(error).__name__}: {error}; run it with -v, and report it"
        if isinstance(error, OSError) and error.filename:
            said = f"{error.filename}: {error.strerror or error}"
        elif lacking := host_resources.shortage_sentence(error):
            said = lacking
        elif missing := output.missing_library(error):
            code, said = USAGE, missing
        elif verbose:
            import traceback

            return code, report([not_done(said), *made_safe(traceback.format_exc().splitlines())])
    return code, report([not_done(said)])


def report(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def made_safe(lines: list[str]) -> list[str]:
    """Lines as they may be printed, without secrets, with the blanks at their beginning."""
    blanked = [redact.blank(line) for line in lines]
    return [line[: len(line) - len(line.lstrip(" "))] + safe(line) for line in blanked]
