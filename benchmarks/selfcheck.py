"""How long `fedcloud-selfcheck --all` takes for 200 endpoints that each answer after 1 s.

    python -m benchmarks.selfcheck [--endpoints 200] [--seconds 1] [--jobs 16,64] [--ways sleeper,alone,door]

Everything is real and on this machine: a GOCDB that pages, an HTTP server that waits, the self-check's
own processes. Probes are run in three ways: one that costs nothing but the
wait (sh and sleep), which measures the self-check itself, and one that asks over HTTP with this library, by itself and
through the door of a fedcloud-worker. Processor time is that of the self-check, the probes and the worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import family, machine, processor_s
from libprobe.programs.worker.status import fetch_status
from tests.conftest import ROOT, clean_environment
from tests.federation.authority import Authority
from tests.federation.gocdb import Gocdb, Service
from tests.federation.web import Response, WebServer
from tests.pace import until
from tests.programs.worker.handler import Worker

TYPE = "egi.Perun"
PROBES = {"sleeper": "check_sleeper", "alone": "check_perun", "door": "check_perun"}
"""The executable of each way. The worker knows by the name that this one only reads; what it does is ASKER."""

SLEEPER = "#!/bin/sh\nsleep {seconds}\necho 'SLEEPER OK - answered | time={seconds}s'\n"
ASKER = '''#!/usr/bin/env python3
"""Ask a URL over HTTP."""
from libprobe.probe import door

if __name__ == "__main__":
    door.ask_worker()

from libprobe.probe import cli, run

def options(parser):
    cli.endpoint(parser)
    cli.tls(parser)

def check(args, deadline):
    from nagiosplugin import Metric
    from libprobe.targets import access
    from libprobe.checks.base import Check
    from libprobe.judge.contexts import Scalar
    from libprobe.judge.summaries import OneLine

    class Ask(Check):
        def measure(self):
            access.make_http_client(args, self.deadline).request("GET", args.url)
            yield Metric("time", self.deadline.elapsed(), "s", min=0)

    yield Ask(deadline)
    yield Scalar("time")
    yield OneLine("answered")

if __name__ == "__main__":
    run.probe("ASKER", options, check, doc=__doc__)
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--jobs", default="8,16,32,64,200")
    parser.add_argument("--ways", default=",".join(PROBES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(
            Path(temporary),
            args.endpoints,
            args.seconds,
            [int(each) for each in args.jobs.split(",")],
            args.ways.split(","),
        )


def measure(directory: Path, endpoints: int, seconds: float, jobs: list[int], ways: list[str]) -> None:
    def slow(request: object) -> Response:
        time.sleep(seconds)
        return Response(200, [("Content-Type", "text/plain")], b"fine")

    authority = Authority(directory / "ca")
    gocdb = Gocdb(base_url=lambda: web.url)
    web = WebServer("gocdb", gocdb.app, context=authority.server_context(authority.host(["localhost"])))
    cloud = WebServer("cloud", slow)
    web.start()
    cloud.start()
    for number in range(endpoints):
        name = f"cloud-{number:03}.example.org"
        gocdb.add_service(Service(name, TYPE, f"SITE-{number:03}", url=f"{cloud.url}/{number}"))
    probes = directory / "probes"
    probes.mkdir()
    (probes / "libprobe").symlink_to(ROOT / "libprobe")
    (probes / "check_sleeper").write_text(SLEEPER.format(seconds=seconds))
    (probes / PROBES["alone"]).write_text(ASKER)
    for path in probes.glob("check_*"):
        path.chmod(0o755)
    print(f"{machine()}\n{endpoints} endpoints that answer after {seconds:g} s")
    head = f"{'probe':10} {'jobs':>5} {'wall s':>8} {'floor s':>8} {'CPU s':>8} {'of worker':>9} {'peak MB':>8}"
    print(f"{head} {'served':>6}")
    door = directory / "room/door"
    worker = Worker(None, directory, "--door", door, "--directory", probes, **clean_environment(HOME=directory)).start()
    try:
        until(lambda: "open to" in worker.said())
        for way in ways:
            for at_once in jobs:
                place = (str(door), worker) if way == "door" else ("no", None)
                run(directory, way, at_once, endpoints, seconds, gocdb.url, authority, *place)
    finally:
        worker.kill()
    web.stop()
    cloud.stop()


def run(
    directory: Path,
    way: str,
    at_once: int,
    endpoints: int,
    seconds: float,
    url: str,
    authority: Authority,
    door: str,
    worker: Worker | None,
) -> None:
    probe = PROBES[way]
    definitions = directory / f"definitions-{probe}"
    definitions.mkdir(exist_ok=True)
    config = {"path": "/nowhere", "interval": "15", "retryInterval": "3", "maxCheckAttempts": "3", "timeout": "60"}
    metric = {"probe": probe, "config": config, "attribute": {"URL": "-u"}}
    (definitions / "one.conf").write_text(json.dumps({"org.example.One": metric}))
    (definitions / "one.localdb").write_text(f"ADD_SERVICE_METRIC!{TYPE}!org.example.One\n")
    command = [sys.executable, ROOT / "probes/fedcloud-selfcheck", "--all", "--json", "--jobs", str(at_once)]
    command += ["--gocdb", url, "--ca-path", authority.ca_directory, "--state-dir", directory / "state"]
    command += ["--probes", directory / "probes", "--definitions", definitions]
    pids = family(worker.process.pid) if worker is not None and worker.process is not None else []
    before, served = processor_s(pids), _served(door)
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env=clean_environment(HOME=directory, FEDCLOUD_PROBES_WORKER=door)
    )
    assert process.stdout
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    document = json.loads(out)
    assert document["tally"] == {"OK": endpoints}, document["tally"]
    floor = seconds * -(-endpoints // at_once)
    cpu = usage.ru_utime + usage.ru_stime  # with that of the probes, for which the self-check has waited
    pids = family(pids[0]) if pids else []
    of_worker = processor_s(pids) - before
    peak = usage.ru_maxrss / 1024
    print(
        f"{way:10} {at_once:5} {wall:8.1f} {floor:8.1f} {cpu + of_worker:8.1f} {of_worker:9.1f} {peak:8.0f} "
        f"{_served(door) - served:6}",
        flush=True,
    )
    assert os.waitstatus_to_exitcode(status) == 0


def _served(door: str) -> int:
    """How many callers a worker has served so far."""
    return 0 if door == "no" else int(fetch_status(door)["calls"]["served"])


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
