#!/bin/bash
# kcat ends with 0 where it could not read one of its files, drops empty lines and files, and reads all for "-o End" or a date.
#
# Software:  kcat 1.7.1-2 of Debian 12, librdkafka 2.0.2 with its mock cluster as the broker. Seen 2026-11-30.
# Expected:  `kcat -P -t results a b c` ends with another code than 0 if one of the files cannot be read. A line or a file without text is
#            a message without text. An offset that is none (-o) is refused.
# Seen:      one file of three is not there:        "Failed to produce from 1/3 files", exit code 0
#            the same file alone:                   exit code 1
#            "one", an empty line, "three" by -P:   two messages; an empty file is none; both exit code 0, nothing said
#            -C -o End, -o latest, -o 2026-11-30:   taken as 0, 0 and 2026: all messages from the beginning, or none; exit code 0
# Matters:   results that lie in files and are deleted after exit code 0 are lost where one could not be opened; a consumer that was to
#            begin at the end counts the results of weeks again. Send one file at a time, and write "end".
set -eu
work=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2> /dev/null; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download kcat librdkafka1 libyajl2 liblz4-1 libsasl2-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "kcat $(dpkg-deb -f kcat_*.deb Version), librdkafka1 $(dpkg-deb -f librdkafka1_*.deb Version)"
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'librdkafka.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" HOME="$PWD"

kcat -C -b none -t kept -d mock -X test.mock.num.brokers=1 > log 2>&1 &
broker=$!
for _ in $(seq 600); do grep -aq bootstrap.servers= log && break; sleep 0.1; done
address=$(grep -ao 'bootstrap.servers=[0-9.:]*' log | head -n 1)
[ -n "$address" ] || { tail log >&2; changed "the mock cluster told its address"; }

send() { # topic, files
    code=0
    topic=$1
    shift
    kcat -P -b "${address#*=}" -p 0 -t "$topic" "$@" 2> said || code=$?
}
kept() { # topic, offset
    kcat -C -q -e -b "${address#*=}" -p 0 -t "$1" -o "$2" -f '[%s]' || echo " exit code $?"
}
compare() { # what, got, expected
    echo "$1: $2"
    [ "$2" = "$3" ] || changed "it was: $3"
}
printf OK > first
printf CRITICAL > third
: > empty
send files first second third
compare "one file of three is not there" "$code, $(kept files beginning), $(tail -n 1 said)" "0, [OK][CRITICAL], % Failed to produce from 1/3 files"
send alone second
compare "the one that is not there" "$code" 1
send empty empty
compare "an empty file" "$code, $(kept empty beginning), $(cat said)" "0, , "
printf 'one\n\nthree\n' > lines
send lines < lines
compare "three lines, the second empty" "$code, $(kept lines beginning), $(cat said)" "0, [one][three], "
compare "-o end" "$(kept lines end)" ""
compare "-o End" "$(kept lines End)" "[one][three]"
compare "-o latest" "$(kept lines latest)" "[one][three]"
compare "-o 2026-11-30" "$(kept lines 2026-11-30)" ""
