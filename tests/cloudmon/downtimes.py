"""Downtimes that the GOCDB declares, and what a monitor has of them after fedcloud-downtimes."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.conftest import Report, at, clean_environment, command
from tests.federation import gocdb as pi
from tests.federation.federation import OCCI, Federation
from tests.nagios import Service
from tests.pace import LONGEST_S, until

from .monitor import CloudMonitor
from .scenes import CERTIFICATE, CONTEXT, VM

AUTHOR = "fedcloud-downtimes"


class Downtime(NamedTuple):
    """One of a monitor. start, end: Unix time."""

    service: Service
    author: str
    comment: str
    start: int
    end: int
    is_in_effect: bool


class Monitor(Protocol):
    """What this needs of a monitor. leftovers_hint: options of fedcloud-downtimes that name it."""

    federation: Federation
    generated: Path
    leftovers_hint: list[object]

    def downtimes(self) -> list[Downtime]: ...

    def declare(self, service: Service, end: int) -> None:
        """Schedule a downtime as an operator does."""


class OfNagios:
    """The downtimes of a CloudMonitor."""

    def __init__(self, monitor: CloudMonitor) -> None:
        self.federation = monitor.federation
        self.generated = monitor.generated
        self.leftovers_hint = ["--nagios", monitor.configuration]
        self._monitor = monitor

    def downtimes(self) -> list[Downtime]:
        found = []
        for block in re.findall(
            r"^servicedowntime \{\n(.*?)\n\t\}",
            (self._monitor.state / "status.dat").read_text(),
            re.DOTALL | re.MULTILINE,
        ):
            values = dict(line.strip().split("=", 1) for line in block.splitlines())
            service = Service(values["host_name"], values["service_description"])
            times = int(values["start_time"]), int(values["end_time"])
            found.append(Downtime(service, values["author"], values["comment"], *times, values["is_in_effect"] == "1"))
        return found

    def declare(self, service: Service, end: int) -> None:
        what = f"{service.host};{service.name};{end - 3600};{end};1;0;0;operator;GOCDB downtime 1, by hand"
        self._monitor.command(f"SCHEDULE_SVC_DOWNTIME;{what}")
        self._monitor.until(self.downtimes, "the operator's downtime is there")


def tell(monitor: Monitor, home: Path, *more: object) -> Report:
    """Run fedcloud-downtimes."""
    done = subprocess.run(
        command("fedcloud-downtimes", "--output", monitor.generated, *monitor.leftovers_hint, *more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(**monitor.federation.environment(), HOME=home),
    )
    return Report(done.returncode, done.stdout, done.stderr)


def told(
    report: Report, *, declared: str, name: str, scheduled: int, ended: int, unchanged: int, beside: str = ""
) -> None:
    """Check a whole report of success. beside: an expression for what else is said."""
    assert re.fullmatch(
        rf"fedcloud-downtimes: {declared}, from the GOCDB, in [\d.]+ m?s\n"
        rf"  {name}: {scheduled} scheduled, {ended} ended early, {unchanged} unchanged\n{beside}",
        report.out,
    ), report.out
    assert (report.code, report.err) == (1 if beside else 0, "")


def of_ours(monitor: Monitor) -> Collection[Downtime]:
    return {each for each in monitor.downtimes() if each.author == AUTHOR}


def seen(monitor: Monitor, expected: Collection[Downtime]) -> None:
    """Wait until these of ours are there and no others; that one is in effect is told later than that it is there."""
    with contextlib.suppress(AssertionError):
        until(lambda: of_ours(monitor) == expected, patience_s=LONGEST_S)
    assert of_ours(monitor) == expected


def outages_of_the_gocdb_and_no_other_are_scheduled_and_ended(monitor: Monitor, name: str, home: Path) -> None:
    """With one going on, one that is to come, one of no endpoint that is monitored, and one that is no outage."""
    gocdb = monitor.federation.gocdb
    now = datetime.now(UTC).replace(microsecond=0)
    by_hand = Service(monitor.federation.site("rocci").hostname, "org.nagios.OCCI-TCP")
    monitor.declare(by_hand, int(now.timestamp()) + 3600)

    down, planned, partly, warned = (monitor.federation.site(each) for each in ("ooi", "snf", "rocci", "rocci2"))
    going_on = gocdb.add_downtime(
        [each for each in gocdb.services if each.hostname == down.hostname],
        description="Disks; | <b>$HOSTNAME$</b>\n`id` and the \u00e9nd",
        classification="UNSCHEDULED",
    )
    start = now + timedelta(hours=1)
    to_come = gocdb.add_downtime(gocdb.find(planned.hostname, OCCI), start=start, end=start + timedelta(days=3))
    service = gocdb.find(partly.hostname, OCCI)
    unused = pi.Endpoint("https://unused.fedcloud.test/", monitored=False, id=77)
    service.endpoints.append(unused)
    of_unused = gocdb.add_downtime(service, endpoints=[unused])
    beside = (
        rf"  downtime {of_unused.id} of {OCCI} on {partly.hostname} names endpoints of which none is known here, "
        rf"the first {unused.url}; run fedcloud-ncg again\n"
    )
    [used] = gocdb.find(warned.hostname, OCCI).endpoints
    gocdb.add_downtime(gocdb.find(warned.hostname, OCCI), severity="WARNING")
    narrowed = gocdb.add_downtime(gocdb.find(warned.hostname, OCCI), endpoints=[used])

    of_occi = {VM, CONTEXT, CERTIFICATE, "org.nagios.OCCI-TCP"}
    of_site = {*of_occi, "eu.egi.cloud.APEL-Pub", "org.nagios.CloudBDII-Check"}
    comments = {
        going_on.id: f"GOCDB downtime {going_on.id}, unscheduled: Disks b HOSTNAME /b id and the nd",
        to_come.id: f"GOCDB downtime {to_come.id}, scheduled: Intervention",
        narrowed.id: f"GOCDB downtime {narrowed.id}, scheduled: Intervention",
    }

    def expected(*downtimes: pi.Downtime) -> set[Downtime]:
        hosts = {going_on.id: down.hostname, to_come.id: planned.hostname, narrowed.id: warned.hostname}
        return {
            Downtime(
                Service(hosts[each.id], metric),
                AUTHOR,
                comments[each.id],
                int(each.start.timestamp()),
                int(each.end.timestamp()),
                each is not to_come,
            )
            for each in downtimes
            for metric in (of_site if each is going_on else of_occi)
        }

    report = tell(monitor, home)
    told(report, declared="3 downtimes for 14 services", name=name, scheduled=14, ended=0, unchanged=0, beside=beside)
    seen(monitor, expected(going_on, to_come, narrowed))
    report = tell(monitor, home)
    told(report, declared="3 downtimes for 14 services", name=name, scheduled=0, ended=0, unchanged=14, beside=beside)
    seen(monitor, expected(going_on, to_come, narrowed))

    going_on.end += timedelta(hours=2)
    gocdb.remove_downtime(to_come)
    report = tell(monitor, home)
    told(report, declared="2 downtimes for 10 services", name=name, scheduled=6, ended=10, unchanged=4, beside=beside)
    seen(monitor, expected(going_on, narrowed))

    gocdb.faults.on("truncated", times=1)
    before = monitor.downtimes()
    report = tell(monitor, home)
    assert report.code == 2
    broken = rf"the document breaks off after \d+ complete records? in the answer of GOCDB {at(gocdb.url)}"
    assert re.match(f"fedcloud-downtimes: not done: {broken}\\b", report.out), report.out
    assert monitor.downtimes() == before
    gocdb.faults.clear()

    for each in list(gocdb.downtimes):
        gocdb.remove_downtime(each)
    report = tell(monitor, home)
    told(report, declared="0 downtimes for 0 services", name=name, scheduled=0, ended=10, unchanged=0)
    [left] = monitor.downtimes()
    assert (left.service, left.author) == (by_hand, "operator")
