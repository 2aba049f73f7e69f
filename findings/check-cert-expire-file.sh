#!/bin/bash
# check_cert_expire: an empty or cut file is a WARNING without a word, a certificate that is not valid yet is OK, and so is a dead chain.
#
# Software:  check_cert_expire and check_cert_expire_dir of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12.
#            Seen 2026-11-30.
# Expected:  a file that holds no certificate is CRITICAL or UNKNOWN, with a line that says so. In a file with several certificates the
#            first end counts, as the chain is dead with any of them. What is not valid yet is no good certificate.
# Seen:      empty, cut in the middle, a key in its place: exit code 1, nothing on stdout. No such file: 3, nothing on stdout.
#            a good certificate, then an expired one of its CA: 0, "OK: notAfter=..." of the first.
#            valid from tomorrow: 0, "OK: notAfter=...".
#            check_cert_expire_dir of a directory of *.pem: 3, "UNKNOWN (1): *", whatever they are.
# Matters:   a renewal that ran out of disk leaves an empty file, and the check for just that is a WARNING without a text, which is what
#            it shows in each normal month before a renewal; a chain whose CA has expired is refused by clients. Ask the service too.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib
dpkg-deb -x monitoring-plugins-contrib_*.deb root
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"

cat > ca.cnf <<'SETTINGS'
[ca]
default_ca = own
[own]
dir = .
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
SETTINGS
: > index
echo 01 > serial
mkdir certs pems
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 400 2> said
openssl req -newkey rsa:2048 -nodes -keyout key -out request -subj /CN=site.example.org 2> said
made() { # file, first and last time: a certificate
    openssl ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key -in request -notext -startdate "$2" -enddate "$3" -out "$1" 2> said
    : > index
}
at() { date -u -d "$1" +%Y%m%d%H%M%SZ; }
made good.crt "$(at '-2 days')" "$(at '+300 days')"
made expired.crt "$(at '-9 days')" "$(at '-2 days')"
made future.crt "$(at '+1 day')" "$(at '+300 days')"
cat good.crt expired.crt > chain.crt
: > empty.crt
head -c 400 good.crt > cut.crt
cp expired.crt pems/expired.pem

compare() { # expected exit code and the beginning of stdout, "-" for nothing; plugin, argument
    code=0
    "root/usr/lib/nagios/plugins/$3" "$4" > said 2> errors || code=$?
    said=$(head -1 said)
    echo "$3 $4: $code ${said:--}"
    [ "$code" = "$1" ] && case ${said:--} in "$2"*) true ;; *) false ;; esac || { echo "CHANGED: it was $1 $2" >&2; exit 1; }
}
compare 0 "OK: notAfter=" check_cert_expire good.crt
compare 2 "CRITICAL: notAfter=" check_cert_expire expired.crt
compare 0 "OK: notAfter=" check_cert_expire chain.crt
compare 0 "OK: notAfter=" check_cert_expire future.crt
compare 1 - check_cert_expire empty.crt
compare 1 - check_cert_expire cut.crt
compare 1 - check_cert_expire key
compare 3 - check_cert_expire absent.crt
if command -v tempfile > /dev/null; then compare 3 "UNKNOWN (1): *" check_cert_expire_dir pems; fi
