#!/bin/bash
# A downtime that is over, or ends before it begins: Nagios drops it without a line, Icinga has "successfully scheduled" it.
#
# Software:  nagios4-core 4.4.6-4+deb12u2, icinga2-bin 2.13.6-2+deb12u2, both of Debian 12. Seen 2026-11-29.
# Expected:  both refuse it and say so: Nagios in its log, as "returned error" of a command that it cannot carry out; Icinga by an
#            error of the action schedule-downtime.
# Seen:      from now to now, from two hours to one hour ago, from in ten minutes to in five. Nagios logs the command alone, and
#            has no such downtime (one without a comment is "returned error Command failed"). Icinga answers 200 "Successfully
#            scheduled" with a name, there is such an object, and it never comes into effect.
# Matters:   announcements are moved, cut short and entered backwards, and clocks differ. Who gives a downtime to Nagios has to look
#            into status.dat for it and not wait for ever; who gives one to Icinga must not take the 200 for silence.
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
now=$(date +%s)
tell() { echo "[$now] SCHEDULE_SVC_DOWNTIME;h;s;$((now + $1));$((now + $2));1;0;0;finding;$3" > nagios.cmd; }
echo "Nagios"
tell 0 0 zero
tell -7200 -3600 over
tell 600 300 backwards
tell -10 600 ""
tell -10 600 good
is_there() { grep -q "comment=$1" status.dat; }
await "good downtime" is_there good
for each in zero over backwards good; do
    scheduled=0
    is_there "$each" && scheduled=1
    complaints=$(grep -v "EXTERNAL COMMAND" nagios.log | grep -c "finding;$each\$" || true)
    echo "  $each: scheduled $scheduled, complaints in the log $complaints"
    [ "$scheduled $complaints" = "$([ "$each" = good ] && echo 1 || echo 0) 0" ] || changed "$each was dropped in silence"
done
grep -q "returned error" nagios.log || changed "one without a comment was complained of"
echo "  without a comment:$(grep "returned error" nagios.log | sed 's/.*returned/ returned/')"

echo "Icinga"
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
NOW = int(time.time())


def ask(method, path, body):
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    with OPENER.open(request, timeout=60) as answer:
        return answer.status, json.load(answer)["results"]


DOWNTIMES = (("a", "zero", 0, 0), ("b", "over", -7200, -3600), ("c", "backwards", 600, 300), ("d", "good", -10, 600))
for name, comment, start, end in DOWNTIMES:
    code, told = ask("POST", "actions/schedule-downtime", {
        "type": "Service", "service": f"h!{name}", "author": "finding", "comment": comment,
        "start_time": NOW + start, "end_time": NOW + end})  # fmt: skip
    stored = [each["attrs"]["comment"] for each in ask("GET", "objects/downtimes", {})[1]]
    depth = ask("GET", f"objects/services/h!{name}", {})[1][0]["attrs"]["downtime_depth"]
    print(f"  {comment}: {code} {told[0]['status'].partition(' ')[0]}, an object {comment in stored}, in effect {depth}")
    if (code, told[0]["status"][:22], comment in stored, depth) != (200, "Successfully scheduled", True, int(comment == "good")):
        sys.exit("CHANGED: it was said to be scheduled, an object was made, and only the good one was in effect")
PYTHON
