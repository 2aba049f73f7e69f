#!/bin/bash
# An expired VOMS attribute certificate is "there" for voms-proxy-info, whatever is asked of it.
#
# Software:  voms-clients 2.1.0~rc3-4 (the C client) of Debian 12. Seen 2026-11-28. The Java client of the same release,
#            voms-clients-java 3.3.2-2, gave the same exit codes for the first four questions, and 1 for the last one.
# Expected:  `voms-proxy-info -exists -acexists ops -valid 5:00` asks whether a proxy with attributes of ops is good for
#            five more hours. It exits 1 when those attributes expired an hour ago, as it does when the proxy itself is.
# Seen:      it exits 0. -exists, -acexists, -valid and their combinations look at the proxy's time alone; that the
#            attributes are dead shows in -actimeleft (and -all) only. -valid without -exists judges nothing at all.
# Matters:   a cron job that renews the monitor's robot proxy "if voms-proxy-info says so" does not renew it, and every
#            cloud then refuses the monitor: a whole federation red for a fault of the monitor's own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download voms-clients libvomsapi1v5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libvomsapi.so.1')")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" X509_CERT_DIR=$PWD/ca X509_VOMS_DIR=$PWD/vomsdir HOME=$PWD
dpkg-deb -f voms-clients_*.deb Version

mkdir -p ca vomsdir/ops
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca/ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2>/dev/null
cp ca/ca.pem "ca/$(openssl x509 -in ca/ca.pem -noout -hash).0"
printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature,keyEncipherment \
    subjectKeyIdentifier=hash authorityKeyIdentifier=keyid > extensions
for name in user voms.example.org; do
    openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "/DC=org/DC=example/CN=$name" 2>/dev/null
    openssl x509 -req -in $name.csr -CA ca/ca.pem -CAkey ca.key -CAcreateserial -days 20 -out $name.pem \
        -extfile extensions 2>/dev/null
    chmod 600 $name.key
done
printf '/DC=org/DC=example/CN=%s\n' voms.example.org CA > vomsdir/ops/voms.example.org.lsc

# attributes that were good for one hour, beginning two hours ago, in a proxy that is good for twelve
voms-proxy-fake -rfc -newformat -cert user.pem -key user.key -hostcert voms.example.org.pem -hostkey voms.example.org.key \
    -voms ops -uri voms.example.org:15009 -fqan /ops/Role=NULL/Capability=NULL \
    -hours 12 -pastac 2:00 -vomslife 1 -out proxy.pem > made 2>&1 || { cat made; exit 2; }

ask() {
    code=0
    voms-proxy-info2 -file proxy.pem "$@" > answer 2>&1 || code=$?
    echo "voms-proxy-info $*: exit code $code"
}
ask -actimeleft
[ "$(cat answer)" = 0 ] || changed "the attributes are not expired: $(cat answer) s left"
for question in "-exists" "-acexists ops" "-exists -acexists ops" "-exists -valid 5:00 -acexists ops" "-valid 100:00"; do
    # shellcheck disable=SC2086
    ask $question
    [ "$code" = 0 ] || changed "voms-proxy-info $question now exits $code for expired attributes"
done
ask -exists -valid 100:00
[ "$code" = 1 ] || changed "-exists -valid no longer judges the proxy's own time"
