#!/bin/bash
# DIRAC's ClassAd ends a quoted value at its first ";", and the Site behind it is none; blanks of file names vanish, "site" is not Site.
#
# Software:  diraccommon 9.1.22 (PyPI), its ClassAdLight and its JDL. Seen 2026-11-30.
# Expected:  what is within quotes belongs to the value. Names of attributes have no case, as in the ClassAds of HTCondor. A list has
#            its items as they were given.
# Seen:      Arguments = "--days 1;2"; Site = "EXAMPLE":    ClassAd has Arguments "--days 1 and no Site, isOK() is 1; loadJDLAsCFG()
#            of the same text has both
#            InputSandbox = {"my file.txt"}:                ClassAd lists myfile.txt
#            site = "EXAMPLE":                              lookupAttribute("Site") is False; loadJDLAsCFG() has "site" alone
#            InputSandbox = {"a,b.txt"}:                    a,b.txt to ClassAd, and "opened with \" but is not closed" to loadJDLAsCFG()
# Matters:   a job that is meant for one site, such as a test of it, runs at any, and its result counts for that one. Look for Site in
#            what was submitted, and quote no semicolon.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install diraccommon==9.1.22 diraccfg==1.0.1
venv/bin/python - <<'PYTHON'
import sys

from DIRACCommon.Core.Utilities.ClassAd.ClassAdLight import ClassAd
from DIRACCommon.Core.Utilities.JDL import loadJDLAsCFG


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def section(text):
    result = loadJDLAsCFG(text)
    return {name: result["Value"][0].getOption(name) for name in result["Value"][0].listOptions()} if result["OK"] else result["Message"]


text = '[Executable = "run.sh"; Arguments = "--days 1;2"; Site = "EXAMPLE"; CPUTime = 3600]'
print(text)
ad = ClassAd(text)
compare("  isOK, Arguments, Site", (ad.isOK(), ad.get_expression("Arguments"), ad.lookupAttribute("Site")), (1, '"--days 1', False))
compare("  loadJDLAsCFG", section(text), {"Executable": "run.sh", "Arguments": "--days 1;2", "Site": "EXAMPLE", "CPUTime": "3600"})

text = '[Executable = "run.sh"; site = "EXAMPLE"; InputSandbox = {"my file.txt"}]'
print(text)
ad = ClassAd(text)
compare("  Site, InputSandbox", (ad.lookupAttribute("Site"), ad.getListFromExpression("InputSandbox")), (False, ["myfile.txt"]))
compare("  loadJDLAsCFG", section(text), {"Executable": "run.sh", "site": "EXAMPLE", "InputSandbox": "my file.txt"})

text = '[Executable = "run.sh"; InputSandbox = {"a,b.txt"}]'
print(text)
compare("  InputSandbox", ClassAd(text).getListFromExpression("InputSandbox"), ["a,b.txt"])
compare("  loadJDLAsCFG", section(text), 'Var InputSandbox : value is opened with " but is not closed')
PYTHON
