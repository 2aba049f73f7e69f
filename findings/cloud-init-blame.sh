#!/bin/bash
# cloud-init analyze: blame puts 120 s behind 30 s, and leaves out the step that never ended; a step that failed looks like all others.
#
# Software:  cloud-init 22.4.2-1+deb12u4 of Debian 12. Seen 2026-11-30.
# Expected:  "analyze blame" begins with the step that took longest. What began and did not end is told
#            with the time until the last line, and counts in "Total Time". FAIL in the log is FAIL in what is shown.
#            A log whose beginning was rotated away is shown from the first stage that it has.
# Seen:      blame sorts its lines as text: 45, 30, 120, 08. Of a boot in which config-apt hung for ten minutes blame has no line of
#            it, and the "Total Time" of "analyze show" is 0.1 s: the stage that did not end is left out, with the steps that did.
#            config-ntp, which failed, is shown as it would be if it had not. A log that begins behind the first line of a stage is
#            "IndexError: pop from empty list".
# Matters:   who looks at the top of blame for why machines of a site boot slowly finds an upgrade, not the metadata service that was
#            waited for. Sort by number ("sort -rn"), and look for "finish: .*: FAIL" and for starts without an end in the log.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download cloud-init python3-attr python3-certifi python3-chardet python3-configobj python3-idna \
    python3-jinja2 python3-json-pointer python3-jsonpatch python3-jsonschema python3-markupsafe python3-netifaces python3-oauthlib \
    python3-pyrsistent python3-requests python3-six python3-urllib3 python3-yaml
for package in *.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f cloud-init_*.deb Version
PYTHONPATH="$work/root/usr/lib/python3/dist-packages" TZ=UTC python3 -W ignore - <<'PYTHON'
"""Write cloud-init.log as cloud-init does, of a boot that took long and of one that hung, and have it analyzed."""

import datetime
import pathlib
import re
import subprocess
import sys

clock = datetime.datetime(2026, 11, 30, 10)


def line(seconds, text):
    """Return a line of the log that is written after so many seconds."""
    global clock
    clock += datetime.timedelta(seconds=seconds)
    return f"{clock:%Y-%m-%d %H:%M:%S},{clock.microsecond // 1000:03d} - {text}\n"


def stage(name, *steps):
    """Return the lines of a stage: steps with their names, seconds and results; without a result it ends there."""
    command = {"init-network": "init"}.get(name, name.replace("modules-", "modules:"))
    lines = [line(0.1, f"util.py[DEBUG]: Cloud-init v. 22.4.2 running '{command}' at Mon, 30 Nov 2026 10:00:00 +0000. Up 5.00 seconds.")]
    for step, seconds, result in steps:
        lines.append(line(0, f"handlers.py[DEBUG]: start: {name}/{step}: running {step}"))
        if not result:
            return lines + [line(seconds, "util.py[DEBUG]: Running command ['apt-get', 'update'] with allowed return codes [0]")]
        lines.append(line(seconds, f"handlers.py[DEBUG]: finish: {name}/{step}: {result}: running {step}"))
    return lines + [line(0.1, f"handlers.py[DEBUG]: finish: {name}: SUCCESS: running modules")]


def analyze(what, lines):
    """Return exit code and output of cloud-init analyze."""
    pathlib.Path("cloud-init.log").write_text("".join(lines))
    command = [sys.executable, "-W", "ignore", "-m", "cloudinit.cmd.main", "analyze", what, "-i", "cloud-init.log"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    print(f"analyze {what}: exit code {done.returncode}\n{done.stdout}{done.stderr[-200:]}")
    return done.returncode, done.stdout + done.stderr


def compare(got, expected):
    if got != expected:
        sys.exit(f"CHANGED: {got}, it was {expected}")


slow = [
    *stage("init-local", ("check-cache", 0.01, "SUCCESS")),
    *stage("init-network", ("search-OpenStack", 120, "SUCCESS"), ("config-growpart", 30, "SUCCESS")),
    *stage("modules-config", ("config-ntp", 8, "FAIL"), ("config-apt", 45, "SUCCESS")),
]
hung = [
    *stage("init-local", ("check-cache", 0.01, "SUCCESS")),
    *stage("modules-config", ("config-ntp", 8, "SUCCESS"), ("config-apt", 600, None)),
]
code, said = analyze("blame", slow)
compare((code, re.findall(r"^ +(\d+)\.", said, re.MULTILINE)), (0, ["45", "30", "120", "08", "00"]))
code, said = analyze("show", slow)
compare((code, "FAIL" in said, "running config-ntp @" in said), (0, False, True))
code, said = analyze("blame", hung)
compare((code, re.findall(r"^ +(\d+)\.", said, re.MULTILINE), "config-apt" in said), (0, ["08", "00"], False))
code, said = analyze("show", hung)
compare((code, re.findall(r"Total Time: (\d+\.\d)", said)), (0, ["0.1"]))
code, said = analyze("show", slow[3:])
compare((code, "IndexError: pop from empty list" in said), (1, True))
PYTHON
