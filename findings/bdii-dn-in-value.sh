#!/bin/bash
# A BDII cuts an entry in two where a value has "dn:" in it: the rest becomes an entry of its own, the service loses its type.
#
# Software:  bdii 6.0.0-1 of Debian 12, bdii-update as it prints what it would publish. Seen 2026-11-29.
# Expected:  LDIF from providers is read as LDIF: an entry begins with "dn:" at the beginning of a line, after an empty one. Of two
#            sources that give the same entry one wins, and the log says so; what a provider printed before it failed is
#            dropped, or told.
# Seen:      "GLUE2EntityOtherInfo: hostdn: /DC=org/..." is cut to "host", and what follows of the entry belongs to a second one with
#            the dn "/DC=org/...". So the service is left without its GLUE2ServiceType and all after it. "DN:" does no harm.
#            The same entry from a static file and from a provider: the file's is taken whole. A provider that ends with 1 in
#            the middle of an entry: what was printed is published. No word of any of this in the log, at level DEBUG.
# Matters:   the schema demands the attributes that are cut off, so slapd refuses the service and it vanishes from the BDII, and
#            with it from what is monitored. Write "hostdn=", and look at bdii-update's output after a change of providers.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download bdii
dpkg-deb -x bdii_*.deb root
dpkg-deb -f bdii_*.deb Version
mkdir ldif provider plugin
cat > bdii.conf <<CONF
BDII_LOG_FILE=$work/log
BDII_LOG_LEVEL=DEBUG
BDII_LDIF_DIR=$work/ldif
BDII_PROVIDER_DIR=$work/provider
BDII_PLUGIN_DIR=$work/plugin
BDII_READ_TIMEOUT=60
BDII_VAR_DIR=$work
CONF
service() { # name, value of OtherInfo, type
    echo "dn: GLUE2ServiceID=$1,GLUE2GroupID=resource,o=glue"
    echo "objectClass: GLUE2Service"
    echo "GLUE2ServiceID: $1"
    echo "GLUE2EntityOtherInfo: $2"
    echo "GLUE2ServiceType: $3"
    echo "GLUE2ServiceQualityLevel: production"
    echo "GLUE2ServiceAdminDomainForeignKey: EXAMPLE-SITE"
    echo
}
{
    service colon "hostdn: /DC=org/DC=example/CN=host.example.org" org.ogf.occi
    service capitals "HOSTDN: /DC=org/DC=example/CN=host.example.org" org.ogf.occi
    service twice a=b of-the-file
} > ldif/static.ldif
{
    echo '#!/bin/sh'
    echo 'cat <<LDIF'
    service twice c=d of-the-provider
    service half e=f org.ogf.occi | head -n 3
    echo LDIF
    echo 'exit 1'
} > provider/failing
chmod 755 provider/failing
PATH="/usr/bin:$PATH" python3 root/usr/sbin/bdii-update -c bdii.conf > published
entry() { # the attributes of an entry but its class and name, in a line
    awk -v dn="$1" '/^dn: / {on = ($0 == "dn: " dn)} on && !/^(dn|objectclass|glue2serviceid): / && NF' published |
        paste -sd, | sed 's/,/, /g'
}
compare() { # dn, expected attributes
    got=$(entry "$1")
    echo "$1: $got"
    grep -qx "dn: $1" published || changed "there was an entry $1"
    [ "$got" = "$2" ] || changed "it had: $2"
}
end="glue2servicequalitylevel: production, glue2serviceadmindomainforeignkey: EXAMPLE-SITE"
rest="glue2servicetype: org.ogf.occi, $end"
base="GLUE2GroupID=resource,o=glue"
compare "GLUE2ServiceID=colon,$base" "glue2entityotherinfo: host"
compare "/DC=org/DC=example/CN=host.example.org" "$rest"
compare "GLUE2ServiceID=capitals,$base" "glue2entityotherinfo: HOSTDN: /DC=org/DC=example/CN=host.example.org, $rest"
compare "GLUE2ServiceID=twice,$base" "glue2entityotherinfo: a=b, glue2servicetype: of-the-file, $end"
compare "GLUE2ServiceID=half,$base" ""
grep -v DEBUG log | cut -d' ' -f3-
grep -qE "WARNING|ERROR|CRITICAL" log && changed "the log says something of it"
true
