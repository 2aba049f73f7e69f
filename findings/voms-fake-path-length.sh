#!/bin/bash
# A proxy of voms-proxy-fake may be delegated once, one of voms-proxy-init without end: the tool for tests differs.
#
# Software:  voms-clients 2.1.0~rc3-4 of Debian 12. Seen 2026-11-28.
# Expected:  both programs come from one source and share their options; without -path-length both make proxies of
#            unlimited path length (RFC 3820 section 3.8.1: no pCPathLenConstraint).
# Seen:      voms-proxy-init leaves the constraint out ("infinite"), voms-proxy-fake writes 1.
# Matters:   a test that uses voms-proxy-fake, the usual way to have VOMS attributes without a VOMS server, fails as soon
#            as a service delegates twice, with an error of path length that production never shows; or it "proves"
#            a path-length check that production never meets. Tests pass -path-length themselves.
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

mkdir -p ca
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca/ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2>/dev/null
cp ca/ca.pem "ca/$(openssl x509 -in ca/ca.pem -noout -hash).0"
cat > "ca/$(openssl x509 -in ca/ca.pem -noout -hash).signing_policy" <<POLICY
access_id_CA X509 '/DC=org/DC=example/CN=CA'
pos_rights globus CA:sign
cond_subjects globus '"/DC=org/DC=example/*"'
POLICY
printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature,keyEncipherment \
    subjectKeyIdentifier=hash authorityKeyIdentifier=keyid > extensions
for name in user voms.example.org; do
    openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "/DC=org/DC=example/CN=$name" 2>/dev/null
    openssl x509 -req -in $name.csr -CA ca/ca.pem -CAkey ca.key -CAcreateserial -days 20 -out $name.pem \
        -extfile extensions 2>/dev/null
    chmod 600 $name.key
done
voms-proxy-init2 -rfc -cert user.pem -key user.key -out init.pem > made 2>&1 < /dev/null || { cat made; exit 2; }
voms-proxy-fake -rfc -newformat -cert user.pem -key user.key -hostcert voms.example.org.pem -hostkey voms.example.org.key \
    -voms ops -uri voms.example.org:15009 -fqan /ops -out fake.pem > made 2>&1 || { cat made; exit 2; }

path_length() { openssl x509 -in "$1" -noout -text | sed -n 's/^ *Path Length Constraint: //p'; }
echo "voms-proxy-init: path length $(path_length init.pem)"
echo "voms-proxy-fake: path length $(path_length fake.pem)"
[ "$(path_length init.pem)" = infinite ] || changed "voms-proxy-init now limits the path length"
[ "$(path_length fake.pem)" = 01 ] || changed "voms-proxy-fake now has another path length"
