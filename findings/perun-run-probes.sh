#!/bin/bash
# run_probes of perun-proxy-utils loses what is before the first " - " of a status line, negative and small data, and gives state -9.
#
# Software:  perun-proxy-utils 3.3.0 (PyPI), its run_probes, which runs probes for Checkmk. Seen 2026-11-30.
# Expected:  a line for Checkmk has a state of 0 to 3, the performance data of the plugin, and its text. A plugin that is missing or was
#            killed is UNKNOWN. An option that is `true` in the file is a flag.
# Seen:      "CRITICAL: nova-api of cloud - 01 refuses", exit code 2:     "2 name - 01 refuses"
#            "OK - 3 VMs|load=-0.5", "|offset=5e-05", "|time=0.4s":       the same behind "0 name - ": no data, the bar in the text
#            killed:                                                      "-9 name - ..."
#            a module that is not there:                                  "1 name - ... No module named ...": WARNING
#            `verbose: true` for a flag:                                  "--verbose true", so "2 name - usage: ..." for ever
# Matters:   of a plugin that names host and service first, with dashes, the page shows what is behind them; curves of offsets end where
#            these are negative or tiny. Write "STATE - text", and plain decimals without units, for it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install PyYAML==6.0.2
PIP_NO_DEPS=1 venv/bin/pip -q --disable-pip-version-check install perun-proxy-utils==3.3.0
cat > plugin.py <<'PLUGIN'
import argparse
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--line")
parser.add_argument("--end", type=int)
parser.add_argument("--verbose", action="store_true")
options = parser.parse_args()
print(options.line, flush=True)
if options.end < 0:
    os.kill(os.getpid(), -options.end)
sys.exit(options.end)
PLUGIN
venv/bin/python - <<'PYTHON'
import os
import subprocess
import sys

import yaml

SOON = """
import sys
from perun.proxy.utils import run_probes
run_probes.open_file = lambda path: open("checks.yaml").read()
run_probes.main()
"""
RUNS = (
    ("OK - 3 VMs|vms=3;5;9", 0, {}, "0 name vms=3;5;9 3 VMs"),
    ("CRITICAL: nova-api of cloud - 01 refuses", 2, {}, "2 name - 01 refuses"),
    ("OK - 3 VMs|load=-0.5", 0, {}, "0 name - 3 VMs|load=-0.5"),
    ("OK - 3 VMs|offset=5e-05", 0, {}, "0 name - 3 VMs|offset=5e-05"),
    ("OK - 3 VMs|time=0.4s", 0, {}, "0 name - 3 VMs|time=0.4s"),
    ("CRITICAL - 3 VMs", -9, {}, "-9 name - 3 VMs"),
    ("OK - 3 VMs", 0, {"verbose": True}, "2 name - usage:"),
    ("OK - 3 VMs", 0, {"verbose": None}, "0 name - 3 VMs"),
    (None, 0, {}, "1 name - "),
)
for line, end, more, expected in RUNS:
    run = None if line is None else {"line": line, "end": end, **more}
    checks = {"default_timeout": 30, "checks": {"one": {"module": "plugin" if run else "plugin_misspelt", "runs": {"name": run}}}}
    with open("checks.yaml", "w") as file:
        yaml.safe_dump(checks, file)
    environment = {**os.environ, "PATH": f"{os.getcwd()}/venv/bin:{os.environ['PATH']}", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", SOON], env=environment, capture_output=True, text=True, timeout=60)
    got = done.stdout.strip()
    print(f"{line}, exit code {end}, {more}: {got[:100]}")
    if got != expected and not (expected.endswith((":", "- ")) and got.startswith(expected)):
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
