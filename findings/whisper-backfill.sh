#!/bin/bash
# whisper: whisper-fill writes over zeros as if they were gaps, and points that are brought in late are not aggregated.
#
# Software:  whisper 1.1.10 (PyPI), Graphite's files. Seen 2026-11-30.
# Expected:  whisper-fill copies what is missing alone. Points that are written later make the figure that they would have made in time,
#            by the file's aggregation method. A point that the file cannot hold is an error, among others as alone.
# Seen:      whisper-fill of a file with 0 each minute from one with 2: all 2. A gap is filled, and 1 is left alone.
#            60s:1h, 600s:7d, nine minutes of 1 and one of 0: average 0.9, max 1, sum 9; the same points after 2 h by update_many() or
#            whisper-update: 0, 0, 0, the last of each ten minutes whatever the method.
#            whisper-update of two points, one too old: exit code 0, it is dropped; alone it ends with 1. update_many() takes the future.
# Matters:   where 0 is OK, a copy that was wrong once writes its CRITICAL over a good file; an availability that is brought in from a log
#            is that of one minute in ten. Aggregate before writing old points, and store states so that none is 0.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install whisper==1.1.10 six==1.17.0
venv/bin/python - <<'PYTHON'
import subprocess
import sys
import time

import whisper

MINUTE, HOUR = 60, 3600
NOW = 1700006400 - 1700006400 % 600
BEGIN = NOW - 3 * HOUR
POINTS = [(BEGIN + MINUTE * number, 0.0 if number % 10 == 9 else 1.0) for number in range(60)]


def program(name, *arguments):
    return subprocess.run(["venv/bin/python", f"venv/bin/{name}.py", *arguments], capture_output=True, text=True, timeout=300)


def fail_unless(got, expected):
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


for method, expected in (("average", ({0.9}, {0.0})), ("max", ({1.0}, {0.0})), ("sum", ({9.0}, {0.0})), ("min", ({0.0}, {0.0}))):
    got = []
    for way in ("in time", "late"):
        path = f"{method} {way}.wsp"
        whisper.create(path, [(MINUTE, 60), (600, 1008)], aggregationMethod=method)
        if way == "late":
            whisper.update_many(path, list(POINTS), now=NOW)
        else:
            for when, value in POINTS:
                whisper.update(path, value, when, now=when)
        got.append(set(whisper.fetch(path, BEGIN - 1, BEGIN + HOUR - 1, now=NOW)[1]))
    print(f"nine of 1 and one of 0, {method}: in time {got[0]}, late {got[1]}")
    fail_unless(tuple(got), expected)

now = int(time.time())  # whisper-fill looks at the clock
now -= now % MINUTE
for number, (value, expected) in enumerate(((0.0, {2.0}), (1.0, {1.0}), (None, {2.0}))):
    for path, each in ((f"from{number}.wsp", 2.0), (f"to{number}.wsp", value)):
        whisper.create(path, [(MINUTE, 1440)])
        if each is not None:
            whisper.update_many(path, [(now - MINUTE * minute, each) for minute in range(1, 60)])
    whisper.update(f"to{number}.wsp", 1.0, now - 12 * HOUR)
    done = program("whisper-fill", f"from{number}.wsp", f"to{number}.wsp")
    got = set(whisper.fetch(f"to{number}.wsp", now - 50 * MINUTE, now - 10 * MINUTE)[1])
    print(f"whisper-fill with 2 of what has {value}: {got}, exit code {done.returncode}")
    fail_unless((got, done.returncode), (expected, 0))

old, new, future = (f"{now - days * 86400}:5" for days in (7, 0.01, -0.5))
for points, expected in (([old], 1), ([old, new], 0), ([future], 1), ([future, new], 0)):
    done = program("whisper-update", "to1.wsp", *(point.replace(".0:", ":") for point in points))
    print(f"whisper-update with {len(points)} points, the first {'old' if points[0] == old else 'future'}: {done.returncode} {done.stderr.strip()[-90:]}")
    fail_unless(done.returncode, expected)
PYTHON
