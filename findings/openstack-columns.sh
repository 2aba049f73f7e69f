#!/bin/bash
# openstack -c: columns come in the command's order, and one that is misspelt beside a good one is dropped, exit code 0.
#
# Software:  python-openstackclient 10.5.0, cliff 4.17.0 (PyPI); shown by commands that need no cloud. Seen 2026-11-29.
# Expected:  "-f value -c B -c A" prints B before A, as "ps -o" and "sacct -o" do. A column that the command does not have is refused.
# Seen:      A before B, in any order of the options. -c Commands -c Gruop: the first alone, exit code 0, nothing on stderr; in JSON
#            the key is missing. --sort-column Gruop: not sorted, exit code 0. Only if no column at all is known: exit code 1.
# Matters:   "openstack server list -f value -c Status -c Name | while read status name" has them the wrong way round, and counts no
#            ERROR ever. A column that a new release has renamed shifts all behind it. Take -f json, and fail on a missing key.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 cliff==4.17.0

# the exit code, and the output of a list of one row, shortened
seen() {
    echo "openstack command list $*"
    code=0
    venv/bin/openstack command list --group openstack.cli "$@" > out 2> err || code=$?
    echo "  exit code $code: $(tr -s '\n ' '  ' < out | cut -c 1-70), $(wc -l < err) lines on stderr"
}
group=openstack.cli
seen -f value -c "Command Group" -c Commands
cp out straight
[[ $code = 0 && $(head -n 1 out) == "$group ['command list'"* ]] || changed "the group came first"
seen -f value -c Commands -c "Command Group"
cmp -s out straight || changed "the order of -c made no difference"
seen -f value -c Commands -c Gruop
[[ $code = 0 && ! -s err && $(head -n 1 out) == "['command list'"* ]] || changed "the misspelt column was dropped, exit code 0"
seen -f json -c Commands -c Gruop
[[ $code = 0 && ! -s err && $(python3 -c 'import json; print(*json.load(open("out"))[0])') = Commands ]] || changed "its key was missing"
seen -f value --sort-column Gruop
[[ $code = 0 && ! -s err ]] || changed "an unknown --sort-column was passed over"
seen -f value -c Gruop
[[ $code = 1 && -s err && ! -s out ]] || changed "without a known column it was refused"
