"""The endpoints of a federation as ARGO has them: what its web API answers about a topology, saved to a file.

    topology/endpoints   group (the site), type, service, hostname, date, tags
    topology/groups      group (the NGI), subgroup (the site), date

Either may be the whole answer, with its entries in `data`, or the list alone, as the topology.json that fedcloud-ncg
writes for argo-scg.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from libprobe.failures import Misconfigured
from libprobe.files import read_small_file
from libprobe.programs.availability.result_import import open_result_file
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from libprobe.formats.gocdb import Downtime
    from libprobe.timelines.evaluation import Outage

    Endpoint = tuple[str, str, str, str]

MAX_BYTES = 256 << 20
HEAD_BYTES = 64
DAY_S = 86_400
SITES = "SITES"


def is_json(path: str) -> bool:
    """Whether a file is no XML of the GOCDB. Raises: Misconfigured for one that cannot be read."""
    with open_result_file(path) as file:
        return file.read(HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")


def read(paths: Sequence[str], default_day: int) -> dict[int, set[Endpoint]]:
    """The endpoints that are monitored as of each day: (site, service type, host, NGI) each, days since 1970.

    default_day: of entries without a date. An endpoint that a service group has is the same as that of its site, and
    only the latter counts.
    Raises: Misconfigured for anything but such an answer.
    """
    found: dict[int, set[Endpoint]] = {}
    ngi_of: dict[str, str] = {}
    endpoints: list[tuple[str, dict[str, Any]]] = []
    for path in paths:
        for each in _entries(path):
            if "subgroup" in each:
                ngi_of[str(each["subgroup"])] = str(each.get("group", ""))
            elif each.get("type", SITES) == SITES:
                endpoints.append((path, each))
    for path, each in endpoints:
        try:
            site, service_type, host = (str(each[name]) for name in ("group", "service", "hostname"))
            tags = each.get("tags") or {}
            # a second endpoint of a type on a host has its key behind the name, and the name in a tag
            host = str(tags.get("hostname") or host).lower()
            is_monitored = str(tags.get("monitored", "1")) != "0"
            day = _day(str(each.get("date") or ""), default_day)
        except (KeyError, AttributeError, ValueError):
            raise _refused(path) from None
        there = found.setdefault(day, set())
        if is_monitored:
            there.add((site, service_type, host, ngi_of.get(site) or str(each.get("ngi") or "")))
    if not any(found.values()):
        raise Misconfigured(
            f"no monitored endpoint of a site is in {', '.join(paths)}",
            remedy="name a saved answer of topology/endpoints too",
        )
    return {day: there for day, there in sorted(found.items()) if there}


def _entries(path: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(read_small_file(path, "", MAX_BYTES))
        found = document["data"] if isinstance(document, dict) else document
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise ValueError
    except (ValueError, KeyError, RecursionError):
        raise _refused(path) from None
    return found


def _refused(path: str) -> Misconfigured:
    return Misconfigured(
        f"{path} is no answer of ARGO's web API about a topology", remedy="give topology/endpoints or topology/groups"
    )


def _day(date: str, default: int) -> int:
    if not date:
        return default
    return int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) // DAY_S


def outages(downtimes: Iterable[Downtime]) -> Iterator[Outage]:
    """What counts of the GOCDB's downtimes."""
    from libprobe.timelines.evaluation import Outage

    for each in downtimes:
        if each.is_outage:
            start, end = int(each.start.timestamp()), int(each.end.timestamp())
            yield Outage(each.hostname.lower(), each.service_type, start, end, each.id, safe(each.description)[:1000])
