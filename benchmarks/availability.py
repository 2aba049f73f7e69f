"""What fedcloud-availability costs: `python -m benchmarks.availability [--endpoints N] [--months N] [--runs N]`.

Logs of Nagios are made for this number of endpoints, 5 metrics each, each metric with 50 changes a month, and each
day's list of all states, about 810,000 lines a month of 2,000 endpoints. Then: lines a second of the import, the
figures of a month and of all months, with their peak memory, and the figures of a few sites beside those of a straight
implementation of ARGO's own algorithm: a sorted map for each timeline and day, joined pair by pair. At last what each
step takes of the figures of thirty sites, or of all where there are fewer.

The import is told by time, which is what somebody waits for, and by processor time, which is that of all threads
together: more than the time where a second processor helped, less where other programs took the processors. Both are
the least of some runs, each into a new store.

Both are given the same results in memory, those of ARGO's as its batch job has them, a day at a time: once only the
changes, as the store has them, and once a result every 15 minutes, as ARGO gets them. Neither time has any reading in
it; that of the changes from the store is told beside them. Then both with their reading, as each has its results when
it begins: the changes in the store, and a result every 15 minutes in Avro files of a day each, read by fastavro. These
times, and those of figures, are those of the processor, of the comparison the least of some runs in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import deque
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unittest import mock

from libprobe.state.files import StateDirectory
from libprobe.timelines import evaluation, figures, lines, profiles
from libprobe.timelines.algebra import MISSING, STATUSES
from libprobe.timelines.calculation import Calculation, Period
from libprobe.timelines.evaluation import GROUP, SERVICE, SITE
from libprobe.timelines.figures import Figures, figures_of_days, figures_of_time
from libprobe.timelines.store import Store

T = TypeVar("T")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from libprobe.timelines.algebra import Operation
    from libprobe.timelines.evaluation import MeasuredResults, MetricKey
    from libprobe.timelines.profiles import Profile

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "probes/fedcloud-availability"
TYPES, METRICS, HOSTS_PER_TYPE, CHANGES = 5, 5, 2, 50
COMPARED_SITES, COMPARED_RUNS = 5, 7
STEP_SITES = 30
CHECKED_EVERY_S = 900
START = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp())
DAY = lines.DAY_S
STATES = ("OK", "OK", "OK", "WARNING", "CRITICAL", "UNKNOWN")


STARTER = """\
import os, sys, time
silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
began = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(child, 0)
took = time.monotonic() - began
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, took, usage.ru_utime + usage.ru_stime)
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


class Cost(NamedTuple):
    """Of a run of the program: seconds that it took, seconds of processors, and peak memory in MiB."""

    taken_s: float
    processor_s: float
    peak: float


def measured(directory: Path, *words: object) -> Cost:
    command = [sys.executable, str(PROGRAM), *map(str, words), "--state-dir", str(directory / "state")]
    environment = {**os.environ, "FEDCLOUD_PROBES_CONFIG": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-c", STARTER, *command], capture_output=True, text=True, cwd=directory, env=environment
    )
    code, peak, taken_s, processor_s = done.stdout.split()
    if code != "0":
        raise SystemExit(subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True).stdout)
    return Cost(float(taken_s), float(processor_s), int(peak) / 1024)


def import_logs(directory: Path, logs: Sequence[Path], runs: int) -> Cost:
    """The least of some runs, of each of its costs by itself. The last store stays."""
    found = []
    for _ in range(runs):
        shutil.rmtree(directory / "state", ignore_errors=True)
        found.append(measured(directory, "import", "--services", ".", *logs))
    return Cost(*map(min, zip(*found, strict=True)))


# ---- ARGO's way, as its Timeline and TimelineAggregator go about it (argo-streaming a8c3a6b)


class InMemory:
    """What was measured, once it is read."""

    def __init__(self, measured: dict[MetricKey, list[MeasuredResults]]) -> None:
        self._measured = measured

    def measured(self, wanted: Sequence[MetricKey], start: int, end: int) -> dict[MetricKey, list[MeasuredResults]]:
        return self._measured


