#!/bin/bash
# check_bgpstate is OK where every BGP session is idle; one that is down is CRITICAL for providers that are written in the plugin alone.
#
# Software:  check_bgpstate of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12, with libnet-snmp-perl 6.0.1-7; snmpd
#            5.9.3+dfsg-2+deb12u1 in the place of a router, with the states of BGP4-MIB. Seen 2026-11-30.
# Expected:  a session that is not established is CRITICAL, or a WARNING; "idle" is the first state of one that cannot be opened. Which
#            session counts for more is an option.
# Seen:      both sessions idle:                          OK, "sessions up: 0, down: 0, shutdown: 2"
#            one idle, one established:                   OK
#            both in "active", AS 64500:                  WARNING
#            both in "active", AS 1755:                   CRITICAL
# Matters:   a site that has lost its route to the world is OK here while its router waits between two attempts. Ask for
#            bgpPeerAdminStatus, too: only it tells a session that somebody shut down.
set -eu
work=$(mktemp -d)
agent=
trap '[ -z "$agent" ] || kill "$agent" 2>/dev/null || :; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib libnet-snmp-perl snmpd libsnmp40 libpci3 libsensors5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in monitoring-plugins-contrib libnet-snmp-perl snmpd; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
PERL5LIB=$work/root/usr/share/perl5
export LD_LIBRARY_PATH PERL5LIB MIBS="" MIBDIRS="$work/none" SNMPCONFPATH="$work" SNMP_PERSISTENT_DIR="$work/kept"
# whois, which the plugin calls for each session that is down, is left out: it would ask servers of others
sed "s|'/usr/bin/whois'|'/bin/true'|" root/usr/lib/nagios/plugins/check_bgpstate > check_bgpstate
grep -q "whois = '/bin/true'" check_bgpstate || { echo "CHANGED: whois was called by its path" >&2; exit 1; }

check() { # states of the two sessions, their AS, exit code, text
    port=$(python3 -c 'import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    {
        echo "agentAddress udp:127.0.0.1:$port"
        echo "rocommunity public 127.0.0.1"
        for peer in 1 2; do
            row=192.0.2.$peer
            [ $peer = 1 ] && state=$1 || state=$2
            echo "override 1.3.6.1.2.1.15.3.1.2.$row integer $state"
            echo "override 1.3.6.1.2.1.15.3.1.5.$row octet_str 192.0.2.9"
            echo "override 1.3.6.1.2.1.15.3.1.7.$row octet_str $row"
            echo "override 1.3.6.1.2.1.15.3.1.9.$row integer $3"
        done
    } > snmpd.conf
    root/usr/sbin/snmpd -f -Lf log -C -c snmpd.conf > said 2>&1 &
    agent=$!
    for _ in $(seq 300); do grep -q "NET-SNMP version" log 2> /dev/null && break; sleep 0.1; done
    said=$(/usr/bin/perl check_bgpstate -p "$port" 127.0.0.1) && code=0 || code=$?
    kill "$agent"
    wait "$agent" 2> /dev/null || :
    agent=
    rm -f log
    echo "states $1 and $2, AS $3: $code, $said"
    case $code-$said in
    "$4-$5"*) ;;
    *) echo "CHANGED: it was $4, $5" >&2; exit 1 ;;
    esac
}

up="OK: host '127.0.0.1', sessions up:"
check 6 6 64500 0 "$up 2, down: 0, shutdown: 0"
check 1 6 64500 0 "$up 1, down: 0, shutdown: 1"
check 1 1 64500 0 "$up 0, down: 0, shutdown: 2"
check 3 3 64500 1 "WARNING: host '127.0.0.1', sessions up: 0, down: 2, shutdown: 0"
check 3 3 1755 2 "CRITICAL: host '127.0.0.1', sessions up: 0, down: 2, shutdown: 0"
