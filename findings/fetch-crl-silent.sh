#!/bin/bash
# fetch-crl ends with 0 where it got no revocation list at all, and says nothing of one that has run out.
#
# Software:  fetch-crl 3.0.22-2 of Debian 12 with the settings of its own fetch-crl.conf (agingtolerance = 24, symlinks,
#            nowarnings). Needs openssl, perl and libwww-perl. Seen 2026-11-28.
# Expected:  exit code 1 where the list of a trusted CA could not be had and there is none on disk; an error where the one on
#            disk is past its nextUpdate, since every verifier that looks at it now refuses all certificates of that CA.
# Seen:      1. a server that refuses (or a 404) and no list on disk: a "VERBOSE(0)" line, exit code 0, no .r0 file. The 24 h of
#               tolerance begin at the first try.
#            2. a list on disk that expired weeks ago, server gone, last success less than 24 h ago: a line of the failed download
#               at most, none of the list's end, exit code 0.
#            3. a list that is expired when it arrives is an error, exit code 1.
# Matters:   "fetch-crl exited with 0" is not "the lists are good". A monitor that verifies with revocation lists looks at the
#            files: that one is there for each CA, and its nextUpdate.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

perl -MLWP -e 1 2>/dev/null || { echo "libwww-perl is needed: apt-get install libwww-perl" >&2; exit 2; }
apt-get -qq -o APT::Sandbox::User=root download fetch-crl
dpkg-deb -x fetch-crl_*.deb root
dpkg-deb -f fetch-crl_*.deb Version

mkdir ca certs state www
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca/key -out certs/Example.pem -days 900 \
    -subj "/DC=org/DC=example/CN=CA" 2>/dev/null
hash=$(openssl x509 -in certs/Example.pem -noout -hash)
ln -s Example.pem "certs/$hash.0"
: > ca/index
echo 01 > ca/number
printf '[ca]\ndefault_ca = x\n[x]\ndatabase = ca/index\ncrlnumber = ca/number\ndefault_md = sha256\n' > ca/cnf
list() { openssl ca -config ca/cnf -gencrl -keyfile ca/key -cert certs/Example.pem -out "$@" 2>/dev/null; }
list www/good.crl -crldays 30
list www/expired.crl \
    -crl_lastupdate "$(date -u -d '40 days ago' +%Y%m%d%H%M%SZ)" \
    -crl_nextupdate "$(date -u -d '20 days ago' +%Y%m%d%H%M%SZ)"
printf 'infodir = %s\nstatedir = %s\nagingtolerance = 24\nsymlinks\nnowarnings\n' "$PWD/certs" "$PWD/state" > conf

: > served
python3 -u -m http.server --bind 127.0.0.1 --directory www 0 > served 2>&1 &
server=$!
for _ in $(seq 150); do port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' served); [ -n "$port" ] && break; sleep 0.2; done

fetch() {
    echo "$2" > certs/Example.crl_url
    printf 'alias = Example\ncrl_url = %s\n' "$2" > certs/Example.info
    code=0
    root/usr/sbin/fetch-crl -c conf > said 2>&1 || code=$?
    echo "$1: exit code $code, $(find certs -name '*.r0' | wc -l) list(s) on disk"
    sed 's/^/    /' said
}
fetch "a list that is not there, none before" "http://127.0.0.1:$port/absent.crl"
[ "$code" = 0 ] && [ ! -e "certs/$hash.r0" ] || changed "a missing list is now an error"
rm -f state/*
fetch "an expired list, none before" "http://127.0.0.1:$port/expired.crl"
[ "$code" = 1 ] || changed "an expired list is now taken"
rm -f state/*
fetch "a good list" "http://127.0.0.1:$port/good.crl"
[ "$code" = 0 ] && [ -e "certs/$hash.r0" ] || changed "a good list is refused"
cp www/expired.crl "certs/$hash.r0"
fetch "the list on disk is expired, the server has none" "http://127.0.0.1:$port/absent.crl"
[ "$code" = 0 ] || changed "an expired list on disk is now an error within the tolerance"
