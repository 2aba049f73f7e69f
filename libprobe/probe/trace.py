"""What -vvv shows: the records of every library's logger, ours and others', as plain lines.

nagiosplugin shows only its own loggers. Nothing is collected without -vvv.
"""

from __future__ import annotations

import logging

MAX_LINES = 5000
_CHATTY = ("asyncio", "concurrent")


class Trace(logging.Handler):
    """Collects log records as lines, up to a bound, and counts what it had to drop."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().splitlines() or [""]:
            if len(self.lines) < MAX_LINES:
                self.lines.append(f"{record.name}: {line}")
            else:
                self.dropped += 1


def start() -> Trace:
    """Collect from now on. The caller takes `stop` to heart."""
    trace = Trace()
    root = logging.getLogger()
    root.addHandler(trace)
    root.setLevel(logging.DEBUG)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return trace


def stop(trace: Trace) -> None:
    logging.getLogger().removeHandler(trace)
