#!/bin/bash
# check_ssl_cert asked by address never looks at the certificate's name, with --sni neither; by name the CN counts beside the SAN.
#
# Software:  check_ssl_cert 2.60.0 of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12; openssl s_server. Seen 2026-11-30.
# Expected:  with `-H 192.0.2.1 --sni cloud.example.org` the certificate has to be that of cloud.example.org; with an address alone, that
#            of the address. A certificate with a SAN is judged by its SAN alone, as RFC 6125 (6.4.4) wants it. -H localhost
#            is judged like any name.
# Seen:      the certificate of other.example.org:        -H 127.0.0.1: OK, also with --sni cloud.example.org; CRITICAL with
#                                                         -m cloud.example.org, or -H cloud.example.org --resolve 127.0.0.1
#            SAN other.example.org, CN cloud...:          OK for -H cloud.example.org, and for -m; curl refuses it
#            -H localhost:                                UNKNOWN, "--altnames requires a common name to match"
# Matters:   checks that Nagios runs with $HOSTADDRESS$ stay green when the web server answers with the certificate of another site, or a
#            renewal forgot a name: just what users see first. Give -m NAME with each address, and look by a client too.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib file libmagic1 libmagic-mgc bc curl libcurl4
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH MAGIC="$work/root/usr/share/misc/magic.mgc"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "Host $1 not found: 3(NXDOMAIN)"\nexit 1\n' > root/usr/bin/host # no name is asked for outside
chmod 755 root/usr/bin/host
export PATH="$work/root/usr/bin:$PATH"

openssl req -x509 -newkey rsa:2048 -nodes -days 4000 -subj "/CN=authority" -keyout ca.key -out ca.pem 2> said
certificate() { # name of the file, CN, name in the SAN
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.req" 2> said
    printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n' "$3" > "$1.ext"
    openssl x509 -req -in "$1.req" -CA ca.pem -CAkey ca.key -days 90 -extfile "$1.ext" -out "$1.pem" 2> /dev/null
}
certificate right cloud.example.org cloud.example.org
certificate other other.example.org other.example.org
certificate mixed cloud.example.org other.example.org

look() { # expected exit code and options
    code=0
    root/usr/lib/nagios/plugins/check_ssl_cert -p "$port" -r ca.pem --ignore-ocsp --ignore-sct -t 60 "${@:2}" > answer 2>&1 || code=$?
    echo "  ${*:2}: $code, $(sed 's/|.*//; q' answer | cut -c1-110)"
    [ "$code" = "$1" ] || { echo "CHANGED: it was $1" >&2; exit 1; }
}
for each in right other mixed; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    openssl s_server -quiet -accept "127.0.0.1:$port" -cert "$each.pem" -cert_chain ca.pem -key "$each.key" -www > said 2>&1 &
    server=$!
    for _ in $(seq 100); do (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done
    echo "$each: $(openssl x509 -noout -subject -ext subjectAltName -in "$each.pem" | tr -s '\n ' ' ')"
    case $each in right) named=0 client=0 ;; other) named=2 client=60 ;; mixed) named=0 client=60 ;; esac
    look 0 -H 127.0.0.1
    look 0 -H 127.0.0.1 --sni cloud.example.org
    look $named -H 127.0.0.1 -m cloud.example.org
    look $named -H cloud.example.org --resolve 127.0.0.1
    [ "$each" != right ] || look 3 -H localhost
    code=0
    curl -sS --noproxy '*' --cacert ca.pem --resolve "cloud.example.org:$port:127.0.0.1" "https://cloud.example.org:$port/" -o page 2> answer || code=$?
    echo "  curl: $code, $(sed q answer)"
    [ "$code" = "$client" ] || { echo "CHANGED: it was $client" >&2; exit 1; }
    kill "$server"
    wait "$server" || true
    server=
done
