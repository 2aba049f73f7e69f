#!/bin/bash
# check_v46 makes OK of a plugin that was killed, though its line says CRITICAL; UNKNOWN over IPv4 hides CRITICAL over IPv6.
#
# Software:  check_v46 of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12. Seen 2026-11-29.
# Expected:  it runs a plugin over IPv6 and over IPv4, and the worse of both is the state: CRITICAL before UNKNOWN, as Nagios and
#            monitoring-plugins have it. What a signal ended (the out-of-memory killer, a limit) is at least UNKNOWN.
# Seen:      killed after its line:          0, "OK: IPv4/127.0.0.1 OK", and below it the plugin's own "CRITICAL - refused".
#            CRITICAL (IPv6), UNKNOWN (IPv4): 3, "UNKNOWN: IPv6/::1 CRITICAL, IPv4/127.0.0.1 UNKNOWN": the largest exit code counts.
#            nothing printed:                 255, and nothing on stdout.
# Matters:   a monitoring host short of memory turns dead services green, and who is paged for CRITICAL alone hears nothing of a
#            dead IPv6 address while IPv4 is not understood. Watch each address family by a service of its own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib libsocket6-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f monitoring-plugins-contrib_*.deb Version
PERL5LIB=$(echo root/usr/lib/*/perl5/*)
export PERL5LIB

cat > plugin <<'PLUGIN'
#!/bin/bash
[ "$1" = silent ] && exit 2
echo "CRITICAL - refused"
case $* in
killed*) kill -9 $$ ;;
"mixed -4"*) exit 3 ;;
esac
exit 2
PLUGIN
chmod 755 plugin
for how in killed mixed silent; do
    printf '#!/bin/sh\nexec %s/plugin %s "$@"\n' "$work" "$how" > "$how"
    chmod 755 "$how"
done
compare() { # expected exit code and first line; arguments
    code=0
    perl root/usr/lib/nagios/plugins/check_v46 "${@:2}" > said 2> errors || code=$?
    echo "check_v46 ${*:2}: $code"
    cat said
    got="$code $(head -1 said)"
    [ "$got" = "$1" ] || changed "$got, it was $1"
}
compare '0 OK: IPv4/127.0.0.1 OK' -4 -H 127.0.0.1 ./killed
compare '3 UNKNOWN: IPv6/::1 CRITICAL, IPv4/127.0.0.1 UNKNOWN' -a 127.0.0.1 -A ::1 ./mixed
compare '255 ' -4 -H 127.0.0.1 ./silent
