#!/bin/bash
# ssl-cert-check -N names the wrong certificate beside one that ends today; a web server without TLS is "expired", `-x 30d` no limit at all.
#
# Software:  ssl-cert-check 4.14-1 of Debian 12, as a plugin of Nagios (-n, or -N for one line). Seen 2026-11-30.
# Expected:  -N names the certificate with the least time left, and tells of an endpoint that cannot be asked. What is no certificate is
#            UNKNOWN, as a port that refuses is. A limit that cannot be read is refused. An expired certificate is CRITICAL whatever else.
# Seen:      -N, one that has ended today, one of 90 days:      "1 certificate(s) will expire (FILE:year.pem on ...)|days=90", WARNING;
#            in the other order:                                names the first, |days=0
#            -N, one of 90 days and a port that refuses:        "1 valid certificate(s)|days=90", exit code 3
#            -n, a web server without TLS, or a private key:    Expired, |days=-24..., CRITICAL; so is a directory with the key beside it
#            -n -x 30d, a certificate of 2 days:                Valid, exit code 0; with -x 30: Expiring, 1
#            -n, one that ended 2 days ago, a port that refuses: exit code 3, not 2
# Matters:   at the night of the day the sentence sends people to the wrong host; of a limit with a unit the only sign is a line on stderr,
#            which Nagios drops; one host that is down hides that the certificate of another has expired.
set -eu
work=$(mktemp -d)
server=
script=$(realpath "$0")
ended() { [ -z "$server" ] || kill "$server" 2> /dev/null || :; rm -rf "$work"; }
trap 'ended' EXIT
chmod 755 "$work"
cd "$work"
export TZ=UTC
day=$(date +%F)
changed() {
    if [ "$(date +%F)" != "$day" ]; then # whole days are counted, so what was made before midnight has one less after it
        echo "midnight has passed, once more"
        ended
        cd /
        exec "$script"
    fi
    echo "CHANGED: $1" >&2
    exit 1
}

apt-get -qq -o APT::Sandbox::User=root download ssl-cert-check
dpkg-deb -x ssl-cert-check_*.deb root
echo "ssl-cert-check $(dpkg-deb -f ssl-cert-check_*.deb Version)"

mkdir folder
openssl genrsa -out folder/robot.key 2048 2> /dev/null
openssl req -new -key folder/robot.key -out robot.csr -subj "/DC=org/DC=example/CN=robot"
for name in today:0 two:2 year:90; do
    openssl x509 -req -in robot.csr -signkey folder/robot.key -days ${name#*:} -out ${name%:*}.pem 2> /dev/null
done
touch index serials
printf '[ca]\ndefault_ca = own\n[own]\ndatabase = index\nnew_certs_dir = .\ndefault_md = sha256\npolicy = any\nrand_serial = yes\n' > ca.conf
printf '[any]\ndomainComponent = optional\ncommonName = optional\n' >> ca.conf
openssl ca -batch -notext -config ca.conf -selfsign -keyfile folder/robot.key -in robot.csr -out gone.pem \
    -startdate "$(date -d '-9 days' +%Y%m%d%H%M%SZ)" -enddate "$(date -d '-2 days' +%Y%m%d%H%M%SZ)" 2> /dev/null
cp year.pem folder/
python3 -u -m http.server -b 127.0.0.1 0 > port 2> /dev/null &
server=$!
for _ in $(seq 300); do [ -s port ] && break; sleep 0.1; done
web=$(sed 's/.* port \([0-9]*\) .*/\1/' port)

told() { # case, exit code, what the first line holds, arguments
    code=0
    said=$(bash root/usr/bin/ssl-cert-check "${@:4}" 2> errors) || code=$?
    line=$(head -1 <<< "$said" | tr -s ' ')
    echo "$1: exit code $code, $line"
    [ "$code" = "$2" ] || changed "the exit code was $2"
    case $line in *$3*) ;; *) changed "it said $3" ;; esac
}
list() { # certificates, or a port, one a line
    for each; do echo "$each"; done > list
}
list "today.pem FILE" "year.pem FILE"
told "ended today, 90 days" 1 "1 certificate(s) will expire (FILE:year.pem on *|days=90" -N -f list
list "year.pem FILE" "today.pem FILE"
told "90 days, ended today" 1 "1 certificate(s) will expire (FILE:today.pem on *|days=0" -N -f list
list "year.pem FILE" "127.0.0.1 1"
told "90 days, a port that refuses" 3 "1 valid certificate(s)|days=90" -N -f list
told "a port that refuses" 3 "Connection refused" -n -s 127.0.0.1 -p 1
told "a web server without TLS" 2 "Expired *|days=-2" -n -s 127.0.0.1 -p "$web"
told "a key" 2 "Expired *|days=-2" -n -c folder/robot.key
told "a directory with a good certificate and its key" 2 "1 certificate(s) expired (FILE:folder/robot.key on *|days=-2" -N -d folder
told "2 days, -x 30" 1 "Expiring *|days=2" -n -x 30 -c two.pem
told "2 days, -x 30d" 0 "Valid *|days=2" -n -x 30d -c two.pem
echo "    on stderr: $(sed 's/.*line/line/' errors)"
told "ended 2 days ago" 2 "Expired *|days=-2" -n -c gone.pem
list "gone.pem FILE" "127.0.0.1 1"
told "ended 2 days ago, and a port that refuses" 3 "Expired *|days=-2" -n -f list
