#!/bin/bash
# For urlize a killed plugin is a WARNING, and what follows the first line is dropped; negate ends with 255.
#
# Software:  monitoring-plugins-common 2.3.3-5+deb12u2 of Debian 12, its wrappers urlize and negate. Seen 2026-11-28.
# Expected:  a wrapper changes what it is there for: the link, the state that was asked for. A plugin that a signal ends (the
#            kernel's out-of-memory killer, a limit of CPU time) is UNKNOWN, as Nagios has it without a wrapper.
# Seen:      killed:          urlize ends with 1, WARNING; negate with 255, which Nagios says is out of bounds, CRITICAL.
#            two lines, each with performance data: urlize hands on the first alone, without a newline; negate hands on both.
#            a time-out:      negate ends with 2, CRITICAL, not UNKNOWN, and does not negate that (-t of its own; -T changes it).
# Matters:   links to a page of instructions cost the long text and half of the data, and a machine short of memory pages as
#            WARNINGs of services that nobody has looked at. Set notes_url or action_url in the service instead.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-common
dpkg-deb -x monitoring-plugins-common_*.deb root
dpkg-deb -f monitoring-plugins-common_*.deb Version

cat > plugin <<'PLUGIN'
#!/bin/bash
case $1 in
killed) echo "said before the end"; kill -9 $$ ;;
lines) printf 'one | a=1\ntwo | b=2\n'; exit 1 ;;
slow) sleep 30 ;;
esac
PLUGIN
chmod 755 plugin
compare() { # expected exit code and output, a line each parted by "/"; wrapper, arguments
    code=0
    "root/usr/lib/nagios/plugins/$2" "${@:3}" > said 2>&1 || code=$?
    got="$code $(tr '\n' / < said)"
    echo "$2 ${*:3}: $got"
    [ "$got" = "$1" ] || changed "it was $1"
}
compare '1 <A href="page">said before the end</A>' urlize page "$work/plugin" killed
compare '255 said before the end/' negate "$work/plugin" killed
compare '1 <A href="page">one </A> |  a=1' urlize page "$work/plugin" lines
compare '1 one | a=1/two | b=2/' negate "$work/plugin" lines
compare '2 CRITICAL - Plugin timed out after 1 seconds/' negate -t 1 "$work/plugin" slow
