"""A month of a small federation under a real Nagios, whose faults are known by their seed: `make availability-month`.

Nagios lives by a clock that stands still until it is told to go on (libfaketime, a package of Debian): from
quarter of an hour to quarter of an hour every service gets the result that the schedule of faults has for it, and the
clock goes on when Nagios has taken all of them. So a month takes minutes, its days are real days with their rotations
of the log, and no result depends on how busy this machine is. Twice the monitor itself is down.

What fedcloud-availability makes of Nagios' log and archives is held against two computations that count seconds and
share nothing with it (`slow`):

    results     the results that Nagios was given: each day and the month of each site have to be equal to five decimals
    truth       the faults themselves, to the second: a fault is seen up to a quarter of an hour late and over as late
"""

from __future__ import annotations

import argparse
import csv
import glob
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tests.executables import clean_environment, command
from tests.nagios import SmallNagios, service
from tests.pace import AMPLE_S
from tests.timelines import slow

DAY, STEP, TAKEN_AFTER = 86_400, 900, 2
RUN_IN = DAY // 2
"""How long Nagios runs before: a service that has not changed yet is in its log from the first rotation on."""

FIRST = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
CODES = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}
OCCI, NOVA, SWIFT = "eu.egi.cloud.vm-management.occi", "org.openstack.nova", "org.openstack.swift"
BDII = "eu.egi.cloud.information.bdii"
METRICS = {
    OCCI: ["eu.egi.cloud.OCCI-VM", "eu.egi.cloud.OCCI-Context", "org.nagios.OCCI-TCP"],
    NOVA: ["eu.egi.cloud.OpenStack-VM"],
    SWIFT: ["eu.egi.cloud.OpenStack-Swift"],
    BDII: ["org.nagios.CloudBDII-Check"],
}
GROUPS = {"vm-management": [NOVA, OCCI], "storage-management": [SWIFT], "information": [BDII]}
SITES = {
    "ONE-SITE": [
        (OCCI, "vm1.example.org"),
        (OCCI, "vm2.example.org"),
        (SWIFT, "s1.example.org"),
        (BDII, "b1.example.org"),
    ],
    "OTHER-SITE": [(NOVA, "n2.example.org"), (SWIFT, "s2.example.org")],
}
LEAVES = (SWIFT, "s2.example.org")
"""Is no longer in the topology after the first third of the time."""

Key = tuple[str, str, str]


class Fault(NamedTuple):
    start: int
    end: int
    status: str


class Schedule(NamedTuple):
    """What happens. down: when the monitor does not run; outages: declared, with their severity."""

    days: int
    faults: dict[Key, list[Fault]]
    down: list[tuple[int, int]]
    outages: list[tuple[slow.Out, str]]

    def status(self, key: Key, at: int) -> str:
        return next((each.status for each in self.faults[key] if each.start <= at < each.end), "OK")


