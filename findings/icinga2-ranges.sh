#!/bin/bash
# Icinga 2 loses every limit of performance data that is a range, without a word.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, by the function its own daemon reads plugins with
#            (parse_performance_data in `icinga2 console`). Seen 2026-11-28.
# Expected:  limits are ranges by the plugin guidelines: 10: (alert below 10), 10:20, @10:20. A reader keeps them, or warns
#            of data that it cannot read, as it does of a value that it cannot read.
# Seen:      a plain number is kept; of any range with a colon or an @ the limit is simply null, and the rest is read.
# Matters:   limits of lifetimes ("valid for less than a day": 86400:) and of least counts (1:) are just the ones that are
#            ranges. Graphs made from what Icinga writes have no line for them, and one who compares values with limits
#            there alerts never. The state is not touched: the plugin has judged. See docs/operators.md.
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

limits() {
    "$icinga2" console -e "var p = parse_performance_data(\"$1\"); Json.encode([p.value, p.warn, p.crit])" 2> errors |
        tr -d '\n\\' | sed 's/^"//; s/"$//'
}
while read -r data expected; do
    got=$(limits "$data")
    echo "$data: [value, warning, critical] = $got"
    [ "$got" = "$expected" ] || changed "$data was $expected"
done <<TABLE
lifetime=5s;10;20 [5,10,20]
lifetime=5s;10:;20: [5,null,null]
lifetime=5s;0:10;0:20 [5,null,null]
lifetime=5s;~:10;@10:20 [5,null,null]
lifetime=5s;10;20: [5,10,null]
TABLE
