"""Metric results as fedcloud-publish sends them: what waits in its spool, and messages as a consumer has kept them.

A file is one message of the spool (JSON with headers and body), or bodies one after the other, each ending with EOT.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from libprobe.failures import BadData
from libprobe.formats.metric_result import END, MAX_BODY_BYTES, read_metric_result
from libprobe.programs.availability import result_import
from libprobe.records import Record
from libprobe.timelines.algebra import NUMBERS
from libprobe.timelines.evaluation import is_series_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from libprobe.programs.availability.result_import import ResultImporter

MAX_MESSAGE_BYTES = 256 << 10


def is_message(head: bytes) -> bool:
    return head.startswith(b'{"headers"') or b"metricStatus: " in head or b"serviceURI: " in head


class MessageResult(Record):
    """What a message says, as the store has it.

    metric: the name of the series, which is that of the same results in Nagios' log: the monitor's name for the
            service, where it is the metric itself or the metric for a VO.
    at: seconds since 1970. status: as in `algebra`. sentence: clean.
    """

    host: str
    service_type: str
    metric: str
    at: int
    status: int
    sentence: str


def read_body(body: str) -> MessageResult:
    """Read one message. Raises: BadData."""
    fields = read_metric_result(body)
    try:
        at = int(datetime.strptime(fields["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise BadData("its time cannot be read") from None
    metric, name = fields["metricName"], fields.get("nagiosName", "")
    return MessageResult(
        fields["hostName"],
        fields["serviceType"],
        name if is_series_of(name, metric) else metric,
        at,
        NUMBERS[fields["metricStatus"]],
        result_import.clean_sentence(fields.get("summaryData", "")),
    )


def read(file: BinaryIO, path: str, importer: ResultImporter) -> None:
    """Take the results of a file."""
    for body, where in _bodies(file, path, importer):
        try:
            result = read_body(body)
        except BadData as error:
            importer.problems.note("messages that are not metric results", f"{where}: {error.sentence}")
            continue
        if importer.is_plausible(result.at, where):
            series = importer.writer.series(result.host, result.service_type, result.metric)
            importer.add(series, result.at, result.status, result.sentence, where)


def _bodies(file: BinaryIO, path: str, importer: ResultImporter) -> Iterator[tuple[str, str]]:
    """Each body and its place. A message of the spool is one line of JSON, which begins with a brace."""
    kept: list[str] = []
    size, first, number = 0, 1, 0
    is_skipped = False
    while data := file.readline(MAX_MESSAGE_BYTES):
        number += 1
        if not kept and data.startswith(b"{"):
            try:
                yield str(json.loads(data)["body"]), f"{path}:{number}"
            except (ValueError, KeyError, TypeError, RecursionError):
                importer.problems.note(
                    "messages that are not metric results", f"{path}:{number}: no message of the spool"
                )
            continue
        line = data.decode("utf-8", "replace").rstrip("\n")
        if not kept and not line:
            continue
        if not kept:
            first = number
        kept.append(line if not is_skipped else "")
        size += len(line)
        if line == END:
            yield "\n".join(kept), f"{path}:{first}"
            kept, size, is_skipped = [], 0, False
        elif size > 2 * MAX_BODY_BYTES:
            kept, is_skipped = kept[:1], True  # to the next end nothing of it is kept: it is no result
    importer.lines += number
    if kept:
        importer.problems.note("messages that are cut off at the end of a file", f"{path}:{first}")
