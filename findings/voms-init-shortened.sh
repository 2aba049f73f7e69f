#!/bin/bash
# voms-proxy-init ends with 1 where the proxy is good but shorter than asked for, and with 1 after it put a dead one in its place.
#
# Software:  voms-clients 2.1.0~rc3-4 of Debian 12 (voms-proxy-init2). Seen 2026-11-29.
# Expected:  a certificate that ends before the proxy would makes a shorter proxy, a warning and exit code 0; an expired one makes
#            none, as a VOMS server that does not answer makes none, and the proxy that was there stays.
# Seen:      certificate good for 20 days, -valid 12:00: 0. For one hour: a proxy of one hour is written, exit code 1. Expired an hour
#            ago: "Your certificate expired", exit code 1, and the good proxy that was there is overwritten by one that ends
#            before it begins. No VOMS server: exit code 1, the old proxy stays.
# Matters:   in the last hours of a certificate each renewal of the monitor's proxy is an error though it worked. And the proxy that
#            somebody made in haste of the new certificate lasts until cron's next run with the old one. The exit code does not
#            tell these apart: write to another file, look at it with voms-proxy-info -exists -valid, and rename it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download voms-clients libvomsapi1v5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libvomsapi.so.1')")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" X509_CERT_DIR=$PWD/ca HOME=$PWD
dpkg-deb -f voms-clients_*.deb Version

mkdir -p ca made
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca/ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2>/dev/null
cp ca/ca.pem "ca/$(openssl x509 -in ca/ca.pem -noout -hash).0"
printf '%s\n' '[ca]' default_ca=own '[own]' database=index serial=serial new_certs_dir=made policy=policy default_md=sha256 \
    x509_extensions=user '[policy]' domainComponent=optional commonName=supplied '[user]' basicConstraints=critical,CA:FALSE \
    keyUsage=critical,digitalSignature,keyEncipherment subjectKeyIdentifier=hash authorityKeyIdentifier=keyid > ca.conf
: > index
echo 01 > serial
moment() { date -u -d "$1" +%Y%m%d%H%M%SZ; }
certificate() { # name, its end
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/DC=org/DC=example/CN=$1" 2>/dev/null
    openssl ca -batch -config ca.conf -in "$1.csr" -cert ca/ca.pem -keyfile ca.key -startdate "$(moment "-2 days")" \
        -enddate "$(moment "$2")" -out "$1.pem" -notext 2>/dev/null
    chmod 600 "$1.key"
}
certificate lasting "+20 days"
certificate ending "+1 hour"
certificate expired "-1 hour"
echo '"ops" "127.0.0.1" "9" "/DC=org/DC=example/CN=voms.example.org" "ops"' > vomses
chmod 644 vomses

voms-proxy-init2 -rfc -cert lasting.pem -key lasting.key -valid 12:00 -out before.pem > said 2>&1 < /dev/null || { cat said; exit 2; }
compare() { # what, expected; arguments
    cp before.pem proxy.pem
    code=0
    voms-proxy-init2 -rfc -valid 12:00 "${@:3}" -out proxy.pem > said 2>&1 < /dev/null || code=$?
    left=$(voms-proxy-info2 -file proxy.pem -timeleft)
    state="the old one"
    cmp -s before.pem proxy.pem || state="a new one, $(((left + 1800) / 3600)) h left"
    echo "$1: exit code $code, $state"
    [ "$code, $state" = "$2" ] || changed "it was $2"
}
compare "certificate of 20 days" "0, a new one, 12 h left" -cert lasting.pem -key lasting.key
compare "certificate of one hour" "1, a new one, 1 h left" -cert ending.pem -key ending.key
compare "expired certificate" "1, a new one, 0 h left" -cert expired.pem -key expired.key
openssl x509 -in proxy.pem -noout -dates
compare "no VOMS server" "1, the old one" -cert lasting.pem -key lasting.key -voms ops -vomses "$PWD/vomses"
