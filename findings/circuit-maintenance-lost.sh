#!/bin/bash
# circuit-maintenance-parser reads one of two calendars of an email, makes an OUTAGE of the only circuit NO-IMPACT, and a cancellation no change.
#
# Software:  circuit-maintenance-parser 2.12.0 (PyPI), its generic provider, which reads the calendars of networks' announcements, with
#            icalendar 5.0.14. Seen 2026-11-30.
# Expected:  each calendar of an email is read. A circuit's own impact comes before that of the event, however many circuits there are.
#            Works of three nights (RRULE) are three windows, or refused. A cancellation by METHOD and STATUS is CANCELLED, or refused. A
#            time without a zone, or in an unknown one, is refused, or the same on each machine.
# Seen:      an email with two calendars:                      one of the two maintenances; exit code 0
#            IMPACT:NO-IMPACT, the one circuit's own OUTAGE:   NO-IMPACT; with a second circuit beside it: OUTAGE
#            no IMPACT but the one circuit's own:              "None is not a valid Impact"
#            RRULE:FREQ=DAILY;COUNT=3:                         the first night
#            METHOD:CANCEL, STATUS:CANCELLED:                  NO-CHANGE
#            DTSTART without Z, or with TZID=CEST:             the time of the machine: 5 h later in New York than in UTC
# Matters:   for the second line that is cut, and for two nights of three, no downtime is announced, and the site is CRITICAL in the middle
#            of works that everybody was told of. Count the calendars of an email, and the events, before trusting what was read.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install circuit-maintenance-parser==2.12.0 icalendar==5.0.14
venv/bin/python - <<'PYTHON'
import os
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path

from circuit_maintenance_parser import NotificationData, init_provider

UTC_START = 1796508000  # 2026-12-05 22:00 UTC


def event(name, *more, start="DTSTART:20261205T220000Z", end="DTEND:20261206T040000Z", impact="OUTAGE", circuit="X-MAINTNOTE-OBJECT-ID:line1"):
    """Return the announcement of works from 22:00 to 04:00 UTC on a circuit."""
    lines = ["BEGIN:VEVENT", f"UID:{name}", "SUMMARY:Works", "DTSTAMP:20261130T100000Z", "SEQUENCE:1", start, end]
    lines += ["ORGANIZER:mailto:noc@example.org", "X-MAINTNOTE-PROVIDER:example.org", "X-MAINTNOTE-ACCOUNT:site1"]
    lines += [f"X-MAINTNOTE-MAINTENANCE-ID:{name}", circuit] + [f"X-MAINTNOTE-IMPACT:{impact}"] * bool(impact)
    lines += ["X-MAINTNOTE-STATUS:CONFIRMED"] * (not any(line.startswith("STATUS") for line in more))
    return [*lines, *more, "END:VEVENT"]


def calendar(*events, method="PUBLISH"):
    """Return a calendar with EVENTS."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//NOC//EN", f"METHOD:{method}", *sum(events, []), "END:VCALENDAR"]
    return "".join(line + "\r\n" for line in lines).encode()


def email(*calendars):
    """Return an email with CALENDARS."""
    message = EmailMessage()
    message["Subject"], message["Date"] = "Planned works", "Mon, 30 Nov 2026 10:00:00 +0000"
    message.set_content("Dear customer, see the calendars.")
    for each in calendars:
        message.add_attachment(each, maintype="text", subtype="calendar", filename="works.ics")
    return message


def read(case, data, expected, *others, zone="UTC"):
    """What is read of DATA on a machine in ZONE, against what it was: ID, status, hours behind 22:00 UTC, impacts."""
    os.environ["TZ"] = zone
    time.tzset()
    try:
        got = [
            (each.maintenance_id, each.status.value, (each.start - UTC_START) / 3600, *(one.impact.value for one in each.circuits))
            for each in init_provider("genericprovider").get_maintenances(data)
        ]
    except Exception as error:
        got = str(error).strip().rpartition("due to: ")[2]
    print(f"{case}: {got}")
    if got not in (expected, *others):
        sys.exit(f"CHANGED: it was {expected}")


def raw(*events, **more):
    return NotificationData.init_from_raw("ical", calendar(*events, **more))


own, second = "X-MAINTNOTE-OBJECT-ID;X-MAINTNOTE-OBJECT-IMPACT=OUTAGE:line1", "X-MAINTNOTE-OBJECT-ID:line2"
confirmed = ("works1", "CONFIRMED", 0, "OUTAGE")
read("one", raw(event("works1")), [confirmed])
read("two events", raw(event("works1"), event("works2")), [confirmed, ("works2", *confirmed[1:])])
two = email(calendar(event("works1")), calendar(event("works2")))
read("an email with two calendars", NotificationData.init_from_emailmessage(two), [confirmed], [("works2", *confirmed[1:])])
Path("two.eml").write_bytes(two.as_bytes())
done = subprocess.run(
    ["venv/bin/circuit-maintenance-parser", "--data-type", "email", "--data-file", "two.eml"], capture_output=True, text=True
)
print(f"the command, with that email: exit code {done.returncode}, {done.stdout.count('maintenance_id')} of 2, stderr: {done.stderr!r}")
if (done.returncode, done.stdout.count("maintenance_id"), done.stderr) != (0, 1, ""):
    sys.exit("CHANGED: it was one of two, exit code 0")
read("two circuits, the first with OUTAGE", raw(event("works1", second, impact="NO-IMPACT", circuit=own)), [(*confirmed, "NO-IMPACT")])
read("one circuit, with OUTAGE", raw(event("works1", impact="NO-IMPACT", circuit=own)), [(*confirmed[:3], "NO-IMPACT")])
read("one circuit, with OUTAGE, the event without", raw(event("works1", impact="", circuit=own)), "None is not a valid Impact")
read("three nights", raw(event("works1", "RRULE:FREQ=DAILY;COUNT=3")), [confirmed])
read("cancelled", raw(event("works1", "STATUS:CANCELLED"), method="CANCEL"), [("works1", "NO-CHANGE", *confirmed[2:])])
for case, start, end, behind in (
    ("in UTC", "DTSTART:20261205T220000Z", "DTEND:20261206T040000Z", (0, 0)),
    ("in Europe/Berlin", "DTSTART;TZID=Europe/Berlin:20261205T230000", "DTEND;TZID=Europe/Berlin:20261206T050000", (0, 0)),
    ("without a zone", "DTSTART:20261205T220000", "DTEND:20261206T040000", (0, 5)),
    ("in CEST", "DTSTART;TZID=CEST:20261206T000000", "DTEND;TZID=CEST:20261206T060000", (2, 7)),
):
    for zone, hours in zip(("UTC", "America/New_York"), behind):
        read(f"{case}, read in {zone}", raw(event("works1", start=start, end=end)), [("works1", "CONFIRMED", hours, "OUTAGE")], zone=zone)
PYTHON
