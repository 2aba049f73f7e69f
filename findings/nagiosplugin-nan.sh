#!/bin/bash
# nagiosplugin judges a value that is not a number as OK, whatever the limits, and it writes limits it cannot read back.
#
# Software:  nagiosplugin 1.4.0 (PyPI). Seen 2026-11-28.
# Expected:  an age of nan lies in no range, so limits of 10 and 20 alert, or the value is refused; `-w 1e-05` is read, as the
#            C and Perl libraries of the plugins read it, all the more as nagiosplugin writes such numbers itself.
# Seen:      nan is OK with exit code 0 and performance data "age=nans;10;20": all comparisons with nan are false, and a range
#            matches unless one is true. Range("0.00001") is written as 1e-05 in the performance data, and
#            Range("1e-05") raises ValueError.
# Matters:   one division by zero in numpy or one float("nan") out of a page makes a check green for ever. The contexts of
#            fedcloud-probes refuse what is not a finite number, and its ranges are read and written in plain decimals.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nagiosplugin==1.4.0
cat > plugin.py <<'PYTHON'
import nagiosplugin


class Age(nagiosplugin.Resource):
    def probe(self):
        yield nagiosplugin.Metric("age", float("nan"), "s")


nagiosplugin.Check(Age(), nagiosplugin.ScalarContext("age", "10", "20")).main()
PYTHON
code=0
venv/bin/python plugin.py || code=$?
echo "exit code $code"
[ "$code" = 0 ] || { echo "CHANGED: nan is no longer OK" >&2; exit 1; }
venv/bin/python - <<'PYTHON'
import sys

import nagiosplugin

written = str(nagiosplugin.Range("0.00001"))
try:
    read = repr(nagiosplugin.Range(written))
except ValueError as error:
    read = f"ValueError: {error}"
print(f'Range("0.00001") is written as {written}; Range("{written}"): {read}')
if written != "1e-05" or not read.startswith("ValueError"):
    sys.exit("CHANGED: what is written can be read")
PYTHON
