#!/bin/bash
# Of two passive results, the older one that comes last: Nagios takes it for the state of now, Icinga says "processed" and drops it.
#
# Software:  nagios4-core 4.4.6-4+deb12u2, icinga2-bin 2.13.6-2+deb12u2, both of Debian 12. Seen 2026-11-29.
# Expected:  a result carries its time: [time] before PROCESS_SERVICE_CHECK_RESULT, execution_end in Icinga's action. One that is
#            older than what is known is history: neither monitor changes the state, and both say so to who sent it or in the log.
# Seen:      a CRITICAL of an hour ago, sent after an OK of now. Nagios: state CRITICAL, last_check an hour back, a hard SERVICE
#            ALERT of now. Icinga: still OK; the answer is 200 "Successfully processed check result", and no line in its log.
#            One of an hour ahead is taken by both, and the next one of now as well.
# Matters:   a spool that is sent in parts, a retry after a broken connection, two relays: late results arrive after newer
#            ones. With Nagios an outage that is over becomes the state again until the next result, so send in order and drop
#            what is overtaken; with Icinga the answer is no receipt: look at last_check_result.
set -eu
work=$(mktemp -d)
nagios=
icinga=
trap '[ -z "$nagios" ] || kill "$nagios" 2>/dev/null; [ -z "$icinga" ] || kill "$icinga" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download nagios4-core icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in nagios4-core icinga2-bin; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
libraries=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
program=$(find root -path "*/sbin/icinga2" -type f -size +1M)

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p state/certs
make_key() { openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2> said; }
make_key ca
openssl x509 -req -in ca.csr -signkey ca.key -days 2 -out state/certs/ca.crt 2> said
make_key node
openssl x509 -req -in node.csr -CA state/certs/ca.crt -CAkey ca.key -CAcreateserial -days 2 -out state/certs/node.crt 2> said
cp node.key state/certs
cat > icinga2.conf <<CONF
object Endpoint "node" { }
object Zone "master" { endpoints = [ "node" ] }
object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = $port }
object ApiUser "finding" { password = "secret"; permissions = [ "*" ] }
object CheckCommand "none" { command = [ "/bin/true" ] }
object Host "h" { check_command = "none"; enable_active_checks = false }
for (name in [ "a", "b", "c", "d" ]) {
  object Service name { host_name = "h"; check_command = "none"; enable_active_checks = false; max_check_attempts = 1 }
}
CONF
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" >> said 2>&1 &
icinga=$!
for _ in $(seq 300); do (: < "/dev/tcp/127.0.0.1/$port") 2> errors && break; sleep 0.2; done

mkdir results archives
cat > nagios.cfg <<SETTINGS
cfg_file=$work/objects.cfg
lock_file=$work/nagios.lock
log_file=$work/nagios.log
log_archive_path=$work/archives
object_cache_file=$work/objects.cache
status_file=$work/status.dat
state_retention_file=$work/retention.dat
command_file=$work/nagios.cmd
query_socket=$work/nagios.qh
check_result_path=$work/results
temp_file=$work/nagios.tmp
temp_path=$work
nagios_user=$(id -un)
nagios_group=$(id -gn)
check_for_updates=0
use_syslog=0
status_update_interval=1
check_workers=2
check_result_reaper_frequency=1
execute_service_checks=0
execute_host_checks=0
enable_notifications=0
check_external_commands=1
log_passive_checks=1
SETTINGS
cat > objects.cfg <<'OBJECTS'
define timeperiod {
 timeperiod_name none
 alias none
}
define command {
 command_name none
 command_line /bin/true
}
define contact {
 contact_name c
 host_notification_period none
 service_notification_period none
 host_notification_commands none
 service_notification_commands none
}
define host {
 host_name h
 max_check_attempts 1
 contacts c
}
define service {
 host_name h
 service_description s
 check_command none
 max_check_attempts 1
 contacts c
}
OBJECTS

root/usr/sbin/nagios4 nagios.cfg > said-nagios 2>&1 &
nagios=$!
await() { # what, a command that succeeds once it is so
    for _ in $(seq 300); do "${@:2}" && return; sleep 0.2; done
    tail -n 5 said-nagios >&2
    changed "no $1 in a minute"
}
await "command file" test -p nagios.cmd
field() { awk -v f="$1=" '/^servicestatus/ {on = 1} on && index($0, "\t" f) == 1 {print substr($0, length(f) + 2); exit}' status.dat; }
shows() { [ "$(field plugin_output)" = "$1" ]; }
now=$(date +%s)
echo "Nagios"
while read -r age code text expected; do
    echo "[$((now - age))] PROCESS_SERVICE_CHECK_RESULT;h;s;$code;$text" > nagios.cmd
    await "result $text" shows "$text"
    got="$(field current_state) $(field plugin_output) $((now - $(field last_check)))"
    echo "  sent $code $text, $age s old; state, text, age of last_check: $got"
    [ "$got" = "$expected" ] || changed "it was $expected"
done <<TABLE
0 0 now 0 now 0
3600 2 old 2 old 3600
-3600 1 future 1 future -3600
0 0 now 0 now 0
TABLE
[ "$(grep -c "SERVICE ALERT: h;s;CRITICAL;HARD;1;old" nagios.log)" = 1 ] || changed "there was an alert of the old result"

echo "Icinga"
: > said
python3 - "$port" <<'PYTHON'
import base64
import json
import ssl
import sys
import time
import urllib.request

LOGIN = base64.b64encode(b"finding:secret").decode()
TRUST = ssl.create_default_context(cafile="state/certs/ca.crt")
TRUST.check_hostname = False
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TRUST))
NOW = time.time()


def ask(method, path, body):
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    with OPENER.open(request, timeout=60) as answer:
        return answer.status, json.load(answer)["results"]


def compare(age, exit_status, text, expected):
    """Send a result of that age: the state and the text that are there afterwards."""
    code, told = ask("POST", "actions/process-check-result", {
        "type": "Service", "service": "h!a", "exit_status": exit_status, "plugin_output": text,
        "execution_start": NOW - age, "execution_end": NOW - age})  # fmt: skip
    [found] = ask("GET", "objects/services/h!a", {})[1]
    got = (found["attrs"]["state"], found["attrs"]["last_check_result"]["output"])
    print(f"  sent {exit_status} {text}, {age} s old: {code} {told[0]['status']} State, text: {got}")
    if code != 200 or not told[0]["status"].startswith("Successfully processed") or got != expected:
        sys.exit(f"CHANGED: it was {expected}")


compare(0, 0, "now", (0, "now"))
compare(3600, 2, "old", (0, "now"))
compare(-3600, 1, "future", (1, "future"))
compare(-1, 0, "later", (0, "later"))
PYTHON
grep -iE "warning|critical|old|ignor|discard" said && changed "Icinga's log tells of it now"
true
