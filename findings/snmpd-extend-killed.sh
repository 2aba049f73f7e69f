#!/bin/bash
# snmpd's extend and exec: a plugin that was killed has the result 0, one that is not there 1, and with extend-sh CRITICAL is 512.
#
# Software:  snmpd and snmp 5.9.3+dfsg-2+deb12u1 of Debian 12. Seen 2026-11-29.
# Expected:  nsExtendResult (extResult for exec) is the plugin's exit code, whichever of the three directives runs it. What a signal
#            ended (the out-of-memory killer, a limit) has something other than 0: 9, 137, -1. What is not there has 127, as in a shell.
# Seen:      plugin ends with 2:  extend 2, exec 2, extend-sh 512. All three hand on its first line.
#            killed:              extend 0, exec 0, extend-sh 9, with the line "CRITICAL - refused" beside the 0.
#            no such program:     extend 1, which is a WARNING, and an empty line; extend-sh 32512.
#            100,000 letters:     the exit code and the first line come; nsExtendOutputFull has no answer, not even "too big".
# Matters:   a service that is watched by check_snmp on nsExtendResult with -c 0:1 recovers when its host runs out of memory, and is a
#            WARNING for ever after the plugin's package is removed. Compare the first line as well, and do not use extend-sh.
set -eu
work=$(mktemp -d)
agent=
trap '[ -z "$agent" ] || kill "$agent" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download snmpd snmp libsnmp40 libpci3 libsensors5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "snmpd $(dpkg-deb -f snmpd_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH MIBS="" MIBDIRS="$work/none" SNMPCONFPATH="$work" SNMP_PERSISTENT_DIR="$work/kept"

cat > plugin <<'PLUGIN'
#!/bin/bash
echo "CRITICAL - refused"
case $1 in
killed) kill -9 $$ ;;
long) head -c 100000 /dev/zero | tr '\0' x ;;
esac
exit 2
PLUGIN
chmod 755 plugin
port=$(python3 -c 'import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > snmpd.conf <<SETTINGS
agentAddress udp:127.0.0.1:$port
rocommunity public 127.0.0.1
extend bad $work/plugin bad
extend killed $work/plugin killed
extend absent $work/absent
extend long $work/plugin long
extend-sh shell-bad $work/plugin bad
extend-sh shell-killed exec $work/plugin killed
extend-sh shell-absent $work/absent
exec e-bad $work/plugin bad
exec e-killed $work/plugin killed
SETTINGS
root/usr/sbin/snmpd -f -Lf log -C -c snmpd.conf > said 2>&1 &
agent=$!

ask() { # numbers of an object: its value; options
    root/usr/bin/snmpget -m '' -v2c -c public -Oqv "${@:2}" "127.0.0.1:$port" "$1" 2>&1 | cut -c1-60
}
extended() { # name, column: the number of the object
    printf '1.3.6.1.4.1.8072.1.3.2.3.1.%s.%s' "$2" "${#1}"
    printf '%s' "$1" | od -An -v -tu1 -w1 | tr -d ' ' | while read -r letter; do printf '.%s' "$letter"; done
}
compare() { # what, what is seen, what is expected
    echo "$1: $2"
    [ "$2" = "$3" ] || { tail -3 log >&2; echo "CHANGED: it was $3" >&2; exit 1; }
}
for _ in $(seq 300); do [ -n "$(ask 1.3.6.1.2.1.1.3.0 -t 1 -r 0 | grep -v Timeout)" ] && break; sleep 0.2; done
line='"CRITICAL - refused"'
while read -r name code text; do
    compare "extend $name" "$(ask "$(extended "$name" 4)" -t 20) $(ask "$(extended "$name" 1)" -t 20)" "$code $text"
done <<TABLE
bad 2 $line
killed 0 $line
absent 1 ""
long 2 $line
shell-bad 512 $line
shell-killed 9 $line
TABLE
compare "extend shell-absent" "$(ask "$(extended shell-absent 4)" -t 20)" 32512
compare "extend long, the whole output" "$(ask "$(extended long 2)" -t 5 -r 0)" "Timeout: No Response from 127.0.0.1:$port."
compare "exec bad" "$(ask 1.3.6.1.4.1.2021.8.1.100.1 -t 20) $(ask 1.3.6.1.4.1.2021.8.1.101.1 -t 20)" "2 $line"
compare "exec killed" "$(ask 1.3.6.1.4.1.2021.8.1.100.2 -t 20) $(ask 1.3.6.1.4.1.2021.8.1.101.2 -t 20)" "0 $line"
