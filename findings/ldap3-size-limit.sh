#!/bin/bash
# ldap3: of 800 endpoints a search returns 500 as a success, in pages too, and with raise_exceptions; ldapsearch says what was left out.
#
# Software:  ldap3 2.9.1 (PyPI) with slapd 2.5.13 of Debian 12 and its default limit of 500 entries. Seen 2026-11-30.
# Expected:  where the server ends with "size limit exceeded", search() is False or, with raise_exceptions=True, an exception, as it is for
#            other refusals. paged_search() goes on to the end, or is an exception.
# Seen:      search():                                     True, 500 entries; result["description"] alone is "sizeLimitExceeded"
#            the same with raise_exceptions=True:          True, 500 entries, no exception; a base that is not there is one
#            paged_search(paged_size=200), both ways:      500 entries, then it ends as after the last page
#            ldapsearch, also with -E pr=200/noprompt:     500 entries, exit code 4
# Matters:   a list of endpoints, or what is compared with it, lacks those that come last, and a site that is not in it looks as if
#            it had left. Look at connection.result["result"] after each search and after the last page: it has to be 0.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install ldap3==2.9.1 pyasn1==0.6.5
apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "slapd $(dpkg-deb -f slapd_*.deb Version)"
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'liblber-*.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" LDAPNOINIT=1
mkdir data
cat > slapd.conf <<CONF
include $PWD/root/etc/ldap/schema/core.schema
modulepath $PWD/root/usr/lib/ldap
moduleload back_mdb
database mdb
suffix o=sites
rootdn o=sites
rootpw secret
directory $PWD/data
CONF
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server="ldap://127.0.0.1:$port"
{
    printf 'dn: o=sites\nobjectClass: organization\no: sites\n\n'
    for number in $(seq 800); do
        printf 'dn: cn=endpoint%d,o=sites\nobjectClass: applicationProcess\ncn: endpoint%d\n\n' "$number" "$number"
    done
} > entries
root/usr/sbin/slapd -T add -q -f slapd.conf -b o=sites -l entries
root/usr/sbin/slapd -f slapd.conf -h "$server" -d 0 2> log &
slapd=$!
for _ in $(seq 300); do ldapsearch -x -H "$server" -s base -b "" > found 2>&1 && break; sleep 0.2; done
for options in "" "-E pr=200/noprompt"; do
    code=0
    # shellcheck disable=SC2086  # two words
    ldapsearch -x -LLL -H "$server" $options -b o=sites "(cn=*)" dn > found 2> said || code=$?
    number=$(grep -c ^dn: found || true)
    echo "ldapsearch $options: $number entries, exit code $code, $(tr '\n' ' ' < said)"
    [ "$number $code" = "500 4" ] || changed "it was 500 entries, exit code 4"
done
venv/bin/python - "$port" <<'PYTHON'
import sys

import ldap3

for raises in (False, True):
    connection = ldap3.Connection(
        ldap3.Server("127.0.0.1", int(sys.argv[1]), get_info=ldap3.NONE), auto_bind=True, raise_exceptions=raises, check_names=False
    )
    returned = connection.search("o=sites", "(cn=*)", attributes=["cn"])
    got = (returned, len(connection.entries), connection.result["description"])
    print(f"search(), raise_exceptions={raises}: {got}")
    if got != (True, 500, "sizeLimitExceeded"):
        sys.exit("CHANGED: it was True, 500, sizeLimitExceeded")
    paged = connection.extend.standard.paged_search("o=sites", "(cn=*)", attributes=["cn"], paged_size=200, generator=True)
    number = sum(1 for _ in paged)
    print(f"paged_search(), raise_exceptions={raises}: {number}, {connection.result['description']}")
    if number != 500:
        sys.exit("CHANGED: it was 500")
    try:
        other = connection.search("o=nowhere", "(cn=*)")
    except ldap3.core.exceptions.LDAPException as error:
        other = type(error).__name__
    print(f"search() of another base, raise_exceptions={raises}: {other}")
    if other != ("LDAPNoSuchObjectResult" if raises else False):
        sys.exit("CHANGED: it was LDAPNoSuchObjectResult, or False")
PYTHON
