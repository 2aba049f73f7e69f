#!/bin/bash
# sol1-monitoring-plugins-lib: UNKNOWN is not set after an OK, and exit(3) makes a CRITICAL UNKNOWN; performance data have a line of their own.
#
# Software:  sol1-monitoring-plugins-lib 1.1.1 (PyPI), its MonitoringPlugin. Seen 2026-11-30.
# Expected:  setMessage(text, state, set_state=True) takes the worst of the states that it was called with, UNKNOWN among them. exit(state)
#            adds a state, and a CRITICAL stays. Performance data stand behind the text, a label with a blank in quotes.
# Seen:      OK, then UNKNOWN "cannot ask":  OK, 0, though "Unknown: cannot ask" is printed below. setState(3) changes nothing.
#            CRITICAL, then exit(3):         UNKNOWN, 3
#            nothing judged, exit(0):        OK, 0
#            texts that end with a newline, as they must to be lines: "|" begins a line of its own; "a b=3s;;;; ", no quotes.
#            state = 4:                      exit code 4, "INVALID ({state})"
# Matters:   the second of two endpoints that cannot be asked leaves the service OK, and the except clause at the end of a plugin that calls
#            exit(3) hides what was CRITICAL. Keep the worst state beside it, and force it at the end.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install sol1-monitoring-plugins-lib==1.1.1
cat > plugin.py <<'PYTHON'
import sys

from loguru import logger
from sol1_monitoring_plugins_lib import MonitoringPlugin

logger.remove()
plugin = MonitoringPlugin("Web")
for step in sys.argv[1:]:
    word, _, value = step.partition("=")
    if word == "exit":
        plugin.exit(int(value))
    elif word == "state":
        plugin.state = int(value)
    elif word == "data":
        plugin.setPerformanceData("a b", value, "s")
    else:
        plugin.setMessage(f"{word}\n", int(value), set_state=True)
plugin.exit()
PYTHON
python3 - <<'PYTHON'
import subprocess
import sys

for arguments, code, expected in (
    ("fine=0", 0, ["OK: Web check", "Ok: fine"]),
    ("fine=0 slow=1 down=2 fine=0", 2, ["CRITICAL: Web check", "Ok: fine", "Warning: slow", "Critical: down", "Ok: fine"]),
    ("asked=3", 3, ["UNKNOWN: Web check", "Unknown: asked"]),
    ("fine=0 asked=3", 0, ["OK: Web check", "Ok: fine", "Unknown: asked"]),
    ("slow=1 asked=3", 1, ["WARNING: Web check", "Warning: slow", "Unknown: asked"]),
    ("fine=0 exit=3", 3, ["UNKNOWN: Web check", "Ok: fine"]),
    ("down=2 exit=3", 3, ["UNKNOWN: Web check", "Critical: down"]),
    ("exit=0", 0, ["OK: Web check"]),
    ("fine=0 data=3", 0, ["OK: Web check", "Ok: fine", "|a b=3s;;;;"]),
    ("state=4", 4, ["INVALID ({state}): Web check"]),
):
    done = subprocess.run(["venv/bin/python", "plugin.py", *arguments.split()], capture_output=True, text=True, timeout=60)
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    print(f"{arguments}: {done.returncode}, {said}")
    if (done.returncode, said) != (code, expected):
        sys.exit(f"CHANGED: it was {code}, {expected} {done.stderr}")
PYTHON
