"""Checks per second and processor time per check, in a real Nagios 4: `python -m benchmarks.worker`.

C plugins through Nagios' own workers, our probes through fedcloud-worker, and (slow, a few seconds only)
our probes through Nagios' own workers. More services are due than can be run, so that the rate is what the
machine gives; processor time is that of Nagios and all that runs below it and of the worker, not of the
peer. Rounds alternate; medians are shown. Memory is measured without Nagios, by a query handler that keeps
every thread busy. Needs nagios4-core and monitoring-plugins-basic.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import (
    PLUGINS,
    Account,
    Peer,
    machine,
    median,
    memory_mib,
    peer,
    processor_s,
    progress,
    table,
)
from tests.conftest import ROOT, clean_environment
from tests.federation.accounting import Accounting, Record
from tests.federation.authority import Authority
from tests.federation.web import Request
from tests.nagios import SmallNagios, service
from tests.pace import until
from tests.programs.worker.handler import QueryHandler, Worker

WARM_UP_S = 4.0
ALL_THREADS = 60


class Rate(NamedTuple):
    """checks_s: per second. cpu_ms: per check, Nagios included. own_ms: the worker's part."""

    checks_s: float
    cpu_ms: float
    own_ms: float
    memory_mib: float


def measured(command: str, asked: Peer, services: int, seconds: float, *, warm: bool) -> Rate:
    """Let Nagios run one command for this number of services at once and count what arrives at the peer."""
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        directory = Path(scratch)
        lines = (service(f"service {number}", command) for number in range(services))
        settings = {"status_update_interval": 300, "check_workers": 4}
        nagios = SmallNagios(directory / "nagios", lines, waits=True, settings=settings)
        worker = Worker(nagios.query_socket, directory, **clean_environment(HOME=directory)) if warm else None
        of_nagios, of_worker = Account("nagios"), Account("worker")
        try:
            with of_nagios:
                nagios.start()
            until(nagios.query_socket.exists)
            if worker:
                with of_worker:
                    worker.start()
                until(lambda: command.split()[0] + "\n" in worker.said(), patience_s=60)
            nagios.begin()
            time.sleep(WARM_UP_S)
            first, began = asked.connections, time.monotonic()
            cpu, own_cpu = of_nagios.seconds(), of_worker.seconds()
            time.sleep(seconds)
            took, count = time.monotonic() - began, max(1, asked.connections - first)
            own_cpu = of_worker.seconds() - own_cpu
            cpu = of_nagios.seconds() - cpu + own_cpu
            memory = memory_mib(worker.family()) if worker else 0.0
            return Rate(count / took, cpu / count * 1000, own_cpu / count * 1000, memory)
        finally:
            nagios.stop()
            if worker:
                worker.kill()
            of_nagios.close()
            of_worker.close()


def compare(title: str, asked: Peer, plans: list[tuple[str, str, bool, int]], rounds: int, seconds: float) -> None:
    """plans: what it is called, its command line, whether the worker runs it, services that are due each second."""
    found: dict[str, list[Rate]] = {plan[0]: [] for plan in plans}
    for number in range(rounds):
        for name, command, warm, services in plans:
            progress(f"round {number + 1} of {rounds}: {name}")
            found[name].append(measured(command, asked, services, seconds, warm=warm))
    reference = found[plans[0][0]]
    rows = []
    for name, rates in found.items():
        checks, cpu = median([each.checks_s for each in rates]), median([each.cpu_ms for each in rates])
        rows.append(
            (
                name,
                f"{checks:.0f}",
                f"{checks / median([each.checks_s for each in reference]):.2f}",
                f"{cpu:.2f}",
                f"{cpu / median([each.cpu_ms for each in reference]):.2f}",
                f"{median([each.own_ms for each in rates]):.2f}" if rates[0].memory_mib else "",
                f"{max(each.memory_mib for each in rates):.0f}" if rates[0].memory_mib else "",
            )
        )
    head = (title, "checks/s", "x C", "CPU ms per check", "x C", "of it the worker", "worker MiB")
    table(head, rows)


def tcp(rounds: int, seconds: float, due: int) -> None:
    with peer() as asked:
        probe = f"{ROOT}/probes/check_endpoint_tcp -H 127.0.0.1 -p {asked.port}"
        compare(
            "TCP connect",
            asked,
            [
                ("C check_tcp, Nagios' workers", f"{PLUGINS}/check_tcp -H 127.0.0.1 -p {asked.port}", False, due),
                ("check_endpoint_tcp, fedcloud-worker", probe, True, due),
                ("check_endpoint_tcp, Nagios' workers", probe, False, 40),
            ],
            rounds,
            seconds,
        )


@contextmanager
def portal(scratch: Path) -> Iterator[tuple[Peer, str, Path]]:
    """An accounting portal with one page over TLS: its peer, the page's path, and the directory of its CA."""
    authority = Authority(scratch / "authority")
    context = authority.server_context(authority.host(["localhost"]))
    path = "/cloudtest/cloudsites2.html"
    page = Accounting(records=[Record(f"SITE-{number}") for number in range(30)]).app(Request("GET", path)).body
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    with peer(head.encode() + page, context) as asked:
        yield asked, path, authority.ca_directory


