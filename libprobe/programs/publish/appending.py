"""Results on their way into the store of fedcloud-availability: kept first, appended then, and forgotten.

They have a spool of their own, so that neither a message nor Nagios waits for the store, which an import may hold for
minutes. What appends is a process in the background, or `--drain`; one at a time, many results in one transaction.

A process that is killed between the transaction and the spool appends the same results again, and the store knows them:
a series has one result for each second. In the same way it knows what an import of Nagios' log brings: the series has
the name that the service has there, and the log's line, some seconds later, repeats the status that this result began.
"""

from __future__ import annotations

import time
from contextlib import suppress

from libprobe.failures import BadData, Failure, Misconfigured
from libprobe.formats.metric_result import write_metric_result
from libprobe.programs.publish import publishing
from libprobe.state.files import StateDirectory
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from libprobe.formats.metric_result import MetricResult
    from libprobe.state.spool import Spool
    from libprobe.timelines.store import ResultWriter

SPOOL = "spool-availability"
PER_TRANSACTION = 1_000


def open_spool(args: argparse.Namespace) -> Spool:
    """The spool of what is to come into the store of the state directory. Raises: Misconfigured."""
    return publishing.spool_named(args, SPOOL)


def put(spool: Spool, result: MetricResult) -> None:
    """Keep a result until it is in the store. Raises: BadData for anything but a result; Misconfigured.

    What cannot be kept is counted with what was dropped, as far as that is possible where the disk is full.
    """
    try:
        for service_type in filter(None, map(str.strip, result.service_type.split(","))):
            spool.put({}, write_metric_result(result._replace(service_type=service_type, details="", url="")))
    except Misconfigured:
        with suppress(Misconfigured):
            spool.count_dropped()
        raise


def append_in_background(args: argparse.Namespace, spool: Spool) -> bool:
    """Let a process of its own append what waits; returns at once, as `publishing.run_in_background`."""
    return publishing.run_in_background(spool, lambda: _append_until_empty(args))


def _append_until_empty(args: argparse.Namespace) -> None:
    from libprobe.timelines.store import WAIT_S

    appender = StoreAppender(open_spool(args), publishing.state_directory(args))
    # whoever puts a result while we append leaves it to us: so look again after that
    while appender.spool.waiting():
        try:
            if appender.append(WAIT_S) is None:
                return
            appender.spool.end_postponement()
        except Failure as end:
            publishing.postpone(appender.spool, end)
            return


class StoreAppender:
    """Brings what waits in a spool into the store of a state directory."""

    def __init__(self, spool: Spool, directory: str) -> None:
        self.spool = spool
        self._directory = directory

    def append(self, wait_s: float) -> int | None:
        """Append what waits, and forget it; returns how many results it was, None where another process does it.

        wait_s: how long to wait for another process that writes to the store.
        What the store does not take is set aside: `spool.refused`.
        Raises: Misconfigured, StoreInUse; then what waits goes on waiting.
        """
        from libprobe.timelines.store import Store

        count = 0
        with self.spool.sender() as is_ours:
            if not is_ours:
                return None
            if not self.spool.waiting():
                return 0
            with Store(StateDirectory(self._directory), create=True, wait_s=wait_s) as store:
                before = store.last_day()
                while waiting := self.spool.waiting()[:PER_TRANSACTION]:
                    taken: list[str] = []
                    refused: dict[str, str] = {}
                    with store.writer() as writer:
                        for identity in waiting:
                            message = self.spool.read(identity)
                            if message is None:
                                continue  # damaged: the spool has set it aside, and counts it
                            if why := _add(writer, message.body):
                                refused[identity] = why
                            else:
                                taken.append(identity)
                    for identity, why in refused.items():
                        self.spool.refuse(identity, why)
                    for identity in taken:
                        self.spool.forget_sent(identity)
                    count += len(taken)
                if store.last_day() != before:
                    store.settle()
        return count


def _add(writer: ResultWriter, body: str) -> str:
    """Add the result of a message; returns why it was not taken, empty if it was."""
    from libprobe.programs.availability import messages, result_import

    try:
        result = messages.read_body(body)
    except BadData as error:
        return safe(error.sentence)
    if result.at < result_import.EARLIEST:
        return "its time is before the year 2000, by a clock that was not set"
    if result.at > time.time() + result_import.FUTURE_S:
        return "its time is in the future, by this machine's clock"
    series = writer.series(result.host, result.service_type, result.metric)
    if not writer.add(series, result.at, result.status, result.sentence):
        return "it contradicts results that are settled already"
    return ""
