#!/bin/bash
# logrotate: a block with a misspelt "rotate" removes the log and keeps none, exit code 0.
#
# Software:  logrotate 3.21.0-1 of Debian 12. Seen 2026-11-30.
# Expected:  a line that it does not know leaves the block out, with exit code 1, as `rotate: 30` and a log that two blocks name do.
# Seen:      rotat 30, or no such line:               the log is removed, nothing is kept; "ignoring line", exit code 0
#            the same with copytruncate:              the log is empty, nothing is kept, exit code 0
#            compres beside rotate 3:                 kept as it is, exit code 0
#            a log that two blocks name:              by the first, exit code 1
# Matters:   the history that availability is counted from is gone at midnight, and the timer's unit is green. Run `logrotate --debug` after a
#            change, and look for "error:".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download logrotate libpopt0 libacl1 libselinux1 libpcre2-8-0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "logrotate $(dpkg-deb -f logrotate_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$work"/root/lib/*-linux-gnu:"$work"/root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import os
import re
import subprocess
import sys

HISTORY = "[1700000000] SERVICE ALERT: cloud.example.org;OCCI-VM;CRITICAL;HARD;3;timed out\n"


def rotate(name, text, mode=0o600):
    """Return the exit code, the sizes of the files, where 0 is an empty one, and what was told as an error."""
    os.mkdir(name)
    path = os.path.abspath(f"{name}/nagios.log")
    with open(path, "w") as file:
        file.write(HISTORY)
    with open(f"{name}.conf", "w") as file:
        file.write(text.replace("LOG", path))
    os.chmod(f"{name}.conf", mode)
    done = subprocess.run(["root/usr/sbin/logrotate", "-f", "-s", f"{name}.state", f"{name}.conf"], capture_output=True, text=True)
    kept = {each: os.path.getsize(f"{name}/{each}") for each in sorted(os.listdir(name))}
    return done.returncode, kept, re.findall(r"error: (.*)", done.stderr)


SIZE = len(HISTORY)
for name, text, mode, code, kept, word in (
    ("right", "LOG {\n daily\n rotate 30\n}\n", 0o600, 0, {"nagios.log.1": SIZE}, None),
    ("misspelt", "LOG {\n daily\n rotat 30\n}\n", 0o600, 0, {}, "ignoring line"),
    ("colon", "LOG {\n daily\n rotate: 30\n}\n", 0o600, 1, {"nagios.log": SIZE}, "not properly separated"),
    ("without", "LOG {\n daily\n}\n", 0o600, 0, {}, None),
    ("copied", "LOG {\n daily\n rotat 30\n copytruncate\n}\n", 0o600, 0, {"nagios.log": 0}, "ignoring line"),
    ("compres", "LOG {\n rotate 3\n compres\n}\n", 0o600, 0, {"nagios.log.1": SIZE}, "ignoring line"),
    ("twice", "LOG {\n rotate 3\n}\nLOG {\n rotate 5\n}\n", 0o600, 1, {"nagios.log.1": SIZE}, "duplicate log entry"),
):
    got = rotate(name, text, mode)
    print(f"{name}: exit code {got[0]}, {got[1]}, {got[2]}")
    if got[:2] != (code, kept) or bool(got[2]) != bool(word) or (word and word not in got[2][0]):
        sys.exit(f"CHANGED: it was {code}, {kept} and {word}")
PYTHON