def https(rounds: int, seconds: float, due: int) -> None:
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch, portal(Path(scratch)) as (asked, path, cas):
        url = f"https://localhost:{asked.port}{path}"
        ours = f"{ROOT}/probes/check_apel_pub --site SITE-7 -u {url} --ca-path {cas}"
        theirs = f"{PLUGINS}/check_http -S --sni -I 127.0.0.1 -H localhost -p {asked.port} -u {path}"
        compare(
            "HTTPS GET of one page",
            asked,
            [
                ("C check_http, Nagios' workers (does not verify)", theirs, False, due),
                ("check_apel_pub, fedcloud-worker (verifies)", ours, True, due),
                ("check_apel_pub, Nagios' workers (verifies)", ours, False, 40),
            ],
            rounds,
            seconds,
        )


def memory(checks: int) -> None:
    """Memory of the whole family, all probes loaded and every thread of every runner taken at all times."""
    rows: list[Sequence[object]] = []
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch, portal(Path(scratch)) as (asked, path, cas):
        url = f"https://localhost:{asked.port}{path}"
        command = f"check_apel_pub --site SITE-7 -u {url}"
        rows.append(_filled("HTTPS", f"{command} --ca-path {cas}", checks // 5))
        rows.append(_filled("HTTPS, refused by the system's CAs", command, checks // 20))
    with peer() as asked:
        rows.append(_filled("TCP", f"check_endpoint_tcp -H 127.0.0.1 -p {asked.port}", checks))
    head = ("all threads at", "checks", "at rest MiB", "after a fifth", "at last", "most", "MiB more per 10,000 checks")
    table(head, rows)


def _filled(what: str, command: str, checks: int) -> Sequence[object]:
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        directory = Path(scratch)
        handler = QueryHandler(directory / "qh")
        worker = Worker(handler.path, directory, **clean_environment(HOME=directory)).start()
        try:
            nagios = handler.registered(command.split()[0])
            until(lambda: len(worker.family()) == 4)  # supervisor, fork server, two runners
            at_rest = memory_mib(worker.family())
            for key in range(2 * ALL_THREADS):
                nagios.order(key, f"{ROOT}/probes/{command}")
            found: list[tuple[int, float]] = []
            for key in range(checks):
                nagios.answer()
                nagios.order(key, f"{ROOT}/probes/{command}")
                if not key % max(1, checks // 100):
                    found.append((key, memory_mib(worker.family())))
            settled = found[len(found) // 5 :]
            slope = statistics.linear_regression(*zip(*settled, strict=True)).slope
            values = [each for _, each in found]
            shown = (at_rest, settled[0][1], values[-1], max(values))
            return (what, checks, *(f"{each:.0f}" for each in shown), f"{slope * 10_000:+.2f}")
        finally:
            worker.kill()


def occi(count: int, templates: int) -> None:
    """Processor time of one look at a cloud of this number of templates, asked for one after the other."""
    from dataclasses import replace

    from tests.federation.federation import Federation

    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        directory = Path(scratch)
        with Federation(directory / "federation") as federation:
            rows = []
            for name in ("rocci", "ooi"):
                site = federation.sites[name]
                images = site.occi.templates.images
                more = (replace(images[-1], name=f"extra-{number}") for number in range(templates - len(images)))
                site.occi.templates = replace(site.occi.templates, images=(*images, *more))
                site.occi.reset()
                handler = QueryHandler(directory / f"{name}.qh")
                worker = Worker(
                    handler.path, directory, **clean_environment(**federation.environment(), HOME=directory)
                ).start()
                try:
                    nagios = handler.registered("check_occi_context")
                    command = f"{ROOT}/probes/check_occi_context -H {site.hostname}"
                    nagios.order(0, command)
                    said = nagios.answer()["outstd"]
                    before = processor_s(worker.family())
                    for number in range(count):
                        nagios.order(number, command)
                        assert nagios.answer()["wait_status"] == "0", said
                    cpu = (processor_s(worker.family()) - before) / count
                    rows.append((name, said.partition(" | ")[0][-90:].strip(), f"{cpu * 1000:.1f}"))
                finally:
                    worker.kill()
            table(("OCCI-Context", "says", "CPU ms per check"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--due", type=int, default=4000, help="services due each second")
    parser.add_argument("--only", choices=("tcp", "https", "occi", "memory"))
    parser.add_argument("--checks", type=int, default=100_000, help="of the measurement of memory")
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    if args.only in (None, "tcp"):
        tcp(args.rounds, args.seconds, args.due)
    if args.only in (None, "https"):
        https(args.rounds, args.seconds, args.due // 4)
    if args.only in (None, "occi"):
        occi(40, 200)
    if args.only in (None, "memory"):
        memory(args.checks)


if __name__ == "__main__":
    main()
