#!/bin/bash
# nagplug: an exception after the first OK is OK, and not printed; UNKNOWN beside OK is OK; a limit of 0.5 is refused.
#
# Software:  nagplug 1.1 (PyPI). Seen 2026-11-30.
# Expected:  an exception within "with Plugin() as plugin:" is UNKNOWN, as it is without "with" (catch_exceptions=True). Of several results
#            the worst counts, UNKNOWN before OK. Limits are the guidelines' ranges, with decimals and negative numbers. A usage error
#            is UNKNOWN.
# Seen:      with, add_result(OK), then an exception: exit code 0, "OK - first", nothing on stderr. Before any result: 3, without a text.
#            without "with": 3, "Uncaught exception: TimeoutError - no answer".
#            OK and UNKNOWN: 0, the text of UNKNOWN is not printed; of OK and WARNING that of WARNING alone.
#            limits 0.5, 1.5:, -5:5, @0.1:0.2: ValueError. nan is within 0:1.
#            an unknown option: exit code 2, CRITICAL.
# Matters:   a plugin that asks three services and breaks at the second is green for all. Write main() without "with", give each
#            failure its result, and take the worst yourself.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nagplug==1.1
cat > plugin.py <<'PLUGIN'
import sys

import nagplug

how = sys.argv.pop(1)


def results(plugin):
    plugin.parse_args()
    if how == "at once":
        raise TimeoutError("no answer")
    plugin.add_result(nagplug.OK, "first")
    if how in ("broken", "plain"):
        raise TimeoutError("no answer")
    if how != "fine":
        plugin.add_result(getattr(nagplug, how), "second")


if how == "plain":
    plugin = nagplug.Plugin("site")
    results(plugin)
    plugin.finish()
with nagplug.Plugin("site") as plugin:
    results(plugin)
PLUGIN
venv/bin/python - <<'PYTHON'
import math
import subprocess
import sys

import nagplug

for arguments, code, text in (
    ("fine", 0, "SITE OK - first |"),
    ("broken", 0, "SITE OK - first |"),
    ("at once", 3, "SITE UNKNOWN -  |"),
    ("plain", 3, "SITE UNKNOWN - Uncaught exception: TimeoutError - no answer |"),
    ("UNKNOWN", 0, "SITE OK - first |"),
    ("WARNING", 1, "SITE WARNING - second |"),
    ("CRITICAL", 2, "SITE CRITICAL - second |"),
):
    done = subprocess.run([sys.executable, "plugin.py", arguments], capture_output=True, text=True, timeout=120)
    said = done.stdout.partition("\n")[0].strip()
    print(f"{arguments}: {done.returncode} {said}")
    if (done.returncode, said, done.stderr) != (code, text, ""):
        sys.exit(f"CHANGED: it was {code} {text} {done.stderr}")
done = subprocess.run([sys.executable, "plugin.py", "plain", "--none"], capture_output=True, text=True, timeout=120)
print(f"--none: {done.returncode} {done.stdout}")
if done.returncode != 2:
    sys.exit("CHANGED: an unknown option was 2")

for limit, value, expected in (
    ("10", 11, nagplug.CRITICAL),
    ("10:", 11, nagplug.OK),
    ("@1:5", 3, nagplug.CRITICAL),
    ("0:1", math.nan, nagplug.OK),
    ("0.5", 1, "refused"),
    ("1.5:", 1, "refused"),
    ("-5:5", 1, "refused"),
    ("@0.1:0.2", 1, "refused"),
):
    try:
        got = nagplug.Plugin.check_threshold(value, critical=limit)
    except ValueError:
        got = "refused"
    print(f"{value} with the limit {limit}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
