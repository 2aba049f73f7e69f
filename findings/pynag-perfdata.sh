#!/bin/bash
# pynag finds performance data with a quoted label that has a blank invalid, and takes 1,5s and 1e3s for 1 with the units ",5s" and "e3s".
#
# Software:  pynag 1.1.2 (PyPI), its PerfData. Seen 2026-11-29.
# Expected:  by the guidelines of monitoring plugins: a label with a blank stands in quotes, U is a value that is not known, a quote
#            within is doubled; a decimal comma is no number. What is read can be written again and is the same.
# Seen:      'a b'=1s;2;3        is_valid() False, though label, value and limits are read; so is a line with it
#            x=U                 is_valid() False, the value is ''
#            time=1,5s           valid: value 1, unit ",5s"
#            rate=1e3s           valid: value 1, unit "e3s"
#            'it''s'=5           label "its";  'a=b'=3  label "a", value 3
#            The text of what was read has quotes around each label, and "a=1" is 'a'=1;;;;
# Matters:   who lets is_valid() decide what goes to a graph loses all data of a plugin with one label of two words, keeps a
#            number that is wrong by a factor of 1000, and merges two series. Split the line yourself, or write labels without blanks,
#            quotes and "=", and plain decimals.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pynag==1.1.2
venv/bin/python -W ignore - <<'PYTHON'
import sys

from pynag.Utils import PerfData

for line, valid, read in (
    ("time=1.5s;2;3;0;9", True, [("time", "1.5", "s", "2", "3", "0", "9")]),
    ("age=1;10:;@5:6", True, [("age", "1", "", "10:", "@5:6", "", "")]),
    ("'a b'=1s;2;3", False, [("a b", "1", "s", "2", "3", "", "")]),
    ("'a b'=1s;2;3 c=4", False, [("a b", "1", "s", "2", "3", "", ""), ("c", "4", "", "", "", "", "")]),
    ("x=U", False, [("x", "", "", "", "", "", "")]),
    ("time=1,5s", True, [("time", "1", ",5s", "", "", "", "")]),
    ("rate=1e3s", True, [("rate", "1", "e3s", "", "", "", "")]),
    ("'it''s'=5", True, [("its", "5", "", "", "", "", "")]),
    ("'a=b'=3", True, [("a", "3", "", "", "", "", "")]),
):
    data = PerfData(line)
    got = [(each.label, each.value, each.uom, each.warn, each.crit, each.min, each.max) for each in data.metrics]
    print(f"{line:20}{'valid' if data.is_valid() else 'not valid':11}{got}  written again: {data}")
    if (bool(data.is_valid()), got) != (valid, read):
        sys.exit(f"CHANGED: it was {valid}, {read}")
if str(PerfData("a=1")) != "'a'=1;;;;":
    sys.exit("CHANGED: a=1 was written as 'a'=1;;;;")
PYTHON
