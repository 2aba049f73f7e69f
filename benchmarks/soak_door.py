"""Callers of a worker over a long time while everything is killed: `python -m benchmarks.soak_door [--seconds 1800]`.

A real Icinga 2, a real NRPE and plain callers start executables, each of which asks a fedcloud-worker of its user:
check_endpoint_tcp at as many addresses of this machine as there are services, half of which refuse, and check_occi_vm,
which makes a VM in the embedded federation. Meanwhile runners, fork servers and whole workers are killed, workers are
stopped and started, and callers are killed or ended by SIGTERM. Each output has to name its own address and state; each
caller has to end with an answer, at most a second after its `-t`; what made a VM may say that its worker was lost, and
must blame no site. In the end no service may be without a new result, and no process, no VM and no entry of a journal
may be left. Exit code 1 if anything is not so. Needs icinga2-bin and nagios-nrpe-server, and as root the rights of
`benchmarks.schedulers`.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.measure import machine, median, memory_mib, peer, progress, table
from benchmarks.monitors import User, WorkerAs, ask_nrpe, icinga, in_threads, nrpe, plain_environment, results
from benchmarks.soak_worker import address
from tests.conftest import ROOT, clean_environment, command
from tests.federation.federation import Federation, Site
from tests.nagios import command_line
from tests.pace import until

LIMIT_S = 60
AT_ONCE = 4
INTERVAL_S = 5.0
PATIENCE_S = 120.0
"""How long each service may be without a new result once all is left alone, and what is under way may take to end."""

LOST = re.compile(
    r"OCCI-VM UNKNOWN - .*(?:resident worker that was to run it is lost|process was killed by"
    r"|worker was stopped|fork server died)"
)
ENDED = "UNKNOWN - interrupted by SIGTERM"


class Tally:
    """What came of calls, by who called and what it was; the first of what must not be is shown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.found: Counter[tuple[str, str]] = Counter()

    def add(self, who: str, what: str, said: str = "") -> None:
        with self._lock:
            self.found[who, what] += 1
            if what in ("wrong", "lost", "late") and self.found[who, what] <= 3:
                print(f"{who}: {what}: {said}", file=sys.stderr, flush=True)


def judge(number: int, code: int, said: str, port: int) -> str:
    """`right` or `wrong`: whether that is the address's own state, in the probe's own words."""
    host, first = address(number), said.split("\n", 1)[0]
    if number % 2:
        right = code == 0 and first.startswith(f"Endpoint-TCP OK - {host}:{port} accepts connections ")
    else:
        right = code == 2 and first.startswith(f"Endpoint-TCP CRITICAL - connection refused by {host}:1")
    return "right" if right else "wrong"


class PlainCallers:
    """Executables as cron or a person starts them. Each call is a step of a thread."""

    def __init__(self, tally: Tally, door: Path, directory: Path, services: int, port: int) -> None:
        self._tally, self._door, self._services, self._port = tally, door, services, port
        self._environment = plain_environment(directory)
        self._directory = directory

    def ask(self, _thread: int) -> None:
        number = random.randrange(self._services)
        where = ["-H", address(number), "-p", self._port if number % 2 else 1]
        process = self._started("check_endpoint_tcp", *where, "-t", LIMIT_S)
        began = time.monotonic()
        fate = random.random()
        if fate < 0.1:
            time.sleep(random.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL if fate < 0.05 else signal.SIGTERM)
        out = process.communicate()[0].decode(errors="replace")
        if process.returncode == -signal.SIGKILL and fate < 0.05:
            self._tally.add("callers", "killed by us")
        elif fate < 0.1 and (ENDED in out or process.returncode == -signal.SIGTERM):  # before it had its handlers, too
            self._tally.add("callers", "ended by us")
        elif not out or process.returncode < 0:
            self._tally.add("callers", "lost", f"{number}: {process.returncode} {out!r}")
        elif time.monotonic() - began > LIMIT_S + 1:
            self._tally.add("callers", "late", out)
        else:
            self._tally.add("callers", judge(number, process.returncode, out, self._port), f"{number}: {out}")

    def _started(self, name: str, *words: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command(name, *words, "--worker", self._door),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._directory,
            env=self._environment,
        )


