"""The figures of several monitors' stores by SQL, on SQLite and on Spark: `python -m benchmarks.spark --help`.

Each DIR is a state directory of fedcloud-availability, or a copy of one. The tables that the figures need are written
as CSV to --output, with the query; SQLite answers it, with --spark PySpark too (from PyPI; it needs Java), and the
answers are compared with each other and, where there is one DIR, with the figures of fedcloud-availability.

The query knows EGI's operations, OR for service types and groups and AND for metrics and sites, and declared outages.
It does not know exclusions, nor one metric of an endpoint for several VOs: that ends it.
"""

from __future__ import annotations

import argparse
import csv
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from libprobe.state.files import StateDirectory
from libprobe.timelines import lines, profiles
from libprobe.timelines.algebra import STATUSES
from libprobe.timelines.calculation import Calculation, Period
from libprobe.timelines.evaluation import SITE, is_series_of
from libprobe.timelines.store import NAME, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from libprobe.timelines.profiles import Profile

TABLES = {
    "series": "id BIGINT, host STRING, service_type STRING, metric STRING",
    "change": "series BIGINT, at BIGINT, status BIGINT",
    "seen": "series BIGINT, first BIGINT, last BIGINT",
    "endpoint": "site STRING, service_type STRING, host STRING, since BIGINT, until BIGINT",
    "outage": "host STRING, service_type STRING, since BIGINT, until BIGINT",
    "expected": "service_type STRING, metric STRING, family STRING",
    "day": "midnight BIGINT",
}
"""Columns in the words that both engines have. `family` is the group of a service type, as `group` is a word of SQL."""

STORE_SHIFT = 10**9
AND = ("CRITICAL", "DOWNTIME", "MISSING", "UNKNOWN", "WARNING", "OK")
OR = ("OK", "WARNING", "CRITICAL", "UNKNOWN", "DOWNTIME", "MISSING")
"""EGI's operations: of the statuses that there are, the first in this order is the joint one."""

METRICS = """
wanted AS (
    SELECT DISTINCT e.site, x.family, e.service_type, e.host, x.metric, d.midnight
    FROM endpoint e JOIN expected x ON x.service_type = e.service_type
    JOIN day d ON d.midnight >= e.since AND d.midnight < e.until
),
markers AS (
    SELECT w.site, w.family, w.service_type, w.host, w.metric, w.midnight AS at, 0 AS kind,
           max(CASE WHEN r.series IS NULL THEN 0 ELSE 1 END) AS is_seen, CAST(NULL AS BIGINT) AS measured
    FROM wanted w
    LEFT JOIN series s ON s.host = w.host AND s.service_type = w.service_type AND s.metric = w.metric
    LEFT JOIN seen r ON r.series = s.id AND r.first * 86400 <= w.midnight AND r.last * 86400 >= w.midnight
    GROUP BY w.site, w.family, w.service_type, w.host, w.metric, w.midnight
),
results AS (
    SELECT n.site, n.family, n.service_type, n.host, n.metric, c.at, 1 AS kind, 1 AS is_seen, c.status AS measured
    FROM (SELECT DISTINCT site, family, service_type, host, metric FROM wanted) n
    JOIN series s ON s.host = n.host AND s.service_type = n.service_type AND s.metric = n.metric
    JOIN change c ON c.series = s.id
),
numbered AS (
    SELECT b.*, count(measured) OVER (PARTITION BY site, family, service_type, host, metric ORDER BY at, kind) AS run
    FROM (SELECT * FROM markers UNION ALL SELECT * FROM results) b
),
held AS (
    SELECT site, family, service_type, host, metric, at, kind, is_seen,
           max(measured) OVER (PARTITION BY site, family, service_type, host, metric, run) AS status
    FROM numbered
),
metric_line AS (
    SELECT site, family, service_type, host, metric, at, kind,
           CASE WHEN is_seen = 0 OR status IS NULL THEN 3 ELSE status END AS status
    FROM held WHERE at >= {start} AND at < {end}
),
outages AS (
    SELECT e.site, e.family, e.service_type, e.host, o.since, o.until
    FROM (SELECT DISTINCT site, family, service_type, host FROM wanted) e
    JOIN outage o ON o.host = e.host AND o.service_type = e.service_type
    WHERE o.since < {end} AND o.until > {start}
)"""
"""A row of each metric at each midnight and at each change. A status holds from one to the next."""

LEVEL = """
{name}_change AS (
    SELECT {keys}, at, kind, status,
           lag(status) OVER (PARTITION BY {keys}, {child} ORDER BY at, kind) AS old
    FROM {source}
),
{name}_counted AS (
    SELECT {keys}, at, {deltas}, 0 AS covered
    FROM {name}_change GROUP BY {keys}, at{more}
),
{name}_counts AS (
    SELECT {keys}, at, {sums}, sum(covered) OVER w AS covered
    FROM (SELECT {keys}, at, {totals}, sum(covered) AS covered FROM {name}_counted GROUP BY {keys}, at) t
    WINDOW w AS (PARTITION BY {keys} ORDER BY at)
),
{name} AS (
    SELECT {keys}, at, 0 AS kind, CASE WHEN covered > 0 THEN 5 {cases} END AS status FROM {name}_counts
)"""
"""One thing's line from those of its children: how many of them have each status, by what each row adds."""

