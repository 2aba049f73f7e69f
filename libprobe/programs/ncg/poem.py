"""The metrics, their profile and the topology as the tools of ARGO read them from POEM and from its Web-API.

    metrics.json            POEM, api/v2/metrics and api/v2/metric_templates: each metric by its name
    metric_overrides.json   POEM, api/v2/metricoverrides: values for all hosts, and for single ones
    default_ports.json      POEM, api/v2/default_ports: none
    metric_templates.json   what POEM's own pages send it for a new template, as lists of key and value
    probes.json             the same for the probes of these templates
    metric_profiles.json    Web-API, api/v2/metric_profiles
    topology.json           Web-API, api/v2/topology/endpoints, with the NGI; the local topology file of argo-scg

argo-scg makes Sensu's checks of them. It takes the URL of an endpoint for an attribute URL alone where a metric is for
several service types: of several attributes that end with _URL the last one wins. It puts the URL into a command as it
is, so only one that is a plain word is written. Of Nagios' macros it knows that of the site; that of the service type,
which a probe needs only where there is no URL, is left out, as argo-scg leaves out what has none.
Source: argo-scg 0.5.0; POEM's api/views.py; recorded answers in argo-scg's tests.
"""

from __future__ import annotations

import json
import os

from libprobe import __version__
from libprobe.formats.ncg import MACROS, is_harmless
from libprobe.programs.ncg.index import MonitoredEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from libprobe.programs.catalogue import Metric
    from libprobe.programs.ncg.configuration import ConfigurationWriter
    from libprobe.programs.ncg.inventory import Endpoint

PROFILE = "FEDCLOUD"
PACKAGE = "fedcloud-probes"
REPOSITORY = "https://github.com/EGI-Federation/fedcloud-probes"
TAG = "fedcloud"
FROM_URL = ("_URL", "_PORT", "_IMAGE", "_RESOURCE")
"""How attributes end that are parts of an endpoint's URL, or all of it."""

TOPOLOGY = "poem/topology.json"
MAX_LINE = 64 << 10
"""Characters of an endpoint's line, of which the GOCDB allows about 500."""


def write(writer: ConfigurationWriter) -> None:
    """Raises: OSError."""
    metrics = writer.used_metrics()
    by_type = {
        name: [each for each in metrics if name in each.possible_types]
        for name in writer.inventory.labels_in_use("type")
    }
    files: dict[str, Any] = {
        "metrics": [{metric.name: _metric(writer, metric)} for metric in metrics],
        "metric_overrides": {"local": _overrides(writer, metrics)},
        "default_ports": {},
        "metric_templates": [_template(writer, metric) for metric in metrics],
        "probes": [_probe(metric) for metric in writer.used_probes()],
        "metric_profiles": {"data": [_profile(by_type)]},
    }
    for name, document in files.items():
        writer.write_text(f"poem/{name}.json", [json.dumps(document, indent=1) + "\n"])
    writer.write_text(TOPOLOGY, _list(_topology(writer, by_type)))


def _metric(writer: ConfigurationWriter, metric: Metric) -> dict[str, Any]:
    """As api/v2/metrics has it: every value is a text."""
    return {
        "tags": [TAG],
        "probe": metric.probe,
        "config": _config(writer, metric),
        "flags": dict.fromkeys(sorted(metric.flags), "1"),
        "dependency": dict.fromkeys(metric.dependencies, "1"),
        "attribute": dict(_attributes(metric)),
        "parameter": {option: value for option, value in metric.parameters if MACROS.get(value) in (None, "site")},
        "file_parameter": {},
        "file_attribute": {},
        "parent": "",
        "docurl": metric.docurl,
    }


def _config(writer: ConfigurationWriter, metric: Metric) -> dict[str, str]:
    factor = writer.plan.interval_factor
    return {
        "interval": str(max(1, round(metric.interval_s * factor / 60))),
        "maxCheckAttempts": str(metric.attempts),
        "path": writer.plan.probes or metric.path,
        "retryInterval": str(max(1, round(metric.retry_s * factor / 60))),
        "timeout": f"{metric.timeout_s:g}",
    }


def _attributes(metric: Metric) -> Iterator[tuple[str, str]]:
    """Those that argo-scg can fill: of what comes from an endpoint's URL, the URL itself."""
    given = _given(metric)
    for name, option in metric.attributes:
        if name in given or not name.endswith(FROM_URL):
            yield name, option
        elif name.endswith("_URL"):
            yield "URL", option


def _given(metric: Metric) -> set[str]:
    """The attributes that the localdb has values for."""
    localdb = metric.localdb
    if localdb is None:
        return set()
    tables = (*localdb.attributes, *localdb.service_attributes.values(), *localdb.host_attributes.values())
    return {name for table in tables for name in table}


