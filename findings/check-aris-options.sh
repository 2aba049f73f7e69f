#!/bin/bash
# check_aris of the ARC plugins: --if-no-clusters and --if-no-queues change nothing, --cluster NAME is "Bug in Nagios probe".
#
# Software:  nordugrid-arc-nagios-plugins 2.0.0-2+b1, nordugrid-arc-infosys-ldap 6.17.0-3 (its schema), slapd 2.5.13+dfsg-5, all of
#            Debian 12; ldap3 2.9.1 (PyPI). Seen 2026-11-29.
# Expected:  as --help has it: WARNING, or the status that is named, where no cluster, or a cluster without a queue, is
#            published; with --cluster that one alone is looked at, and CRITICAL if it is missing.
# Seen:      an answer without entries ends in "LDAP search returned nothing.", CRITICAL, before the options are looked at, with
#            --if-no-clusters OK and --if-no-queues OK as well. With --cluster and the name of the one that is there: a ValueError
#            and its traceback, UNKNOWN; of one that is not there: CRITICAL. Without options a cluster with a queue is OK. A
#            server without ARC's schema is "LDAP Search failed.", CRITICAL (see ldap3-unknown-class).
# Matters:   a site in the middle of a change, for which its operator set --if-no-queues OK, is CRITICAL and loses availability;
#            what is watched by name is never known. Put such services into a downtime instead, and leave --cluster out.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install ldap3==2.9.1 jinja2==3.1.6 cryptography==50.0.2
apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils glue-schema libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36 nordugrid-arc-nagios-plugins nordugrid-arc-infosys-ldap
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in nordugrid-arc-nagios-plugins nordugrid-arc-infosys-ldap slapd; do
    echo "$package $(dpkg-deb -f ${package}_*.deb Version)"
done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'liblber-*.so*' | head -1)")
export LD_LIBRARY_PATH LDAPNOINIT=1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir data settings
cat > slapd.conf <<CONF
include $PWD/root/etc/ldap/schema/core.schema
include $PWD/root/etc/ldap/schema/Glue-MDS.schema
include $PWD/root/usr/share/arc/ldap-schema/nordugrid.schema
modulepath $PWD/root/usr/lib/ldap
moduleload back_mdb
database mdb
suffix o=grid
rootdn o=grid
rootpw secret
directory $PWD/data
CONF
server="ldap://127.0.0.1:$port"
root/usr/sbin/slapd -f slapd.conf -h "$server" -d 0 2> log &
slapd=$!
for _ in $(seq 150); do root/usr/bin/ldapsearch -x -H "$server" -s base -b "" > found 2>&1 && break; sleep 0.2; done
add() { root/usr/bin/ldapadd -x -H "$server" -D o=grid -w secret > added; }
compare() { # expected exit code and text; arguments of the probe
    code=0
    ARCNAGIOS_CONFIG_DIR="$PWD/settings" PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages" venv/bin/python -W ignore \
        "$(find root -name check_aris)" --ldap-uri "$server" "${@:2}" > said 2> errors || code=$?
    got="$code $(head -n 1 said)"
    echo "check_aris ${*:2}: $got"
    [ "$got" = "$1" ] || { cat said errors >&2; changed "it was $1"; }
}
nothing="2 LDAP search returned nothing."
base="Mds-Vo-name=local,o=grid"
cluster="nordugrid-cluster-name=ce.example.org,$base"
add <<LDIF
dn: o=grid
objectClass: organization
o: grid

dn: $base
objectClass: MdsVo
Mds-Vo-name: local
LDIF
echo "no cluster"
compare "$nothing"
compare "$nothing" --if-no-clusters OK
add <<LDIF
dn: $cluster
objectClass: nordugrid-cluster
nordugrid-cluster-name: ce.example.org
nordugrid-cluster-contactstring: gsiftp://ce.example.org:2811/jobs
LDIF
echo "a cluster without a queue"
compare "$nothing"
compare "$nothing" --if-no-queues OK
add <<LDIF
dn: nordugrid-queue-name=main,$cluster
objectClass: nordugrid-queue
nordugrid-queue-name: main
nordugrid-queue-status: active
LDIF
echo "a cluster with a queue"
compare "0 1 cluster (), 1 queue (active)"
compare "3 Bug in Nagios probe." --cluster ce.example.org
compare "$nothing" --cluster other.example.org