COVERED = """
    UNION ALL SELECT {keys}, CASE WHEN since < {start} THEN {start} ELSE since END, {zeros}, 1 FROM outages
    UNION ALL SELECT {keys}, until, {zeros}, -1 FROM outages WHERE until < {end}"""

FIGURES = """
parts AS (
    SELECT site, at - at % 86400 AS midnight, status,
           coalesce(lead(at) OVER (PARTITION BY site ORDER BY at), {end}) - at AS held
    FROM site_line
),
seconds AS (
    SELECT site, midnight, sum(held) AS whole, sum(CASE WHEN status IN (0, 1) THEN held ELSE 0 END) AS up,
           sum(CASE WHEN status IN (2, 3) THEN held ELSE 0 END) AS unknown,
           sum(CASE WHEN status = 5 THEN held ELSE 0 END) AS down
    FROM parts GROUP BY site, midnight
),
units AS (
    SELECT site, CAST(up * 1e5 / whole + 5e-1 AS BIGINT) AS up,
           CAST(unknown * 1e5 / whole + 5e-1 AS BIGINT) AS unknown,
           CAST(down * 1e5 / whole + 5e-1 AS BIGINT) AS down
    FROM seconds
),
sums AS (
    SELECT site, sum(up) / 1e5 / count(*) AS up, sum(unknown) / 1e5 / count(*) AS unknown,
           sum(down) / 1e5 / count(*) AS down, sum(unknown) AS no_data, sum(unknown + down) AS no_service,
           100000 * count(*) AS whole
    FROM units GROUP BY site
)
SELECT site, CASE WHEN no_data < whole THEN round(1e2 * up / (1.00000001e0 - unknown), 5) ELSE -1 END AS availability,
       CASE WHEN no_service < whole THEN round(1e2 * up / (1.00000001e0 - unknown - down), 5) ELSE -1 END AS reliability
FROM sums ORDER BY site
"""


def query(start: int, end: int) -> str:
    """The figures of all sites for a span of whole days: site, availability, reliability in percent."""
    levels = (
        ("endpoint_line", "metric_line", "site, family, service_type, host", "metric", AND, COVERED),
        ("service_line", "endpoint_line", "site, family, service_type", "host", OR, ""),
        ("family_line", "service_line", "site, family", "service_type", OR, ""),
        ("site_line", "family_line", "site", "family", AND, ""),
    )
    numbers = range(len(STATUSES))
    made = [METRICS]
    for name, source, keys, child, operation, more in levels:
        deltas = (
            f"sum(CASE WHEN status = {s} THEN 1 ELSE 0 END - CASE WHEN old = {s} THEN 1 ELSE 0 END) AS n{s}"
            for s in numbers
        )
        words = {
            "name": name,
            "source": source,
            "keys": keys,
            "child": child,
            "deltas": ", ".join(deltas),
            "sums": ", ".join(f"sum(n{s}) OVER w AS n{s}" for s in numbers),
            "totals": ", ".join(f"sum(n{s}) AS n{s}" for s in numbers),
            "cases": " ".join(f"WHEN n{STATUSES.index(s)} > 0 THEN {STATUSES.index(s)}" for s in operation),
            "more": more.replace("{keys}", keys).replace("{zeros}", ", ".join("0" for _ in numbers)),
        }
        made.append(LEVEL.format(**words))
    text = "WITH" + ",".join([*made, FIGURES])
    return text.replace("{start}", str(start)).replace("{end}", str(end))


def export(directories: Sequence[str], profile: Profile, period: Period, output: Path) -> None:
    """Write the tables as CSV, of all stores together."""
    rows: dict[str, set[tuple[object, ...]] | list[tuple[object, ...]]] = {name: [] for name in TABLES}
    rows["endpoint"], rows["outage"] = set(), set()
    for number, directory in enumerate(directories):
        shift = number * STORE_SHIFT
        with Store(StateDirectory(directory)) as store:
            _extend(rows["endpoint"], (each[:5] for each in store.endpoints()))
            for outages in store.outages(period.start, period.end).values():
                _extend(rows["outage"], (each[:4] for each in outages))
        with closing(sqlite3.connect(f"file:{directory}/{NAME}?mode=ro", uri=True)) as base:
            for name, columns in (
                ("series", "id + ?, host, service_type, metric FROM series WHERE 0 < ?"),
                ("change", "series + ?, at, status FROM change WHERE at < ?"),
                ("seen", "series + ?, first, last FROM seen WHERE first * 86400 < ?"),
            ):
                table = base.execute(f"SELECT {columns}", (shift, period.end))
                _extend(rows[name], _as_in_profile(profile, table) if name == "series" else table)
    types = {kind: group.name for group in profile.groups for kind in group.services}
    _extend(rows["expected"], ((kind, m, types[kind]) for kind in types for m in profile.metrics[kind]))
    _extend(rows["day"], ((at,) for at in range(period.start, period.end, lines.DAY_S)))
    for name, table in rows.items():
        with open(output / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_columns(name))
            writer.writerows(table)
    (output / "figures.sql").write_text(query(period.start, period.end), encoding="utf-8")


