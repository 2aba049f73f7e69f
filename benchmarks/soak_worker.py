"""Results lost, wrong or late over many checks while everything is killed: `python -m benchmarks.soak_worker`.

A real Nagios checks as many addresses of this machine as there are services, half of which refuse; each
output has to name its own service's address and its own state. Meanwhile runners are killed at random,
Nagios is reloaded, and the worker is stopped and started. What Nagios has processed is what Nagios writes
down itself; what was run is what the peer counted. Needs nagios4-core.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.measure import machine, median, memory_mib, peer, progress, table
from tests.conftest import ROOT, clean_environment
from tests.nagios import SmallNagios, service
from tests.pace import until
from tests.programs.worker.handler import Worker

SETTINGS = {
    "status_update_interval": 2,
    "check_workers": 4,
    "max_concurrent_checks": 200,  # so that a thousand interpreters are not started at once while the worker is away
}

QUIET_S = 45
"""Nagios puts off by up to 15 s, and again, what is more than that; what has no result by then is stuck."""


def address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def written_to(results: Path) -> dict[str, object]:
    """Settings by which Nagios writes a line for each result that it has processed."""
    return {
        "process_performance_data": 1,
        "service_perfdata_file": results,
        "service_perfdata_file_mode": "a",
        "service_perfdata_file_template": "$SERVICEDESC$\t$SERVICESTATEID$\t$SERVICEOUTPUT$",
    }


def soak(checks: int, services: int, reloads: int, restarts: int, kill_every_s: float) -> list[tuple[str, object]]:
    with tempfile.TemporaryDirectory(prefix="fedcloud-soak-") as scratch, peer(host="") as asked:
        directory = Path(scratch)
        probe = f"{ROOT}/probes/check_endpoint_tcp"
        lines = (
            service(f"{number}", f"{probe} -H {address(number)} -p {asked.port if number % 2 else 1}")
            for number in range(services)
        )
        results = directory / "results.log"
        nagios = SmallNagios(directory / "nagios", lines, waits=True, settings=SETTINGS | written_to(results))
        worker = Worker(nagios.query_socket, directory, **clean_environment(HOME=directory))

        def registered(times: int) -> object:
            return until(lambda: worker.said().count(f"registered for {probe}\n") >= times, patience_s=90)

        try:
            nagios.start()
            until(nagios.query_socket.exists)
            worker.start()
            registered(1)
            nagios.begin()
            events = [*["reload"] * reloads, *["restart"] * restarts]
            random.shuffle(events)
            gap = checks / (len(events) + 1)
            registrations = 1
            killed, next_kill, last_told = 0, time.monotonic() + kill_every_s, 0.0
            memory = [memory_mib(worker.family())]
            began = time.monotonic()
            while (done := count(results)) < checks:
                now = time.monotonic()
                if now - last_told > 10:
                    progress(f"{done} checks, {asked.connections} connections, {killed} runners killed")
                    last_told = now
                if now >= next_kill:
                    next_kill = now + kill_every_s
                    family = worker.family()
                    memory.append(memory_mib(family))
                    if len(family) > 2:
                        os.kill(random.choice(family[2:]), signal.SIGKILL)
                        killed += 1
                planned = reloads + restarts - len(events)
                if events and done > (planned + 1) * gap:
                    registrations += 1
                    event = events.pop()
                    progress(f"{done} checks: {event}")
                    if event == "reload":
                        nagios.reload()
                    else:
                        worker.stop()
                        worker.start()
                    registered(registrations)
                time.sleep(0.1)
            took = time.monotonic() - began
            quiet = time.time()
            progress("everything is left alone now")
            time.sleep(QUIET_S)
            status = nagios.status()
            stuck = [each for each in status.values() if each.checked_at < quiet]
            nagios.command("STOP_EXECUTING_SVC_CHECKS")
            time.sleep(3)
            log = nagios.log()
            ran = asked.connections
        finally:
            nagios.stop()
            worker.kill()
        good, wrong, unknown = judge(results, asked.port)
        return [
            ("results that Nagios processed", count(results)),
            ("seconds", f"{took:.0f}"),
            ("runners killed", killed),
            ("Nagios reloaded", reloads),
            ("worker stopped and started", restarts),
            ("checks of listening addresses that were run", ran),
            ("results of them", good),
            ("lost or repeated (run, and no result)", ran - good),
            ("wrong results", wrong),
            ("checks that Nagios could not hand to a stopping worker, and did an interval later", log.count("choked")),
            ("services that Nagios had to free as orphans", log.count("orphaned")),
            ("UNKNOWN, saying that a process was killed", unknown),
            (f"services stuck {QUIET_S} s after the last disturbance", len(stuck)),
            ("memory MiB, at first / median / at last", f"{memory[0]:.0f} / {median(memory):.0f} / {memory[-1]:.0f}"),
        ]


def count(path: Path) -> int:
    try:
        with open(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


def judge(path: Path, port: int) -> tuple[int, int, int]:
    """Good results of listening addresses, wrong ones of any, and those that say that they were killed."""
    good = wrong = unknown = 0
    for line in path.read_text(errors="replace").splitlines():
        name, state, output = line.split("\t", 2)
        host = address(int(name))
        if state == "3" and "was killed by" in output:
            unknown += 1
        elif int(name) % 2:
            right = state == "0" and output.startswith(f"Endpoint-TCP OK - {host}:{port} accepts connections ")
            good, wrong = good + right, wrong + (not right)
        else:
            wrong += not (state == "2" and output.startswith(f"Endpoint-TCP CRITICAL - connection refused by {host}:1"))
        if wrong and wrong <= 3 and not good % 1000:
            progress(line)
    return good, wrong, unknown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=100_000)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--kill-every", type=float, default=2.0, metavar="SECONDS")
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    table(("soak", ""), soak(args.checks, args.services, args.reloads, args.restarts, args.kill_every))


if __name__ == "__main__":
    main()
