"""The option parsers and descriptions of our executables, for what is made from them: man pages, completion, tables."""

from __future__ import annotations

import re
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from libprobe.probe import cli, door  # noqa: E402

EXECUTABLES = sorted(path for names in ("check_*", "fedcloud-*") for path in (ROOT / "probes").glob(names))


class _Found(BaseException):
    """Ends an executable where it would read its command line."""

    def __init__(self, parser: cli.Parser) -> None:
        self.parser = parser


def parser_of(path: Path) -> cli.Parser:
    """Run an executable's file up to where it reads its command line; return the parser that it made.

    Raises: ValueError if it reads none.
    """

    def found(parser: cli.Parser, *_: object) -> None:
        raise _Found(parser)

    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        with (
            mock.patch.object(cli.Parser, "parse_args", found),
            mock.patch.object(sys, "argv", [str(path)]),
            mock.patch.object(door, "ask_worker"),
        ):
            runpy.run_path(str(path), run_name="__main__")
    except _Found as end:
        return end.parser
    finally:
        for number, handler in handlers.items():
            if handler is not None and handler is not signal.getsignal(number):
                signal.signal(number, handler)
    raise ValueError(f"{path} does not read its command line with cli.Parser")


class Description(NamedTuple):
    """What an executable says of itself, in the lines of its docstring.

    measured: (label, unit, condition) of its performance data; an empty condition: always, when all is well.
    """

    critical: str
    warning: str
    measured: tuple[tuple[str, str, str], ...]


def describe(text: str) -> Description:
    """Read an executable's docstring. Raises: KeyError for a line that is missing."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if found := re.match(r"(\w[\w ]*?)(?::| when) +(\S.*)", line):
            name, fields[found[1]] = found[1], found[2]
        elif not line.strip():
            name = ""
        elif name and line.startswith("  "):
            fields[name] += f" {line.strip()}"
    return Description(fields["Critical"], fields["Warning"], tuple(_measured(fields["Performance"])))


def _measured(text: str) -> Iterator[tuple[str, str, str]]:
    for part in text.split("; "):
        condition, also, labels = part.rpartition(" also ")
        for each in labels.split(", "):
            label, _, unit = each.partition(" ")
            if not re.fullmatch(r"[a-z_]+", label) or unit not in ("", "s", "B", "c", "%"):
                raise ValueError(f"{each!r} is not a label with its unit")
            yield label, unit, condition if also else ""
