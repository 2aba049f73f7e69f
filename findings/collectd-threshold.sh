#!/bin/bash
# collectd: a value that is unknown ends an alert with "within range again", and Hits 1 alerts at the third value that is out of range.
#
# Software:  collectd-core 5.12.0-14 of Debian 12, its plugins threshold, unixsock and logfile. Seen 2026-11-30.
# Expected:  a value U after one that is out of range leaves the alert, or is an alert of its own, as for a value that does not come; with Hits 1
#            the first or the second value that is out of range alerts. What one block does not say is taken from the more general one.
# Seen:      FailureMax 2 and 9, U:                     FAILURE, and OKAY at the U
#            FailureMin 1 and 0, U:                     FAILURE, and OKAY at the U
#            Hits 1, 2 and 3:                           FAILURE at the third, fourth and fifth value
#            each series at the start of the daemon:    an OKAY
#            WarningMax 1 for one instance, FailureMax 2 for its type:    9 is a WARNING
# Matters:   a probe that cannot ask any more, and sends U as it is told to, ends the page of a site that is down; with Interval 300 and Hits 2
#            an alert is a quarter of an hour late. Send what is unknown as a value of its own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download collectd-core libcap2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "collectd $(dpkg-deb -f collectd-core_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import os
import re
import socket
import subprocess
import sys
import time

HERE = os.getcwd()
LIMITS = {
    "plain": "FailureMax 2",
    "least": "FailureMin 1",
    "hits1": "FailureMax 2\nHits 1",
    "hits2": "FailureMax 2\nHits 2",
    "hits3": "FailureMax 2\nHits 3",
    "warns": "WarningMax 1",
}
ROUNDS = (  # the value of all series, and what each says
    ("1", {name: "OKAY" for name in (*LIMITS, "other")}),
    ("9", {"plain": "FAILURE", "other": "FAILURE", "warns": "WARNING"}),
    ("9", {}),
    ("9", {"hits1": "FAILURE"}),
    ("9", {"hits2": "FAILURE"}),
    ("9", {"hits3": "FAILURE"}),
    ("U", {name: "OKAY" for name in (*LIMITS, "other") if name != "least"}),
    ("0", {"least": "FAILURE"}),
    ("U", {"least": "OKAY"}),
)
blocks = "".join(f'<Type "gauge">\nInstance "{name}"\n{limits}\n</Type>\n' for name, limits in LIMITS.items())
with open("collectd.conf", "w") as file:
    # one thread for what is written, so that values are judged in the order in which they came
    file.write(f"""Hostname "monitor"
FQDNLookup false
Interval 10
WriteThreads 1
BaseDir "{HERE}"
PIDFile "{HERE}/pid"
PluginDir "{HERE}/root/usr/lib/collectd"
TypesDB "{HERE}/root/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
File "{HERE}/log"
</Plugin>
LoadPlugin unixsock
<Plugin unixsock>
SocketFile "{HERE}/socket"
</Plugin>
LoadPlugin threshold
<Plugin threshold>
<Plugin "egi">
<Type "gauge">
FailureMax 2
</Type>
{blocks}</Plugin>
<Type "count">
FailureMax 9
</Type>
</Plugin>
""")


def put(line):
    stream.write(f"PUTVAL monitor/{line}\n")
    stream.flush()
    answer = stream.readline()
    if not answer.startswith("0 "):
        sys.exit(f"CHANGED: {line} was taken, now {answer}")


def told():
    """Return what each series said in each round: a new series of another type marks the end of a round by its own OKAY."""
    rounds, now = [], {}
    with open("log") as file:
        for severity, kind, name in re.findall(r"Notification: severity = (\w+),.* type = (\w+), type_instance = (\w+),", file.read()):
            if kind == "count":
                rounds.append(now)
                now = {}
            else:
                now[name] = severity
    return rounds


with open("said", "w") as said:
    daemon = subprocess.Popen(["root/usr/sbin/collectd", "-f", "-C", "collectd.conf"], stdout=said, stderr=said)
try:
    with socket.socket(socket.AF_UNIX) as door:
        for _ in range(600):
            try:
                door.connect("socket")
                break
            except OSError:
                time.sleep(0.1)
        stream = door.makefile("rw")
        begin = int(time.time())
        for number, (value, _) in enumerate(ROUNDS):
            for name in (*LIMITS, "other"):
                put(f"egi/gauge-{name} interval=86400 {begin + number}:{value}")
            put(f"rounds/count-r{number} interval=86400 {begin + number}:1")
    for _ in range(600):
        if len(told()) == len(ROUNDS):
            break
        time.sleep(0.1)
    for (value, expected), got in zip(ROUNDS, told(), strict=True):
        print(f"{value}: {got}")
        if got != expected:
            sys.exit(f"CHANGED: it was {expected}")
finally:
    daemon.kill()
    daemon.wait()
PYTHON