def _as_in_profile(profile: Profile, series: Iterable[tuple[int, str, str, str]]) -> Iterator[tuple[object, ...]]:
    """Series by the names that the profile has for their metrics: `metric-ops` is a result of `metric` for the VO ops.

    Ends the program where one metric of a host has results for several VOs: the query knows one line of each.
    """
    seen = set()
    for number, host, kind, name in series:
        metric = next((each for each in profile.metrics.get(kind, ()) if is_series_of(name, each)), name)
        if (host, kind, metric) in seen:
            raise SystemExit(f"{host} has {metric} for several VOs, which the query does not know")
        seen.add((host, kind, metric))
        yield number, host, kind, metric


def _extend(rows: set[tuple[object, ...]] | list[tuple[object, ...]], more: Iterable[tuple[object, ...]]) -> None:
    if isinstance(rows, set):
        rows.update(more)
    else:
        rows.extend(more)


def _columns(table: str) -> list[str]:
    return [each.split()[0] for each in TABLES[table].split(", ")]


def on_sqlite(output: Path) -> list[tuple[str, float, float]]:
    with closing(sqlite3.connect(":memory:")) as base:
        for name, columns in TABLES.items():
            base.execute(f"CREATE TABLE {name} ({columns.replace('STRING', 'TEXT')})")
            with open(output / f"{name}.csv", encoding="utf-8", newline="") as file:
                reader = csv.reader(file)
                marks = ", ".join("?" for _ in next(reader))
                base.executemany(f"INSERT INTO {name} VALUES ({marks})", reader)
        base.execute("CREATE INDEX by_series ON change (series)")
        base.execute("CREATE INDEX by_run ON seen (series)")
        base.execute("CREATE INDEX by_name ON series (host, service_type, metric)")
        return base.execute((output / "figures.sql").read_text(encoding="utf-8")).fetchall()


def on_spark(output: Path) -> list[tuple[str, float, float]]:
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]

    spark = SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", 4).getOrCreate()
    try:
        for name, columns in TABLES.items():
            table = spark.read.csv(str((output / f"{name}.csv").resolve()), header=True, schema=columns)
            table.createOrReplaceTempView(name)
        found = spark.sql((output / "figures.sql").read_text(encoding="utf-8")).collect()
        return [(row[0], float(row[1]), float(row[2])) for row in found]
    finally:
        spark.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directories", nargs="+", metavar="DIR", help="a state directory of fedcloud-availability")
    parser.add_argument("--from", dest="start", type=int, required=True, help="a midnight, seconds since 1970")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--output", type=Path, required=True, help="a directory that is there")
    parser.add_argument("--metric-profile", default=None)
    parser.add_argument("--aggregation-profile", default=None)
    parser.add_argument("--spark", action="store_true", help="ask PySpark too")
    args = parser.parse_args()
    profile = profiles.read(args.metric_profile, args.aggregation_profile)
    period = Period("", args.start, args.start + args.days * lines.DAY_S)
    export(args.directories, profile, period, args.output)
    answers = {}
    if len(args.directories) == 1:
        with Store(StateDirectory(args.directories[0])) as store:
            found = Calculation(store, profile, period)
            rows = found.rows(sorted(found.sites), SITE, "period")
            answers["fedcloud-availability"] = [(row.path[0], *row.figures[:2]) for row in rows]
    for name, ask in {"SQLite": on_sqlite, **({"Spark": on_spark} if args.spark else {})}.items():
        began = time.monotonic()
        answers[name] = [(row[0], float(row[1]), float(row[2])) for row in ask(args.output)]
        print(f"{name}: {len(answers[name])} sites, {time.monotonic() - began:.1f} s")
    print(f"{' and '.join(answers)}: the largest difference of a figure is {difference(answers.values()):.6f} percent")


def difference(answers: Iterable[Sequence[tuple[str, float, float]]]) -> float:
    """Of any figure of any site, between the first answer and the others. Raises: ValueError for other sites."""
    first, *others = answers
    found = [0.0]
    for other in others:
        for row, its in zip(first, other, strict=True):
            if row[0] != its[0]:
                raise ValueError(f"{row[0]} in one answer, {its[0]} in another")
            found += [abs(a - b) for a, b in zip(row[1:], its[1:], strict=True)]
    return max(found)


if __name__ == "__main__":
    main()
