#!/bin/bash
# sqlglot: a query of SQLite counts each sample as an hour and a day of its own in DuckDB, and finds no "Critical"; it raises nothing.
#
# Software:  sqlglot 30.30.0, duckdb 2.0.1 (PyPI), SQLite of Python 3.11. Seen 2026-11-30.
# Expected:  transpile(read="sqlite", write="duckdb") gives a query with the same rows, since it knows that `/` of SQLite's integers is whole and
#            that its LIKE looks at no case; what it cannot express is an exception with unsupported_level=RAISE.
# Seen:      t / 3600 * 3600 of 18 results in three hours:      3 hours in SQLite; 18 in DuckDB, of one result each
#            count(distinct t / 86400):                         1 day, and 18
#            100 / 7:                                           14, and 14.29
#            status like 'crit%' of "Critical":                 3, and 0
#            the same by optimize() with a schema:              3 hours, 1 day; LIKE is still 0
# Matters:   a report of availability that moves from the SQLite file to DuckDB has hours of one result each and no critical one, and
#            nothing says so. Write lower() and round down in the query, and compare both figures on a day of data.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install sqlglot==30.30.0 duckdb==2.0.1
venv/bin/python - <<'PYTHON'
import sqlite3
import sys

import duckdb
import sqlglot
from sqlglot.optimizer import optimize

BEGIN = 1700006400  # a full hour
ROWS = [(BEGIN + 600 * number, "Critical" if number % 6 == 0 else "Ok") for number in range(18)]
COLUMNS = {"t": "BIGINT", "status": "TEXT"}

lite, duck = sqlite3.connect(":memory:"), duckdb.connect()
for each in (lite, duck):
    each.execute("create table results (t bigint, status varchar)")
    each.executemany("insert into results values (?, ?)", ROWS)
for query, in_lite, in_duck, by_schema in (
    ("select count(*) from (select t / 3600 * 3600 as hour from results group by t / 3600 * 3600) as hours", 3, 18, 3),
    ("select count(distinct t / 86400) from results", 1, 18, 1),
    ("select 100 / 7", 14, 14.29, 14),
    ("select count(*) from results where status like 'crit%'", 3, 0, 0),
):
    (written,) = sqlglot.transpile(query, read="sqlite", write="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
    typed = optimize(sqlglot.parse_one(query, read="sqlite"), schema={"results": COLUMNS}, dialect="sqlite").sql("duckdb")
    got = tuple(round(each.execute(text).fetchone()[0], 2) for each, text in ((lite, query), (duck, written), (duck, typed)))
    print(f"{query}: {got[0]} in SQLite; {written}: {got[1]} in DuckDB; with a schema {got[2]}")
    if got != (in_lite, in_duck, by_schema):
        sys.exit(f"CHANGED: it was {in_lite}, {in_duck} and {by_schema}")
PYTHON
