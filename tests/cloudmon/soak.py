"""A central monitor at a multiple of its pace while everything goes wrong at random: `python -m tests.cloudmon.soak`.

A real Nagios with the generated configuration has all metrics of some 200 endpoints checked by fedcloud-worker:
those of the embedded federation, further hosts of its clouds, and peers on loopback addresses of their own. Faults
are switched on and off by a seed. Every result that Nagios has processed is compared with what was true while the
check ran, and so is every state that it holds once a fault has been on, or off, for long enough. At last no VM, no
process and no wrong state may be left, and the worker's memory must be flat. Exit code 1 if anything is not so.
"""

from __future__ import annotations

import argparse
import os
import random
import selectors
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import machine, memory_mib, table
from libprobe.programs import catalogue
from tests.conftest import ROOT
from tests.federation import broker as messages
from tests.federation import gocdb as pi
from tests.federation.federation import OCCI, Federation
from tests.federation.federation import Site as Cloud
from tests.nagios import STATES, Service, command_line
from tests.pace import until
from tests.programs.worker.handler import Worker

from .monitor import CloudMonitor

VM, CONTEXT = "eu.egi.cloud.OCCI-VM", "eu.egi.cloud.OCCI-Context"
CERTIFICATE = "eu.egi.cloud.Certificate"
PACE = 60.0
"""OCCI-VM every minute instead of every hour, a connection every 15 seconds instead of every 15 minutes."""

SLACK_S = 2.5
"""Nagios notes whole seconds; and a peer takes a moment to do as it is told."""

HELD_INTERVALS, HELD_S = 2.0, 30.0
"""A state has to be right once its fault was on, or off, for so many intervals and so many seconds more."""

STUCK_INTERVALS, STUCK_S = 3.0, 60.0
MAX_GROWTH_MIB = 8.0
MAX_MEMORY_MIB = 120.0
MAX_MEMORY_BUSY_MIB = 240.0
"""The short run is a test, beside much else: where checks are slow, all runners have one at the same time."""
SAMPLE_S = 2.0
END_S = 10.0
"""For runners to notice that the supervisor is gone."""

LONGEST_CHECK_S = 440.0
"""OCCI-VM has 420 s, and Nagios' limit is a little longer."""

DOORS = ("eu.egi.cloud.storage-management.cdmi", "eu.egi.cloud.broker.vmdirac", "eu.egi.cloud.broker.compss")

SETTINGS = """
max_concurrent_checks=100
execute_service_checks=0
service_check_timeout={timeout:.0f}
process_performance_data=1
service_perfdata_file={results}
service_perfdata_file_mode=a
service_perfdata_file_template={template}
"""
TEMPLATE = "\t".join(
    f"${name}$"
    for name in ("HOSTNAME", "SERVICEDESC", "LASTSERVICECHECK", "SERVICEEXECUTIONTIME", "SERVICESTATE", "SERVICEOUTPUT")
)


class Switch(NamedTuple):
    """When a fault was switched, from before to after; fault: empty for none."""

    began: float
    ended: float
    fault: str


@dataclass
class Subject:
    """What can go wrong by itself.

    faults:   state of each metric under each fault; a metric that is not named stays OK.
    turn:     switches a fault on, or with an empty word all off.
    switches: in order of time.
    """

    name: str
    faults: Mapping[str, Mapping[str, str]]
    turn: Callable[[str], None]
    switches: list[Switch] = field(default_factory=lambda: [Switch(0.0, 0.0, "")])
    next_at: float = 0.0

    def switch(self, fault: str) -> None:
        began = time.time()
        self.turn(fault)
        self.switches.append(Switch(began, time.time(), fault))

    def truth(self, metric: str, start: float, end: float) -> str | None:
        """The state of a metric during some time; None if it changed in between, or shortly before or after."""
        fault = ""
        for each in self.switches:
            if each.began > end:
                break
            if each.ended > start:
                return None
            fault = each.fault
        return self.faults.get(fault, {}).get(metric, "OK")


