#!/bin/bash
# HTCondor's bindings: a line that cannot be read takes all behind it out of its ClassAd; undefined and error count as true.
#
# Software:  htcondor 25.14.1 (PyPI), its module classad2. Seen 2026-11-30.
# Expected:  parseAds() and parseOne() raise for text that is no ClassAd, as ClassAd() does. What is neither true nor false is not true to
#            an `if`. The functions of the language are those of condor_q's -constraint. The average of no value is undefined.
# Seen:      "Site = A / Memory: 3 / Cpus = 2":           [Site = "A"], Memory and Cpus are gone; so with a string that does not end
#            "Memory = 3 GB", "Load = 5,2":               3 and 5; ClassAd() raises for each of these
#            if ad.eval("Requirements"), undefined:       taken, and so is an error
#            if stringListMember(VO, "ops, test"):        an error until htcondor2 is imported: all jobs are taken
#            avg({}) and avg({undefined, 2}), sum({undefined, 2}):  0, 2.0 and 2; int("5 GB") is 5
# Matters:   jobs of a history file whose line was edited or cut are counted without their times and cores; a filter that asks for an
#            attribute that a job does not have takes that job. Compare with `is True`, and import htcondor2 first.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install htcondor==25.14.1
venv/bin/python - <<'PYTHON'
import sys

import classad2


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def raised(call, *arguments):
    try:
        return str(call(*arguments)).split()
    except Exception as error:
        return type(error).__name__


def value(expression):
    return classad2.ExprTree(expression).eval()


jobs = [classad2.ClassAd(text) for text in ('[Name="first"; VO="ops"]', '[Name="second"; VO="dteam"]', '[Name="third"]')]


def filtered(expression):
    return [job["Name"] for job in jobs if classad2.ExprTree(expression).eval(job)]


fail_unless('if VO == "ops"', filtered('VO == "ops"'), ["first", "third"])
fail_unless("if VO > 3", filtered("VO > 3"), ["first", "second", "third"])
LISTED = 'stringListMember(VO, "ops, test")'
fail_unless(f"if {LISTED}", filtered(LISTED), ["first", "second", "third"])
import htcondor2  # noqa: E402, F401

fail_unless(f"if {LISTED}, with htcondor2", filtered(LISTED), ["first"])
for line, expected in (
    ("Memory = 3", {"Site": "A", "Memory": 3, "Cpus": 2}),
    ("Memory: 3", {"Site": "A"}),
    ('Owner = "nobody', {"Site": "A"}),
    ("Memory = 3 GB", {"Site": "A", "Memory": 3, "Cpus": 2}),
    ("Load = 5,2", {"Site": "A", "Load": 5, "Cpus": 2}),
):
    text = f'Site = "A"\n{line}\nCpus = 2\n'
    fail_unless(f"parseOne(), {line}", dict(classad2.parseOne(text)), expected)
    fail_unless(f"parseAds(), {line}", [dict(ad) for ad in classad2.parseAds(text + '\nSite = "B"\n')], [expected, {"Site": "B"}])
    if line != "Memory = 3":
        fail_unless(f"ClassAd(), {line}", raised(classad2.ClassAd, "[" + text.replace("\n", ";") + "]"), "ClassAdException")

for expression, expected in ("avg({})", 0), ("avg({undefined, 2})", 2.0), ("sum({undefined, 2})", 2), ('int("5 GB")', 5):
    fail_unless(expression, value(expression), expected)
PYTHON
