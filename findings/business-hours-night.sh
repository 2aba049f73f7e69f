#!/bin/bash
# business-duration, businesstimedelta: of hours from 20:00 to 08:00 the morning or all is left out; so is the difference of two time zones.
#
# Software:  business-duration 0.68, businesstimedelta 1.0.1 (PyPI), with pandas 3.1.1. Seen 2026-11-30.
# Expected:  the minutes of an outage that lie within 20:00 to 08:00, the hours of a night shift, for which business-duration has a branch of its
#            own; times with zones are compared as instants; an end before its beginning is refused or negative.
# Seen:      business-duration, outages of two hours on a working day:   at 06:00 0 min, at 22:00 120 min
#            four days from midnight to midnight:                        36 h of 48
#            10:00+01:00 to 12:00+00:00, within 09:00 to 17:00:          2 h, which are 3
#            businesstimedelta, 20:00 to 08:00:  10 h of a night are 0, four days have 40 h of 48
#            from 12:00 back to 10:00:           2 h
#            all day as 00:00 to 23:59:59:       a second less each day
# Matters:   a report of how long sites were down in the hours of on-call has no outage of the small hours in it, and the availability of the
#            night is too good. Cut the night at midnight into two shifts, and turn all times into one zone first.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install business-duration==0.68 businesstimedelta==1.0.1 pandas==3.1.1 numpy==2.4.6 python-dateutil==2.9.0 pytz==2026.6 six==1.17.0 holidays==0.109
venv/bin/python -W ignore - <<'PYTHON'
import sys
from datetime import datetime, time

import businesstimedelta
import pandas
import pytz
from business_duration import businessDuration

DAYS = [0, 1, 2, 3, 4]
ALL = [*range(7)]
NIGHT, DAY, WHOLE = (time(20), time(8)), (time(9), time(17)), (time(0), time(23, 59, 59))


def by_duration(hours, begin, end):
    return businessDuration(pandas.Timestamp(begin), pandas.Timestamp(end), *hours, unit="min")


def by_delta(hours, begin, end, days=DAYS):
    rule = businesstimedelta.WorkDayRule(start_time=hours[0], end_time=hours[1], working_days=days, tz=pytz.utc)
    begin, end = (datetime.fromisoformat(each).replace(tzinfo=pytz.utc) for each in (begin, end))
    found = businesstimedelta.Rules([rule]).difference(begin, end)
    return found.hours * 60 + found.seconds / 60


# 2026-11-30 is a Monday
for name, got, right, expected in (
    ("business-duration, night, 06:00 to 08:00", by_duration(NIGHT, "2026-12-01 06:00", "2026-12-01 08:00"), 120, 0),
    ("business-duration, night, 22:00 to 24:00", by_duration(NIGHT, "2026-12-01 22:00", "2026-12-02 00:00"), 120, 120),
    ("business-duration, night, 21:00 to 07:00", by_duration(NIGHT, "2026-11-30 21:00", "2026-12-01 07:00"), 600, 600),
    ("business-duration, night, four days", by_duration(NIGHT, "2026-12-01 00:00", "2026-12-05 00:00"), 4 * 720, 36 * 60),
    ("business-duration, day, four days", by_duration(DAY, "2026-12-01 00:00", "2026-12-05 00:00"), 4 * 480, 4 * 480),
    ("business-duration, two zones", by_duration(DAY, "2026-12-01 10:00+01:00", "2026-12-01 12:00+00:00"), 180, 120),
    ("businesstimedelta, night, 21:00 to 07:00", by_delta(NIGHT, "2026-11-30 21:00", "2026-12-01 07:00"), 600, 0),
    ("businesstimedelta, night, four days", by_delta(NIGHT, "2026-12-01 00:00", "2026-12-05 00:00"), 4 * 720, 40 * 60),
    ("businesstimedelta, day, four days", by_delta(DAY, "2026-12-01 00:00", "2026-12-05 00:00"), 4 * 480, 4 * 480),
    ("businesstimedelta, 12:00 back to 10:00", by_delta(DAY, "2026-12-01 12:00", "2026-12-01 10:00"), -120, 120),
    ("businesstimedelta, whole days, 30 of them", by_delta(WHOLE, "2026-11-01 00:00", "2026-12-01 00:00", ALL), 43200, 43199.5),
):  # fmt: skip
    print(f"{name}: {got} min, where it is {right}")
    if abs(got - expected) > 0.01:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
