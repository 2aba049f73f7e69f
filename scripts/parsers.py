"""The option parsers of our executables, for what is made from them: man pages, completion, documentation."""

from __future__ import annotations

import runpy
import signal
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from libprobe import cli  # noqa: E402

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

    handlers = {number: signal.getsignal(number) for number in signal.valid_signals() if signal.getsignal(number)}
    try:
        with mock.patch.object(cli.Parser, "parse_args", found), mock.patch.object(sys, "argv", [str(path)]):
            runpy.run_path(str(path), run_name="__main__")
    except _Found as end:
        return end.parser
    finally:
        for number, handler in handlers.items():
            if handler is not signal.getsignal(number):
                signal.signal(number, handler)
    raise ValueError(f"{path} does not read its command line with cli.Parser")
