#!/bin/bash
# mplugin, the successor of nagiosplugin, leaves the limits out of performance data, and the least value takes their place.
#
# Software:  mplugin 2.0.0 and nagiosplugin 1.4.0 (PyPI). Seen 2026-11-29.
# Expected:  the same classes by the same names, so one plugin prints the same with either: "time=1s;5;7;0", label=value;warn;crit;min;max
#            of the guidelines, in which a field that is left out leaves its semicolon.
# Seen:      a ScalarContext with limits of 5 and 7 and a metric with min=0: nagiosplugin "time=1s;5;7;0", mplugin "time=1s;0": the
#            limits are gone and min stands where the warning limit is read. Without limits: "time=1s;;;0" and "time=1s;0". Limits
#            that begin with @ stay: 10: and @6 become "time=1s;@6". State, text and exit code are the same.
# Matters:   graphs and rules that take limits from performance data draw a warning limit of 0 for each metric with a
#            least value, and none for the others, while the plugin alerts as before. Nothing fails on the change of the library.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install mplugin==2.0.0 nagiosplugin==1.4.0
cat > check <<'PYTHON'
import importlib
import sys

library, warning, critical, least = sys.argv[1:]
kit = importlib.import_module(library)


class Answer(kit.Resource):
    def probe(self):
        return kit.Metric("time", 1, "s", min=int(least) if least else None, context="time")


kit.Check(Answer(), kit.ScalarContext("time", warning or None, critical or None)).main(verbose=0)
PYTHON
try() { # warning, critical, min, then the performance data of each library
    for library in nagiosplugin mplugin; do
        code=0
        line=$(venv/bin/python check "$library" "$1" "$2" "$3" 2>&1) || code=$?
        data=${line#*| }
        printf '%-4s %-4s %-2s %-13s exit code %s  %s\n' "$1" "$2" "$3" "$library" "$code" "$data"
        [ "$library" = nagiosplugin ] && expected=$4 || expected=$5
        [ "$data" = "$expected" ] || { echo "CHANGED: it was $expected" >&2; exit 1; }
    done
}
try 5 7 0 'time=1s;5;7;0' 'time=1s;0'
try 5 7 '' 'time=1s;5;7' 'time=1s'
try '' 7 0 'time=1s;;7;0' 'time=1s;0'
try '' '' 0 'time=1s;;;0' 'time=1s;0'
try 0:5 0:7 0 'time=1s;5;7;0' 'time=1s;0'
try 10: @6 '' 'time=1s;10:;@6' 'time=1s;@6'
