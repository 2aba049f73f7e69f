#!/bin/bash
# pynag: in the history of states a host that is down and one that is up are both UNKNOWN, and the last state of a past month lasts until now.
#
# Software:  pynag 1.1.2 (PyPI), its Parsers.LogFiles, with a log as Nagios 4.4.6 writes it. Seen 2026-11-30.
# Expected:  get_state_history(start, end) has the states of hosts as of services; each lasts until the next one or until the end. The output is
#            what the plugin said. get_flap_alerts() has the flap alerts. Archives that are packed are read or passed over.
# Seen:      HOST ALERT with DOWN, UNREACHABLE or UP:            state 3
#            the last state within the hour asked for:           its duration is the time until now
#            output "a; b; c" of a host:                         " c", check_attempt is " b"; of a service it is whole
#            SERVICE NOTIFICATION, "ACKNOWLEDGEMENT (CRITICAL)":  state 3
#            get_flap_alerts() with a flap alert in the log:     nothing
#            nagios-*.log.gz beside the archives:                UnicodeDecodeError of each call
# Matters:   an availability from these durations grows with the day on which it is asked for, and hosts have none at all. Read
#            the lines themselves, and end the last state where the month ends.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pynag==1.1.2
venv/bin/python - <<'PYTHON'
import gzip
import os
import sys
import time

from pynag.Parsers import LogFiles

BEGIN = 1700006400
END = BEGIN + 3600
LINES = (
    (0, "SERVICE ALERT: se.example.org;org.example.vm;OK;HARD;1;fine; all; well"),
    (600, "SERVICE ALERT: se.example.org;org.example.vm;CRITICAL;HARD;1;no answer"),
    (900, "SERVICE NOTIFICATION: admin;se.example.org;org.example.vm;ACKNOWLEDGEMENT (CRITICAL);mail;no answer;root;seen"),
    (1200, "HOST ALERT: se.example.org;DOWN;HARD;1;lost; all; packets"),
    (1300, "HOST ALERT: behind.example.org;UNREACHABLE;HARD;1;lost"),
    (1400, "SERVICE FLAPPING ALERT: se.example.org;org.example.vm;STARTED; Service appears to have started flapping"),
    (1800, "HOST ALERT: se.example.org;UP;HARD;1;back"),
    (2400, "SERVICE ALERT: se.example.org;org.example.vm;OK;HARD;1;fine"),
)
os.mkdir("archives")
with open("nagios.cfg", "w") as file:
    file.write(f"log_file={os.getcwd()}/nagios.log\nlog_archive_path={os.getcwd()}/archives\n")
with open("nagios.log", "w") as file:
    file.writelines(f"[{BEGIN + after}] {line}\n" for after, line in LINES)


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


logs = LogFiles(maincfg="nagios.cfg")
history = logs.get_state_history(start_time=BEGIN, end_time=END)
now = time.time()
hosts = [(entry["host_name"].partition(".")[0], entry["state"]) for entry in history if entry["service_description"] is None]
fail_unless("hosts (down, unreachable, up)", hosts, [("se", 3), ("behind", 3), ("se", 3)])
services = [entry for entry in history if entry["service_description"]]
fail_unless("services", [entry["state"] for entry in services], [0, 2, 0])
durations = [entry["duration"] for entry in services]
fail_unless("durations but the last", durations[:-1], [600, 1800])
late = abs(durations[-1] - (now - BEGIN - 2400)) < 3600
print(f"the last lasts {durations[-1]:.0f} s; until the end of the hour it is 1200 s")
fail_unless("it lasts until now", late, True)
fail_unless("output of the service", services[0]["plugin_output"], "fine; all; well")
down = next(entry for entry in history if entry["service_description"] is None)
fail_unless("attempt and output of the host", (down["check_attempt"], down["plugin_output"]), (" all", " packets"))
notified = logs.get_notifications(start_time=BEGIN, end_time=END)
fail_unless("notification of an acknowledgement", [entry["state"] for entry in notified], [3])
fail_unless("flap alerts", logs.get_flap_alerts(start_time=BEGIN, end_time=END), [])
with gzip.open("archives/nagios-11-14-2023-00.log.gz", "wt") as file:
    file.write("[1699900000] CURRENT SERVICE STATE: se.example.org;org.example.vm;OK;HARD;1;fine\n" * 100)
try:
    print(len(logs.get_state_history(start_time=BEGIN, end_time=END)))
    ended = "returned"
except Exception as error:
    ended = type(error).__name__
fail_unless("with a packed archive", ended, "UnicodeDecodeError")
PYTHON
