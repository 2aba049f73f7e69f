#!/bin/bash
# check_statusfile makes a CRITICAL of a file that is too old a WARNING, and one without a text UNKNOWN; wrong usage is a WARNING.
#
# Software:  check_statusfile of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12. Seen 2026-11-30.
# Expected:  a result that is too old is UNKNOWN or CRITICAL, and no better than what stands in the file; CRITICAL in the first line is
#            CRITICAL whatever follows. Wrong usage is UNKNOWN, with a line on stdout. A time in the future is no fresh one.
# Seen:      CRITICAL, 27 hours old:                    WARNING, "is old: 27.0 hours", and none of the file's text
#            CRITICAL, nothing behind the first line:   UNKNOWN
#            "Critical", or "CRITICAL - down":          UNKNOWN, "has invalid return value"
#            written in ten years:                      what stands in the file
#            -a 1.5h, -a 90min, no file named:          1, which is WARNING, and nothing on stdout that says so
# Matters:   a nightly job that fails on Monday and no longer starts on Tuesday recovers from CRITICAL to WARNING, which wakes nobody; a
#            typing error in the age looks like a file that is old, for ever. Let the monitor itself look at the age of passive results.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib
dpkg-deb --fsys-tarfile monitoring-plugins-contrib_*.deb | tar -x ./usr/lib/nagios/plugins/check_statusfile
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"
look() { # expected exit code, beginning of stdout ("" for none at all), options and file
    code=0
    python3 usr/lib/nagios/plugins/check_statusfile "${@:3}" > answer 2> said || code=$?
    echo "  ${*:3}: $code, $(sed q answer)"
    case $code:$(cat answer) in
    "$1:") [ -z "$2" ] && return ;;
    "$1:$2"*) [ -n "$2" ] && return ;;
    esac
    echo "CHANGED: it was $1, $2" >&2
    exit 1
}
file() { # text and age
    printf '%b' "$1" > status
    touch -d "$2" status
    echo "${1//\\n/ / }, $2:"
}
file 'CRITICAL\nbackup failed\n' '1 hour ago'
look 2 'backup failed' status
look 1 '' -a 1.5h status
look 1 '' -a 90min status
look 1 ''
file 'CRITICAL\nbackup failed\n' '27 hours ago'
look 1 'WARNING: status is old: 27.' status
look 2 'backup failed' -a 2d status
file 'OK\nbackup done\n' '10 years'
look 0 'backup done' -a 1h status
file 'CRITICAL\n' '1 hour ago'
look 3 'Found no output.' status
file 'Critical\nbackup failed\n' '1 hour ago'
look 3 'UNKNOWN: status has invalid return value: Critical.' status
file 'CRITICAL - backup failed\n' '1 hour ago'
look 3 'UNKNOWN: status has invalid return value: CRITICAL - backup failed.' status