class VmCallers:
    """check_occi_vm at a site of the federation, through the door or by itself."""

    def __init__(self, tally: Tally, site: Site, environment: dict[str, str], state: Path) -> None:
        self._tally, self._site, self._environment, self._state = tally, site, environment, state

    def ask(self, door: str) -> None:
        words = command("check_occi_vm", "-u", self._site.url, "--state-dir", self._state, "--worker", door)
        done = subprocess.run(words, capture_output=True, text=True, env=self._environment, stdin=subprocess.DEVNULL)
        first = done.stdout.split("\n", 1)[0]
        if done.returncode == 0:
            self._tally.add("check_occi_vm", "right")
        elif done.returncode == 3 and LOST.match(first):
            self._tally.add("check_occi_vm", "its worker was lost, and it says so")
        else:
            self._tally.add("check_occi_vm", "wrong" if first else "lost", f"{done.returncode} {first} {done.stderr}")

    def entries(self) -> int:
        """Entries of VMs that the journal still has."""
        words = command("fedcloud-leftovers", "--state-dir", self._state)
        done = subprocess.run(words, capture_output=True, text=True, env=self._environment)
        progress(done.stdout.strip())
        found = re.search(r"\bleftovers=([0-9]+)", done.stdout)
        return int(found[1]) if found else 1


WORKER_ENDED = "workers that had ended by themselves"


