#!/bin/bash
# Nagios cuts the comment of a downtime at the first ";", keeps that of a service whole, and then finds no downtime by its comment.
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  the comment is the last field of SCHEDULE_SVC_DOWNTIME and so may hold anything up to the end of the line, as the
#            one of ADD_SVC_COMMENT and the text of PROCESS_SERVICE_CHECK_RESULT may. DEL_DOWNTIME_BY_START_TIME_COMMENT with the
#            text that was given removes it.
# Seen:      "GOCDB 1: power; cooling | all" is stored as "GOCDB 1: power", in silence. ADD_SVC_COMMENT keeps it whole.
#            DEL_DOWNTIME_BY_START_TIME_COMMENT with the whole text is "returned error Command failed"; with the part before
#            the ";" it works.
# Matters:   a program that knows its downtimes by their comments finds none of those that people described with a semicolon: it
#            schedules them again with each run, and never ends one early. Take ";" out before, and the author with it.
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
tell() { echo "[$(date +%s)] $1" > nagios.cmd; }
await "command file" test -p nagios.cmd
now=$(date +%s)
text="GOCDB 1: power; cooling | all"
tell "SCHEDULE_SVC_DOWNTIME;h;s;$((now - 10));$((now + 600));1;0;0;finding;$text"
tell "ADD_SVC_COMMENT;h;s;1;finding;$text"
has() { grep -q "$1" status.dat; }
has_not() { ! grep -q "$1" status.dat; }
await "downtime" has "^servicedowntime"
await "comment" has "comment_data=GOCDB"
downtime=$(sed -n 's/^\tcomment=//p' status.dat)
comment=$(sed -n 's/^\tcomment_data=GOCDB/GOCDB/p' status.dat)
echo "given:    $text"
echo "downtime: $downtime"
echo "comment:  $comment"
[ "$downtime" = "GOCDB 1: power" ] || changed "the downtime's comment was cut"
[ "$comment" = "$text" ] || changed "the service's comment was whole"

tell "DEL_DOWNTIME_BY_START_TIME_COMMENT;;$text"
failed() { grep -q "DEL_DOWNTIME_BY_START_TIME_COMMENT;;.* returned error" nagios.log; }
await "error of the command with the whole text" failed
grep "returned error" nagios.log | cut -d' ' -f4-
has "^servicedowntime" || changed "the downtime was still there"
tell "DEL_DOWNTIME_BY_START_TIME_COMMENT;;$downtime"
await "end of the downtime by the part of its text" has_not "^servicedowntime"
echo "by \"$downtime\": removed"
