#!/bin/bash
# Icinga reads the time periods of Nagios otherwise: of yesterday's date it is still inside, and a date beside a weekday is no exception.
#
# Software:  nagios4-core 4.4.6-4+deb12u2, icinga2-bin 2.13.6-2+deb12u2, both of Debian 12. Seen 2026-11-30.
# Expected:  Icinga's ranges are those of Nagios, whose words they have: a date is that day; it stands in place of the weekday's hours;
#            a range of dates may go over the new year. 22:00-06:00 is the night. What a monitor cannot read it refuses.
# Seen:      at noon of Monday, 2026-11-30              Nagios                Icinga
#            2026-11-29 00:00-24:00, yesterday's date    outside               inside
#            2026-12-01 00:00-24:00, tomorrow's          outside               outside
#            2026-11-30 20:00-21:00 beside
#              monday 00:00-24:00                        outside               inside
#            january 2 - january 1                       inside                outside, as each that ends before it begins
#            december 31 - december 30, begun last year  outside               outside
#            monday 11:00-10:00                          outside               inside
#            sunday - tuesday                            refused               outside
#            Of the others neither says a word.
# Matters:   who comes from Nagios with its periods is not called in the holidays, or is called in them; who is on duty until yesterday gets
#            today's calls too. Ask /v1/objects/timeperiods for the segments; write each weekday, and both parts of a night and of a
#            year's end, for themselves.
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

# A time zone in which it is noon: all that follows is far from midnight.
export LC_ALL=C
hour=$(date -u +%-H)
export TZ="SITE$((hour - 12))"
today=$(date +%A | tr '[:upper:]' '[:lower:]')
yesterday=$(date -d yesterday +%A | tr '[:upper:]' '[:lower:]')
tomorrow=$(date -d tomorrow +%A | tr '[:upper:]' '[:lower:]')
cat > periods <<PERIODS
today|$(date +%F)|00:00-24:00
yesterday|$(date -d yesterday +%F)|00:00-24:00
tomorrow|$(date -d tomorrow +%F)|00:00-24:00
holiday|$(date +%F)|20:00-21:00
year|january 2 - january 1|00:00-24:00
begun|december 31 - december 30|00:00-24:00
night|$today|11:00-10:00
PERIODS

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
CONF
while IFS='|' read -r name day hours; do
    [ "$name" = holiday ] && more="\"$today\" = \"00:00-24:00\"" || more=
    echo "object TimePeriod \"$name\" { ranges = { \"$day\" = \"$hours\"; $more } }"
done < periods >> icinga2.conf
echo "object TimePeriod \"weekdays\" { ranges = { \"$yesterday - $tomorrow\" = \"00:00-24:00\" } }" >> icinga2.conf
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
enable_notifications=1
check_external_commands=1
log_passive_checks=1
SETTINGS
cat > objects.cfg <<'OBJECTS'
define timeperiod {
 timeperiod_name always
 alias always
 monday 00:00-24:00
 tuesday 00:00-24:00
 wednesday 00:00-24:00
 thursday 00:00-24:00
 friday 00:00-24:00
 saturday 00:00-24:00
 sunday 00:00-24:00
}
define command {
 command_name none
 command_line /bin/true
}
define contact {
 contact_name c
 host_notification_period always
 service_notification_period always
 host_notification_commands none
 service_notification_commands none
 host_notification_options d,u,r
 service_notification_options w,u,c,r
}
define host {
 host_name h
 max_check_attempts 1
 contacts c
 check_period always
 notification_period always
}
OBJECTS
while IFS='|' read -r name day hours; do
    printf 'define timeperiod {\n timeperiod_name %s\n alias %s\n %s %s\n' "$name" "$name" "$day" "$hours"
    [ "$name" != holiday ] || printf ' %s 00:00-24:00\n' "$today"
    printf '}\n'
    printf 'define service {\n host_name h\n service_description %s\n check_command none\n max_check_attempts 1\n' "$name"
    printf ' contacts c\n check_period always\n notification_period %s\n}\n' "$name"
done < periods >> objects.cfg
root/usr/sbin/nagios4 -v nagios.cfg > verified 2>&1 || { cat verified; changed "Nagios took the configuration"; }
if grep -E "^(Warning|Error):" verified | grep -v illegal_macro_output_chars; then changed "Nagios said nothing of the periods"; fi
{
    cat objects.cfg
    printf 'define timeperiod {\n timeperiod_name weekdays\n alias weekdays\n %s - %s 00:00-24:00\n}\n' "$yesterday" "$tomorrow"
} > refused.cfg
sed "s,^cfg_file=.*,cfg_file=$work/refused.cfg," nagios.cfg > refusing.cfg
if root/usr/sbin/nagios4 -v refusing.cfg > verified 2>&1; then changed "Nagios refused a range of weekdays"; fi
grep -io "could not parse timerange" verified

root/usr/sbin/nagios4 nagios.cfg > said-nagios 2>&1 &
nagios=$!
await() { # what, a command that succeeds once it is so
    for _ in $(seq 300); do "${@:2}" && return; sleep 0.2; done
    tail -n 5 said-nagios >&2
    changed "no $1 in a minute"
}
await "command file" test -p nagios.cmd
now=$(date +%s)
cut -d '|' -f 1 periods | while read -r name; do
    echo "[$now] PROCESS_SERVICE_CHECK_RESULT;h;$name;2;is down" > nagios.cmd
done
echo "[$now] PROCESS_SERVICE_CHECK_RESULT;h;today;2;is down" > nagios.cmd # of which the log tells the result before
await "last result" grep -q "PASSIVE SERVICE CHECK: h;today;2;" nagios.log
kill "$nagios"
wait "$nagios" || true
nagios=
sed -n 's/.* SERVICE NOTIFICATION: c;h;\([a-z]*\);CRITICAL;.*/\1/p' nagios.log | sort -u > told

if grep -E "(warning|critical)/" said; then changed "Icinga said nothing of the periods"; fi
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
request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/objects/timeperiods")
request.add_header("Authorization", f"Basic {LOGIN}")
for _ in range(60):
    with OPENER.open(request, timeout=60) as answer:
        found = {each["name"]: each["attrs"] for each in json.load(answer)["results"]}
    if all(each["segments"] is not None for each in found.values()):
        break
    time.sleep(1)
with open("told") as names:
    told = names.read().split()
for name, nagios, icinga in (
    ("today", True, True),
    ("yesterday", False, True),
    ("tomorrow", False, False),
    ("holiday", False, True),
    ("year", time.strftime("%m%d") != "0101", False),
    ("begun", time.strftime("%m%d") == "1231", False),
    ("night", False, True),
    ("weekdays", False, False),
):
    got = (name in told, found[name]["is_inside"])
    print(f"{name}, {found[name]['ranges']}: Nagios {got[0]}, Icinga {got[1]}")
    if got != (nagios, icinga):
        sys.exit(f"CHANGED: it was {nagios}, {icinga}")
PYTHON
