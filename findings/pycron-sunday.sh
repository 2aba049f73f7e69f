#!/bin/bash
# pycron: Sunday as 7 never comes, "sat-mon" is Saturday alone, names of months and misspelt fields are never now; no word of it.
#
# Software:  pycron 3.3.0 (PyPI), with croniter 7.0.0 beside it. Seen 2026-11-30.
# Expected:  as cron: Sunday is 0 and 7, in lists and ranges too; months have names; what cannot be read is an error. has_been() is true once
#            for each time, where it is asked from the end of the last question on.
# Seen:      days 7, 1-7, 5-7 and 7,3:     never on a Sunday
#            sat-mon, 6-1, 5-0:            Saturday, Saturday, and Friday with Saturday; no Sunday
#            month nov, minutes 0/5:       never
#            minute 60, day mno:           False, for ever
#            has_been() each 20 s of a job of 02:00: false at 02:00:10; true at 02:00:30, 02:00:50 and 02:01:10
# Matters:   the weekly clean-up or the announced window of Sunday night never begins, and nothing says so; a job that has_been() starts
#            runs three times. Write 0 for Sunday, lists for ranges over it, and numbers for months.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install pycron==3.3.0 croniter==7.0.0 python-dateutil==2.9.0 pytz==2026.6 six==1.17.0
venv/bin/python - <<'PYTHON'
import sys
from datetime import datetime, timedelta

import pycron
from croniter import croniter


def days(now, line):
    """Return the days of November 2026, which begins with a Sunday, on which LINE is due."""
    try:
        return [day for day in range(1, 31) if now(line, datetime(2026, 11, day, 2))]
    except Exception as error:
        return type(error).__name__


SUNDAYS, MONDAYS, WEDNESDAYS, FRIDAYS, SATURDAYS = [1, 8, 15, 22, 29], [2, 9, 16, 23, 30], [4, 11, 18, 25], [6, 13, 20, 27], [7, 14, 21, 28]
for line, expected, other in (
    ("0 2 * * 0", SUNDAYS, SUNDAYS),
    ("0 2 * * sun", SUNDAYS, SUNDAYS),
    ("0 2 * * 7", [], SUNDAYS),
    ("0 2 * * 1-7", sorted({*range(1, 31)} - {*SUNDAYS}), [*range(1, 31)]),
    ("0 2 * * 5-7", sorted(FRIDAYS + SATURDAYS), sorted(FRIDAYS + SATURDAYS + SUNDAYS)),
    ("0 2 * * 7,3", WEDNESDAYS, sorted(SUNDAYS + WEDNESDAYS)),
    ("0 2 * * sat-mon", SATURDAYS, sorted(SATURDAYS + SUNDAYS + MONDAYS)),
    ("0 2 * * 6-1", SATURDAYS, sorted(SATURDAYS + SUNDAYS + MONDAYS)),
    ("0 2 * * 5-0", sorted(FRIDAYS + SATURDAYS), sorted(FRIDAYS + SATURDAYS + SUNDAYS)),
    ("0 2 1 nov *", [], [1]),
    ("0/5 2 * * 0", [], SUNDAYS),
    ("60 2 * * *", [], "CroniterBadCronError"),
    ("0 2 * * mno", [], "CroniterNotAlphaError"),
):
    got = days(pycron.is_now, line)
    print(f"{line}: {got}; by croniter {days(croniter.match, line)}")
    if (got, days(croniter.match, line)) != (expected, other):
        sys.exit(f"CHANGED: it was {expected}, and {other}")

began = datetime(2026, 11, 1, 1, 59, 50)
asked = [began + timedelta(seconds=20 * step) for step in range(6)]
got = [pycron.has_been("0 2 * * *", before, now) for before, now in zip(asked, asked[1:])]
print("each 20 s from 01:59:50 on, has_been:", got)
if got != [False, True, True, True, False]:
    sys.exit("CHANGED: it was true three times, the last after a minute")
PYTHON