def draw(seed: int, days: int) -> Schedule:
    chance = random.Random(seed)
    end = FIRST + days * DAY
    faults: dict[Key, list[Fault]] = {}
    for kind, host in itertools.chain(*SITES.values()):
        for metric in METRICS[kind]:
            at, found = FIRST, []
            while (at := at + int(chance.expovariate(1 / (5 * DAY)))) < end:
                length = int(chance.choice([20, 300, 3_600, 4 * 3_600, DAY]) * (0.5 + chance.random()))
                found.append(Fault(at, at + length, chance.choice(["CRITICAL", "CRITICAL", "WARNING", "UNKNOWN"])))
                at += length
            faults[kind, host, metric] = found
    # for some hours within a day, and for more than one whole day
    down = [(FIRST + days * DAY // 4 + 3 * 3_600, FIRST + days * DAY // 4 + 8 * 3_600)]
    if days >= 10:
        down.append((FIRST + days // 2 * DAY + 20 * 3_600, FIRST + days // 2 * DAY + 55 * 3_600))
    outages = []
    for severity in ("OUTAGE", "WARNING", "OUTAGE"):
        kind, host = chance.choice(list(itertools.chain(*SITES.values())))
        start = chance.randrange(FIRST, end - DAY)
        outages.append((slow.Out(host, kind, start, start + chance.randrange(3_600, DAY)), severity))
    return Schedule(days, faults, down, outages)


# ---- Nagios, by the clock of the schedule


class Clock:
    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, at: int) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}\n")
        beside.replace(self.path)


class Monitor:
    """Nagios, which takes the results of the schedule. taken: what it was given, by service."""

    def __init__(self, directory: Path, library: str, schedule: Schedule) -> None:
        self.clock = Clock(directory / "clock")
        self.schedule = schedule
        self.taken: dict[Key, list[tuple[int, str]]] = {key: [] for key in schedule.faults}
        hosts = sorted({host for _, host, _ in schedule.faults})
        fields = {"active_checks_enabled": 0, "passive_checks_enabled": 1, "max_check_attempts": 1}
        services = [
            service(f"{metric}-ops", "/bin/true", host_name=host, **fields) for _, host, metric in schedule.faults
        ]
        defined = [
            f"define host {{\n    host_name {host}\n    address 127.0.0.1\n    max_check_attempts 1\n"
            "    check_period always\n    contacts nobody\n}\n"
            for host in hosts
        ]
        settings = {
            "interval_length": 60,
            "execute_service_checks": 0,
            "accept_passive_service_checks": 1,
            "log_passive_checks": 1,
            "log_external_commands": 1,
            "log_rotation_method": "d",
            "time_change_threshold": 1_000_000,
        }
        self.nagios = SmallNagios(directory / "nagios", [*defined, *services], settings=settings)
        self.nagios.environment.update(
            LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=str(self.clock.path), FAKETIME_NO_CACHE="1", TZ="UTC"
        )

    def run(self, told: bool) -> None:
        end = FIRST + self.schedule.days * DAY
        is_running = False
        for number, at in enumerate(range(FIRST - RUN_IN, end, STEP)):
            is_down = any(start <= at < stop for start, stop in self.schedule.down)
            self.clock.set(at)
            if is_down:
                if is_running:
                    self.nagios.stop()
                is_running = False
                continue
            if not is_running:
                self.nagios.start()
                self.nagios.until((self.nagios.directory / "rw/nagios.cmd").exists, "it takes commands")
                is_running = True
            self._give(number, at)
            if told and at % DAY == 0:
                print(f"\r{datetime.fromtimestamp(at, UTC):%Y-%m-%d}", end="", flush=True)
        self.clock.set(end)
        self.nagios.stop()
        if told:
            print()

    def _give(self, number: int, at: int) -> None:
        lines = []
        for key in self.schedule.faults:
            _, host, metric = key
            status = self.schedule.status(key, at)
            self.taken[key].append((at + TAKEN_AFTER, status))
            lines.append(
                f"[{at}] PROCESS_SERVICE_CHECK_RESULT;{host};{metric}-ops;{CODES[status]};{status} in step {number}\n"
            )
        self.clock.set(at + TAKEN_AFTER)

        def is_given() -> bool:
            try:
                pipe = os.open(self.nagios.state / "rw/nagios.cmd", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return False
            with open(pipe, "w") as file:
                file.write("".join(lines))
            return True

        def is_taken() -> bool:
            """Nagios writes down that it has a result, and after it has taken it, without its own output, once more."""
            said = b"".join(map(_tail, self._logs()))
            given = list(re.finditer(rb" EXTERNAL COMMAND: .* in step %d\n" % number, said))
            return len(given) == len(lines) and b" PASSIVE SERVICE CHECK: " in said[given[-1].end() :]

        self.nagios.until(is_given, "it takes commands")
        self._until(is_taken)

    def _until(self, condition: object) -> None:
        end = time.monotonic() + AMPLE_S
        while not condition():  # type: ignore[operator]
            if time.monotonic() > end:
                raise SystemExit(f"Nagios takes no results\n{self.nagios.last_words()}")
            time.sleep(0.002)

    def _logs(self) -> list[Path]:
        return [*sorted((self.nagios.state / "archives").glob("*"))[-1:], self.nagios.state / "nagios.log"]


def _tail(path: Path, size: int = 16_384) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read()
    except FileNotFoundError:
        return b""


# ---- what the figures have to be


def case_of(site: str, schedule: Schedule, results: dict[Key, list[tuple[int, str]]]) -> slow.Case:
    first = FIRST // DAY
    days = set(range(first, first + schedule.days))
    there = dict.fromkeys(SITES[site], days)
    if LEAVES in there:
        there[LEAVES] = {each for each in days if each < first + schedule.days // 3}
    excluded = [(start, end, "", "", "") for start, end in schedule.down]
    outages = [out for out, severity in schedule.outages if severity == "OUTAGE"]
    own = {key: list(_changes(found)) for key, found in results.items()}
    return slow.Case(DAY, schedule.days, METRICS, GROUPS, there, own, outages, excluded)


def _changes(results: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Results without those that say what the one before them said, but for the first of each day."""
    before, day = "", -1
    for at, status in results:
        if status != before or at // DAY != day:
            yield at, status
        before, day = status, at // DAY


def truth(schedule: Schedule) -> dict[Key, list[tuple[int, str]]]:
    end = FIRST + schedule.days * DAY
    found = {}
    for key, faults in schedule.faults.items():
        edges = {each for fault in faults for each in (fault.start, fault.end) if each < end}
        found[key] = [(at, schedule.status(key, at)) for at in sorted({*edges, *range(FIRST, end, DAY)})]
    return found


def expected(case: slow.Case) -> dict[str, tuple[float, ...]]:
    """The figures of each day, and under the name `month` those of all, by asking `slow.site` at each change."""
    first = FIRST // DAY
    changes = {at for results in case.results.values() for at, _ in results}
    changes |= {at for out in case.outages for at in (out.start, out.end)}
    changes |= {at for each in case.excluded for at in each[:2]}
    found: dict[str, tuple[float, ...]] = {}
    for number in range(first, first + case.days):
        begin, end = number * DAY, (number + 1) * DAY
        cuts = sorted({begin, end, *(at for at in changes if begin < at < end)})
        held: dict[str, int] = {}
        for start, stop in itertools.pairwise(cuts):
            status = slow.site(case, start)
            if status is not None:
                held[status] = held.get(status, 0) + stop - start
        if held:
            found[f"{datetime.fromtimestamp(begin, UTC):%Y-%m-%d}"] = _figures(held)
    found["month"] = slow.period(list(found.values()))
    return found


def _figures(held: dict[str, int]) -> tuple[float, ...]:
    up = held.get("OK", 0) + held.get("WARNING", 0)
    unknown = held.get("UNKNOWN", 0) + held.get("MISSING", 0)
    down = held.get("DOWNTIME", 0)
    return (
        slow.rounded(Decimal(up * 100) / (DAY - unknown)) if unknown < DAY else -1.0,
        slow.rounded(Decimal(up * 100) / (DAY - unknown - down)) if unknown + down < DAY else -1.0,
        *(slow.rounded(Decimal(each) / DAY) for each in (up, unknown, down)),
    )


# ---- what fedcloud-availability says


DOWNTIME = """<DOWNTIME ID="{number}" PRIMARY_KEY="{number}G0" CLASSIFICATION="SCHEDULED">
<PRIMARY_KEY>{number}G0</PRIMARY_KEY>
<HOSTNAME>{out.host}</HOSTNAME><SERVICE_TYPE>{out.service_type}</SERVICE_TYPE><ENDPOINT>x</ENDPOINT><HOSTED_BY>S</HOSTED_BY>
<GOCDB_PORTAL_URL>https://g.example.org/</GOCDB_PORTAL_URL><SEVERITY>{severity}</SEVERITY><DESCRIPTION>planned</DESCRIPTION>
<INSERT_DATE>{out.start}</INSERT_DATE><START_DATE>{out.start}</START_DATE><END_DATE>{out.end}</END_DATE></DOWNTIME>"""


class Program:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *words: object) -> str:
        done = subprocess.run(
            command("fedcloud-availability", *words, "--state-dir", self.directory / "state"),
            capture_output=True,
            text=True,
            env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null"),
        )
        if done.returncode or done.stderr:
            raise SystemExit(f"fedcloud-availability {words[0]}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def services(self, name: str, *left_out: tuple[str, str]) -> Path:
        place = self.directory / name
        place.mkdir()
        entries = [
            {"host": host, "service": f"{metric}-ops", "service_type": kind, "site": site, "url": ""}
            for site, endpoints in SITES.items()
            for kind, host in endpoints
            for metric in METRICS[kind]
            if (kind, host) not in left_out
        ]
        (place / "services.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in entries))
        return place

    def take(self, monitor: Monitor) -> str:
        schedule, state = monitor.schedule, monitor.nagios.state
        downtimes = self.directory / "downtimes.xml"
        made = [
            DOWNTIME.format(number=number, out=out, severity=severity)
            for number, (out, severity) in enumerate(schedule.outages, 1)
        ]
        downtimes.write_text(f"<results>{''.join(made)}</results>")
        first, later = self.services("first"), self.services("later", LEAVES)
        of = ["import", "--services"]
        said = self.run(
            *of, first, "--as-of", _day(FIRST), "--downtimes", downtimes, state / "archives", state / "nagios.log"
        )
        self.run(*of, later, "--as-of", _day(FIRST + schedule.days // 3 * DAY))
        for start, end in schedule.down:
            self.run("exclude", "--from", _instant(start), "--to", _instant(end), "--reason", "the monitor was down")
        return said.splitlines()[0]

    def figures(self, days: int) -> dict[str, dict[str, tuple[float, ...]]]:
        """By site and day, as `expected` has them."""
        found: dict[str, dict[str, tuple[float, ...]]] = {site: {} for site in SITES}
        span = ["--from", _day(FIRST), "--to", _day(FIRST + days * DAY - 1)]
        for by in ("day", "period"):
            for row in csv.DictReader(self.run("figures", *span, "--by", by, "--csv").splitlines()):
                figures = tuple(float(row[name]) for name in ("availability", "reliability", "up", "unknown", "down"))
                found[row["site"]][row["from"] if by == "day" else "month"] = figures
        return found


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _instant(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


# ---- the run


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=31, help="from 2026-10-01 on; at least 4")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="kept, to look at; default: a temporary one")
    parser.add_argument("--faketime", default=next(iter(glob.glob(LIBRARY)), ""), help="libfaketimeMT.so.1")
    args = parser.parse_args()
    if args.days < 4:
        parser.error("--days: at least 4")
    if not args.faketime:
        raise SystemExit("libfaketime is missing: apt-get install libfaketime")
    if args.directory:
        args.directory.mkdir()
        return measure(args.directory.resolve(), args)
    with tempfile.TemporaryDirectory(prefix="month-") as directory:
        return measure(Path(directory), args)


def measure(directory: Path, args: argparse.Namespace) -> int:
    schedule = draw(args.seed, args.days)
    monitor = Monitor(directory, args.faketime, schedule)
    begun = time.monotonic()
    try:
        monitor.run(sys.stdout.isatty())
    finally:
        monitor.nagios.stop()
    took = time.monotonic() - begun
    count = sum(map(len, monitor.taken.values()))
    faults = sum(map(len, schedule.faults.values()))
    print(f"seed {args.seed}: {args.days} days in {took:.0f} s, {args.days * DAY / took:.0f} times the pace")
    print(f"{len(schedule.faults)} services, {count} results, {faults} faults")
    program = Program(directory)
    print(program.take(monitor))
    found = program.figures(args.days)
    wrong = 0
    for site in SITES:
        by_results = expected(case_of(site, schedule, monitor.taken))
        differ = {day for day in {*by_results, *found[site]} if by_results.get(day) != found[site].get(day)}
        wrong += len(differ)
        true = expected(case_of(site, schedule, truth(schedule)))["month"]
        edges = 2 * sum(len(found) for (kind, host, _), found in schedule.faults.items() if (kind, host) in SITES[site])
        most = 100 * edges * (STEP + TAKEN_AFTER) / (args.days * DAY) / (1 - true[3])
        off = [abs(a - b) for a, b in zip(true[:2], found[site]["month"][:2], strict=True)]
        wrong += max(off) > most
        print(f"{site}: availability, reliability, up, unknown, down {found[site]['month']}")
        print(f"  by the results given to Nagios: {len(by_results) - len(differ)} of {len(by_results)} figures equal")
        print(f"  by the faults themselves {true}: off by {off[0]:.3f} and {off[1]:.3f} %, at most {most:.3f}")
        for day in sorted(differ):
            print(f"  {day}: {found[site].get(day)} and not {by_results.get(day)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
