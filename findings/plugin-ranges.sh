#!/bin/bash
# One range, three readers, three meanings: what a C plugin, a Perl plugin and nagiosplugin make of -w.
#
# Software:  check_procs of monitoring-plugins-basic 2.3.3-5+deb12u2 (C), Monitoring::Plugin 0.40-1 (Perl) of Debian 12,
#            nagiosplugin 1.4.0 (PyPI). Seen 2026-11-28, with the value 3.
# Expected:  all three follow the guidelines' grammar and refuse what is outside it.
# Seen:      the C reader takes as much of a text as is a number and forgets the rest: 7d is 7, 2s is 2, "week" is 0, 2,5 is 2,
#            2:3:4 is 2:3, and inf never alerts. nagiosplugin refuses 1e1, which C and Perl take for 10. Perl refuses the
#            empty text and ":", which the others take for "never alert".
# Matters:   a limit with a unit (7d) or a decimal comma is silently another limit in a C plugin, so limits cannot be carried over
#            from one kind of plugin to another unread. fedcloud-probes reads units where it documents them, refuses the rest.
set -eu
work=$(mktemp -d)
sleepers=
trap '[ -z "$sleepers" ] || kill $sleepers; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nagiosplugin==1.4.0
apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-basic libmonitoring-plugin-perl libclass-accessor-perl \
    libsub-name-perl libparams-validate-perl libconfig-tiny-perl libmath-calc-units-perl libmodule-implementation-perl \
    libmodule-runtime-perl libtry-tiny-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in monitoring-plugins-basic libmonitoring-plugin-perl; do
    echo "$package $(dpkg-deb -f ${package}_*.deb Version)"
done
compiled=$(find "$PWD/root/usr/lib" -path '*/Params/Validate' -type d | grep -v /auto/ | head -1)
PERL5LIB=$PWD/root/usr/share/perl5:${compiled%/Params/Validate}
export PERL5LIB

# three processes with a name of their own are the C plugin's value 3
for _ in 1 2 3; do
    bash -c "exec -a counted-$$ sleep 300" &
    sleepers="$sleepers $!"
done
sleep 1
in_c() {
    code=0
    root/usr/lib/nagios/plugins/check_procs -w "$1" -a "counted-$$" > said 2>&1 || code=$?
    case $code in 0) echo quiet ;; 1) echo alert ;; *) echo refused ;; esac
}
in_perl() {
    perl -MMonitoring::Plugin::Range -e 'my $r = eval { Monitoring::Plugin::Range->parse_range_string($ARGV[0]) };
        print !$r ? "refused" : $r->check_range(3) ? "alert" : "quiet"' -- "$1" 2> said
}
in_python() {
    venv/bin/python -c 'import sys, nagiosplugin
try: print("quiet" if nagiosplugin.Range(sys.argv[1]).match(3) else "alert")
except ValueError: print("refused")' "$1"
}
printf '%-8s %-8s %-8s %s\n' range C Perl nagiosplugin
while IFS='|' read -r range expected; do
    got="$(in_c "$range") $(in_perl "$range") $(in_python "$range")"
    # shellcheck disable=SC2086
    printf '%-8s %-8s %-8s %s\n' "'$range'" $got
    [ "$got" = "$expected" ] || { echo "CHANGED: '$range' was $expected" >&2; exit 1; }
done <<TABLE
2|alert alert alert
2:3|quiet quiet quiet
@1:3|alert alert alert
7d|quiet refused refused
2s|alert refused refused
week|alert refused refused
2,5|alert refused refused
2:3:4|quiet refused refused
inf|quiet refused refused
1e1|quiet quiet refused
|quiet refused quiet
:|quiet refused quiet
TABLE
