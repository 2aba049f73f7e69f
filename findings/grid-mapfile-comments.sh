#!/bin/bash
# grid-mapfile-delete-entry deletes comments; -add-entry glues the new user to the last; both exit codes are 0.
#
# Software:  globus-gss-assist-progs 12.7-2 of Debian 12. Seen 2026-11-30.
# Expected:  deleting one mapping leaves all other lines as they are, comments too. An entry that is added to a file whose last line has no
#            newline becomes a line of its own. grid-mapfile-check-consistency ends with another code than 0 if it prints an ERROR.
# Seen:      delete-entry:  "# robots of ops" is gone, and so are empty lines. "-dn" alone, without "-ln", is refused, though its help has both in brackets.
#            add-entry:     "/DC=org/DC=example/CN=Robot" root"/DC=org/DC=example/CN=New" daemon, one line; "(1) entry added"
#            both:          a file of mode 640 has 644 afterwards, also where an account that is not there ended with 1
#            check-consistency of that line, of one DN in two lines, of "root, daemon", of a missing quote: an ERROR, or none; exit code 0
# Matters:   the robot of the last line has an account that is not there now, the new one has none, and no exit code says so: their next
#            jobs are refused. Keep comments out of a mapfile that these programs change, look at its end, and read what they print.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download globus-gss-assist-progs
dpkg-deb -x globus-gss-assist-progs_*.deb root
echo "globus-gss-assist-progs $(dpkg-deb -f globus-gss-assist-progs_*.deb Version)"
PATH="$PWD/root/usr/sbin:$PWD/root/usr/bin:$PATH"
run() { # program, arguments; its exit code
    code=0
    "$@" > said 2>&1 || code=$?
    echo "$1: exit code $code, mode $(stat -c %a mapfile)"
}
compare() { # what, got, expected
    printf '%s:\n%s\n' "$1" "$2"
    [ "$2" = "$3" ] || changed "it was: $3"
}
robot=/DC=org/DC=example/CN=Robot

printf '# robots of ops\n"%s" root,daemon\n\n"/DC=org/DC=example/CN=User" bin\n' "$robot" > mapfile
chmod 640 mapfile
run grid-mapfile-delete-entry -f mapfile -dn "$robot" -ln daemon
compare "a mapping deleted" "$code $(stat -c %a mapfile) $(cat mapfile)" "0 644 \"$robot\" root
\"/DC=org/DC=example/CN=User\" bin"
run grid-mapfile-delete-entry -f mapfile -dn "$robot"
compare "-dn without -ln" "$code $(grep ^Error said)" "1 Error: -ln needs a list of user login names"

printf '"%s" root' "$robot" > mapfile
chmod 640 mapfile
run grid-mapfile-add-entry -f mapfile -dn /DC=org/DC=example/CN=New -ln daemon
compare "an entry added" "$code $(stat -c %a mapfile) $(cat mapfile)" "0 644 \"$robot\" root\"/DC=org/DC=example/CN=New\" daemon"
cp mapfile glued
chmod 640 mapfile
run grid-mapfile-add-entry -f mapfile -dn /DC=org/DC=example/CN=Other -ln no-such-account
compare "an account that is not there" "$code $(stat -c %a mapfile)" "1 644"

check() { # what, lines, number of ERRORs
    printf '%s\n' "$2" > mapfile
    run grid-mapfile-check-consistency -f "$PWD/mapfile"
    compare "$1, exit code and errors" "$code $(grep -c ERROR said || true)" "0 $3"
}
check "the glued line" "$(cat glued)" 0
check "one DN in two lines" "\"$robot\" root
\"$robot\" daemon" 2
check "a blank in the accounts" "\"$robot\" root, daemon" 1
check "a missing quote" "\"$robot root" 1
