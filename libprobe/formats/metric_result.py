"""Metric results as SAM sends them: lines `name: value`, the last one `EOT`.

Sources: perl-GridMon's MetricOutput for names and order; argo-egi-consumer for what a reader insists on,
and for how it splits: each line of the body at its first `: `, also behind EOT, a later line of a name winning over
an earlier one and over the header of that name.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.records import Record
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

STATUSES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
MAX_BODY_BYTES = 64 << 10
MAX_SUMMARY = 1_000
MAX_DETAILS = 16_000
MAX_FIELD = 2_048
END = "EOT"


class MetricResult(Record):
    """One result of one metric at one service endpoint.

    timestamp:    aware instant at which the result was had.
    gathered_at:  host name of the monitor, not a time.
    service_type: sent as serviceFlavour too: SAM's senders insist on the one, ARGO's reader on the other.
    details:      long output; line breaks are kept.
    performance:  performance data, as the plugin wrote it; the text form has no line for it.
    Texts are empty where nothing is known; their line is then left out.
    """

    hostname: str
    service_type: str
    metric: str
    status: str
    summary: str
    timestamp: datetime
    url: str = ""
    site: str = ""
    details: str = ""
    gathered_at: str = ""
    nagios_name: str = ""
    role: str = "site"
    vo: str = ""
    fqan: str = ""
    roc: str = ""
    performance: str = ""


_FIELDS = (
    ("serviceURI", "url"),
    ("hostName", "hostname"),
    ("serviceFlavour", "service_type"),
    ("siteName", "site"),
    ("metricStatus", "status"),
    ("metricName", "metric"),
    ("summaryData", "summary"),
    ("gatheredAt", "gathered_at"),
    ("timestamp", "timestamp"),
    ("nagiosName", "nagios_name"),
    ("role", "role"),
    ("voName", "vo"),
    ("voFqan", "fqan"),
    ("serviceType", "service_type"),
    ("detailsData", "details"),
)
HEADERS = (
    *("nagios_host", "ROC", "content-type", "persistent", "result-id", "_AMQ_DUPL_ID"),
    *("message-id", "destination", "subscription", "content-length", "receipt", "ack", "transaction", "expires"),
    *("priority", "redelivered", "correlation-id", "reply-to", "type", "selector", "original-destination"),
)
"""Headers of a message, ours and those that brokers add: no line of a body may bear such a name."""

_OBLIGATORY = ("hostname", "service_type", "metric", "status", "timestamp")
_NAMES = (*(name for name, _ in _FIELDS), "encrypted", "serviceDescription", *HEADERS)
_RESERVED = re.compile(rf"\s*(?:(?:{'|'.join(_NAMES)})\s*:|EOT\s*$)", re.IGNORECASE)


def write_metric_result(result: MetricResult) -> str:
    """Return the body of the message, which ends with the line EOT.

    No text of a plugin can end the message or set another field or a header: of the details, each line that a
    reader could take for one of these or for the end begins with `> `. Everything else that ends a line for some
    reader (form feed, U+0085, U+2028...) is a blank.
    Raises: BadData for a result that no reader would take: without one of the obligatory fields, or
    whose status is none of STATUSES.
    """
    if result.status not in STATUSES:
        raise BadData(f"the status of a metric result is {safe(result.status)!r}, not one of {', '.join(STATUSES)}")
    values = {name: safe(str(text)[: MAX_FIELD * 4])[:MAX_FIELD] for name, text in result._asdict().items()}
    values["timestamp"] = instant(result.timestamp)
    values["summary"] = safe(result.summary[: MAX_SUMMARY * 8])[:MAX_SUMMARY]
    values["details"] = _details(result.details)
    missing = [name for name in _OBLIGATORY if not values[name]]
    if missing:
        raise BadData(f"the metric result has no {' and no '.join(missing)}")
    # serviceURI, siteName and summaryData are obligatory for senders: there even when nothing is known
    values["url"] = values["url"] or values["hostname"]
    kept = [f"{key}: {values[name]}" for key, name in _FIELDS if values[name] or key in ("siteName", "summaryData")]
    return "\n".join([*kept, END]) + "\n"


def instant(at: datetime) -> str:
    """As results have it, `2015-11-30T10:12:30Z`; empty for a time that cannot be. Raises: BadData for a naive one."""
    from datetime import UTC

    if at.tzinfo is None:
        raise BadData("the time of the metric result has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at.year >= 1000 else ""


def _details(text: str) -> str:
    lines = [safe(line) for line in text[: MAX_DETAILS * 4].replace("\r\n", "\n").split("\n")]
    quoted = [f"> {line}" if _RESERVED.match(line) else line for line in lines]
    return "\n".join(quoted).strip("\n")[:MAX_DETAILS].rstrip()


def read_metric_result(body: str) -> dict[str, str]:
    """Return the fields of a message by their names; the details with their line breaks.

    Raises: BadData for a body that is too large, has no EOT, or lacks a field that ARGO's reader needs.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadData(f"the metric result has more than {MAX_BODY_BYTES} characters")
    fields: dict[str, str] = {}
    lines = body.split("\n")
    for at, line in enumerate(lines):
        if line == END:
            break
        name, colon, value = line.partition(": ")
        if not colon or not re.fullmatch(r"[A-Za-z]{1,40}", name):
            raise BadData(f"the metric result has a line that is not a field: {safe(line)[:80]!r}")
        if name in fields:
            raise BadData(f"the metric result has two fields {name}")
        if name == "detailsData":
            rest = lines[at + 1 :]
            if END not in rest:
                raise BadData("the metric result does not end with EOT")
            fields[name] = "\n".join([value, *rest[: rest.index(END)]])
            break
        fields[name] = value
    else:
        raise BadData("the metric result does not end with EOT")
    for name in ("serviceType", "timestamp", "hostName", "metricName", "metricStatus"):
        if not fields.get(name):
            raise BadData(f"the metric result has no {name}")
    if fields["metricStatus"] not in STATUSES:
        raise BadData(f"the metric result has the status {safe(fields['metricStatus'])[:40]!r}")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", fields["timestamp"], re.ASCII):
        raise BadData(f"the metric result has the time {safe(fields['timestamp'])[:40]!r}")
    return fields
