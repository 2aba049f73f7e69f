#!/bin/bash
# Nagios logs a passive result with the state and the text that the service or host had before it.
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12, log_passive_checks=1. Seen 2026-11-29.
# Expected:  "PASSIVE SERVICE CHECK: host;service;state;text" tells the result that came in, as the manual of this option and
#            the two lines around it (EXTERNAL COMMAND, SERVICE ALERT) let one think; so for "PASSIVE HOST CHECK".
# Seen:      the line has the state and the text of the result before: "0;(null)" for the first one, and a CRITICAL that comes
#            after an OK is logged as "0;" with the OK's text. The service itself gets the new state. A host's lines are as late.
# Matters:   who counts availability, or looks for the moment of an outage, from these lines is one result behind for ever: the
#            last result before a silence is in no such line. Read SERVICE ALERT, or EXTERNAL COMMAND, or what the handler wrote.
set -eu
work=$(mktemp -d)
nagios=
trap '[ -z "$nagios" ] || kill "$nagios" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download nagios4-core
dpkg-deb -x nagios4-core_*.deb root
dpkg-deb -f nagios4-core_*.deb Version

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

root/usr/sbin/nagios4 nagios.cfg > said 2>&1 &
nagios=$!
await() { # what, a command that succeeds once it is so
    for _ in $(seq 300); do "${@:2}" && return; sleep 0.2; done
    tail -n 5 said >&2
    changed "no $1 in a minute"
}
await "command file" test -p nagios.cmd
logged() { # text of the command, how often
    [ "$(grep -c "^\[[0-9]*\] $1" nagios.log)" -ge "$2" ]
}
number=0
for result in "0;first" "2;second" "1;third"; do
    number=$((number + 1))
    echo "[$(date +%s)] PROCESS_SERVICE_CHECK_RESULT;h;s;$result" > nagios.cmd
    await "line about $result" logged "PASSIVE SERVICE CHECK" "$number"
    echo "[$(date +%s)] PROCESS_HOST_CHECK_RESULT;h;$result" > nagios.cmd
    await "line about the host's $result" logged "PASSIVE HOST CHECK" "$number"
done
is_new() { grep -A40 "^servicestatus" status.dat | grep -q "plugin_output=third"; }
await "new state" is_new

grep -E "CHECK_RESULT|PASSIVE|SERVICE ALERT" nagios.log | cut -d' ' -f2-
service=$(sed -n 's/.*PASSIVE SERVICE CHECK: h;s;//p' nagios.log | paste -sd' ')
host=$(sed -n 's/.*PASSIVE HOST CHECK: h;//p' nagios.log | paste -sd' ')
[ "$service" = "0;(null) 0;first 2;second" ] || changed "the service's lines were one result behind: $service"
[ "$host" = "0;(null) 0;first 2;second" ] || changed "the host's lines were one result behind: $host"
