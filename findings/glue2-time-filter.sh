#!/bin/bash
# A BDII has no order of GLUE 2 times: a filter with >= or <= matches nothing, and neither does its negation.
#
# Software:  slapd 2.5.13+dfsg-5 and glue-schema 2.0.11-3 of Debian 12. Seen 2026-11-28.
# Expected:  GLUE2EntityCreationTime is an ISO 8601 time in UTC, so it sorts as text, and
#            (GLUE2EntityCreationTime>=2026-01-01T00:00:00Z) finds what was published this year; if the server could not
#            do that, it would say inappropriateMatching (18), or (!(...)) would find all the others.
# Seen:      "success", no entries, for the filter and for its negation. The schema gives 216 attributes, times and
#            GLUE2EntityValidity among them, an EQUALITY and a SUBSTR rule but no ORDERING, so both filters are Undefined
#            (RFC 4511 section 4.5.1.7). (GLUE2EntityCreationTime=2026-*) does find the entry.
# Matters:   a freshness check that lets the BDII select stale entries reports "none are stale" for ever. Ask for the
#            entries and compare here.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

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
server="ldapi://$(printf %s "$PWD/socket" | sed 's,/,%2F,g')"
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
GLUE2EntityCreationTime: 2026-11-28T10:00:00Z
LDIF

count() {
    code=0
    ldapsearch -x -LLL -H "$server" -b o=glue "(&(objectClass=GLUE2AdminDomain)$1)" dn > found 2>&1 || code=$?
    number=$(grep -c ^dn: found || true)
    echo "$1: result code $code, $number entries"
    [ "$code" = 0 ] || changed "the server now refuses the filter"
    [ "$number" = "$2" ] || changed "$2 entries were found before"
}
count "(GLUE2EntityCreationTime=*)" 1
count "(GLUE2EntityCreationTime=2026-*)" 1
count "(GLUE2EntityCreationTime>=2026-01-01T00:00:00Z)" 0
count "(!(GLUE2EntityCreationTime>=2026-01-01T00:00:00Z))" 0
count "(GLUE2EntityCreationTime<=2030-01-01T00:00:00Z)" 0