def _overrides(writer: ConfigurationWriter, metrics: Iterable[Metric]) -> dict[str, list[dict[str, str]]]:
    """Values of attributes: for all hosts, over which those of single hosts go."""
    values = {"VONAME": writer.inventory.vo}
    if writer.inventory.cert:
        values["X509_USER_PROXY"] = writer.inventory.cert
    hosts: dict[tuple[str, str], str] = {}
    for metric in metrics:
        if metric.localdb is None:
            continue
        wanted = {name for name, _ in metric.attributes}
        for service_type in metric.service_types:
            values |= _only(metric.localdb.service_attributes.get(service_type, {}), wanted)
        for table in metric.localdb.attributes:
            values |= _only(table, wanted)
        for host, table in metric.localdb.host_attributes.items():
            hosts |= {(host, name): value for name, value in _only(table, wanted).items()}
    return {
        "global_attributes": [{"attribute": name, "value": value} for name, value in sorted(values.items())],
        "host_attributes": [
            {"hostname": host, "attribute": name, "value": value} for (host, name), value in sorted(hosts.items())
        ],
        "metric_parameters": [],
    }


def _only(table: dict[str, str], wanted: set[str]) -> dict[str, str]:
    return {name: value for name, value in table.items() if name in wanted}


def _template(writer: ConfigurationWriter, metric: Metric) -> dict[str, Any]:
    made = _metric(writer, metric)
    return {
        "name": metric.name,
        "mtype": "Active",
        "tags": made["tags"],
        "description": "",
        "probeversion": f"{metric.probe} ({__version__})",
        "parent": "",
        "probeexecutable": metric.probe,
        **{key: _pairs(made[key]) for key in ("config", "attribute", "dependency", "parameter", "flags")},
        "files": _pairs({}),
        "fileparameter": _pairs({}),
        "cloned_from": "",
    }


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    """POEM's pages have one empty pair where there is none."""
    return [{"key": key, "value": value} for key, value in values.items()] or [{"key": "", "value": ""}]


def _probe(metric: Metric) -> dict[str, str]:
    return {
        "name": metric.probe,
        "package": f"{PACKAGE} ({__version__})",
        "description": f"See {metric.docurl}" if metric.docurl else metric.probe,
        "comment": f"Version {__version__}.",
        "repository": REPOSITORY,
        "docurl": metric.docurl,
    }


def _profile(by_type: Mapping[str, Sequence[Metric]]) -> dict[str, Any]:
    """Of all types in use; also where one question is asked for two of them, which is one service in Nagios."""
    return {
        "name": PROFILE,
        "description": "Written by fedcloud-ncg.",
        "services": [
            {"service": name, "metrics": [each.name for each in metrics]} for name, metrics in by_type.items()
        ],
    }


def _topology(writer: ConfigurationWriter, by_type: Mapping[str, Sequence[Metric]]) -> Iterator[dict[str, Any]]:
    """Each endpoint once. A second one of a type on a host has its key in its name, as ARGO's topologies do."""
    seen: set[tuple[str, str]] = set()
    for each in writer.inventory.topology():
        name = each.host
        if (each.host, each.service_type) in seen:
            name = f"{each.host}_{each.key}"
        seen.add((each.host, each.service_type))
        where = f"{each.site}, {each.host}, {each.service_type}: argo-scg will"
        metrics = by_type[each.service_type]
        if not each.url and (names := [metric.name for metric in metrics if "URL" in dict(_attributes(metric))]):
            writer.warnings.append(f"{where} leave out {', '.join(names)}: there is no URL that it could give them")
        if not is_harmless(each.site) and (names := [metric.name for metric in metrics if _names_the_site(metric)]):
            writer.warnings.append(f"{where} give {', '.join(names)} the name of the site in pieces: it does not quote")
        yield {
            "date": "",
            "group": each.site,
            "type": "SITES",
            "service": each.service_type,
            "hostname": name,
            "ngi": each.roc,
            "notifications": None,
            "tags": _tags(each),
        }


def _names_the_site(metric: Metric) -> bool:
    return any(MACROS.get(value) == "site" for _, value in metric.parameters)


def _tags(endpoint: Endpoint) -> dict[str, str]:
    tags = {"hostname": endpoint.host, "monitored": "1", "production": "1", "info_ID": endpoint.key}
    if endpoint.url:
        tags["info_URL"] = endpoint.url
    return tags


def _list(documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A list of JSON, an element a line, so that no more than one is in memory."""
    yield "["
    for number, each in enumerate(documents):
        yield f"{',' if number else ''}\n{json.dumps(each)}"
    yield "\n]\n"


def read(directory: str) -> Iterator[MonitoredEntry]:
    """The endpoints of what was written, each as one service without a name; none where there is no topology.

    A line longer than any of ours is passed over, in pieces. Raises: OSError.
    """
    path = os.path.join(directory, TOPOLOGY)
    if not os.path.exists(path):
        return  # as with a directory of another format that has no files: what it monitors is in the list alone
    with open(path, encoding="utf-8", errors="replace") as file:
        has_ended = True
        while line := file.readline(MAX_LINE):
            is_remainder, has_ended = not has_ended, line.endswith("\n")
            if is_remainder or not has_ended:
                continue
            try:
                each = json.loads(line.strip().rstrip(","))
                yield MonitoredEntry(str(each["tags"]["hostname"]), "", str(each["service"]), str(each["group"]), "")
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
