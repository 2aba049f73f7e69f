#!/bin/bash
# check_logfiles never finds a line that was half written when it looked; a misspelt pattern key, or no pattern at all, is OK for ever.
#
# Software:  monitoring-plugins-check-logfiles 4.1.1-3 of Debian 12. Seen 2026-11-30.
# Expected:  a line is judged once its end is there, as the position in the file is kept from run to run anyway. Keys and options of the
#            configuration file that do not exist are refused, as options of the command line and syntax errors are; two searches in one
#            log each see all of its lines; a pattern that cannot be read is UNKNOWN, at once.
# Seen:      "disk ERR", a run, then "OR 5" with the end of the line, a run:    OK both times, each with one line read
#            criticalpaterns => 'ERROR' in the configuration file:              OK, "lines"=1; so is a search without any pattern
#            two searches in one log, neither with a tag:                       the second one reads no line: FATAL is OK
#            options => 'critcalthreshold=5':                                   dropped
#            --criticalpattern='ERROR (':                                       OK while nothing is logged, then exit code 25
# Matters:   a program that flushes its buffer by size writes half lines many times a day, and the one that matters may be one of them;
#            what was misspelt is green, with a count of lines that looks like work. Log something that must be found after each
#            change, give each search a tag, and let programs flush by line.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-check-logfiles
dpkg-deb -x monitoring-plugins-check-logfiles_*.deb root
echo "monitoring-plugins-check-logfiles $(dpkg-deb -f monitoring-plugins-check-logfiles_*.deb Version)"
python3 - <<'PYTHON'
import pathlib
import re
import shutil
import subprocess
import sys

LOG, KEPT = pathlib.Path("app.log").absolute(), pathlib.Path("kept").absolute()


def look(*options):
    """The exit code, and how many lines each search read; no number where nothing was said of them."""
    done = subprocess.run(
        ["perl", "root/usr/lib/nagios/plugins/check_logfiles", *options], capture_output=True, text=True, timeout=60
    )
    return done.returncode, [int(each) for each in re.findall(r"_lines'=(\d+)", done.stdout)]


def compare(case, expected, *options, logged=("disk ERROR 5\nFATAL\n",)):
    """What is found after each piece that is logged, in a log that was looked at before."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    LOG.write_text("started\n")
    found = [look(*options)]
    for piece in logged:
        with LOG.open("a") as stream:
            stream.write(piece)
        found.append(look(*options))
    print(f"{case:40}{', then '.join(f'exit code {code}, lines read {lines}' for code, lines in found)}")
    if found != expected:
        sys.exit(f"CHANGED: it was {expected}")


def search(*searches):
    """A configuration file with these searches, as options."""
    path = pathlib.Path("searches.cfg")
    written = ", ".join(f"{{ logfile => '{LOG}', {each} }}" for each in searches)
    path.write_text(f"$seekfilesdir = '{KEPT}'; $protocolsdir = '{KEPT}';\n@searches = ({written});\n")
    return "-f", str(path)


command = [f"--seekfilesdir={KEPT}", f"--protocolsdir={KEPT}", f"--logfile={LOG}"]
none = (0, [0])
compare("ERROR in one piece", [none, (2, [2])], *command, "--criticalpattern=ERROR")
compare("ERROR in two pieces", [none, (0, [1]), (0, [1])], *command, "--criticalpattern=ERROR", logged=["disk ERR", "OR 5\n"])
compare("a pattern that cannot be read", [none, (25, [])], *command, "--criticalpattern=ERROR (")
compare("an option that does not exist", [(3, []), (3, [])], *command, "--criticalpatern=ERROR")
compare("a key that does not exist", [none, (0, [2])], *search("tag => 'vm', criticalpaterns => 'ERROR'"))
compare("no pattern", [none, (0, [2])], *search("tag => 'vm'"))
compare("a dropped option", [none, (2, [2])], *search("tag => 'vm', criticalpatterns => 'ERROR', options => 'critcalthreshold=5'"))
compare("the same, not misspelt", [none, (0, [2])], *search("tag => 'vm', criticalpatterns => 'ERROR', options => 'criticalthreshold=5'"))
both = ["criticalpatterns => 'nothing'", "criticalpatterns => 'FATAL'"]
compare("two searches with a tag", [(0, [0, 0]), (2, [2, 2])], *search(*(f"tag => '{n}', {each}" for n, each in enumerate(both))))
compare("two searches without a tag", [(0, [0, 0]), (0, [2, 0])], *search(*both))
PYTHON
