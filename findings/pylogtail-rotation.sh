#!/bin/bash
# pylogtail: after copytruncate lines are lost without a word, and after a rotation with compress or dateext each run is a NameError.
#
# Software:  pylogtail 0.9.2 (PyPI). Seen 2026-11-30.
# Expected:  each line once, as logtail of Debian does: the rest of a file that was rotated if it can be found, then the new one from its
#            beginning; a file that has become shorter is read from its beginning; where nothing is new, nothing.
# Seen:      renamed to log.1:                          all lines
#            copied and truncated (copytruncate):       nothing, until the file is longer than before; what came first is lost
#            renamed to log.1.gz or log-20231114:       "NameError: name 'logfiles' is not defined", each time from then on
#            one new line:                              that line and an empty one; none: an empty one
# Matters:   alerts in a log that is rotated at night by copytruncate are missed for a day; with compress or dateext, as several
#            distributions set them, the watch ends at the first rotation. Use delaycompress and no dateext, or another follower.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pylogtail==0.9.2
venv/bin/python - <<'PYTHON'
import os
import shutil
import sys

from logtail import logtail


def read(path):
    try:
        return [line.strip() for line in logtail(path).readline()]
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def write(path, *lines):
    with open(path, "a") as file:
        file.writelines(f"{line}\n" for line in lines)


def truncate(path):
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)


ERROR = "NameError: name 'logfiles' is not defined"
for name, rotate, expected in (
    ("renamed to .1", lambda path: os.rename(path, f"{path}.1"), (["CRITICAL 3", "", "CRITICAL 4", ""], ["CRITICAL 5", ""], ["CRITICAL 6", ""])),
    ("copied and truncated", truncate, ([""], [""], ["CRITICAL 6", ""])),
    ("renamed to .1.gz", lambda path: os.rename(path, f"{path}.1.gz"), ([ERROR],) * 3),
    ("renamed to -20231114", lambda path: os.rename(path, f"{path}-20231114"), ([ERROR],) * 3),
):
    path = f"log of {name}"
    write(path, "CRITICAL 1", "CRITICAL 2")
    first, none = read(path), read(path)
    if rotate is not truncate:
        write(path, "CRITICAL 3")
    rotate(path)
    write(path, "CRITICAL 4")
    later = [read(path)]
    for line in ("CRITICAL 5", "CRITICAL 6"):
        write(path, line)
        later.append(read(path))
    print(f"{name}: {first}, nothing new {none}; after it, line by line: {later}")
    if (first, none) != (["CRITICAL 1", "CRITICAL 2"], [""]) or tuple(later) != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
