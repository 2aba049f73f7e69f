"""The list of what a configuration monitors, which lies beside it: one JSON object a line.

For programs that come after the monitor's configuration: they know which service belongs to which endpoint
without asking the GOCDB again, and know no more than the monitor does.
"""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import NamedTuple

from libprobe.failures import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEFAULT_OUTPUT = "/etc/fedcloud-probes/generated"
"""The directory of a configuration, and so of its list."""

NAME = "services.jsonl"
"""Of all services, whatever the format of a configuration; see also `list_name`."""
MAX_LINE = 4 << 20
MAX_ENDPOINTS = 100
MAX_URL_CHARS = 2_048
"""Of each of a service's endpoints; the GOCDB allows 255."""


class MonitoredEntry(NamedTuple):
    """A service of the monitor.

    url:          of its endpoint, as registered in the GOCDB
    primary_key:  of its service in the GOCDB
    endpoints:    (ID, URL) of all ENDPOINTs of that service, monitored_id: which of them is monitored
    The last three are empty where the GOCDB has none, and in a list of a fedcloud-ncg that did not write them yet.
    """

    host: str
    service: str
    service_type: str
    site: str
    url: str
    primary_key: str = ""
    endpoints: tuple[tuple[str, str], ...] = ()
    monitored_id: str = ""

    @property
    def hostname(self) -> str:
        return self.host


def shorten_endpoints(endpoints: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Endpoints of a service as they are kept: no registration makes the list larger than it can be read."""
    return [(identifier[:40], url[:MAX_URL_CHARS]) for identifier, url in islice(endpoints, MAX_ENDPOINTS)]


def list_name(kind: str) -> str:
    """The list of one format, where a directory holds several that were not written in one run."""
    return f".services-{kind}.jsonl"


def write(directory: str, entries: Iterable[MonitoredEntry], name: str = NAME) -> None:
    """Raises: OSError."""
    with open(os.path.join(directory, name), "x", encoding="ascii") as file:
        file.writelines(f"{json.dumps(entry._asdict())}\n" for entry in entries)
        file.flush()
        os.fsync(file.fileno())


def read(directory: str, name: str = NAME) -> Iterator[MonitoredEntry]:
    """Raises: Misconfigured."""
    path = os.path.join(directory, name)
    try:
        with open(path, encoding="ascii") as file:
            while line := file.readline(MAX_LINE):
                values = json.loads(line)
                endpoints = tuple((str(number), str(url)) for number, url in values.pop("endpoints", ()))
                texts = {name: str(values[name]) for name in MonitoredEntry._fields if name in values}
                yield MonitoredEntry(**texts, endpoints=endpoints)
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}", remedy="name the --output of fedcloud-ncg"
        ) from None
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise Misconfigured(f"{path} is not what fedcloud-ncg wrote", remedy="run fedcloud-ncg again") from None
