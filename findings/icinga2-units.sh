#!/bin/bash
# For Icinga 2 "m" is a minute, "b" a bit, "M" a minute too; a unit it does not know is dropped and the number kept.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, by the function its own daemon reads plugins with
#            (parse_performance_data in `icinga2 console`). Seen 2026-11-28.
# Expected:  units are told apart by case, as SI does; 1KB is 1024 bytes, as monitoring plugins mean it; an unknown unit is
#            kept as text, or the datum is refused.
# Seen:      case does not count: 1MS is a millisecond, 1mb a million bits. 1KB is 1000 bytes, 1KiB 1024. 1d is 86400 s and
#            1h 3600 s, but 1min is the bare number 1, and 1000msec the bare number 1000: the unit is gone, nothing is said.
# Matters:   a probe that prints "5min" or "1000msec" is drawn a factor of 60 or 1000 off from one that prints seconds.
#            fedcloud-probes prints base units only (s, B, or none).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f icinga2-bin_*.deb Version
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
export LD_LIBRARY_PATH
icinga2=$(find root -path "*/sbin/icinga2" -type f -size +1M)

parsed() {
    "$icinga2" console -e "var p = parse_performance_data(\"a=$1\"); Json.encode([p.value, p.unit])" 2> errors |
        tr -d '\n\\' | sed 's/^"//; s/"$//'
}
while read -r data expected; do
    got=$(parsed "$data")
    echo "a=$data: [value, unit] = $got"
    [ "$got" = "$expected" ] || changed "$data was $expected"
done <<TABLE
1s [1,"seconds"]
1MS [0.001,"seconds"]
1m [60,"seconds"]
1M [60,"seconds"]
1d [86400,"seconds"]
1min [1,""]
1000msec [1000,""]
1KB [1000,"bytes"]
1KiB [1024,"bytes"]
1mb [1000000,"bits"]
1b [1,"bits"]
TABLE
