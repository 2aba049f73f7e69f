"""What fedcloud-availability costs: `python -m benchmarks.availability [--endpoints N] [--months N]`.

Logs of Nagios are made for this number of endpoints, 5 metrics each, each metric with 50 changes a month, and each
day's list
of all states, about 830,000 lines a month of 2,000 endpoints. Then: lines a second of the import, the figures of a
month
and of all months, with their peak memory, and the same figures of a few sites by a straight implementation of ARGO's
own algorithm: a sorted map for each timeline and day, joined pair by pair. Times are those of the processor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from datetime import UTC, datetime
from pathlib import Path

from libprobe.state.files import StateDirectory
from libprobe.timelines import lines, profiles
from libprobe.timelines.calculation import Calculation, Period
from libprobe.timelines.evaluation import SITE
from libprobe.timelines.figures import Figures, figures_of_days, figures_of_time
from libprobe.timelines.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.timelines.algebra import Operation
    from libprobe.timelines.evaluation import MeasuredResults, TopologyEndpoint

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "probes/fedcloud-availability"
TYPES, METRICS, HOSTS_PER_TYPE, CHANGES = 5, 5, 2, 50
COMPARED_SITES = 30
START = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp())
DAY = lines.DAY_S
STATES = ("OK", "OK", "OK", "WARNING", "CRITICAL", "UNKNOWN")


STARTER = """\
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
"""
"""Starts a command from a small process: Linux counts the starter's own size as a peak of what it starts."""


def services(endpoints: int) -> list[tuple[str, str, str, str]]:
    """(site, service type, host, metric) of every service."""
    per_site = TYPES * HOSTS_PER_TYPE
    return [
        (f"SITE-{number // per_site:04d}", kind, f"h{number}.example.org", f"{kind}.m{m}")
        for number, kind in ((each, f"type{each % TYPES}") for each in range(endpoints))
        for m in range(METRICS)
    ]


def write_inputs(directory: Path, endpoints: int, months: int) -> tuple[list[Path], int]:
    """Logs of this number of months of 31 days, the list of services and the profiles. Returns the logs and their
    lines."""
    known = services(endpoints)
    entries = [{"host": h, "service": m, "service_type": t, "site": s, "url": ""} for s, t, h, m in known]
    (directory / "services.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in entries))
    types = [f"type{number}" for number in range(TYPES)]
    named = [{"service": t, "metrics": [f"{t}.m{m}" for m in range(METRICS)]} for t in types]
    (directory / "metrics.json").write_text(json.dumps({"name": "benchmark", "services": named}))
    groups = [{"name": t, "operation": "OR", "services": [{"name": t, "operation": "OR"}]} for t in types]
    aggregation = {"name": "benchmark", "metric_operation": "AND", "profile_operation": "AND", "groups": groups}
    (directory / "aggregation.json").write_text(json.dumps(aggregation))
    chance = random.Random(1)
    current = ["OK"] * len(known)
    paths, count = [], 0
    for month in range(months):
        begin = START + month * 31 * DAY
        events = sorted(
            (begin + chance.randrange(31 * DAY), number) for number in range(len(known)) for _ in range(CHANGES)
        )
        path = directory / f"{month}.log"
        at = 0
        with open(path, "w", encoding="ascii") as file:
            file.write(f"[{begin}] Nagios 4.4.6 starting... (PID=1)\n")
            for day in range(31):
                midnight = begin + day * DAY
                file.write(f"[{midnight}] LOG ROTATION: DAILY\n")
                for (_, _, host, metric), state in zip(known, current, strict=True):
                    file.write(f"[{midnight}] CURRENT SERVICE STATE: {host};{metric};{state};HARD;1;answered in 1 s\n")
                while at < len(events) and events[at][0] < midnight + DAY:
                    when, number = events[at]
                    state = current[number] = chance.choice([each for each in STATES if each != current[number]])
                    _, _, host, metric = known[number]
                    file.write(f"[{when}] SERVICE ALERT: {host};{metric};{state};HARD;1;answered, reason {when % 50}\n")
                    at += 1
        paths.append(path)
        count += 1 + 31 * (1 + len(known)) + len(events)
    return paths, count


def measured(directory: Path, *words: object) -> tuple[float, float]:
    """Processor seconds and peak memory in MiB of a run of the program."""
    command = [sys.executable, str(PROGRAM), *map(str, words), "--state-dir", str(directory / "state")]
    environment = {**os.environ, "FEDCLOUD_PROBES_CONFIG": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-c", STARTER, *command], capture_output=True, text=True, cwd=directory, env=environment
    )
    code, peak, seconds = done.stdout.split()
    if code != "0":
        raise SystemExit(subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True).stdout)
    return float(seconds), int(peak) / 1024


