"""The configuration as resources of Sensu Go, for `sensuctl create --recursive --file DIRECTORY/sensu`.

    {"type": "Entity", "api_version": "core/v2", "metadata": {"name": "org.openstack.nova__a.example.org"}, "spec": {}}
    {"type": "CheckConfig", "api_version": "core/v2", "metadata": {"name": "a.example.org_<metric>"}, "spec": {}}

An entity of class proxy for each service type of a host, named as argo-scg names them, and a check for each service,
which is reported for its entity. A file is JSON objects one after the other, as sensuctl reads them.
Source: Sensu Go 6, core/v2; argo-scg 0.5.
"""

from __future__ import annotations

import json

from libprobe.programs.ncg.check_command import SPARE_S, arguments, check_name
from libprobe.programs.ncg.index import MonitoredEntry
from libprobe.text import decimal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from libprobe.programs.ncg.configuration import ConfigurationWriter
    from libprobe.programs.ncg.inventory import MonitoredService

SUBSCRIPTION = "fedcloud-probes"
"""What the agents that run the probes subscribe to."""

MAX_FILE = 64 << 20


def write(writer: ConfigurationWriter) -> None:
    """One file for each site. Raises: OSError."""
    for site in writer.inventory.sites():
        name = f"sensu/{writer.inventory.object_name_of(site)}.json"
        writer.write_text(name, _lines(resources(writer, site)))


def resources(writer: ConfigurationWriter, site: str) -> Iterator[dict[str, Any]]:
    """The entities and checks of a site."""
    told: set[str] = set()
    for service in writer.inventory.services(site):
        entity = entity_name(service)
        if entity not in told:
            told.add(entity)
            yield _entity(entity, service)
        yield _check(writer, entity, service)


def entity_name(service: MonitoredService) -> str:
    """As argo-scg has it, which takes no two endpoints of a type on one host."""
    return f"{service.service_type}__{service.host}"


def _entity(name: str, service: MonitoredService) -> dict[str, Any]:
    labels = {"hostname": service.host, "service": service.service_type, "site": service.site, "ngi": service.roc}
    return {
        "type": "Entity",
        "api_version": "core/v2",
        "metadata": {"name": name, "labels": labels},
        "spec": {"entity_class": "proxy"},
    }


def _check(writer: ConfigurationWriter, entity: str, service: MonitoredService) -> dict[str, Any]:
    metric = writer.inventory.metrics[service.metric]
    labels = {
        "metric": metric.name,
        "hostname": service.host,
        "service": service.service_type,
        "site": service.site,
        "ngi": service.roc,
        **({"vo": writer.inventory.vo} if "VO" in metric.flags else {}),
    }
    annotations = {
        "attempts": str(metric.attempts),
        "retry_interval": decimal(_seconds(writer, metric.retry_s)),
        "docurl": metric.docurl,
    }
    return {
        "type": "CheckConfig",
        "api_version": "core/v2",
        "metadata": {"name": check_name(service), "labels": labels, "annotations": annotations},
        "spec": {
            "command": f"{writer.path_of(metric)} {arguments(service)}",
            "subscriptions": [SUBSCRIPTION],
            "proxy_entity_name": entity,
            "interval": _seconds(writer, metric.interval_s),
            "timeout": int(metric.timeout_s) + SPARE_S,
            "publish": True,
            "round_robin": True,  # of several agents one runs it: two would make two virtual machines
            "handlers": [],
            "output_metric_format": "nagios_perfdata",
            "output_metric_handlers": [],
        },
    }


def _seconds(writer: ConfigurationWriter, seconds: float) -> int:
    return max(1, round(seconds * writer.plan.interval_factor))


def _lines(documents: Iterator[dict[str, Any]]) -> Iterator[str]:
    for each in documents:
        yield json.dumps(each, indent=1, ensure_ascii=True) + "\n"


def read(path: str) -> Iterator[MonitoredEntry]:
    """The services of a file; other checks than ours are passed over. Raises: OSError."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(MAX_FILE)
    decoder = json.JSONDecoder()
    at = 0
    while (at := _next(text, at)) < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
            if document["type"] == "CheckConfig":
                labels = document["metadata"]["labels"]
                host, name = str(labels["hostname"]), str(document["metadata"]["name"])
                yield MonitoredEntry(
                    host, name.removeprefix(f"{host}_"), str(labels["service"]), str(labels["site"]), ""
                )
        except (ValueError, KeyError, TypeError, RecursionError):
            return


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