class DayResults(NamedTuple):
    """Of a metric: the status of the last result before a day, and (second, status) of those of the day."""

    before: int
    results: list[tuple[int, int]]


def by_day(measured: MeasuredResults, days: int) -> list[DayResults]:
    """Seconds count from the first day's midnight."""
    before = MISSING if measured.before is None else measured.before
    found = []
    results = deque((each >> lines.BITS, each & lines.MASK) for each in measured.results)
    for day in range(days):
        within = []
        while results and results[0][0] < (day + 1) * DAY:
            within.append(results.popleft())
        found.append(DayResults(before, within))
        before = within[-1][1] if within else before
    return found


def straight(sites: Sequence[str], found: Calculation, given: dict[MetricKey, list[DayResults]]) -> dict[str, Figures]:
    """The figures of the period of some sites, day by day."""
    profile = found.rules.profile
    tables = {each: truth_table(each) for each in operations_of(profile)}
    made = {}
    for site in sites:
        days = []
        for day in range((found.period.end - found.period.start) // DAY):
            groups = []
            for group in profile.groups:
                kinds = []
                for service_type, operation in group.services.items():
                    endpoints = [
                        _pair_by_pair(
                            [
                                _metric_line(given[each.host, service_type, metric][day], day * DAY)
                                for metric in profile.metrics[service_type]
                            ],
                            tables[profile.metric_operation],
                        )
                        for each in found.endpoints_of(site)
                        if each.service_type == service_type
                    ]
                    kinds.append(_pair_by_pair(endpoints, tables[operation]))
                groups.append(_pair_by_pair(kinds, tables[group.operation]))
            line = _pair_by_pair(groups, tables[profile.operation])
            held = [0] * len(STATUSES)
            for (at, status), end in zip(line.items(), [*list(line)[1:], (day + 1) * DAY], strict=True):
                held[status] += end - at
            days.append(figures_of_time(held))
        made[site] = figures_of_days(days)
    return made


def operations_of(profile: Profile) -> set[Operation]:
    groups = profile.groups
    below = {operation for group in groups for operation in group.services.values()}
    return {profile.operation, profile.metric_operation, *(group.operation for group in groups), *below}


def truth_table(operation: Operation) -> list[list[int]]:
    return [[operation.join((a, b)) for b in range(len(STATUSES))] for a in range(len(STATUSES))]


def _metric_line(given: DayResults, midnight: int) -> dict[int, int]:
    """Python's dictionaries keep the order in which keys came, so this one is a sorted map."""
    line = {midnight: given.before}
    line.update(given.results)
    return line


def _pair_by_pair(maps: list[dict[int, int]], table: list[list[int]]) -> dict[int, int]:
    joint = _without_repetitions(maps[0])
    for other in maps[1:]:
        first, second = list(joint), list(other)
        made = {
            at: table[joint[first[bisect_right(first, at) - 1]]][other[second[bisect_right(second, at) - 1]]]
            for at in sorted({*first, *second})
        }
        joint = _without_repetitions(made)
    return joint


def _without_repetitions(line: dict[int, int]) -> dict[int, int]:
    kept = {}
    before = -1
    for at, status in line.items():
        if status != before:
            kept[at] = before = status
    return kept


@contextmanager
def compared_sites(directory: Path) -> Iterator[tuple[Store, Calculation, Sequence[str], list[MetricKey]]]:
    """The store that was made, a month of it, the sites that are compared, and the keys of their metrics."""
    month = Period("a month", START, START + 31 * DAY)
    profile = profiles.read(str(directory / "metrics.json"), str(directory / "aggregation.json"))
    with Store(StateDirectory(str(directory / "state"))) as store:
        found = Calculation(store, profile, month)
        sites = found.sites[:COMPARED_SITES]
        yield store, found, sites, keys_of(found, sites, profile)


def compare(directory: Path) -> None:
    with compared_sites(directory) as (store, found, sites, wanted):
        profile, month = found.rules.profile, found.period
        store.measured(wanted[:1], month.start, month.end)  # so that the names of the series are known
        began = time.process_time()
        changes = store.measured(wanted, month.start, month.end)
        reading_s = time.process_time() - began
        everything = {key: [with_repetitions(each, month) for each in several] for key, several in changes.items()}
        print(
            f"{len(sites)} sites of {TYPES * HOSTS_PER_TYPE} endpoints, the changes read in {1000 * reading_s:.1f} ms:"
        )
        for name, measured in (("the changes", changes), ("a result every 15 minutes", everything)):
            ours_s, theirs_s = compared(Calculation(store, profile, month, InMemory(measured)), sites, measured)
            count = sum(len(each.results) for several in measured.values() for each in several)
            print(
                f"  {name}, {count:,}: {1000 * ours_s:.1f} ms, pair by pair {1000 * theirs_s:.1f} ms, "
                f"{theirs_s / ours_s:.1f} times as long, with equal figures"
            )


# ---- with their reading


def compare_with_reading(directory: Path, runs: int = COMPARED_RUNS) -> None:
    """What each takes from what it keeps to the figures."""
    with compared_sites(directory) as (store, found, sites, wanted):
        profile, month = found.rules.profile, found.period
        changes = store.measured(wanted, month.start, month.end)
        everything = {key: with_repetitions(each, month) for key, (each,) in changes.items()}
        files = write_avro(directory, everything, month)
        first = {key: each.before for key, each in everything.items()}
        del changes, everything

        def ours() -> dict[str, Figures]:
            rows = Calculation(store, profile, month).rows(sites, SITE, "period")
            return {row.path[0]: row.figures for row in rows}

        def theirs() -> dict[str, Figures]:
            return straight(sites, found, read_avro(files, first))

        ours_s, theirs_s = in_turn(ours, theirs, runs)
    size = sum(each.stat().st_size for each in files) >> 20
    print(
        f"  with their reading, of the store and of {size} MiB of Avro: {1000 * ours_s:.1f} ms, pair by pair "
        f"{1000 * theirs_s:.0f} ms, {theirs_s / ours_s:.0f} times as long, with equal figures"
    )


def keys_of(found: Calculation, sites: Sequence[str], profile: Profile) -> list[MetricKey]:
    return [
        (each.host, each.service_type, metric)
        for site in sites
        for each in found.endpoints_of(site)
        for metric in profile.metrics[each.service_type]
    ]


def write_avro(directory: Path, measured: dict[MetricKey, MeasuredResults], period: Period) -> list[Path]:
    """ARGO's metric data of each day, in the order of time. A result of a metric tells what the one before it told."""
    import fastavro

    from tests.federation.consumer import METRIC_DATA

    days: list[list[tuple[int, MetricKey, int]]] = [[] for _ in range(0, period.end - period.start, DAY)]
    for key, each in measured.items():
        for entry in each.results:
            days[(entry >> lines.BITS) // DAY].append((entry >> lines.BITS, key, entry & lines.MASK))
    files = []
    for number, results in enumerate(days):
        files.append(directory / f"{number:02d}.avro")
        records = (
            {
                "timestamp": f"{datetime.fromtimestamp(period.start + at, UTC):%Y-%m-%dT%H:%M:%SZ}",
                "service": service_type,
                "hostname": host,
                "metric": metric,
                "status": STATUSES[status],
                "monitoring_host": "cloudmon.example.org",
                "actual_data": None,
                "summary": "answered in 1 s",
                "message": None,
                "tags": None,
            }
            for at, (host, service_type, metric), status in sorted(results)
        )
        with open(files[-1], "wb") as file:
            fastavro.writer(file, fastavro.parse_schema(METRIC_DATA), records)
    return files


def read_avro(files: Sequence[Path], first: dict[MetricKey, int | None]) -> dict[MetricKey, list[DayResults]]:
    """What ARGO's batch job has of each day. first: by metric, its status before the first of them."""
    import fastavro

    number_of = {status: number for number, status in enumerate(STATUSES)}
    before = {key: MISSING if status is None else status for key, status in first.items()}
    given: dict[MetricKey, list[DayResults]] = {key: [] for key in first}
    for number, path in enumerate(files):
        midnight = number * DAY
        within: dict[MetricKey, list[tuple[int, int]]] = {key: [] for key in first}
        with open(path, "rb") as file:
            for record in fastavro.reader(file):
                text = record["timestamp"]
                second = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
                within[record["hostname"], record["service"], record["metric"]].append(
                    (midnight + second, number_of[record["status"]])
                )
        for key, results in within.items():
            given[key].append(DayResults(before[key], results))
            before[key] = results[-1][1] if results else before[key]
    return given


def with_repetitions(measured: MeasuredResults, period: Period) -> MeasuredResults:
    """With a result at each quarter of an hour that says what the one before it said, from the first one on."""
    quarters = (lines.make_entry(at, lines.MASK) for at in range(0, period.end - period.start, CHECKED_EVERY_S))
    status = measured.before
    made: list[int] = []
    for each in sorted([*measured.results, *quarters]):  # of one instant the result comes first
        if each & lines.MASK != lines.MASK:
            status = each & lines.MASK
            made.append(each)
        elif status is not None and (not made or made[-1] >> lines.BITS != each >> lines.BITS):
            made.append(each & ~lines.MASK | status)
    return measured._replace(results=made)


def compared(
    calculation: Calculation, sites: Sequence[str], measured: dict[MetricKey, list[MeasuredResults]]
) -> tuple[float, float]:
    """Seconds of ours and of ARGO's way. Raises: AssertionError if their figures differ."""
    days = (calculation.period.end - calculation.period.start) // DAY
    of_days = {key: by_day(each, days) for key, (each,) in measured.items()}

    def ours() -> dict[str, Figures]:
        return {row.path[0]: row.figures for row in calculation.rows(sites, SITE, "period")}

    def theirs() -> dict[str, Figures]:
        return straight(sites, calculation, of_days)

    return in_turn(ours, theirs, COMPARED_RUNS)


def in_turn(
    ours: Callable[[], dict[str, Figures]], theirs: Callable[[], dict[str, Figures]], runs: int
) -> tuple[float, float]:
    """The least processor time of each, in seconds. Raises: AssertionError if their figures differ."""
    least = [float("inf"), float("inf")]
    for _ in range(runs):
        figures = []
        for number, work in enumerate((ours, theirs)):
            began = time.process_time()
            figures.append(work())
            least[number] = min(least[number], time.process_time() - began)
        assert figures[0] == figures[1], "figures differ"
    return least[0], least[1]


# ---- where the time goes

READING = "reading from the store"
MADE, COUNTED = "a metric's results made into changes", "seconds and figures of days"
JOINED = {
    "": "an endpoint's metrics joined",
    SERVICE: "endpoints joined to service types",
    GROUP: "service types joined to groups",
    SITE: "groups joined to the site",
}
"""Steps of a site's figures, by the level that a joint line is of; that of an endpoint has none."""


class Recorder:
    """Keeps what the steps of a calculation are given, so that each of them can be done again by itself."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Callable[[], object]]] = {
            each: [] for each in (READING, MADE, *JOINED.values(), COUNTED)
        }
        self._level = ""

    def watch(self, step: str, function: Callable[..., T]) -> Callable[..., T]:
        def watched(*given: Any) -> T:
            self.calls[step or JOINED[self._level]].append(lambda: function(*given))
            return function(*given)

        return watched

    def watch_level(self, function: Callable[..., T]) -> Callable[..., T]:
        def watched(level: str, *given: Any) -> T:
            self._level = level
            try:
                return function(level, *given)
            finally:
                self._level = ""

        return watched


def least_seconds(work: Callable[[], object]) -> float:
    """Processor time, the least of some runs."""
    least = float("inf")
    for _ in range(COMPARED_RUNS):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least


def call_all(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        call()


def step_seconds(store: Store, profile: Profile, period: Period, count: int) -> tuple[int, int, dict[str, float]]:
    """How many sites, the first `count` at most, and changes; what each step of their figures takes, and the rest.

    Every step is done again by itself, with all that it was given: to look at the clock within would take as long.
    """
    calculation = Calculation(store, profile, period)
    sites = calculation.sites[:count]
    whole = least_seconds(lambda: list(calculation.rows(sites, SITE, "period")))
    recorder = Recorder()
    watched: list[tuple[object, str, Callable[..., object]]] = [
        (evaluation, "_join_nodes", recorder.watch_level(evaluation._join_nodes)),  # noqa: SLF001 - it knows the level
        (lines, "line_of_results", recorder.watch(MADE, lines.line_of_results)),
        (lines, "join", recorder.watch("", lines.join)),
        (evaluation, "day_figures", recorder.watch(COUNTED, evaluation.day_figures)),
        (figures, "figures_of_days", recorder.watch(COUNTED, figures.figures_of_days)),
        (store, "measured", recorder.watch(READING, store.measured)),
    ]
    with ExitStack() as patches:
        for where, name, function in watched:
            patches.enter_context(mock.patch.object(where, name, function))
        list(calculation.rows(sites, SITE, "period"))
    read = store.measured(keys_of(calculation, sites, profile), period.start, period.end)
    changes = sum(len(each.results) for several in read.values() for each in several)
    found = {step: least_seconds(partial(call_all, calls)) for step, calls in recorder.calls.items()}
    return len(sites), changes, {**found, "the rest": whole - sum(found.values())}


def print_steps(directory: Path, count: int) -> None:
    month = Period("a month", START, START + 31 * DAY)
    profile = profiles.read(str(directory / "metrics.json"), str(directory / "aggregation.json"))
    with Store(StateDirectory(str(directory / "state"))) as store:
        sites, changes, found = step_seconds(store, profile, month, count)
    print(f"steps of {sites} sites of {TYPES * HOSTS_PER_TYPE} endpoints, {changes:,} changes:")
    for step, seconds in found.items():
        print(f"  {step}: {1000 * seconds:.1f} ms, {1e6 * seconds / changes:.2f} us for each change")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endpoints", type=int, default=2_000)
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5, help="of the import (%(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o700)
        logs, count = write_inputs(directory, args.endpoints, args.months)
        size = sum(each.stat().st_size for each in logs) >> 20
        before = os.getloadavg()[0]
        cost = import_logs(directory, logs, args.runs)
        print(f"Load average {before:.1f} before the import, {os.getloadavg()[0]:.1f} after it")
        print(f"import: {count:,} lines, {size} MiB, the least of {args.runs} runs, peak {cost.peak:.0f} MiB:")
        print(f"  time {cost.taken_s:.2f} s, {count / cost.taken_s:,.0f} lines/s")
        print(f"  processor time {cost.processor_s:.2f} s, {count / cost.processor_s:,.0f} lines/s")
        print(f"store: {(directory / 'state/availability.sqlite').stat().st_size >> 20} MiB")
        chosen = ["--metric-profile", "metrics.json", "--aggregation-profile", "aggregation.json"]
        first = datetime.fromtimestamp(START, UTC)
        for months in sorted({1, args.months}):
            last = datetime.fromtimestamp(START + months * 31 * DAY - 1, UTC)
            period = ["--from", f"{first:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}"]
            cost = measured(directory, "figures", *period, *chosen)
            what = f"figures of {args.endpoints} endpoints, {months} x 31 days"
            print(f"{what}: {cost.processor_s:.2f} s of processor time, peak {cost.peak:.0f} MiB")
        compare(directory)
        compare_with_reading(directory, 3)
        print_steps(directory, STEP_SITES)


if __name__ == "__main__":
    main()
