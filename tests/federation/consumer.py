"""How ARGO's consumer, the one that wrote results for the availability computation, takes a message apart.

Source: argo-egi-consumer 1.4, modules/reader.py and modules/writer.py for the fields, etc/consumer.conf for what it
subscribes to. Its oddities are kept: headers and body are one set of fields, the body wins, the line EOT ends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SUBSCRIPTIONS = tuple(
    f"/topic/grid.probe.metricOutput.EGEE.{kind}.*" for kind in ("ngi", "roc", "opsmonitor", "project")
)
OBLIGATORY = {"serviceType": "service", "timestamp": "timestamp", "hostName": "hostname", "metricName": "metric"}
OBLIGATORY |= {"metricStatus": "status"}
OPTIONAL = {"detailsData": "message", "summaryData": "summary", "nagios_host": "monitoring_host"}
_TEXT = ["null", "string"]
METRIC_DATA = {
    "namespace": "argo.avro",
    "type": "record",
    "name": "metric_data",
    "fields": [
        *({"name": name, "type": "string"} for name in ("timestamp", "service", "hostname", "metric", "status")),
        {"name": "monitoring_host", "type": _TEXT},
        {"name": "actual_data", "type": _TEXT, "default": None},
        {"name": "summary", "type": _TEXT},
        {"name": "message", "type": _TEXT},
        {"name": "tags", "type": ["null", {"name": "Tags", "type": "map", "values": _TEXT}]},
    ],
}
"""The schema by which results in ARGO Messaging are read: that of argo-nagios-ams-publisher 0.3.9, which sends them."""

TAGS = {"ROC": "roc", "voName": "voName", "voFqan": "voFqan"}


def hears(destination: str) -> bool:
    """Whether a message sent to DESTINATION comes to a consumer with the shipped configuration; `*` is one name."""
    return any(
        re.fullmatch(re.escape(each).replace(r"\*", r"[^.*>/]+"), destination) is not None for each in SUBSCRIPTIONS
    )


def fields(headers: Mapping[str, str], body: str) -> dict[str, str]:
    """All that it keeps of a message; the broker adds a message-id, a destination and a subscription."""
    found = {"message-id": "ID:broker-1", "destination": "/topic/x", "subscription": "1", **headers}
    for line in body.split("\n"):
        name, separator, value = line.partition(": ")
        if separator:
            found[name] = value
    return found


def record(headers: Mapping[str, str], body: str) -> dict[str, str | None]:
    """The record that it writes, its tags beside the rest. Raises: KeyError for a message that it does not take."""
    found = fields(headers, body)
    made: dict[str, str | None] = {theirs: found[ours] for ours, theirs in OBLIGATORY.items()}
    made |= {theirs: found[ours] for ours, theirs in OPTIONAL.items() if ours in found}
    return made | {theirs: found.get(ours) for ours, theirs in TAGS.items()}
