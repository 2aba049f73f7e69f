#!/bin/bash
# The BDII's names for ARC: below a site they lead nowhere, and at the top they give entries that contradict their DN.
#
# Software:  bdii 6.0.0-1 (its own /usr/share/bdii/bdii-slapd.conf), slapd 2.5.13+dfsg-5, glue-schema 2.0.11-3 of Debian 12.
#            Seen 2026-11-28.
# Expected:  the relays of that file let a client ask for GLUE2GroupName=services where the tree has GLUE2GroupID=resource,
#            also below each GLUE2DomainID, for which the file writes "GLUE2DomainID=*".
# Seen:      slapd takes the "*" for the name of a domain. GLUE2GroupName=services,GLUE2DomainID=EXAMPLE-SITE,o=glue is
#            noSuchObject (32). Only GLUE2GroupName=services,o=glue works, and what comes back has the DN
#            GLUE2GroupID=services,o=glue (another attribute name than the one asked for: the schema has the two for one
#            attribute) while the entry's own GLUE2GroupID is "resource": its naming attribute is not in its DN.
# Matters:   a reader that finds the group's name in the DN and one that reads the attribute disagree; joining by DN fails.
#            fedcloud-probes asks for o=glue, a site's domain or a group by GLUE2GroupID, and needs none of these names.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils bdii glue-schema libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in bdii slapd glue-schema; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'liblber-*.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" LDAPNOINIT=1

# the package's own file, with its places below this folder
mkdir -p root/run/bdii/db root/var/lib/bdii/db/grid root/var/lib/bdii/db/glue root/var/lib/bdii/db/stats
sed -E "s,^((include|modulepath|pidfile|argsfile|directory)[[:space:]]+)/,\1$PWD/root/," \
    root/usr/share/bdii/bdii-slapd.conf > slapd.conf
grep -A3 '^database *relay' slapd.conf
server="ldapi://$(printf %s "$PWD/socket" | sed 's,/,%2F,g')"
root/usr/sbin/slapd -f slapd.conf -h "$server" -d 0 2> log &
slapd=$!
for _ in $(seq 150); do ldapsearch -x -H "$server" -s base -b "" > found 2>&1 && break; sleep 0.2; done
ldapadd -x -H "$server" -D o=glue -w secret > added <<LDIF
dn: o=glue
objectClass: organization
o: glue

dn: GLUE2GroupID=resource,o=glue
objectClass: GLUE2Group
GLUE2GroupID: resource

dn: GLUE2DomainID=EXAMPLE-SITE,o=glue
objectClass: GLUE2Domain
objectClass: GLUE2AdminDomain
GLUE2DomainID: EXAMPLE-SITE

dn: GLUE2GroupID=resource,GLUE2DomainID=EXAMPLE-SITE,o=glue
objectClass: GLUE2Group
GLUE2GroupID: resource
LDIF

ask() {
    code=0
    ldapsearch -x -LLL -H "$server" -s base -b "$1" > found 2>&1 || code=$?
    echo
    echo "asked for $1: result code $code"
    cat found
}
ask "GLUE2GroupID=resource,GLUE2DomainID=EXAMPLE-SITE,o=glue"
[ "$code" = 0 ] || changed "the entry is not found under its own name"
ask "GLUE2GroupName=services,GLUE2DomainID=EXAMPLE-SITE,o=glue"
[ "$code" = 32 ] || changed "the relay below a domain now answers"
ask "GLUE2GroupName=services,o=glue"
[ "$code" = 0 ] || changed "the relay at the top no longer answers"
grep -qx 'dn: GLUE2GroupID=services,o=glue' found || changed "the DN is now another"
grep -qx 'GLUE2GroupID: resource' found || changed "the entry's own name is now another"
