#!/bin/bash
# rrdcached: takes "60%" with exit code 0, and at the flush drops it with all good values that came behind it, exit code 0.
#
# Software:  rrdcached and rrdtool 1.7.2-4+b8 of Debian 12. Seen 2026-11-30.
# Expected:  `rrdtool update --daemon` refuses a value that is no number, or too many values, as `rrdtool update` does; if that is seen
#            at the flush only, flushcached fails, and the other values are kept.
# Seen:      50, 60%, 10, 20, 30, a minute apart.
#            without the daemon: 60% ends with 1 and a reason; the file has 50, 10 for two minutes, 20 and 30.
#            with it: exit code 0 five times, and of flushcached; the file has 50 alone, 10, 20 and 30 are lost. The same with "60:1".
#            What comes after the flush is kept. A time that is older than the last one is refused by both.
# Matters:   one text among numbers costs all that the daemon held of its file, five minutes unless set otherwise, and no program that
#            writes hears of it. Look at each value before it is sent, and at the last time of the files (`rrdtool last`).
set -eu
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download rrdtool rrdcached \
    librrd8 libdbi1 libcairo2 libpango-1.0-0 libpangocairo-1.0-0 libpangoft2-1.0-0 libglib2.0-0 libpng16-16 libxml2 libicu72 \
    libfontconfig1 libfreetype6 libpixman-1-0 libxcb-shm0 libxcb-render0 libxrender1 libxext6 libx11-6 libxcb1 libxau6 libxdmcp6 \
    libbsd0 libmd0 libharfbuzz0b libgraphite2-3 libfribidi0 libthai0 libdatrie1 libbrotli1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "rrdcached $(dpkg-deb -f rrdcached_*.deb Version)"
LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH
rrd() { root/usr/bin/rrdtool "$@"; }
root/usr/bin/rrdcached -g -l "unix:$work/socket" -b "$work" -p "$work/pid" > said 2>&1 &
daemon=$!
for _ in $(seq 300); do [ -S socket ] && break; sleep 0.1; done

stored() { # what FILE has of the ten minutes, without the gaps
    rrd fetch "$1" MAX -s 1700000040 -e 1700000640 | awk '$2 ~ /^[0-9]/ {printf "%s%d", sep, $2; sep = " "}'
}
codes() { # the exit codes of an update of FILE with each value, with OPTIONS
    local file=$1 time=1700000040 value
    shift
    for value in 50 "$BAD" 10 20 30; do
        time=$((time + 60))
        rrd update "$@" "$file" "$time:$value" > said.update 2>&1 && printf "0 " || printf "1 "
    done
}
for BAD in 60% 60:1; do
    for way in alone daemon; do
        file=$way-${#BAD}$RANDOM.rrd
        rrd create "$file" --start 1700000040 --step 60 DS:x:GAUGE:400:0:100 RRA:MAX:0.5:1:100
        if [ "$way" = alone ]; then
            got=$(codes "$file")
        else
            got="$(codes "$file" --daemon "unix:$work/socket")flush "
            rrd flushcached --daemon "unix:$work/socket" "$file" && got="${got}0 " || got="${got}1 "
        fi
        got="${got}stored $(stored "$file")"
        echo "50 $BAD 10 20 30, $way: $got"
        case $way in
            alone) [ "$got" = "0 1 0 0 0 stored 50 10 10 20 30" ] || changed "it was 0 1 0 0 0 stored 50 10 10 20 30" ;;
            daemon) [ "$got" = "0 0 0 0 0 flush 0 stored 50" ] || changed "it was 0 0 0 0 0 flush 0 stored 50" ;;
        esac
    done
done
rrd update --daemon "unix:$work/socket" "$file" 1700000400:40 1700000460:41
rrd flushcached --daemon "unix:$work/socket" "$file"
echo "40 and 41 after the flush: stored $(stored "$file")"
case $(stored "$file") in *41) ;; *) changed "41 was stored" ;; esac
