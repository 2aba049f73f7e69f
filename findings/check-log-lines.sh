#!/bin/bash
# check_log never finds what is asked for at the beginning of a line, and finds words that diff says; -x changes nothing.
#
# Software:  check_log of monitoring-plugins-basic 2.3.3-5+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  the query is a regular expression for the lines that are new in the log: "^ERROR" is a line that begins with ERROR.
#            A log with zero bytes (logrotate's copytruncate while the writer keeps its place, or a loss of power) is read as the
#            text that it is otherwise. --exitstatus is the state of a match.
# Seen:      "^ERROR" and -e "^(ERROR|FATAL)": "0 pattern matches found", 0, whatever comes; the output of diff is searched, in which
#            the lines begin with "< ". "^< ERROR" finds it.
#            zero bytes anywhere: 0 matches, 0; "Binary files differ" is all that diff says.
#            "[0-9]", and "file" where the last line has no newline yet: CRITICAL of "2d1" and of "No newline at end of file".
#            -x 1 of a match: 2, CRITICAL.
# Matters:   a watch for lines of a kind that is written with "^", as one is used to, has been green since it was set up. Try each
#            query with a line that should be found, without "^", and with a word that no line number is.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-basic monitoring-plugins-common
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-basic $(dpkg-deb -f monitoring-plugins-basic_*.deb Version)"
export LC_ALL=C

compare() { # what comes to the log, as printf has it; expected exit code and output, lines parted by "/"; options
    echo start > log
    rm -f old
    root/usr/lib/nagios/plugins/check_log -F log -O old "${@:3}" > said
    # shellcheck disable=SC2059
    printf "$1" >> log
    code=0
    root/usr/lib/nagios/plugins/check_log -F log -O old "${@:3}" > said 2>&1 || code=$?
    got="$code $(tr '\n' / < said)"
    printf '%-24s %-24s %s\n' "$1" "${*:3}" "$got"
    [ "$got" = "$2" ] || { echo "CHANGED: it was $2" >&2; exit 1; }
}
none='0 Log check ok - 0 pattern matches found/'
compare 'ERROR: disk full\n' '2 (1) < ERROR: disk full/' -q ERROR
compare 'ERROR: disk full\n' "$none" -q '^ERROR'
compare 'ERROR: disk full\n' "$none" -e -q '^(ERROR|FATAL)'
compare 'ERROR: disk full\n' '2 (1) < ERROR: disk full/' -q '^< ERROR'
compare '\0\0\0ERROR: disk full\n' "$none" -q ERROR
compare 'all is fine\n' '2 (1) 2d1/' -q '[0-9]'
compare 'all is fine\n' "$none" -q file
compare 'all is fine' '2 (1) \ No newline at end of file/' -q file
compare 'ERROR: disk full\n' '2 (1) < ERROR: disk full/' -q ERROR -x 1
