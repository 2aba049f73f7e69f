#!/bin/bash
# check_multi: one value that is not known costs all performance data of its plugin, and a WARNING hides an UNKNOWN.
#
# Software:  nagios-plugin-check-multi 0.26-5 of Debian 12. Seen 2026-11-29.
# Expected:  a value U, or a number that is written as 1e-05, is dropped alone, or handed on. The worst of WARNING and UNKNOWN is
#            UNKNOWN, and a plugin that ended with 2 is CRITICAL whether it said something or not.
# Seen:      "a=1 t=U b=2", and 1e-05, nan and 1min in the place of U: none of the three comes out; "perfdata discarded for t" is
#            said behind the plugin's text alone, and the exit code is the same.
#            WARNING and UNKNOWN: WARNING, 1. Exit code 2 without any output: UNKNOWN, 3; with a line on stderr alone: CRITICAL, 2.
# Matters:   the graphs of a site stop for the one value that could not be measured, which is when they are looked at; a plugin
#            that can judge nothing is hidden behind a small warning of its neighbour. Leave out what is not known, write plain
#            decimals, and give check_multi a state of your own: state [ UNKNOWN ] = COUNT(UNKNOWN) > 0 && COUNT(CRITICAL) == 0 and
#            state [ WARNING ] = COUNT(WARNING) > 0 && COUNT(UNKNOWN) == 0.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nagios-plugin-check-multi
dpkg-deb -x nagios-plugin-check-multi_*.deb root
echo "nagios-plugin-check-multi $(dpkg-deb -f nagios-plugin-check-multi_*.deb Version)"
python3 - <<'PYTHON'
import os
import pathlib
import re
import subprocess
import sys

OWN = "state [ UNKNOWN ] = COUNT(UNKNOWN) > 0 && COUNT(CRITICAL) == 0\nstate [ WARNING ] = COUNT(WARNING) > 0 && COUNT(UNKNOWN) == 0\n"
os.mkdir("tmp")


def check_multi(*plugins, states=""):
    """The exit code and first word that come of some plugins, and the performance data of them."""
    commands = states
    for number, (code, said) in enumerate(plugins):
        path = pathlib.Path(f"c{number}").resolve()
        path.write_text(f"#!/bin/sh\n{said}\nexit {code}\n")
        path.chmod(0o755)
        commands += f"command [ c{number} ] = {path}\n"
    pathlib.Path("commands").write_text(commands)
    arguments = ["perl", "root/usr/lib/nagios/plugins/check_multi", "-f", "commands", "-s", f"tmp_dir={os.getcwd()}/tmp"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    data = re.sub(r"^\S+ time=\S+ ?", "", done.stdout.rpartition("|")[2].strip())
    return f"{done.returncode} {done.stdout.split()[0]}", data, done.stdout


for value, expected in (
    ("3", "c0::c0::a=1 t=3 b=2"),
    ("0.00001s;1:2;~:3", "c0::c0::a=1 t=0.00001s;1:2;~:3 b=2"),
    ("U", ""),
    ("1e-05", ""),
    ("nan", ""),
    ("1min", ""),
):
    state, data, text = check_multi((0, f'echo "OK - fine | a=1 t={value} b=2"'))
    print(f"a=1 t={value} b=2: {state}, {data or 'no performance data'}")
    if (state, data) != ("0 OK", expected) or ("perfdata discarded for t" in text) != (not expected):
        sys.exit(f"CHANGED: it was 0 OK, {expected or 'no performance data'}")

WARNING, UNKNOWN, FINE = (1, "echo small"), (3, "echo no answer"), (0, "echo fine")
for what, plugins, states, expected in (
    ("UNKNOWN and OK", (UNKNOWN, FINE), "", "3 UNKNOWN"),
    ("WARNING and UNKNOWN", (WARNING, UNKNOWN), "", "1 WARNING"),
    ("the same, states of our own", (WARNING, UNKNOWN), OWN, "3 UNKNOWN"),
    ("WARNING, states of our own", (WARNING, FINE), OWN, "1 WARNING"),
    ("2, nothing on stdout", ((2, ""),), "", "3 UNKNOWN"),
    ("2, a line on stderr", ((2, "echo no >&2"),), "", "2 CRITICAL"),
):
    state = check_multi(*plugins, states=states)[0]
    print(f"{what}: {state}")
    if state != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
