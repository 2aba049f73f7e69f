#!/bin/bash
# Through NRPE a CRITICAL without a line on stdout is UNKNOWN; and check_nrpe -3 gets 1 KB from a daemon of its own release.
#
# Software:  nagios-nrpe-server and nagios-nrpe-plugin 4.1.0-1+b1 of Debian 12, as packaged (TLS). Seen 2026-11-28.
# Expected:  the exit code of a plugin passes through; Nagios itself keeps CRITICAL where a plugin said its piece on stderr, and
#            quotes it. Version 3 of the packets, that of NRPE 3, carries output of any length; a daemon of NRPE 4 speaks it.
# Seen:      1. exit code 2, text on stderr only: "NRPE: Unable to read output", exit code 3. So for 1, and for 0.
#            2. exit code 2 with a line on stdout: 2.
#            3. 3000 characters and performance data: whole by check_nrpe of today. With -3 the daemon logs "Request packet
#               version was invalid!", the client asks again by version 2 without a word: 1023 characters, no performance
#               data.
# Matters:   a plugin that dies of an uncaught exception is CRITICAL or UNKNOWN by the way it was started; a probe
#            prints its line on stdout whatever happens. A long list put before the "|" costs the graphs where a client
#            asks with -3 (or -2): the data are what is cut off.
set -eu
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download nagios-nrpe-server nagios-nrpe-plugin libwrap0 libnsl2 libtirpc3
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f nagios-nrpe-server_*.deb Version
LD_LIBRARY_PATH=$(find "$PWD/root" -name "lib*.so.*" -printf '%h\n' | sort -u | paste -sd:)
export LD_LIBRARY_PATH

cat > plugin <<'PLUGIN'
#!/bin/bash
case $1 in
stderr) echo "the service is gone" >&2; exit "$2" ;;
stdout) echo "the service is gone"; exit "$2" ;;
long) printf 'x%.0s' $(seq 3000); echo " | time=1s"; exit "$2" ;;
esac
PLUGIN
chmod 755 plugin
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
user=$(id -un)
[ "$user" != root ] || user=nobody
cat > nrpe.cfg <<SETTINGS
server_address=127.0.0.1
server_port=$port
allowed_hosts=127.0.0.1
nrpe_user=$user
nrpe_group=$(id -gn "$user")
pid_file=$work/pid
log_file=$work/log
command[stderr-0]=$work/plugin stderr 0
command[stderr-1]=$work/plugin stderr 1
command[stderr-2]=$work/plugin stderr 2
command[stdout-2]=$work/plugin stdout 2
command[long]=$work/plugin long 1
SETTINGS
root/usr/sbin/nrpe -c "$work/nrpe.cfg" -f > said 2>&1 &
daemon=$!
ask() { code=0; root/usr/lib/nagios/plugins/check_nrpe -H 127.0.0.1 -p "$port" -t 60 "$@" > answer 2>&1 || code=$?; }
for _ in $(seq 100); do ask; [ "$code" = 0 ] && break; sleep 0.2; done
[ "$code" = 0 ] || { cat said log answer >&2; changed "the daemon does not answer"; }

while read -r name expected text; do
    ask -c "$name"
    echo "$name: exit code $code, $(cat answer)"
    [ "$code $(cat answer)" = "$expected $text" ] || changed "$name was $expected, $text"
done <<TABLE
stderr-0 3 NRPE: Unable to read output
stderr-1 3 NRPE: Unable to read output
stderr-2 3 NRPE: Unable to read output
stdout-2 2 the service is gone
TABLE
while read -r version expected; do
    : > log
    ask "$version" -c long
    got="$code $(tr -d '\n' < answer | wc -c) $(grep -c time= answer || true) $(grep -c 'version was invalid' log || true)"
    echo "check_nrpe $version: exit code, characters, lines with performance data, refusals logged: $got"
    [ "$got" = "$expected" ] || changed "$version was $expected"
done <<TABLE
-4 1 3010 1 0
-3 1 1023 0 1
-2 1 1023 0 0
TABLE
