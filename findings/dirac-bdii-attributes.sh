#!/bin/bash
# DIRAC gets no attributes from a BDII, unless it asks for a single one; what is not ASCII stays in base64.
#
# Software:  dirac 9.1.22 (PyPI); slapd and ldap-utils 2.5.13, glue-schema 2.0.11 of Debian 12. Seen 2026-11-30.
# Expected:  ldapsearchBDII() without "attr" returns all attributes, with a list of names those, and getGlue2CEInfo() the CEs of a VO.
# Seen:      without attr:                                 each entry has its dn and nothing else (it asks for an attribute "")
#            attr=["GLUE2DomainID", "GLUE2EntityName"]:     the same (one attribute, whose name has a blank in it)
#            attr="GLUE2EntityName":                        ": R2Vuw6h2ZQ==" where the BDII has Genève
#            getGlue2CEInfo("ops"):                        "Found 1 policies for this VO", then KeyError: 'GLUE2PolicyID'
# Matters:   a site that publishes what is needed is not found in the information system, or by a traceback. Ask for one attribute at a
#            time, and look for a value that begins with ": ".
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cachetools==8.0.2 typing_extensions==4.16.0 requests==2.34.2 psutil==7.2.2
venv/bin/pip -q --disable-pip-version-check install importlib_metadata==10.2.0 importlib_resources==7.1.0
PIP_NO_DEPS=1 venv/bin/pip -q --disable-pip-version-check install dirac==9.1.22 diraccommon==9.1.22 diraccfg==1.0.1
apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils glue-schema libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in slapd ldap-utils glue-schema; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
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
port=$(python3 -c 'import socket; one = socket.socket(); one.bind(("127.0.0.1", 0)); print(one.getsockname()[1])')
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
GLUE2EntityName: Genève

dn: GLUE2PolicyID=policy,GLUE2DomainID=EXAMPLE-SITE,o=glue
objectClass: GLUE2Policy
objectClass: GLUE2MappingPolicy
GLUE2PolicyID: policy
GLUE2PolicyScheme: basic
GLUE2PolicyRule: VO:ops
GLUE2MappingPolicyShareForeignKey: share
LDIF

venv/bin/python - "127.0.0.1:$port" <<'PYTHON'
import sys

from DIRAC.Core.Utilities.Glue2 import getGlue2CEInfo
from DIRAC.Core.Utilities.Grid import ldapsearchBDII

HOST = sys.argv[1]
DN = {"dn": "GLUE2DomainID=EXAMPLE-SITE,o=glue"}


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def attributes(**asked):
    answer = ldapsearchBDII(filt="(objectClass=GLUE2Domain)", host=HOST, base="o=glue", selectionString="GLUE2", **asked)
    return [entry["attr"] for entry in answer["Value"]] if answer["OK"] else answer["Message"]


def found(vo):
    try:
        return getGlue2CEInfo(vo, host=HOST)
    except KeyError as error:
        return repr(error)


compare("without attr", attributes(), [DN])
compare("two attributes", attributes(attr=["GLUE2DomainID", "GLUE2EntityName"]), [DN])
compare("GLUE2DomainID", attributes(attr="GLUE2DomainID"), [DN | {"GLUE2DomainID": "EXAMPLE-SITE"}])
compare("GLUE2EntityName", attributes(attr="GLUE2EntityName"), [DN | {"GLUE2EntityName": ": R2Vuw6h2ZQ=="}])
compare("getGlue2CEInfo", found("ops"), "KeyError('GLUE2PolicyID')")
PYTHON
