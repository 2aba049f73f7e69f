#!/bin/bash
# ldap3 refuses a filter by itself where the server's schema is older than the question, and lists attributes that are not there.
#
# Software:  ldap3 2.9.1 (PyPI; the same with 2.10.2rc4), slapd 2.5.13+dfsg-5 and glue-schema 2.0.11-3 (GLUE 2.0) of
#            Debian 12. Seen 2026-11-28.
# Expected:  a search for (objectClass=GLUE2CloudComputingService), a class of GLUE 2.1, on a BDII that knows GLUE 2.0 is
#            answered with no entries, as ldapsearch is; a requested attribute that an entry lacks is not in the entry.
# Seen:      1. with its defaults (get_info=SCHEMA, check_names=True) ldap3 raises LDAPObjectClassError before anything is
#            sent, also when the class is one branch of an (|...) whose other branch would match. Without the schema
#            (get_info=NONE) the same search succeeds.
#            2. "GLUE2DomainWWW" in entry["attributes"] is true though the entry has none: the value is [].
# Matters:   a probe that looks for the old and the new classes in one question takes every site that was not upgraded for
#            broken, with an error that looks like the prober's own. fedcloud-probes takes from ldap3 the encoding of requests
#            alone and reads answers itself, so no schema stands between the question and the server.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install ldap3==2.9.1 pyasn1==0.6.5
apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils glue-schema libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in slapd glue-schema; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'liblber-*.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" LDAPNOINIT=1
mkdir data
cat > slapd.conf <<CONF
include $PWD/root/etc/ldap/schema/core.schema
include $PWD/root/etc/ldap/schema/GLUE20.schema
modulepath $PWD/root/usr/lib/ldap
moduleload back_mdb
database mdb
suffix o=glue
rootdn o=glue
rootpw secret
directory $PWD/data
CONF
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server="ldap://127.0.0.1:$port"
root/usr/sbin/slapd -f slapd.conf -h "$server" -d 0 2> log &
slapd=$!
for _ in $(seq 150); do ldapsearch -x -H "$server" -s base -b "" > found 2>&1 && break; sleep 0.2; done
ldapadd -x -H "$server" -D o=glue -w secret > added <<LDIF
dn: o=glue
objectClass: organization
o: glue

dn: GLUE2DomainID=EXAMPLE-SITE,o=glue
objectClass: GLUE2Domain
objectClass: GLUE2AdminDomain
GLUE2DomainID: EXAMPLE-SITE
LDIF
either="(|(objectClass=GLUE2CloudComputingService)(objectClass=GLUE2AdminDomain))"
echo "ldapsearch $either: $(ldapsearch -x -LLL -H "$server" -b o=glue "$either" dn)"
venv/bin/python - "$port" "$either" <<'PYTHON'
import sys

import ldap3
from ldap3.core.exceptions import LDAPObjectClassError

port, either = int(sys.argv[1]), sys.argv[2]
for name, info in (("SCHEMA (default)", ldap3.SCHEMA), ("NONE", ldap3.NONE)):
    server = ldap3.Server("127.0.0.1", port=port, get_info=info)
    connection = ldap3.Connection(server, auto_bind=True)
    try:
        connection.search("o=glue", either, attributes=["GLUE2DomainID", "GLUE2DomainWWW"])
        said = [dict(entry["attributes"]) for entry in connection.response]
    except LDAPObjectClassError as error:
        said = f"{type(error).__name__}: {error}"
    print(f"ldap3 {ldap3.__version__}, get_info={name}: {said}")
    if info == ldap3.SCHEMA and not isinstance(said, str):
        sys.exit("CHANGED: ldap3 asks the server about a class that the schema lacks")
    if info == ldap3.NONE and said != [{"GLUE2DomainID": ["EXAMPLE-SITE"], "GLUE2DomainWWW": []}]:
        sys.exit("CHANGED: without the schema another entry comes back")
PYTHON
