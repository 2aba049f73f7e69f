"""Metric results as ARGO's own publisher hands them to the ARGO Messaging Service: one Avro record each.

    timestamp, service, hostname, metric, status                  string
    monitoring_host, actual_data, summary, message                null or string
    tags                                                          null or a map of string to (null or string)

In this order, in Avro's binary form and without the schema, which both sides know. A message has the record in base64,
and two attributes: `type`, which is `metric_data`, and `partition_date`, the day of the result.

Sources: argo-nagios-ams-publisher 0.3.9, config/metric_data.avsc for the record, pymod/publish.py for tags and
attributes; Avro 1.12, "Binary Encoding".
"""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats.metric_result import MAX_DETAILS, MAX_SUMMARY, STATUSES, instant
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from libprobe.formats.metric_result import MetricResult

TYPE = "metric_data"
MAX_FIELD = 2_048
MAX_PERFORMANCE = 8_000

_NULL = b"\x00"
_VALUE = b"\x02"
"""Which branch of a union follows: 0 or 1, as Avro writes them."""


def write_metric_data(result: MetricResult) -> tuple[dict[str, str], bytes]:
    """Return the attributes and the record of a result.

    Line breaks of the details are two characters, as Nagios has them in $LONGSERVICEOUTPUT$ and ARGO's publisher passes
    them on. Texts are made safe; performance data keeps its quotes and signs, but has no line breaks.
    Raises: BadData for a result without hostname, service type, metric or time, or whose status is none of STATUSES.
    """
    if result.status not in STATUSES:
        raise BadData(f"the status of a metric result is {safe(result.status)!r}, not one of {', '.join(STATUSES)}")
    at = instant(result.timestamp)
    wanted = {
        "hostname": _field(result.hostname),
        "service type": _field(result.service_type),
        "metric": _field(result.metric),
        "time": at,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise BadData(f"the metric result has no {' and no '.join(missing)}")
    texts = (
        _field(result.gathered_at),
        " ".join("".join(char if char.isprintable() else " " for char in result.performance).split())[:MAX_PERFORMANCE],
        safe(result.summary[: MAX_SUMMARY * 8])[:MAX_SUMMARY],
        r"\n".join(map(safe, result.details[: MAX_DETAILS * 4].replace("\r\n", "\n").split("\n")))[:MAX_DETAILS],
    )
    tags = {
        "vofqan": _field(result.fqan),
        "voname": _field(result.vo),
        "roc": _field(result.roc),
        "endpoint_group": _field(result.site),
    }
    record = (
        *(_string(each) for each in (at, wanted["service type"], wanted["hostname"], wanted["metric"], result.status)),
        *(_string_or_null(each) for each in texts),
        _tags({name: value for name, value in tags.items() if value}, is_known=any(texts[1:])),
    )
    return {"type": TYPE, "partition_date": at[:10]}, b"".join(record)


def _field(text: str) -> str:
    return safe(text[: MAX_FIELD * 4])[:MAX_FIELD]


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return _number(len(data)) + data


def _string_or_null(text: str) -> bytes:
    return _VALUE + _string(text) if text else _NULL


def _tags(tags: Mapping[str, str], *, is_known: bool) -> bytes:
    """A union of null and a map; ARGO's publisher has a map, if an empty one, wherever a text is known."""
    if not tags:
        return _VALUE + _number(0) if is_known else _NULL
    pairs = b"".join(_string(name) + _VALUE + _string(value) for name, value in tags.items())
    return _VALUE + _number(len(tags)) + pairs + _number(0)


def _number(value: int) -> bytes:
    """A number that is not negative, as Avro writes a long: zigzag, seven bits a byte, the lowest first."""
    value <<= 1
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
