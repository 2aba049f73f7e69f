"""The services in configuration files of a monitor, ours or another's: for where no list of them lies beside.

What is read is what such files say of themselves, by the custom variables of NCG. Nothing of it goes into a
configuration.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from libprobe.failures import Misconfigured
from libprobe.programs.ncg.index import MonitoredEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_LINE = 64 << 10
_ICINGA_VALUE = re.compile(r'\s*(host_name|vars\.site_name|vars\.service_flavour) = "([^"]*)"')


def read(directory: str, kind: str) -> Iterator[MonitoredEntry]:
    """Yield what a configuration in one of the formats monitors; texts are empty where the files do not tell.

    directory: as fedcloud-ncg writes it
    Raises: OSError.
    """
    if kind == "poem":
        from libprobe.programs.ncg import poem

        yield from poem.read(directory)
        return
    if kind == "sensu":
        from libprobe.programs.ncg import sensu

        for path in _files(os.path.join(directory, kind), ".json"):
            yield from sensu.read(path)
        return
    reader = {"nagios": nagios_services, "icinga2": _icinga_services, "nrpe": _nrpe_services}[kind]
    for path in _files(os.path.join(directory, kind), ".conf" if kind == "icinga2" else ".cfg"):
        # what is the monitor's own, such as a host that is pinged, has no service type; in NRPE's files nothing has
        yield from (each for each in reader(_lines(path)) if each.service_type or kind == "nrpe")


def _files(directory: str, ending: str) -> Iterator[str]:
    for place, subdirectories, names in os.walk(directory):
        subdirectories.sort()
        yield from (os.path.join(place, name) for name in sorted(names) if name.endswith(ending))


def _lines(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        while line := file.readline(MAX_LINE):
            yield line


def nagios_services(lines: Iterable[str]) -> Iterator[MonitoredEntry]:
    """Of object definitions of Nagios, without what is inherited."""
    values: dict[str, str] | None = None
    for line in lines:
        words = line.split(None, 1)
        if re.match(r"\s*define\s+service\s*\{", line):
            values = {}
        elif values is None or not words:
            continue
        elif words[0] == "}":
            if values.get("register") != "0":
                yield _nagios_entry(values)
            values = None
        elif len(words) == 2:
            values[words[0].lower()] = words[1].strip()


def _nagios_entry(values: Mapping[str, str]) -> MonitoredEntry:
    names = ("host_name", "service_description", "_service_flavour", "_site_name")
    host, service, service_type, site = (values.get(name, "") for name in names)
    return MonitoredEntry(host, service, service_type, site, "")


class KnownService(NamedTuple):
    """A service that a Nagios knows, whoever wrote its configuration.

    host:        its name there, with which NCG may name one service of the GOCDB: `cloud.example.org_9001G0`
    hostname:    as the GOCDB has it
    primary_key: of the service in the GOCDB, empty where the name does not tell
    """

    host: str
    service: str
    service_type: str
    hostname: str
    primary_key: str = ""
    url: str = ""
    endpoints: tuple[tuple[str, str], ...] = ()
    monitored_id: str = ""


def read_known_services(path: str) -> list[KnownService]:
    """The services with a service type in the object cache of a Nagios, once for each of their types.

    NCG writes all types of a metric on a host into one service, with commas. Raises: Misconfigured.
    """
    try:
        return [
            KnownService(each.host, each.service, service_type, *_gocdb_name_and_key(each.host))
            for each in nagios_services(_lines(path))
            for service_type in each.service_type.split(",")
            if service_type
        ]
    except OSError as error:
        raise Misconfigured(
            f"the object cache {path} cannot be read: {error.strerror}", remedy="start Nagios, or name its main file"
        ) from None


def _gocdb_name_and_key(host: str) -> tuple[str, str]:
    """Name and key of a host: by USE_IDS of NCG, one is called by both."""
    found = re.fullmatch(r"(.+)_([0-9]+G[0-9]+)", host)
    return (found[1], found[2]) if found else (host, "")


def _icinga_services(lines: Iterable[str]) -> Iterator[MonitoredEntry]:
    name = ""
    values: dict[str, str] = {}
    for line in lines:
        if begins := re.match(r'object Service "([^"]+)"', line):
            name, values = begins[1], {}
        elif name and line.startswith("}"):
            yield MonitoredEntry(
                *(values.get("host_name", ""), name, values.get("vars.service_flavour", "")),
                *(values.get("vars.site_name", ""), ""),
            )
            name = ""
        elif name and (value := _ICINGA_VALUE.match(line)):
            values[value[1]] = value[2]


def _nrpe_services(lines: Iterable[str]) -> Iterator[MonitoredEntry]:
    """Whose names are of hosts and services in one, and of no type."""
    site = ""
    for line in lines:
        if title := re.match(r"# Site (.+): arguments are fixed", line):
            site = title[1]
        elif command := re.match(r"command\[([^_\]]+)_([^\]]+)\]=", line):
            yield MonitoredEntry(command[1], command[2], "", site, "")
