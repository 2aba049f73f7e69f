"""The report of one run as Nagios reads it: status line, performance data, long output.

    OCCI-VM OK - VM active after 41.2 s on cloud.example.org:8787 | time_to_active=41.2s;300;;0
    long output, line by line

Every piece of text is made safe and cleared of secrets here, whoever wrote it.
"""

from __future__ import annotations

import os
import sys

from libprobe import host_resources, redact
from libprobe.failures import STATUS_NAMES, UNKNOWN
from libprobe.probe import door
from libprobe.text import number_of, safe, shortened, without_invisible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

MAX_BYTES = 20_000
"""Of a report; whoever reads it is told what is left out. Those between us and people take more: Nagios Core 4.4.6 kept
121,208 bytes of long output, from its own workers and from one that registered; NRPE 4 sends 64 KiB, Icinga 2 has no
limit. NRPE before 3 sends 1 KiB, which the first line needs."""

MAX_DEBUG_BYTES = 1 << 20
"""With -vvv a person reads, not Nagios."""

MAX_SENTENCE = 1000
MAX_LINE = 2000
PERFORMANCE_SHARE = 6144
"""Bytes of the whole that performance data may take; what exceeds it is dropped label by label."""

PAGES = "https://github.com/EGI-Federation/fedcloud-probes/blob/main/docs/"
"""Where people read what a result means; the same addresses are `docurl` in etc/ncg."""


def open_descriptors() -> None:
    """Make sure that 0, 1 and 2 are taken: else a file of ours gets one of them, and what is printed goes into it."""
    for descriptor, stream in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one
            setattr(sys, stream, open(descriptor, "w" if descriptor else "r", encoding="utf-8"))  # noqa: SIM115


def print_and_exit(code: int, report: str) -> NoReturn:
    """Print the report and end the process at once: no thread that still waits can hold it back."""
    os._exit(write(code, report))


def write(code: int, report: str) -> int:
    """Print the report; returns the exit code, which a report that is lost changes: see `door.note_lost_report`."""
    return door.write_report(code, report.encode("utf-8", "replace"))


DISTRIBUTIONS = {
    "nagiosplugin": "nagiosplugin",
    "requests": "requests",
    "urllib3": "requests",
    "ldap3": "ldap3",
    "pyasn1": "pyasn1",
    "stomp": "stomp.py",
    "dateutil": "python-dateutil",
    "cryptography": "cryptography",
    "asn1crypto": "asn1crypto",
    "jinja2": "jinja2",
    "rich": "rich",
    "paramiko": "paramiko~=5.0",
}
"""What to ask pip for, by the module that is missing."""


def missing_library(error: BaseException) -> str:
    """What to say of an import that failed; empty for anything else, and for what is missing of our own.

    Names the Python that lacks it, and what to install.
    """
    if not isinstance(error, ImportError) or (error.name or "").startswith("libprobe"):
        return ""
    missing = (error.name or str(error)).partition(".")[0]
    wanted = DISTRIBUTIONS.get(missing, missing)
    return (
        f"a library is missing: {sys.executable} has no {missing} (install it there: {sys.executable} -m pip install "
        f"'{wanted}'; or run this with the Python that this package was installed for)"
    )


def missing_words(error: BaseException) -> str:
    """What to say of an error by which this machine lacks something, means or a library; empty for any other."""
    return host_resources.shortage_sentence(error) or missing_library(error)


def run_program(name: str, run: Callable[[], NoReturn]) -> NoReturn:
    """Run a program other than a probe, and say so if a library is missing even to begin; exit code 3.

    name: what its report begins with. Without this, Python's exit code of 1 would stand for a WARNING.
    """
    try:
        door.add_site()
        run()
    except Exception as error:
        said = missing_words(error) or f"a bug: {type(error).__name__}: {error}; report it"
        print_and_exit(UNKNOWN, f"{name} {_clean(said, MAX_SENTENCE)}\n")


def render(
    name: str, status: int, sentence: str, performance: list[str], lines: list[str], *, max_bytes: int = MAX_BYTES
) -> str:
    """Return the whole report, ending in a newline, of at most `max_bytes` bytes in UTF-8.

    status:      exit code, 0 to 3.
    performance: `label=value;warn;crit;min;max` each, in the order to print.
    lines:       long output; cut at the end when there is too much, and said so.
    """
    first = f"{safe(name)} {STATUS_NAMES[status]} - {_clean(sentence, MAX_SENTENCE) or 'nothing to report'}"
    kept, dropped = _take_while_fits([safe(part) for part in performance], PERFORMANCE_SHARE)
    if kept:
        first += " | " + " ".join(kept)
    if dropped:
        lines = [f"{number_of(dropped, 'performance value')} left out: more than {PERFORMANCE_SHARE} bytes", *lines]
    note = "... {} left out"
    room = max_bytes - _size(first) - 1
    cleaned = [_clean(line, MAX_LINE) for line in lines]
    shown, hidden = _take_while_fits(cleaned, room)
    if hidden:
        shown, hidden = _take_while_fits(cleaned, room - len(note) - 20)
        shown.append(note.format(number_of(hidden, "more line")))
    return "\n".join([first, *shown]) + "\n"


def page_of(program: str) -> str:
    """The address of the page about an executable, by its name or path."""
    return f"{PAGES}{program.rpartition('/')[2].removeprefix('fedcloud-')}.md"


def _clean(text: str, limit: int) -> str:
    """Text as it is printed. Secrets are blanked before it is made safe, after, and where unseen letters part them."""
    text = text[: limit * 8]
    bare = without_invisible(text)
    if redact.blank(bare) != bare:
        text = bare
    return shortened(redact.blank(safe(redact.blank(text))), limit)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _take_while_fits(parts: list[str], room: int) -> tuple[list[str], int]:
    """Return the leading parts that fit into `max_bytes` with a separator each, and how many do not."""
    for index, part in enumerate(parts):
        room -= _size(part) + 1
        if room < 0:
            return parts[:index], len(parts) - index
    return list(parts), 0
