#!/bin/bash
# ldapsearch -f takes the last letter off a last line without a newline: for "endpoint10" it finds "endpoint1", exit code 0.
#
# Software:  ldap-utils and slapd 2.5.13 of Debian 12. Seen 2026-11-30.
# Expected:  ldapsearch -f FILE "cn=%s" asks for each line of the file, for the last one too if no newline is behind it; lines may end with
#            CR LF as they do in LDIF. Lines that no pattern takes are an error. A referral that cannot be followed (-C) is one too.
# Seen:      "endpoint20", "endpoint10" without a newline:    endpoint20 and endpoint1, exit code 0
#            printf endpoint10 | ldapsearch -f - "cn=%s":     endpoint1
#            ldapdelete by such a file:                       the DN lacks its last letter too, which the server refuses (53)
#            lines with CR LF:                                nothing, exit code 0
#            -f FILE without a pattern, two filters:          all entries, twice; exit code 0
#            -C, the server of a referral refuses:            its entries are missing, exit code 0
# Matters:   a list of sites that an editor or a program wrote without a last newline brings the figures of another site, or of one too
#            few, as a success. Write lists with a newline at the end (sed -i '$a\'), and compare what came with what was asked for.
set -eu
work=$(mktemp -d)
slapd=
trap '[ -z "$slapd" ] || kill "$slapd"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download slapd ldap-utils libldap-2.5-0 libsasl2-2 libltdl7 libodbc2 \
    libwrap0 libargon2-1 libperl5.36
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "ldap-utils $(dpkg-deb -f ldap-utils_*.deb Version)"
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
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
server="ldap://127.0.0.1:$(port)"
{
    printf 'dn: o=sites\nobjectClass: organization\no: sites\n\n'
    for name in endpoint1 endpoint2 endpoint10 endpoint20; do
        printf 'dn: cn=%s,o=sites\nobjectClass: applicationProcess\ncn: %s\n\n' $name $name
    done
    printf 'dn: ou=elsewhere,o=sites\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n'
    printf 'ref: ldap://127.0.0.1:%s/o=elsewhere\n' "$(port)"
} > entries
root/usr/sbin/slapd -T add -q -f slapd.conf -b o=sites -l entries
root/usr/sbin/slapd -f slapd.conf -h "$server" -d 0 2> log &
slapd=$!
search() { # options and filter; the names found and the exit code
    code=0
    ldapsearch -x -LLL -H "$server" -b o=sites "$@" > found 2> said || code=$?
    got="$(sed -n 's/^cn: //p' found | paste -sd' ')"
    echo "ldapsearch $*: $got, exit code $code"
}
compare() { # names and exit code expected
    [ "$got, $code" = "$1" ] || { cat said >&2; changed "it was $1"; }
}
for _ in $(seq 100); do search > /dev/null; [ "$code" = 0 ] && break; sleep 0.2; done

printf 'endpoint20\nendpoint10\n' > names
search -f names "cn=%s"
compare "endpoint20 endpoint10, 0"
printf 'endpoint20\nendpoint10' > names
search -f names "cn=%s"
compare "endpoint20 endpoint1, 0"
code=0
printf endpoint10 | ldapsearch -x -LLL -H "$server" -b o=sites -f - "cn=%s" cn > found || code=$?
got=$(sed -n 's/^cn: //p' found)
echo "endpoint10 by stdin: $got, exit code $code"
compare "endpoint1, 0"
printf 'cn=endpoint10,o=sites' > names
code=0
ldapdelete -x -D o=sites -w secret -H "$server" -f names 2> said || code=$?
echo "ldapdelete: exit code $code, $(head -n 1 said)"
[ "$code" = 53 ] || changed "it was 53"
printf 'endpoint1\r\nendpoint2\r\n' > names
search -f names "cn=%s"
compare ", 0"
printf 'cn=endpoint1\ncn=endpoint2\n' > names
search -f names
compare "endpoint1 endpoint2 endpoint10 endpoint20 endpoint1 endpoint2 endpoint10 endpoint20, 0"
search -C "(objectClass=*)"
compare "endpoint1 endpoint2 endpoint10 endpoint20, 0"
