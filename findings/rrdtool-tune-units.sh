#!/bin/bash
# rrdtool tune takes a heartbeat of "1h" for one second, and a maximum of "100k" for 100: all later values are unknown. Exit code 0.
#
# Software:  rrdtool 1.7.2-4+b8 of Debian 12. Seen 2026-11-30.
# Expected:  tune reads a heartbeat as create does, which knows "20m" and "1h", and refuses what create refuses: "100k", "1,5", a minimum
#            above the maximum.
# Seen:      create, a heartbeat of 20m; what tune takes below:  1200 s; refused
#            tune --heartbeat 20m, 1h, 0:                    20 s, 1 s, 0 s, exit code 0
#            tune --maximum 100k, 1,5; --minimum 2000 above: 100, 1, 2000, exit code 0
#            values each five minutes after such a tune:     update ends with 0, fetch has nan
# Matters:   a change that was to let a slower source in stops all of its data, and no update says so. Give seconds and plain numbers, and
#            look at `rrdtool info` afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
export LC_ALL=C
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download rrdtool librrd8 libdbi1 libcairo2 libpango-1.0-0 libpangocairo-1.0-0 libpangoft2-1.0-0 \
    libglib2.0-0 libpng16-16 libxml2 libicu72 libfontconfig1 libfreetype6 libpixman-1-0 libxcb-shm0 libxcb-render0 libxrender1 libxext6 \
    libx11-6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0 libharfbuzz0b libgraphite2-3 libfribidi0 libthai0 libdatrie1 libbrotli1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "rrdtool $(dpkg-deb -f rrdtool_*.deb Version)"
libraries=$(echo root/usr/lib/*-linux-gnu)
rrdtool() { LD_LIBRARY_PATH=$libraries root/usr/bin/rrdtool "$@"; }
compare() { # what, got, expected
    echo "$1: $2"
    [ "$2" = "$3" ] || changed "it was: $3"
}

begin=1790000100
create() { # heartbeat, maximum, minimum
    rm -f one.rrd
    code=0
    rrdtool create one.rrd --start $begin --step 5m "DS:value:GAUGE:$1:${3:-0}:$2" RRA:AVERAGE:0.5:5m:1d > said 2>&1 || code=$?
}
settings() { # heartbeat, minimum and maximum
    rrdtool info one.rrd | sed -n 's/^ds\[value\]\.\(minimal_heartbeat\|min\|max\) = //p' |
        python3 -c 'import sys; print(*(f"{float(line):g}" for line in sys.stdin))'
}
values() { # what came of three values of 250
    for number in 1 2 3; do rrdtool update one.rrd $((begin + 300 * number)):250 || echo "refused"; done
    rrdtool fetch one.rrd AVERAGE -s $begin -e $((begin + 600)) | python3 -c 'import sys
print(*sorted({f"{abs(float(line.split()[1])):g}" for line in list(sys.stdin)[2:] if float(line.split()[0][:-1]) <= '$((begin + 900))'}))'
}

create 20m 100k
compare "create, a maximum of 100k" "exit code $code" "exit code 1"
create 20m 1,5
compare "create, a maximum of 1,5" "exit code $code" "exit code 1"
create 20m 1000 2000
compare "create, a minimum of 2000, a maximum of 1000" "exit code $code" "exit code 1"
create 20m 1000
compare "create, a heartbeat of 20m" "$(settings), exit code $code" "1200 0 1000, exit code 0"
compare "values" "$(values)" 250

tune() { # expected settings, expected values, options
    expected=$1
    of_values=$2
    shift 2
    create 10m 1000
    code=0
    rrdtool tune one.rrd "$@" > said 2>&1 || code=$?
    compare "tune $*" "$(settings), exit code $code" "$expected, exit code 0"
    compare "values" "$(values)" "$of_values"
}
tune "1200 0 1000" 250 --heartbeat value:1200
tune "20 0 1000" nan --heartbeat value:20m
tune "1 0 1000" nan --heartbeat value:1h
tune "0 0 1000" nan --heartbeat value:0
tune "600 0 100" nan --maximum value:100k
tune "600 0 1" nan --maximum value:1,5
tune "600 2000 1000" nan --minimum value:2000