class Doors:
    """Listeners on loopback addresses of their own, each of which can be closed and opened again."""

    def __init__(self, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._open: dict[int, socket.socket] = {}
        # bound and never listening: nobody else gets the port while it is closed
        self._kept = [_bound((self.address(number), 0)) for number in range(count)]
        self.ports = [each.getsockname()[1] for each in self._kept]
        for number in range(count):
            self.open(number)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._is_running = True
        self._thread.start()

    @staticmethod
    def address(number: int) -> str:
        return f"127.7.{number // 200}.{number % 200 + 1}"

    def open(self, number: int) -> None:
        listener = _bound((self.address(number), self.ports[number]))
        listener.listen(64)
        listener.setblocking(False)
        with self._lock:
            self._open[number] = listener
            self._selector.register(listener, selectors.EVENT_READ)

    def close(self, number: int) -> None:
        with self._lock:
            listener = self._open.pop(number)
            self._selector.unregister(listener)
            listener.close()

    def _accept(self) -> None:
        while self._is_running:
            ready = self._selector.select(0.2)
            with self._lock:
                for key, _ in ready:
                    with suppress(OSError, ValueError):
                        key.fileobj.accept()[0].close()  # type: ignore[union-attr]

    def stop(self) -> None:
        self._is_running = False
        self._thread.join()
        for each in (*self._open.values(), *self._kept):
            each.close()


def _bound(address: tuple[str, int]) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    return made


def cloud_faults() -> dict[str, dict[str, str]]:
    """Faults of a cloud that show at once and leave the port open."""
    both = dict.fromkeys((VM, CONTEXT), "CRITICAL")
    of_vm = {VM: "CRITICAL"}
    faults = {"quota": of_vm, "build-error": of_vm}
    before_tls_ends = both | {CERTIFICATE: "CRITICAL"}
    return (
        faults
        | dict.fromkeys(("status", "garbage", "reset"), both)
        | dict.fromkeys(("close-accept", "certificate"), before_tls_ends)
    )


def cloud(site: Cloud) -> Subject:
    def turn(fault: str) -> None:
        site.faults.clear()
        site.certificate("expired" if fault == "certificate" else "good")
        if fault not in ("", "certificate"):
            site.faults.on(fault)

    return Subject(site.name, cloud_faults(), turn)


def bdii(federation: Federation) -> Subject:
    """The information system of all sites."""
    faults = federation.bdii.faults

    def turn(fault: str) -> None:
        faults.on(fault) if fault else faults.clear()

    of_it = {"org.nagios.CloudBDII-Check": "CRITICAL"}
    return Subject("bdii", dict.fromkeys(("bdii-empty", "bdii-gone", "bdii-no-cloud"), of_it), turn)


def helper(federation: Federation, name: str, metric: str, state: str) -> Subject:
    """A server that answers 503 instead."""

    def turn(fault: str) -> None:
        faults = federation.switch(name, "status")
        faults.on("status") if fault else faults.clear()

    return Subject(name, {"status": {metric: state}}, turn)


class Soak:
    """See the module.

    endpoints:   registered in the GOCDB. unit_s: seconds between two checks of OCCI-VM.
    with_broker: with a real message broker, which takes 150 MB.
    """

    def __init__(
        self, directory: Path, *, endpoints: int, pace: float, seed: int, stack: ExitStack, with_broker: bool = False
    ) -> None:
        self.directory = directory
        self.random = random.Random(seed)
        self.factor = 1.0 / pace
        self.unit_s = 3600.0 / pace
        self.federation = stack.enter_context(Federation(directory / "federation"))
        if with_broker and messages.is_installed():
            self.federation.add_broker()
        self.subjects: list[Subject] = []
        self._of_host: dict[str, Subject] = {}
        self._of_metric: dict[str, Subject] = {}
        self._register(endpoints, stack)
        self.results = directory / "results"
        self.monitor = _SoakMonitor(self.federation, directory / "m", self.results, interval_factor=self.factor)
        stack.callback(self.monitor.stop)
        self.worker = Worker(self.monitor.query_socket, directory, **self.monitor.environment)
        stack.callback(self.worker.kill)
        self.intervals: dict[str, float] = {
            metric.name: metric.interval_s * self.factor for metric in catalogue.read(str(ROOT / "etc/ncg"))
        }
        self.limits: dict[str, float] = {each.name: each.timeout_s for each in catalogue.read(str(ROOT / "etc/ncg"))}
        self.longest_s: dict[str, float] = {}
        self.violations: list[str] = []
        self.memory: list[tuple[float, float]] = []
        self.compared = Counter[str]()
        self.services = 0

    # -- what is there --

    def _register(self, endpoints: int, stack: ExitStack) -> None:
        gocdb, sites = self.federation.gocdb, list(self.federation.sites.values())
        of_site = {site.name: cloud(site) for site in sites}
        for site in sites:
            self._of_host[site.hostname] = of_site[site.name]
        missing = endpoints - len(gocdb.services)
        more = missing // 5
        for number in range(more):
            site = sites[number % len(sites)]
            host = f"{site.name}-{number}.fedcloud.test"
            endpoint = pi.Endpoint(site.url)
            gocdb.add_service(pi.Service(host, OCCI, f"MORE-{site.gocdb_name}", url=site.url, endpoints=[endpoint]))
            self._of_host[host] = of_site[site.name]
        self.doors = Doors(missing - more)
        stack.callback(self.doors.stop)
        for number in range(missing - more):
            host = f"peer-{number}.fedcloud.test"
            url = f"http://{self.doors.address(number)}:{self.doors.ports[number]}/"  # they speak no TLS
            gocdb.add_service(pi.Service(host, DOORS[number % len(DOORS)], f"PEERS-{number % 20}", url=url))
            self._of_host[host] = self._door(number)
        helpers = {
            "eu.egi.cloud.Perun-Check": ("perun", "CRITICAL"),
            "eu.egi.cloud.AppDB-Update": ("appdb", "CRITICAL"),
            "eu.egi.cloud.APEL-Pub": ("accounting", "UNKNOWN"),
        }
        for metric, (name, state) in helpers.items():
            self._of_metric[metric] = helper(self.federation, name, metric, state)
        self._of_metric["org.nagios.CloudBDII-Check"] = bdii(self.federation)
        self.endpoints = len(gocdb.services)
        self.subjects = [*of_site.values(), *self._of_metric.values()]
        self.subjects += [self._of_host[f"peer-{number}.fedcloud.test"] for number in range(missing - more)]

    def _door(self, number: int) -> Subject:
        def turn(fault: str) -> None:
            self.doors.close(number) if fault else self.doors.open(number)

        closed = dict.fromkeys((CERTIFICATE, "org.nagios.CDMI-TCP", "org.nagios.Broker-TCP"), "CRITICAL")
        return Subject(f"peer-{number}", {"closed": closed}, turn)

    def subject(self, service: Service) -> tuple[Subject | None, str]:
        """What a service's state depends on, and its metric."""
        metric = service.name.removesuffix("-ops")
        return self._of_metric.get(metric) or self._of_host.get(service.host), metric

    # -- running --

    def run(self, seconds: float, *, results: int = 0) -> None:
        """Begin, switch for so long, mend everything, and look what is left.

        results: go on until there are so many, on a slow machine up to ten times as long.
        """
        self.monitor.generate()
        self.monitor.start()
        until(self.monitor.query_socket.exists)
        self.worker.start()
        names = [path.name for path in (ROOT / "probes").glob("check_*")]
        until(lambda: self.worker.said().count("registered for") >= len(names))
        self.monitor.begin()
        began = time.time()
        for each in self.subjects:
            each.next_at = began + self.random.uniform(0.2, 1.5) * self.unit_s
        sample_at = 0.0
        while (now := time.time()) < began + seconds or (
            now < began + 10 * seconds and self._count_results() < results
        ):
            for each in self.subjects:
                if now >= each.next_at:
                    self._switch(each, now)
            if now >= sample_at:
                sample_at = now + SAMPLE_S
                self._sample(now)
            time.sleep(0.05)
        self._mend()

    def _switch(self, each: Subject, now: float) -> None:
        if each.switches[-1].fault:
            each.switch("")
            each.next_at = now + self.random.uniform(0.5, 3.0) * self.unit_s
        else:
            each.switch(self.random.choice(sorted(each.faults)))
            each.next_at = now + self.random.uniform(0.3, 1.5) * self.unit_s

    def _sample(self, now: float) -> None:
        family = self.worker.family()
        if not family:
            raise RuntimeError(f"the worker has ended:\n{self.worker.said()[-2000:]}")
        session = os.getsid(family[0])
        lasting, jobs = [], []
        for pid in family:
            with suppress(ProcessLookupError):
                (lasting if os.getsid(pid) == session else jobs).append(pid)
        self.memory.append((now, memory_mib(lasting)))
        for pid in jobs:
            if (age := _age_s(pid)) > LONGEST_CHECK_S:
                self.violations.append(f"process {pid} hangs: it has been running for {age:.0f} s")
        for service, held in self.monitor.status().items():
            subject, metric = self.subject(service)
            if held.state == "PENDING" or subject is None:
                continue
            interval = self.intervals[metric]
            # what changed since the last check is not known to the monitor; how long ago that may be is judged below
            since = min(now - HELD_INTERVALS * interval - HELD_S, held.checked_at - SLACK_S)
            truth = subject.truth(metric, since, now)
            if truth is not None:
                self.compared["held states"] += 1
                if held.state != truth:
                    self.violations.append(f"held: {service.host} {service.name} is {held.state}: {held.output}")
            silent_s = now - held.checked_at
            if silent_s > STUCK_INTERVALS * interval + STUCK_S + self.limits[metric]:
                self.violations.append(f"stuck: {service.host} {service.name} has had no result for {silent_s:.0f} s")

    def _mend(self) -> None:
        for each in self.subjects:
            if each.switches[-1].fault:
                each.switch("")
        services = self.monitor.status()
        self.monitor.round(services)
        for service, held in self.monitor.status().items():
            if held.state != "OK":
                self.violations.append(f"at last: {service.host} {service.name} is {held.state}: {held.output}")
        self.services = len(services)
        family = self.worker.family()
        self.monitor.stop()
        code = self.worker.stop(wait=60)
        if code:
            self.violations.append(f"the worker ended with {code}")
        end = time.monotonic() + END_S
        while (left := [pid for pid in family if command_line(pid)]) and time.monotonic() < end:
            time.sleep(0.05)
        self.violations += [f"process {pid} is left: {command_line(pid)}" for pid in [*left, *self.monitor.plugins()]]
        for site in self.federation.sites.values():
            self.violations += [f"VM {vm.id} is left at {site.name}" for vm in site.occi.vms()]
        journals = list((self.federation.directory / "state").glob("*.vm"))
        self.violations += [f"{path.name} is left in the journal" for path in journals]
        for line in self.worker.said().splitlines():
            if "died" in line or "does not end by its own limit" in line or "Traceback" in line:
                self.violations.append(line)

    # -- what came of it --

    def judge(self, *, long: bool) -> list[tuple[str, object]]:
        """Compare all results with the truth, and tell the whole as a table."""
        for service, start, end, state, output in self._results():
            subject, metric = self.subject(service)
            self.compared[metric] += 1
            self.compared["results"] += 1
            self.longest_s[metric] = max(self.longest_s.get(metric, 0.0), end - start)
            truth = "OK" if subject is None else subject.truth(metric, start - SLACK_S, end + SLACK_S)
            if truth is None:
                self.compared["in the grace"] += 1
            elif state != truth:
                what = (
                    f"{service.host} {service.name} at {start:.0f} for {end - start:.1f} s: {state} instead of {truth}"
                )
                self.violations.append(f"result: {what}: {output}")
            elif state != "OK":
                self.compared["rightly not OK"] += 1
        values = [each for _, each in self.memory]
        settled = self.memory[len(self.memory) // 3 :]
        growth = 0.0
        if len(settled) > 2 and settled[-1][0] > settled[0][0]:
            slope = statistics.linear_regression(*zip(*settled, strict=True)).slope
            growth = slope * (settled[-1][0] - settled[0][0])
            if long and growth > MAX_GROWTH_MIB:
                self.violations.append(f"the worker grew by {growth:.1f} MiB")
        if max(values) > (MAX_MEMORY_MIB if long else MAX_MEMORY_BUSY_MIB):
            self.violations.append(f"the worker took {max(values):.0f} MiB")
        created = sum(len(site.occi.created) for site in self.federation.sites.values())
        switched = sum(len(each.switches) - 1 for each in self.subjects)
        return [
            ("endpoints in the GOCDB / services in Nagios", f"{self.endpoints} / {self.services}"),
            ("results", self.compared["results"]),
            *(
                (f"  of {name}", f"{self.compared[name]}, at most {self.longest_s[name]:.0f} s")
                for name in sorted(self.intervals)
                if self.compared[name]
            ),
            ("faults switched on or off", switched),
            ("results while a fault was being switched, not judged", self.compared["in the grace"]),
            ("results that reported a fault, rightly", self.compared["rightly not OK"]),
            ("wrong results", self._count("result:")),
            ("states that Nagios held, compared", self.compared["held states"]),
            ("wrong ones", self._count("held:", "at last:")),
            ("services stuck", self._count("stuck:")),
            ("VMs created / left", f"{created} / {self._count('VM ')}"),
            ("processes hung or left", self._count("process ", "fedcloud-worker:")),
            (
                "memory of the worker MiB, first / median / last / most",
                " / ".join(f"{each:.0f}" for each in (values[0], statistics.median(values), values[-1], max(values))),
            ),
            ("growth MiB over the last two thirds", f"{growth:+.1f}"),
            ("violations of all kinds", len(self.violations)),
        ]

    def _count(self, *beginnings: str) -> int:
        return sum(each.startswith(beginnings) for each in self.violations)

    def _count_results(self) -> int:
        return self.results.read_bytes().count(b"\n") if self.results.exists() else 0

    def _results(self) -> Iterator[tuple[Service, float, float, str, str]]:
        """Service, begin and end of the check, state and output of each result."""
        for line in self.results.read_text(errors="replace").splitlines():
            host, name, start, took, state, output = line.split("\t", 5)
            assert state in STATES, line
            yield Service(host, name), float(start), float(start) + 1.0 + float(took), state, output


class _SoakMonitor(CloudMonitor):
    """One that waits for the worker, and writes every result down."""

    def __init__(self, federation: Federation, directory: Path, results: Path, *, interval_factor: float) -> None:
        self._results = results
        super().__init__(federation, directory, interval_factor=interval_factor)

    def generate(self) -> str:
        report = super().generate()
        with open(self.configuration, "a") as file:
            file.write(SETTINGS.format(results=self._results, template=TEMPLATE, timeout=LONGEST_CHECK_S))
        return report


def _age_s(pid: int) -> float:
    try:
        started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 0.0
    return uptime - started / os.sysconf("SC_CLK_TCK")


def run(*, seconds: float, endpoints: int, pace: float, seed: int) -> tuple[list[tuple[str, object]], list[str]]:
    """Run it; returns the table and what was not as it should be."""
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch, ExitStack() as stack:
        made = Soak(Path(scratch), endpoints=endpoints, pace=pace, seed=seed, stack=stack, with_broker=True)
        made.run(seconds)
        rows = made.judge(long=seconds >= 240)
        return rows, made.violations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--pace", type=float, default=PACE, help="times that of production (default %(default)g)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # end everything below, also when started in the background
    print(
        f"{machine()}; {options.minutes:g} minutes, seed {options.seed}, {options.pace:g} times the pace\n", flush=True
    )
    try:
        rows, violations = run(
            seconds=options.minutes * 60, endpoints=options.endpoints, pace=options.pace, seed=options.seed
        )
    except KeyboardInterrupt:
        print("stopped before its end; nothing of it is left")
        return 1
    table(("soak", ""), rows)
    for line in violations[:50]:
        print(line)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
