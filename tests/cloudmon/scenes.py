"""What the tests of every monitor do to the federation, and what they expect of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests

from libprobe.formats.gocdb import read_service_endpoints
from libprobe.programs import catalogue
from tests.conftest import ROOT
from tests.federation.federation import Federation, Site
from tests.nagios import Service
from tests.pace import AMPLE_S, excused

VM, CONTEXT = "eu.egi.cloud.OCCI-VM-ops", "eu.egi.cloud.OCCI-Context-ops"
CERTIFICATE = "eu.egi.cloud.Certificate"
ATTEMPTS = {VM: 2, CONTEXT: 2, CERTIFICATE: 3}
"""Bad results by which a state becomes hard."""
NEW_HOST, NEW_SITE = "new.fedcloud.test", "NEW-CLOUD"


ASKED_AGAIN_S = 12.0
ROUNDS = 5
"""How often what a busy machine made late is checked again."""


class Seen(Protocol):
    """What a monitor has of a service. checked_at: when its last check began, Unix time."""

    @property
    def state(self) -> str: ...

    @property
    def checked_at(self) -> float: ...


class Monitor(Protocol):
    """What a scene needs of a monitor."""

    federation: Federation

    def status(self) -> Mapping[Service, Seen]: ...

    def round(self, services: Iterable[Service]) -> None: ...

    def check_now(self, services: Iterable[Service]) -> None: ...

    def until(self, condition: Callable[[], object], what: str) -> None: ...

    def probes(self, *words: str) -> list[int]: ...


def registered(federation: Federation) -> dict[str, set[Service]]:
    """The services that the GOCDB and the catalogue ask for, by site: told without a monitor or fedcloud-ncg.

    The certificate of a port is asked for once in a site: behind a second port of a host the service has the
    endpoint's key.
    """
    url = f"{federation.gocdb.url}?method=get_service_endpoint&monitored=Y"
    answer = requests.get(url, verify=str(federation.ca_directory), timeout=AMPLE_S)
    found: dict[str, set[Service]] = {}
    endpoints = sorted(read_service_endpoints([answer.content]), key=lambda each: (each.site, each.service_type))
    ports: set[tuple[str, str]] = set()
    for endpoint in endpoints:
        port = (endpoint.site, urlsplit(endpoint.url).netloc)
        for metric in catalogue.read(str(ROOT / "etc/ncg")):
            if endpoint.service_type in metric.service_types:
                name = f"{metric.name}-ops" if "VO" in metric.flags else metric.name
                services = found.setdefault(endpoint.site, set())
                if name == CERTIFICATE:
                    if port in ports:
                        continue
                    ports.add(port)
                    if Service(endpoint.hostname, name) in services:
                        name += f"_{endpoint.primary_key}"
                services.add(Service(endpoint.hostname, name))
    return found


def checked_since(
    monitor: Monitor, services: Iterable[Service], began: float, ask: Callable[[list[Service]], None]
) -> None:
    """Have services checked; returns when each has the result of a check that began after an instant.

    ask: how they are asked for; again after ASKED_AGAIN_S, for the monitor may have been away (then it raises OSError),
    and a service that is being checked just then may not take the command. While checks run, none is asked for again:
    a monitor starts a forced one as often as it is told to, on a busy machine hundreds.
    """
    wanted = set(services)
    before = set(monitor.probes())
    asked_at = 0.0

    def is_done() -> bool:
        nonlocal asked_at
        known = monitor.status()
        missing = [each for each in wanted if each not in known or known[each].checked_at <= began]
        is_time = not asked_at or (time.monotonic() - asked_at > ASKED_AGAIN_S and before >= set(monitor.probes()))
        if missing and is_time:
            with contextlib.suppress(OSError):
                ask(missing)
                asked_at = time.monotonic()
        return not missing

    monitor.until(is_done, "every service was checked once more")


def expect_states(monitor: Monitor, wanted: dict[Service, str]) -> None:
    """Expect these states, and OK of all other services.

    On a machine that is too busy for a check to come in time, what is otherwise is checked again.
    """

    def not_ok() -> dict[Service, str]:
        return {service: each.state for service, each in monitor.status().items() if each.state != "OK"}

    for _ in range(ROUNDS):
        found = not_ok()
        if found == wanted:
            return
        late = {service for service in {*found, *wanted} if found.get(service) != wanted.get(service)}
        assert excused("states had to be checked again"), f"{found} instead of {wanted}"
        monitor.round(late)
    assert not_ok() == wanted


def building(monitor: Monitor, sites: list[Site]) -> list[str]:
    """Have a VM in the middle of its building at each of the sites; returns their ids."""
    before = {site.name: len(site.occi.created) for site in sites}
    for site in sites:
        site.faults.on("build-endless")
    asked = [each for each in monitor.status() if each.name == VM and each.host in {site.hostname for site in sites}]
    monitor.check_now(asked)
    monitor.until(
        lambda: all(len(site.occi.created) > before[site.name] for site in sites), "a VM is being built at each site"
    )
    return [site.occi.created[before[site.name]][1] for site in sites]


def builder(monitor: Monitor, site: Site) -> int:
    """The process of the probe that is at work at a site: of several the first, to which the others leave it."""

    def started(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])

    found = {}
    for pid in monitor.probes("check_occi_vm", site.hostname):
        with contextlib.suppress(OSError):
            found[started(pid)] = pid
    return found[min(found)]


def finish_building(site: Site) -> None:
    """Let every VM that is still being built become active now."""
    with site.occi.store.lock:
        for machine in site.occi.store.machines():
            machine.built_at = 0.0
