#!/bin/bash
# check_ldap -a FILTER without limits asks the base entry alone and is OK whatever matches; with limits, a large answer is CRITICAL.
#
# Software:  monitoring-plugins-standard 2.3.3-5+deb12u2, slapd 2.5.13+dfsg-5, glue-schema 2.0.11-3, all of Debian 12.
#            Seen 2026-11-29.
# Expected:  "-a: ldap attribute to search" makes it search below the base, as the default filter does that is OK for a living
#            BDII; nothing found is not OK, or at least told. -W and -C only judge the number of what is found.
# Seen:      without -W and -C the search has scope 0, the base entry alone, and any result, an empty one as well, is "LDAP OK -
#            ... response time". With them it has scope 2, the subtree, and tells "found N entries". Where more match than the
#            server gives at once (slapd: 500), that is "Could not search/find objectclasses", CRITICAL, with -W alone too.
# Matters:   check_ldap -b o=glue -a '(objectClass=GLUE2ComputingEndpoint)' of a BDII that publishes none is green. Always give -C 1:.
#            A BDII with its own slapd.conf has no size limit; one behind another slapd turns red when it grows.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils glue-schema libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36 monitoring-plugins-standard
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in monitoring-plugins-standard slapd glue-schema; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'liblber-*.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" LDAPNOINIT=1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
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
server="ldap://127.0.0.1:$port"
root/usr/sbin/slapd -f slapd.conf -h "$server" -d 256 2> log &
slapd=$!
for _ in $(seq 150); do ldapsearch -x -H "$server" -s base -b "" > found 2>&1 && break; sleep 0.2; done
{
    printf 'dn: o=glue\nobjectClass: organization\no: glue\n\n'
    for number in $(seq 501); do
        printf 'dn: GLUE2ServiceID=%s,o=glue\nobjectClass: GLUE2Service\nGLUE2ServiceID: %s\n' "$number" "$number"
        printf 'GLUE2ServiceType: org.ogf.occi\nGLUE2ServiceCapability: c\nGLUE2ServiceQualityLevel: production\n'
        printf 'GLUE2ServiceAdminDomainForeignKey: EXAMPLE-SITE\n\n'
    done
} > entries
ldapadd -x -H "$server" -D o=glue -w secret -f entries > added

compare() { # expected exit code, scope and text; arguments
    : > log
    code=0
    root/usr/lib/nagios/plugins/check_ldap -3 -H 127.0.0.1 -p "$port" -b o=glue "${@:2}" > said 2>&1 || code=$?
    scope=$(grep -ao 'SRCH base="o=glue" scope=[0-9]' log | tail -n 1 | cut -d= -f4)
    got="$code, scope $scope, $(sed 's/ in [0-9.]* seconds.*//; s/[0-9.]* seconds resp/resp/; s/|.*//' said)"
    echo "check_ldap ${*:2}: $got"
    [ "$got" = "$1" ] || changed "it was $1"
}
none="(GLUE2ServiceID=none)"
few="(GLUE2ServiceID=50*)"
all="(objectClass=GLUE2Service)"
compare "0, scope 0, LDAP OK - response time" -a "$none"
compare "0, scope 0, LDAP OK - response time" -a "$all"
compare "2, scope 2, LDAP CRITICAL - found 0 entries" -a "$none" -C 1:
compare "0, scope 2, LDAP OK - found 3 entries" -a "$few" -C 1:
compare "2, scope 2, Could not search/find objectclasses in o=glue" -a "$all" -W 1:
