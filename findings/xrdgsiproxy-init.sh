#!/bin/bash
# xrdgsiproxy init ends with 0 where it made no proxy, and makes one of 72 hours from a certificate that ends in 24.
#
# Software:  xrootd-client 5.5.3-1 of Debian 12. Seen 2026-11-30.
# Expected:  exit code 0 where there is a proxy, another one where there is none, as voms-proxy-init and grid-proxy-init have it. A proxy
#            ends with its certificate at the latest. An option that it does not know is refused.
# Seen:      init with a certificate that has expired:      "problems creating proxy", no file, exit code 0
#            init -valid 72:00, a certificate of 24 hours:  a proxy of 72 hours; "info" tells "time left : 71h:59m"; exit code 0
#            init -vaild 2:00:                              "Ignoring unrecognized option", a proxy of 12 hours, exit code 0
# Matters:   a cron job that renews a robot's proxy goes on with the old one after the certificate's end, and no exit code says so; a proxy
#            that has "two days left" is refused by all since its certificate ended. Look at each end in the file's chain.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download xrootd-client xrootd-plugins libxrdutils3 libxrdcl3 libxrdposix3 libxrdxml3 \
    libxrdapputils2 libxrdcrypto2 libxrdcryptolite2 libxrdssilib2 libtinyxml2.6.2v5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "xrootd-client $(dpkg-deb -f xrootd-client_*.deb Version)"
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libXrdUtils.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" HOME="$PWD"

mkdir certificates
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2> /dev/null
openssl req -newkey rsa:2048 -nodes -keyout robot.key -out robot.csr -subj "/DC=org/DC=example/CN=Robot" 2> /dev/null
cp ca.pem "certificates/$(openssl x509 -hash -noout -in ca.pem).0"
cat > ca.conf <<CONF
[ca]
default_ca = example
[example]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
unique_subject = no
[any]
DC = optional
CN = optional
[extensions]
keyUsage = critical,digitalSignature,keyEncipherment
basicConstraints = critical,CA:FALSE
CONF
: > index
sign() { # file, begin, end
    openssl ca -batch -notext -preserveDN -config ca.conf -cert ca.pem -keyfile ca.key -in robot.csr -out "$1" \
        -startdate "$(date -u -d "$2" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$3" +%Y%m%d%H%M%SZ)" 2> log || { cat log >&2; exit 1; }
}
sign good.pem "-1 hour" "+24 hours"
sign dead.pem "-20 days" "-1 hour"
chmod 600 robot.key

gsiproxy() { # a command and its options
    code=0
    xrdgsiproxy "$@" -certdir certificates > said 2>&1 || code=$?
    echo "xrdgsiproxy $*: exit code $code; $(grep -oE 'problems.*|Ignoring.*|time left.*' said | paste -sd';')"
}
hours() { echo $((($(date -d "$(openssl x509 -enddate -noout -in "$1" | cut -d= -f2)" +%s) - $(date +%s) + 1800) / 3600)); }
compare() { # what, got, expected
    [ "$2" = "$3" ] || { cat said >&2; changed "$1 was $3, and is $2"; }
}
gsiproxy init -cert dead.pem -key robot.key -out none
compare "the exit code for an expired certificate" "$code $(ls none 2> /dev/null)" "0 "
grep -q "problems creating proxy" said || changed "it said that there are problems"
gsiproxy init -cert good.pem -key robot.key -out long -valid 72:00
compare "the hours of a proxy of a day's certificate" "$code $(hours long)" "0 72"
gsiproxy info -f long
grep -qE "time left *: 7[12]h" said || changed "it told 71 or 72 hours"
gsiproxy init -cert good.pem -key robot.key -out misspelt -vaild 2:00
compare "the hours of a misspelt option" "$code $(hours misspelt)" "0 12"
