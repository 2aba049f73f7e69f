#!/bin/bash
# kumacub: of a plugin that was killed, is missing or ends with 4 nothing is published, and the checks behind it are not run.
#
# Software:  kumacub 0.8.0 (PyPI), with pydantic 2.14.4. Seen 2026-11-30.
# Expected:  a plugin that has no exit code from 0 to 3, that cannot be run or that prints no UTF-8 is UNKNOWN, "down"; the other checks
#            are run.
# Seen:      codes 0 to 3: "up", "down", "down", "down". Code 4, 127, SIGKILL after the line "CRITICAL", no such file, a line in
#            Latin-1: an exception, nothing is published of it, nor of the check behind it; exit code 1. WARNING is "down".
#            A plugin that prints nothing, code 2: "down" with an empty text.
# Matters:   Uptime Kuma hears nothing of the check of which there is most to say, and tells "no heartbeat" after its own time at best;
#            with retries there that is late. Have a wrapper that ends with 0 to 3 whatever happens.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install kumacub==0.8.0 pydantic==2.14.4
venv/bin/python - <<'PYTHON'
import json
import os
import re
import subprocess
import sys

CHECK = '[[checks]]\nname = "{}"\n[checks.executor]\ncommand = {}\nargs = {}\n[checks.publisher]\nname = "stdout"\n'
for command, code, expected in (
    ("echo OK", 0, ["first up", "last up"]),
    ("echo WARNING; exit 1", 0, ["first down", "last up"]),
    ("echo CRITICAL; exit 2", 0, ["first down", "last up"]),
    ("echo UNKNOWN; exit 3", 0, ["first down", "last up"]),
    ("exit 2", 0, ["first down", "last up"]),
    ("echo CRITICAL; exit 4", 1, []),
    ("exit 127", 1, []),
    ("echo CRITICAL; kill -9 $$", 1, []),
    (r"printf 'CRITICAL - caf\351\n'; exit 2", 1, []),
    (None, 1, []),
):
    with open("config.toml", "w") as settings:
        if command is None:
            settings.write(CHECK.format("first", json.dumps("/no/such/plugin"), "[]"))
        else:
            settings.write(CHECK.format("first", json.dumps("/bin/sh"), json.dumps(["-c", command])))
        settings.write(CHECK.format("last", json.dumps("/bin/echo"), json.dumps(["OK"])))
    done = subprocess.run(
        ["venv/bin/kumacub"], capture_output=True, text=True, timeout=120, env={**os.environ, "KUMACUB__CONFIG": "config.toml"}
    )
    got = [" ".join(each) for each in re.findall(r'"id": "(\w+)",\s+"status": "(\w+)"', done.stdout)]
    error = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")][-1:]
    print(f"{command}: exit code {done.returncode}, published {got}", *(error if done.returncode else []))
    if (done.returncode, got) != (code, expected):
        sys.exit(f"CHANGED: it was {code}, {expected}")
PYTHON
