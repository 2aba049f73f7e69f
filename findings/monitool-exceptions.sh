#!/bin/bash
# monitool: an exception after the first result, in setup() or with no result at all ends as WARNING, a misspelt option as CRITICAL.
#
# Software:  monitool 0.1.1 (PyPI). Seen 2026-11-30.
# Expected:  an exception in a check is UNKNOWN, as its class Plugin says it is, wherever it is raised; results that were there before
#            count. An option that is not known is UNKNOWN. A value that is no number is not OK. Performance data are numbers.
# Seen:      a check that raises:                                  UNKNOWN, 3
#            yields CRITICAL, then raises; setup() raises;
#            all checks return None:                               a traceback, nothing on stdout, 1
#            --bogus, -w 5s:                                       the usage, 2
#            nan with -c 5:                                        OK, 0, "x=nan"
#            bounds from 0, without an end:                        "a b=3s;2.0;;0;None", the label without quotes
# Matters:   a check over several endpoints may be a generator, as its class says: of the one that was CRITICAL no word is left once a later
#            one cannot be asked, and the state is WARNING. Catch within the generator, and give bounds with both ends.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install monitool==0.1.1
cat > plugin.py <<'PYTHON'
import sys

from monitool import Info, Perf, Plugin, Range, Status


class Raises(Plugin):
    def check_endpoint(self, args):
        raise OSError("refused")


class Later(Plugin):
    def check_endpoints(self, args):
        yield Info(status=Status.CRITICAL, head="first is down")
        raise OSError("second refused")


class Setup(Plugin):
    def setup(self, args):
        raise OSError("refused")

    def check_endpoint(self, args):
        return Info(head="fine")


class Nothing(Plugin):
    def check_endpoint(self, args):
        return None


class Value(Plugin):
    def check_value(self, args):
        return Info(head="value", perf=Perf("a b", 3, "s", args.warn, args.crit, Range.NONNEGATIVE))


class NoNumber(Plugin):
    def check_value(self, args):
        return Info(head="value", perf=Perf("x", float("nan"), "", args.warn, args.crit))


globals()[sys.argv.pop(1)]().main()
PYTHON
python3 - <<'PYTHON'
import subprocess
import sys

for arguments, code, text in (
    ("Raises", 3, "UNKNOWN: Failed to run check_endpoint"),
    ("Later", 1, ""),
    ("Setup", 1, ""),
    ("Nothing", 1, ""),
    ("Value -w 5", 0, "OK: value | a b=3s;5.0;;0;None"),
    ("Value -w 2", 1, "WARNING: value(!) | a b=3s;2.0;;0;None"),
    ("Value -w 2 --bogus", 2, ""),
    ("Value -w 5s", 2, ""),
    ("NoNumber -c 5", 0, "OK: value | x=nan;;5.0;;"),
):
    done = subprocess.run(["venv/bin/python", "plugin.py", *arguments.split()], capture_output=True, text=True, timeout=60)
    said = done.stdout.strip()
    print(f"{arguments}: {done.returncode}, {said.splitlines()[0] if said else 'nothing; ' + done.stderr.splitlines()[-1]}")
    if done.returncode != code or not said.startswith(text) or (not text and said):
        sys.exit(f"CHANGED: it was {code}, {text or 'nothing'}")
PYTHON