# ---- ARGO's way


class TimedStore(Store):
    """reading_s: processor seconds that it took to read results."""

    reading_s = 0.0

    def measured(self, endpoint: TopologyEndpoint, metric: str, start: int, end: int) -> list[MeasuredResults]:
        began = time.process_time()
        try:
            return super().measured(endpoint, metric, start, end)
        finally:
            self.reading_s += time.process_time() - began


def straight(found: Calculation, store: Store, site: str) -> Figures:
    """A period's figures of a site, day by day, as ARGO's batch job goes about it."""
    profile, period = found.rules.profile, found.period
    days = []
    for midnight in range(period.start, period.end, DAY):
        groups = []
        for group in profile.groups:
            kinds = []
            for service_type, operation in group.services.items():
                endpoints = []
                for endpoint in found.endpoints_of(site):
                    if endpoint.service_type != service_type:
                        continue
                    metrics = []
                    for metric in profile.metrics[service_type]:
                        (one,) = store.measured(endpoint, metric, midnight, midnight + DAY)
                        line = {midnight: 3 if one.before is None else one.before}
                        line.update((each >> lines.BITS, each & lines.MASK) for each in one.results)
                        metrics.append(line)
                    endpoints.append(_pair_by_pair(metrics, profile.metric_operation))
                kinds.append(_pair_by_pair(endpoints, operation))
            groups.append(_pair_by_pair(kinds, group.operation))
        line = _pair_by_pair(groups, profile.operation)
        held = [0] * 6
        points = [*sorted(line), midnight + DAY]
        for at, end in itertools.pairwise(points):
            held[line[at]] += end - at
        days.append(figures_of_time(held))
    return figures_of_days(days)


def _pair_by_pair(maps: list[dict[int, int]], operation: Operation) -> dict[int, int]:
    joint = maps[0]
    for other in maps[1:]:
        first, second = sorted(joint), sorted(other)
        joint = {
            at: operation.join((joint[first[bisect_right(first, at) - 1]], other[second[bisect_right(second, at) - 1]]))
            for at in sorted({*first, *second})
        }
    return joint


def compare(directory: Path, endpoints: int) -> None:
    month = Period("a month", START, START + 31 * DAY)
    profile = profiles.read(str(directory / "metrics.json"), str(directory / "aggregation.json"))
    with TimedStore(StateDirectory(str(directory / "state"))) as store:
        found = Calculation(store, profile, month)
        sites = found.sites[:COMPARED_SITES]
        began = time.process_time()
        ours = {row.path[0]: row.figures for row in found.rows(sites, SITE, "period")}
        ours_s, ours_read_s = time.process_time() - began, store.reading_s
        store.reading_s = 0.0
        began = time.process_time()
        theirs = {site: straight(found, store, site) for site in sites}
        theirs_s, theirs_read_s = time.process_time() - began, store.reading_s
    assert ours == theirs, "figures differ"
    calculating = (theirs_s - theirs_read_s) / (ours_s - ours_read_s)
    print(
        f"{len(sites)} sites of {TYPES * HOSTS_PER_TYPE} endpoints, a month: {ours_s:.3f} s, pair by pair "
        f"{theirs_s:.3f} s ({theirs_s / ours_s:.0f} times as long), equal figures; of this reading from the store "
        f"{ours_read_s:.3f} and {theirs_read_s:.3f} s, so {calculating:.0f} times as long without it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endpoints", type=int, default=2_000)
    parser.add_argument("--months", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o700)
        logs, count = write_inputs(directory, args.endpoints, args.months)
        size = sum(each.stat().st_size for each in logs) >> 20
        seconds, peak = measured(directory, "import", "--services", ".", *logs)
        print(
            f"import: {count:,} lines, {size} MiB: {seconds:.1f} s, {count / seconds:,.0f} lines/s, peak {peak:.0f} MiB"
        )
        print(f"store: {(directory / 'state/availability.sqlite').stat().st_size >> 20} MiB")
        chosen = ["--metric-profile", "metrics.json", "--aggregation-profile", "aggregation.json"]
        first = datetime.fromtimestamp(START, UTC)
        for months in sorted({1, args.months}):
            last = datetime.fromtimestamp(START + months * 31 * DAY - 1, UTC)
            period = ["--from", f"{first:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}"]
            seconds, peak = measured(directory, "figures", *period, *chosen)
            print(f"figures of {args.endpoints} endpoints, {months} x 31 days: {seconds:.2f} s, peak {peak:.0f} MiB")
        compare(directory, args.endpoints)


if __name__ == "__main__":
    main()
