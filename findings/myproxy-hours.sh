#!/bin/bash
# myproxy-logon -t 0.5 gets a proxy of all the time there is, -t 24 one of two hours; myproxy-init promises 300 hours where 24 exist.
#
# Software:  myproxy and myproxy-server 6.2.14-2, globus-proxy-utils 7.3-2 of Debian 12. Seen 2026-11-30.
# Expected:  the lifetimes of myproxy-init -c and myproxy-logon -t, in hours, may have a fraction, or are refused with one, as a word is.
#            Where less can be had than was asked for, it is said what is had, or the exit code is not 0.
# Seen:      myproxy-init -c 300, a certificate of 24 hours:  "A proxy valid for 300 hours (12.5 days) ... now exists"; it has 23:59
#            myproxy-init -c 0.5, or -c two:                  a proxy of 23:59, not of half an hour
#            myproxy-logon -t 24 of a credential of 2 hours:  a proxy of 2 hours, "A credential has been received", nothing else
#            myproxy-logon -t 0.5, or -t two, of 24 hours:    a proxy of 12 hours, the most that the server gives
#            exit code 0 of them all
# Matters:   a robot that renews its proxy every 12 hours by "-t 24" has one that ends in between; who asks for half an hour, for a
#            machine that is trusted for as long, leaves one of 12 hours there. Look at the end of what came, and give whole hours.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download myproxy myproxy-server libmyproxy6 globus-proxy-utils libglobus-common0 \
    libglobus-openssl-module0 libglobus-gsi-sysconfig1 libglobus-gsi-credential1 libglobus-gsi-proxy-core0 libglobus-gsi-callback0 \
    libglobus-gsi-cert-utils0 libglobus-gsi-openssl-error0 libglobus-gsi-proxy-ssl1 libglobus-gssapi-gsi4 libglobus-gss-assist3 \
    libglobus-callout0 libltdl7 libbsd0 libmd0 libsasl2-2 libldap-2.5-0 libvomsapi1v5 libpam0g
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in myproxy myproxy-server globus-proxy-utils; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libmyproxy.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" HOME="$PWD" X509_CERT_DIR="$PWD/certificates"

mkdir certificates
mkdir -m 700 store
subject() { echo "/DC=org/DC=example/CN=$1"; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "$(subject CA)" 2> /dev/null
printf 'keyUsage=critical,digitalSignature,keyEncipherment\nbasicConstraints=critical,CA:FALSE\n' > extensions
for name in robot localhost; do
    openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "$(subject $name)" 2> /dev/null
    openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile extensions -out $name.pem 2> /dev/null
    chmod 600 $name.key
done
hash=$(openssl x509 -hash -noout -in ca.pem)
cp ca.pem "certificates/$hash.0"
cat > "certificates/$hash.signing_policy" <<POLICY
access_id_CA X509 '$(subject CA)'
pos_rights globus CA:sign
cond_subjects globus '"$(subject '*')"'
POLICY
cat > server.conf <<CONF
accepted_credentials "*"
authorized_retrievers "*"
default_retrievers "*"
max_proxy_lifetime 12
CONF

run() { # a client's command, with a server that answers it and ends
    rm -f port
    X509_USER_CERT=localhost.pem X509_USER_KEY=localhost.key \
        root/usr/sbin/myproxy-server -d -l localhost -p 0 -z "$PWD/port" -c server.conf -s "$PWD/store" > log 2>&1 &
    server=$!
    for _ in $(seq 300); do [ -s port ] && break; sleep 0.1; done
    [ -s port ] || { tail log >&2; changed "the server does not start in 30 s"; }
    code=0
    echo secret1 | MYPROXY_SERVER=localhost MYPROXY_SERVER_PORT=$(cat port) MYPROXY_SERVER_DN=$(subject localhost) \
        X509_USER_CERT=robot.pem X509_USER_KEY=robot.key "$@" > said 2>&1 || code=$?
    kill "$server" 2> /dev/null || true
    wait "$server" || true
    server=
}
told() { # what, whole hours (rounded) of what was made
    hours=$((($2 + 1800) / 3600))
    echo "$1: exit code $code, $hours hours; $(grep -o 'A .* hours ([^)]*)\|A credential has been received' said || true)"
    [ "$code" = 0 ] || { cat said >&2; changed "the exit code was 0"; }
}
init() { # -c, hours expected, sentence expected
    run myproxy-init -l robot -S -c "$1"
    cp said promised
    first=$code
    run myproxy-info -l robot
    left=$(sed -n 's/^ *timeleft: //p' said | awk -F: '{print $1 * 3600 + $2 * 60 + $3}')
    cp promised said
    code=$first
    told "myproxy-init -c $1" "$left"
    [ "$hours" = "$2" ] || changed "it was $2 hours"
    grep -qF "$3" said || changed "it said: $3"
}
logon() { # -t, hours expected
    run myproxy-logon -l robot -S -t "$1" -o proxy
    told "myproxy-logon -t $1" "$(grid-proxy-info -f proxy -timeleft)"
    [ "$hours" = "$2" ] || changed "it was $2 hours"
    [ "$(grep -c . said)" = 1 ] || { cat said >&2; changed "it said one line"; }
}
init 2 2 "valid for 2 hours"
logon 24 2
logon 1 1
init 0.5 24 "now exists"
init two 24 "now exists"
init 300 24 "A proxy valid for 300 hours (12.5 days) for user robot now exists"
logon 24 12
logon 0.5 12
logon two 12