class Disturbance:
    """What goes wrong with the workers, one thing at a time; each is logged by kind. families: every process seen."""

    def __init__(self, workers: list[WorkerAs]) -> None:
        self._workers = workers
        self.done: Counter[str] = Counter()
        self.families: set[int] = set()
        self.memory = [memory_mib(self.look())]

    def look(self) -> list[int]:
        found = [pid for each in self._workers for pid in each.family()]
        self.families.update(found)
        return found

    def strike(self) -> None:
        self.memory.append(memory_mib(self.look()))
        worker, chance = random.choice(self._workers), random.random()
        family = worker.family()
        if not family:
            self._start(worker, WORKER_ENDED)
            return
        if chance < 0.1:
            self._kill(family[0])
            assert worker.process is not None
            worker.process.wait()
            self._start(worker, "workers killed")
        elif chance < 0.2:
            worker.stop()
            self._start(worker, "workers stopped and started")
        elif chance < 0.3 and len(family) > 1:
            self._kill(family[1])
            self.done["fork servers killed"] += 1
        elif len(family) > 2:
            self._kill(random.choice(family[2:]))
            self.done["runners and processes of checks killed"] += 1

    def _start(self, worker: WorkerAs, what: str) -> None:
        opened = worker.said().count("open to")
        worker.start()
        until(lambda: worker.said().count("open to") > opened, patience_s=PATIENCE_S)
        self.done[what] += 1

    @staticmethod
    def _kill(pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def left(self) -> list[str]:
        """Processes of the workers that still are there."""
        alive = ((pid, command_line(pid)) for pid in sorted(self.families))
        return [f"{pid}: {line}" for pid, line in alive if str(ROOT) in line]


def soak(seconds: float, services: int, every_s: float) -> tuple[list[tuple[str, object]], bool]:
    tally = Tally()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fedcloud-soak-")))
        asked = stack.enter_context(peer(host=""))
        federation = stack.enter_context(Federation(directory / "federation"))
        workers, doors = [], []
        for user in (User(unprivileged=False), User(unprivileged=True)):
            home = directory / f"user-{len(workers)}"
            home.mkdir()
            user.own(home)
            doors.append(home / "room/door")
            worker = WorkerAs(user, home, "--door", doors[-1], **plain_environment(home))
            (home / "journal").touch()
            workers.append(worker)
            stack.callback(worker.kill)
            worker.start()
        until(lambda: all("open to" in each.said() for each in workers))

        def commands(door: Path) -> dict[str, list[str]]:
            probe = [sys.executable, f"{ROOT}/probes/check_endpoint_tcp"]
            return {
                f"{number}": [
                    *(*probe, "-H", address(number), "-p", f"{asked.port if number % 2 else 1}"),
                    *("-t", f"{LIMIT_S}", "--worker", str(door)),
                ]
                for number in range(services)
            }

        def ask_by_nrpe(_thread: int) -> None:
            number = random.randrange(services)
            try:
                code, said = ask_nrpe(port, f"{number}")
            except OSError as error:
                tally.add("NRPE", "lost", f"{number}: {error}")
                return
            tally.add("NRPE", judge(number, code, said, asked.port), f"{number}: {said}")

        environment = clean_environment(**federation.environment(), HOME=directory / "user-0")
        del environment["PYTHONPATH"]
        makers = VmCallers(tally, federation.sites["ooi"], environment, directory / "vms")
        plain = PlainCallers(tally, doors[0], directory / "user-0", services, asked.port)
        monitored = directory / "icinga-home"
        monitored.mkdir()
        scheduled = icinga(monitored, commands(doors[0]), AT_ONCE, INTERVAL_S, keeps_results=True)
        port = stack.enter_context(nrpe(directory, commands(doors[1]), User(unprivileged=True)))
        disturbance = Disturbance(workers)
        with scheduled:
            began = time.monotonic()
            with (
                in_threads(AT_ONCE, ask_by_nrpe),
                in_threads(AT_ONCE, plain.ask),
                in_threads(1, lambda _: makers.ask(str(doors[0]))),
            ):
                while (passed := time.monotonic() - began) < seconds:
                    time.sleep(min(every_s, seconds - passed))
                    disturbance.strike()
                    progress(
                        f"{passed:.0f} s: {sum(tally.found.values())} calls, {sum(disturbance.done.values())} kills"
                    )
            progress("everything is left alone now")
            before = Counter(each.name for each in results(monitored))

            def without_result() -> set[str]:
                now = Counter(each.name for each in results(monitored))
                return {name for name in commands(doors[0]) if now[name] - before[name] < 2}

            with suppress(AssertionError):
                until(lambda: not without_result(), patience_s=PATIENCE_S)
            stuck = without_result()
            for each in results(monitored):
                tally.add("Icinga 2", judge(int(each.name), each.state, each.output, asked.port), repr(each))
        makers.ask("no")
        disturbance.memory.append(memory_mib(disturbance.look()))
        vms, entries = len(federation.sites["ooi"].occi.vms()), makers.entries()
        for each in workers:
            each.stop()
        with suppress(AssertionError):
            until(lambda: not disturbance.left(), patience_s=PATIENCE_S)
        left = disturbance.left()
    print("\n".join(left), file=sys.stderr, flush=True)
    disturbance.done.setdefault(WORKER_ENDED, 0)
    bad = {
        what: sum(count for (_, each), count in tally.found.items() if each == what)
        for what in ("wrong", "lost", "late")
    }
    memory = disturbance.memory
    rows: list[tuple[str, object]] = [
        ("seconds", f"{seconds:.0f}"),
        *((f"{who}: {what}", count) for (who, what), count in sorted(tally.found.items())),
        *sorted(disturbance.done.items()),
        *((f"{what} answers", count) for what, count in bad.items()),
        ("services of Icinga's without a new result in the end", len(stuck)),
        ("VMs left", vms),
        ("entries of the journal left", entries),
        ("processes left", len(left)),
        (
            "memory of both workers MiB, at first / median / at last",
            f"{memory[0]:.0f} / {median(memory):.0f} / {memory[-1]:.0f}",
        ),
    ]
    return rows, not (any(bad.values()) or disturbance.done[WORKER_ENDED] or stuck or vms or entries or left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--services", type=int, default=60)
    parser.add_argument("--kill-every", type=float, default=2.0, metavar="SECONDS")
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    rows, is_good = soak(args.seconds, args.services, args.kill_every)
    table(("soak of callers", ""), rows)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
