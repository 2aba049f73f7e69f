#!/bin/bash
# A flexible downtime for a service that is down already begins at once in Icinga, and in Nagios not before the state changes.
#
# Software:  nagios4-core 4.4.6-4+deb12u2, icinga2-bin 2.13.6-2+deb12u2, both of Debian 12. Seen 2026-11-30.
# Expected:  a flexible downtime begins with the first result within its time that is not OK, whatever was before; in both alike.
# Seen:      scheduled when the service is             Nagios                        Icinga
#            OK; CRITICAL comes later                  begins with that result       begins with that result
#            CRITICAL; CRITICAL comes three times      none, nothing in the log      began when it was scheduled
#            the same; then WARNING                    begins with that result       -
# Matters:   an administrator who sees the outage and gives it two hours is paged on by Nagios, and the site's
#            availability suffers for what was announced; after the repair the rest of the window waits for the next outage, and
#            hides it. Schedule a fixed one for what is there already.
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
for (name in [ "before", "during" ]) {
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
 service_description before
 check_command none
 max_check_attempts 1
 contacts c
}
define service {
 host_name h
 service_description during
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
number=0
send() { # service, code: a result, and wait until it is there
    number=$((number + 1))
    echo "[$(date +%s)] PROCESS_SERVICE_CHECK_RESULT;h;$1;$2;result $number" > nagios.cmd
    await "result $number" grep -q "plugin_output=result $number$" status.dat
}
schedule() {
    now=$(date +%s)
    echo "[$now] SCHEDULE_SVC_DOWNTIME;h;$1;$((now - 10));$((now + 3600));0;0;600;op;flexible" > nagios.cmd
    await "downtime of $1" grep -q "SCHEDULE_SVC_DOWNTIME;h;$1;" nagios.log
}
begun() { # service: how often a downtime of it began
    grep -c "SERVICE DOWNTIME ALERT: h;$1;STARTED" nagios.log || true
}
compare() { # what, service, times
    echo "  $1: $(begun "$2")"
    [ "$(begun "$2")" = "$3" ] || changed "it was $3"
}
echo "Nagios, downtimes that began"
send before 0
send during 0
send during 2
schedule before
schedule during
send during 2
send before 2
compare "scheduled at OK, CRITICAL later" before 1
send during 2
send during 2
compare "scheduled at CRITICAL, and CRITICAL three times since" during 0
send during 1
compare "that one, after WARNING" during 1

echo "Icinga, downtime_depth"
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


def ask(method, path, body):
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    with OPENER.open(request, timeout=60) as answer:
        return json.load(answer)["results"][0]


def send(service, exit_status):
    ask("POST", "actions/process-check-result", {
        "type": "Service", "service": f"h!{service}", "exit_status": exit_status, "plugin_output": "result"})  # fmt: skip


def schedule(service):
    now = time.time()
    ask("POST", "actions/schedule-downtime", {
        "type": "Service", "service": f"h!{service}", "start_time": now - 10, "end_time": now + 3600, "fixed": False, "duration": 600,
        "author": "op", "comment": "flexible"})  # fmt: skip


def compare(what, service, expected):
    for _ in range(30):
        depth = ask("GET", f"objects/services/h!{service}", {})["attrs"]["downtime_depth"]
        if depth == expected:
            break
        time.sleep(1)
    print(f"  {what}: {depth:.0f}")
    if depth != expected:
        sys.exit(f"CHANGED: it was {expected}")


send("before", 0)
send("during", 0)
send("during", 2)
schedule("before")
schedule("during")
compare("scheduled at CRITICAL", "during", 1)
compare("scheduled at OK", "before", 0)
send("before", 2)
compare("scheduled at OK, CRITICAL later", "before", 1)
PYTHON
