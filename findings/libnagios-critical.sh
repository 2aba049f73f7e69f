#!/bin/bash
# libnagios ends with 1, a WARNING, for its CriticalError, and for any other exception; of its performance data one is left.
#
# Software:  cp-nagios-plugins 0.7.6 (PyPI), plugins written with its library libnagios. Seen 2026-11-30.
# Expected:  CriticalError is CRITICAL, as UnknownError is UNKNOWN. An exception of another kind is UNKNOWN, with a line on stdout.
#            Performance data stand behind the first line, and are there however long the text is.
# Seen:      raise CriticalError("site is down"):      1, state=WARN; WarnError and UnknownError are 1 and 3
#            raise OSError("refused"):                 1, a traceback, nothing on stdout
#            "fine" with a and "b b":                  "fine|a=1", and a line for each other datum, "b b=2" without quotes:
#                                                      for Nagios these lines are long text
#            a text of 5000 letters:                   cut at 4096, no performance data
# Matters:   whoever raises CriticalError in a plugin of his own pages nobody where WARNINGs do not page; an outage that comes as an
#            exception of a socket looks like one more WARNING. Set status and message by hand, and catch all else in execute().
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cp-nagios-plugins==0.7.6
cat > plugin.py <<'PYTHON'
import sys

import libnagios

KIND = sys.argv.pop()


class Check(libnagios.plugin.Plugin):
    def cli(self):
        pass

    def execute(self):
        self.add_perf("a", 1)
        self.add_perf("b b", 2)
        if KIND.endswith("Error"):
            raise getattr(libnagios.exceptions, KIND, OSError)("site is down")
        self.message = "x" * 5000 if KIND == "long" else "fine"


Check().main()
PYTHON
python3 - <<'PYTHON'
import subprocess
import sys


def compare(code, lines, last, *command):
    """The exit code, the lines at the beginning and the last one of what is printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = done.stdout.splitlines()
    found = (done.returncode, said[: len(lines)], said[-1] if said else "")
    print(*command[1:], "->", found[0], *[each[:60] for each in said[:2]], found[2][:60])
    if found != (code, lines, last):
        sys.exit(f"CHANGED: it was {code}, {lines}, {last}")


for kind, code, state in (("CriticalError", 1, "WARN"), ("WarnError", 1, "WARN"), ("UnknownError", 3, "UNKNOWN")):
    compare(code, ["site is down|a=1", "b b=2"], f"state={state}", "venv/bin/python", "plugin.py", kind)
compare(1, [], "", "venv/bin/python", "plugin.py", "ConnectionError")
compare(0, ["fine|a=1", "b b=2"], "state=OK", "venv/bin/python", "plugin.py", "fine")
compare(0, ["x" * 4096], "x" * 4096, "venv/bin/python", "plugin.py", "long")
PYTHON
