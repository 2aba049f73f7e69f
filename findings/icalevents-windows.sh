#!/bin/bash
# icalevents: a maintenance that is under way is not found if it recurs or is in another time zone; extra dates are left out.
#
# Software:  icalevents 0.3.1 (PyPI), with icalendar 6.3.2. Seen 2026-11-30.
# Expected:  events(start=, end=) with times in UTC has what overlaps with them, whatever the zone of the event; a recurring event as a single
#            one. RDATE adds dates, EXDATE takes away the one at that instant, RECURRENCE-ID moves one.
# Seen:      once, 09:00 to 10:00 in New York, asked for 14:30 to 14:40 UTC:      nothing; asked for 09:30 to 09:40 UTC: found
#            each week from Monday to Thursday, asked for Tuesday:               nothing; the same without RRULE: found
#            RDATE of two more dates:                                            left out
#            each day at 00:30 in Paris, EXDATE of that instant in UTC:          that of the day before it is left out too
#            moved from Sunday to Thursday, asked for Sunday:                    found, at its old time; asked for both: at the new one
# Matters:   a site in its announced maintenance is paged for, and one that is not in one may not be. Ask for a window that begins
#            before the first event and ends after the last, and compare the times yourself.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install icalevents==0.3.1 icalendar==6.3.2 python-dateutil==2.9.0 pytz==2026.6 tzdata==2026.6 urllib3==2.8.0 six==1.17.0
TZ=UTC venv/bin/python - <<'PYTHON'
import sys
from datetime import datetime, timedelta, timezone

from icalevents.icalevents import events

ZONES = {  # month and offset from UTC in summer, from summer on, and in winter
    "Europe/Paris": ("BYMONTH=3;BYDAY=-1SU", "BYMONTH=10;BYDAY=-1SU", "+0200", "+0100"),
    "America/New_York": ("BYMONTH=3;BYDAY=2SU", "BYMONTH=11;BYDAY=1SU", "-0400", "-0500"),
}
NOVEMBER = datetime(2026, 11, 1, tzinfo=timezone.utc)


def calendar(zone, *parts):
    """Return a calendar with one event, or more of the same UID; DTSTART and the like are in ZONE unless they end with Z."""
    summer, winter, at_summer, at_winter = ZONES[zone]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", "BEGIN:VTIMEZONE", f"TZID:{zone}"]
    for name, rule, before, after in (("DAYLIGHT", summer, at_winter, at_summer), ("STANDARD", winter, at_summer, at_winter)):
        lines += [f"BEGIN:{name}", "DTSTART:20070101T020000", f"RRULE:FREQ=YEARLY;{rule}"]
        lines += [f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", f"END:{name}"]
    lines.append("END:VTIMEZONE")
    for part in parts:
        lines += ["BEGIN:VEVENT", "UID:1", "DTSTAMP:20261001T000000Z", "SUMMARY:maintenance"]
        for line in part:
            name, _, value = line.partition(":")
            lines.append(line if "T" not in value or value.endswith("Z") or name == "RRULE" else f"{name};TZID={zone}:{value}")
        lines.append("END:VEVENT")
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def found(content, begin, hours):
    start = NOVEMBER + timedelta(hours=begin)
    got = events(string_content=content, start=start, end=start + timedelta(hours=hours))
    return sorted(f"{event.start.astimezone(timezone.utc):%d %H:%M}" for event in got)


DAY = 24
ONCE = calendar("America/New_York", ["DTSTART:20261105T090000", "DTEND:20261105T100000"])
LONG = ["DTSTART:20261102T080000Z", "DTEND:20261105T080000Z"]
DAILY = ["DTSTART:20261102T003000", "DTEND:20261102T043000", "RRULE:FREQ=DAILY;COUNT=4"]
WEEKLY = ["DTSTART:20261101T220000", "DTEND:20261102T020000", "RRULE:FREQ=WEEKLY;COUNT=2"]
MOVED = calendar("Europe/Paris", WEEKLY, ["RECURRENCE-ID:20261101T220000", "DTSTART:20261105T220000", "DTEND:20261106T020000"])
for name, content, begin, hours, expected in (
    ("14:00 to 15:00 UTC as 09:00 in New York, asked for 14:30", ONCE, 4 * DAY + 14.5, 0.2, []),
    ("the same, asked for 09:30", ONCE, 4 * DAY + 9.5, 0.2, ["05 14:00"]),
    ("from the 2nd to the 5th, asked for the 3rd", calendar("Europe/Paris", LONG), 2 * DAY, 1, ["02 08:00"]),
    ("the same each week", calendar("Europe/Paris", [*LONG, "RRULE:FREQ=WEEKLY;COUNT=3"]), 2 * DAY, 1, []),
    ("on the 2nd, RDATE of the 6th and 8th", calendar("Europe/Paris", [*LONG, "RDATE:20261106T080000Z,20261108T080000Z"]), 0, 9 * DAY,
     ["02 08:00"]),
    ("each day at 23:30 UTC as 00:30 in Paris", calendar("Europe/Paris", DAILY), 0, 9 * DAY,
     ["01 23:30", "02 23:30", "03 23:30", "04 23:30"]),
    ("the same, EXDATE of the 3rd 23:30 UTC", calendar("Europe/Paris", [*DAILY, "EXDATE:20261103T233000Z"]), 0, 9 * DAY,
     ["01 23:30", "04 23:30"]),
    ("moved from the 1st to the 5th, asked for all", MOVED, 0, 7 * DAY, ["05 21:00"]),
    ("the same, asked for the 1st", MOVED, 0, DAY, ["01 21:00"]),
):  # fmt: skip
    got = found(content, begin, hours)
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
