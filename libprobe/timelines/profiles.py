"""What counts for a site and how it is joined: ARGO's three profiles, in the JSON of its web API.

A file holds one profile, bare or as the web API answers, within `data`.

    metric profile        the metrics that each service type has to have
    aggregation profile   groups of service types, and the operation of each level
    operations profile    what AND and OR mean

Without a file those of the package hold, for the federated cloud.
"""

from __future__ import annotations

import json
import os

from libprobe.failures import Misconfigured
from libprobe.files import read_small_file
from libprobe.records import Record
from libprobe.text import safe, shortened
from libprobe.timelines.algebra import NUMBERS, STATUSES, Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PACKAGED = os.path.join(os.path.dirname(__file__), "profiles")
MAX_BYTES = 4 << 20


class ProfileGroup(Record):
    """operation: of its service types. services: the operation of each type's endpoints, by the type."""

    name: str
    operation: Operation
    services: dict[str, Operation]


class Profile(Record):
    """name: of the aggregation profile. metrics: by service type. metric_operation: of an endpoint's metrics.

    groups: what a site is made of. operation: of a site's groups.
    """

    name: str
    metrics: dict[str, tuple[str, ...]]
    metric_operation: Operation
    operation: Operation
    groups: tuple[ProfileGroup, ...]

    @property
    def service_types(self) -> frozenset[str]:
        """Those that count."""
        return frozenset(name for group in self.groups for name in group.services)


def read(metric: str | None = None, aggregation: str | None = None, operations: str | None = None) -> Profile:
    """The profile of three files, each the package's where it is None. Raises: Misconfigured, naming the file."""
    tables = _read(operations or os.path.join(PACKAGED, "operations.json"), _operations)
    metrics = _read(metric or os.path.join(PACKAGED, "metrics.json"), _metrics)
    path = aggregation or os.path.join(PACKAGED, "aggregation.json")
    profile: Profile = _read(path, lambda document: _profile(document, metrics, tables))
    if lacking := sorted(profile.service_types - metrics.keys()):
        raise Misconfigured(
            f"{path} names the service type {safe(lacking[0])[:100]}, of which the metric profile has no metric",
            remedy="give the --metric-profile that belongs to it",
        )
    return profile


def _read(path: str, make: Any) -> Any:
    data = read_small_file(path, "", MAX_BYTES)
    try:
        document = json.loads(data)
        if "data" in document:
            document = document["data"]
            if len(document) != 1:
                raise Misconfigured(f"{path} holds {len(document)} profiles, and not one")
            document = document[0]
        return make(document)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error.sentence}", remedy=error.remedy) from None
    except KeyError as error:
        raise Misconfigured(f"{path} is not the profile that is needed here: it has no {error}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Misconfigured(f"{path} is not a profile in the form of ARGO's web API") from None


def _operations(document: Mapping[str, Any]) -> dict[str, Operation]:
    return {
        str(each["name"]).upper(): Operation(
            str(each["name"]),
            {(_status(row["a"]), _status(row["b"])): _status(row["x"]) for row in each["truth_table"]},
        )
        for each in document["operations"]
    }


def _status(name: object) -> int:
    if name not in STATUSES:
        raise Misconfigured(f"there is no status {shortened(name, 40)}; there are {', '.join(STATUSES)}")
    return NUMBERS[str(name)]


def _metrics(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    metrics = {str(each["service"]): tuple(map(str, each["metrics"])) for each in document["services"]}
    return {service: names for service, names in metrics.items() if names}


def _profile(document: Mapping[str, Any], metrics: dict[str, tuple[str, ...]], tables: dict[str, Operation]) -> Profile:
    def table(name: object) -> Operation:
        found = tables.get(str(name).upper())
        if found is None:
            raise Misconfigured(f"it joins by {shortened(name, 40)}, which the operations profile does not have")
        return found

    groups = tuple(
        ProfileGroup(
            str(each["name"]),
            table(each["operation"]),
            {str(service["name"]): table(service["operation"]) for service in each["services"]},
        )
        for each in document["groups"]
    )
    if not any(group.services for group in groups):
        raise Misconfigured("it has no service type, so no site would have a figure")
    return Profile(
        str(document["name"]),
        metrics,
        table(document["metric_operation"]),
        table(document["profile_operation"]),
        groups,
    )
