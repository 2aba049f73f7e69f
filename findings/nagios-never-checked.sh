#!/bin/bash
# Nagios logs a service that it has never checked as OK, in a hard state, when it starts.
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  a service without any result is PENDING, as its status file has it (has_been_checked=0) and its pages show it; a
#            log that lists all states (log_initial_states=1) leaves it out or says so.
# Seen:      "INITIAL SERVICE STATE: h;s;OK;HARD;1;(null)": OK, and a hard state, with "(null)" for the plugin's output.
# Matters:   whoever computes availability from the log counts a service as up from the start of Nagios on, however long it
#            takes until its first check, and for ever if it is never checked. Take the output "(null)" for no result.
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
log_initial_states=1
execute_host_checks=0
enable_notifications=0
check_external_commands=1
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
has() { grep -q "$1" "$2" 2>/dev/null; }
await "state in the log" has "INITIAL SERVICE STATE" nagios.log
await "status file" has "^servicestatus" status.dat
logged=$(sed -n 's/.*INITIAL SERVICE STATE: //p' nagios.log)
checked=$(sed -n '/^servicestatus/,/}/s/^\thas_been_checked=//p' status.dat)
echo "log:         $logged"
echo "status file: has_been_checked=$checked"
[ "$checked" = 0 ] || changed "the status file had it as never checked"
[ "$logged" = "h;s;OK;HARD;1;(null)" ] || changed "the log had it as OK, with (null) for an output"
