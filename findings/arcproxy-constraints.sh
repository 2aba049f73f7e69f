#!/bin/bash
# arcproxy drops a constraint that is misspelt, has blanks around its "=" or no value, and takes "-2h" and "12h,keybits=4096": exit code 0.
#
# Software:  nordugrid-arc-client 6.17.0-3 of Debian 12. Seen 2026-11-30.
# Expected:  `arcproxy -c NAME=VALUE` refuses a name that it does not know, as it refuses the value of "validityPeriod=two" or the item of
#            "-i misspelt"; a period beyond the certificate's end is refused, or the user is warned.
# Seen:      -c validityperiod=2h, -c "validityPeriod = 2h", -c lifetime=2h, -c validityPeriod:  a proxy of 12 hours, exit code 0
#            -c keyBits=4096:                       2048 bits, exit code 0; with "keybits" 4096
#            -c validityPeriod=12h,keybits=4096:    2048 bits and 80 hours, which is 12 and 4096 minutes; exit code 0
#            -c validityPeriod=-2h:                 two hours
#            -c validityPeriod=900h:                until the certificate ends, 480 h; no warning
#            -c validityPeriod=2:                   two seconds: a bare number is not in hours
# Matters:   a proxy that was to live for two hours on somebody else's machine lives for twelve, or for weeks. Look at what came:
#            `arcproxy -i validityLeft -i keybits`.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download nordugrid-arc-client libarccommon3v5 libglibmm-2.4-1v5 libsigc++-2.0-0v5 libvomsapi1v5 \
    libgsoap-2.8.124 libxml2 libicu72 libltdl7 libdb5.3++
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "nordugrid-arc-client $(dpkg-deb -f nordugrid-arc-client_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu):$PWD/root/usr/lib
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" ARC_LOCATION="$PWD/root/usr" HOME="$PWD"

mkdir certificates
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2> /dev/null
openssl req -newkey rsa:2048 -nodes -keyout robot.key -out robot.csr -subj "/DC=org/DC=example/CN=Robot" 2> /dev/null
printf 'keyUsage=critical,digitalSignature,keyEncipherment\nbasicConstraints=critical,CA:FALSE\n' > extensions
openssl x509 -req -in robot.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile extensions -out robot.pem 2> /dev/null
chmod 600 robot.key
cp ca.pem "certificates/$(openssl x509 -hash -noout -in ca.pem).0"
printf '[common]\n' > arc.conf

proxy() { # hours and bits expected, or "refused"; constraints
    expected=$1
    shift
    rm -f proxy
    code=0
    arcproxy -z arc.conf -C robot.pem -K robot.key -T certificates -P proxy "$@" > said 2>&1 || code=$?
    got=refused
    if [ -e proxy ]; then
        hours=$((($(date -d "$(openssl x509 -enddate -noout -in proxy | cut -d= -f2)" +%s) - $(date +%s) + 1800) / 3600))
        got="$hours hours, $(openssl x509 -text -noout -in proxy | grep -o '[0-9]* bit'), exit code $code"
    fi
    echo "$*: $got; $(tail -n 1 said)"
    [ "$got" = "$expected" ] || changed "it was $expected"
    [ "$got" = refused ] || ! grep -qi warning said || { cat said >&2; changed "there was no warning"; }
}
proxy "2 hours, 2048 bit, exit code 0" -c validityPeriod=2h
proxy "12 hours, 4096 bit, exit code 0" -c keybits=4096
proxy refused -c validityPeriod=two
for constraint in validityperiod=2h "validityPeriod = 2h" lifetime=2h validityPeriod keyBits=4096; do
    proxy "12 hours, 2048 bit, exit code 0" -c "$constraint"
done
proxy "80 hours, 2048 bit, exit code 0" -c validityPeriod=12h,keybits=4096
proxy "2 hours, 2048 bit, exit code 0" -c validityPeriod=-2h
proxy "480 hours, 2048 bit, exit code 0" -c validityPeriod=900h
proxy "0 hours, 2048 bit, exit code 0" -c validityPeriod=2
