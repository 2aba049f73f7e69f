"""ARGO's own metric data: Avro files of records with timestamp, service, hostname, metric, status and summary."""

from __future__ import annotations

from datetime import UTC, datetime

from libprobe.failures import BadData
from libprobe.formats import avro
from libprobe.programs.availability import result_import
from libprobe.text import shortened
from libprobe.timelines.algebra import NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from libprobe.programs.availability.result_import import ResultImporter


def is_avro(head: bytes) -> bool:
    return head.startswith(avro.MAGIC)


def read(file: BinaryIO, path: str, importer: ResultImporter) -> None:
    """Take the results of a file, as far as it can be read."""
    number = 0
    try:
        for number, record in enumerate(avro.read_records(file.read), 1):
            _import_record(record, f"{path}, record {number}", importer)
    except BadData as error:
        importer.problems.note("files that cannot be read to the end", f"{path}, after record {number}: {error}")
    importer.lines += number


def _import_record(record: dict[str, object], where: str, importer: ResultImporter) -> None:
    try:
        host, service_type, metric = (str(record[name]) for name in ("hostname", "service", "metric"))
        status = NUMBERS[str(record["status"])]
        at = datetime.fromisoformat(str(record["timestamp"]))
        if not (host and service_type and metric) or at.tzinfo is None:
            raise ValueError
    except (KeyError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else "a time without a zone, or an empty name"
        importer.problems.note("records that are not metric results", f"{where}: {shortened(what, 60)}")
        return
    seconds = int(at.astimezone(UTC).timestamp())
    if importer.is_plausible(seconds, where):
        series = importer.writer.series(host, service_type, metric)
        importer.add(series, seconds, status, result_import.clean_sentence(str(record.get("summary") or "")), where)
