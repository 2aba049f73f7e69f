#!/bin/bash
# An exit code of 4 is CRITICAL for Nagios and takes the plugin's text; of a passive result it is UNKNOWN, or a state 4.
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12, settings as small as they can be. Seen 2026-11-28.
# Expected:  what is no state is UNKNOWN, as the guidelines for plugins have it, with the text that came along; and the same
#            by each of the three ways in: a check of its own, the command file, a file in check_result_path.
# Seen:      own check    4: CRITICAL, the text replaced by "(Return code of 4 for service ... was out of bounds)".
#            command file 4: UNKNOWN, the text kept. The word CRITICAL for a code: OK.
#            result file  4: current_state 4, which is none; the text kept. None of this is refused.
# Matters:   who writes "2" wrong pages nobody: PROCESS_SERVICE_CHECK_RESULT with a state's name turns a service green. A relay
#            checks the code before it hands a result on; a reader of status.dat meets states that are not in 0..3.
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
: > objects.cfg
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
interval_length=1
service_inter_check_delay_method=n
max_service_check_spread=1
check_result_reaper_frequency=1
check_workers=2
execute_host_checks=0
enable_notifications=0
check_external_commands=1
SETTINGS
printf 'define timeperiod {\n timeperiod_name none\n alias none\n}\n' >> objects.cfg
printf 'define contact {\n contact_name c\n host_notification_period none\n service_notification_period none\n' >> objects.cfg
printf ' host_notification_commands none\n service_notification_commands none\n}\n' >> objects.cfg
printf 'define host {\n host_name h\n max_check_attempts 1\n contacts c\n}\n' >> objects.cfg
command() { printf 'define command {\n command_name %s\n command_line %s\n}\n' "$1" "$2" >> objects.cfg; }
service() { # name, command, 1: active or 0: passive
    printf 'define service {\n host_name h\n service_description %s\n check_command %s\n' "$1" "$2" >> objects.cfg
    printf ' max_check_attempts 1\n check_interval 600\n retry_interval 600\n' >> objects.cfg
    printf ' active_checks_enabled %s\n contacts c\n}\n' "$3" >> objects.cfg
}
command none /bin/true
command four "$work/four"
printf '#!/bin/sh\necho text of the plugin\nexit 4\n' > four
chmod 755 four
service own-4 four 1
for each in command-4 command-CRITICAL command-2 file-4; do service "$each" none 0; done

root/usr/sbin/nagios4 nagios.cfg > said 2>&1 &
nagios=$!
await() { # what, a command that succeeds once it is so
    for _ in $(seq 300); do "${@:2}" && return; sleep 0.2; done
    tail -n 5 said >&2
    changed "no $1 in a minute"
}
field() { # service, field
    awk -v s="service_description=$1" -v f="$2=" \
        '$1 == s {on = 1} /^\t}/ {on = 0} on && index($0, "\t" f) == 1 {print substr($0, length(f) + 2); exit}' status.dat
}
checked() { [ -e status.dat ] && [ "$(field "$1" has_been_checked)" = 1 ]; }
await "result of its own check" checked own-4
now=$(date +%s)
for code in 4 CRITICAL 2; do
    echo "[$now] PROCESS_SERVICE_CHECK_RESULT;h;command-$code;$code;text of the plugin" > nagios.cmd
done
cat > results/c000001 <<RESULT
file_time=$now

host_name=h
service_description=file-4
check_type=1
start_time=$now.0
finish_time=$now.0
exited_ok=1
return_code=4
output=text of the plugin
RESULT
: > results/c000001.ok
for each in command-4 command-CRITICAL command-2 file-4; do await "result of $each" checked "$each"; done

while read -r service state text; do
    got="$(field "$service" current_state) $(field "$service" plugin_output)"
    echo "$service: state $got"
    [ "$got" = "$state $text" ] || changed "$service was $state $text"
done <<'TABLE'
own-4 2 (Return code of 4 for service 'own-4' on host 'h' was out of bounds)
command-4 3 text of the plugin
command-CRITICAL 0 text of the plugin
command-2 2 text of the plugin
file-4 4 text of the plugin
TABLE
