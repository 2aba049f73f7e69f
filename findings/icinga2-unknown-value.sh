#!/bin/bash
# Icinga 2 refuses "U", the guidelines' word for a value that could not be found out, and takes nan and inf.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, by the function its own daemon reads plugins with
#            (parse_performance_data in `icinga2 console`). Seen 2026-11-28.
# Expected:  `time=U` is valid performance data (guidelines of monitoring plugins: "U" where the value could not be
#            determined) and read as no value; `time=nan`, which is not valid, is refused.
# Seen:      the other way round: "Can't convert 'U' to a floating point number"; nan and inf are read as values and
#            become null wherever they are written as JSON.
# Matters:   a probe that writes U for what it could not measure gets its datum logged as invalid each time. Leave the
#            datum out instead, as fedcloud-probes does.
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

for value in U nan inf 1.5; do
    "$icinga2" console > "said-$value" 2>&1 \
        -e "var p = parse_performance_data(\"time=$value\"); Json.encode([p.label, p.value])" || true
    echo "time=$value: $(grep -v '^$\|\^\^' "said-$value" | tail -1)"
done
grep -q "Can't convert 'U' to a floating point number" said-U || changed "U is no longer refused"
grep -q 'time.*null' said-nan || changed "nan is no longer read"
grep -q 'time.*null' said-inf || changed "inf is no longer read"
grep -q 'time.*1\.5' said-1.5 || changed "a number is no longer read"
