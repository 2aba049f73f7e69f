#!/bin/bash
# Nagios hands performance data to a command without the quotes of its labels, to a file with them; output loses its ";".
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12, with the illegal_macro_output_chars of Debian's nagios.cfg.
#            Seen 2026-11-28.
# Expected:  $SERVICEPERFDATA$ is the same text for service_perfdata_command and for service_perfdata_file_template; the
#            guidelines ask for quotes around a label with a space, so they arrive. $SERVICEOUTPUT$ is what was printed,
#            apart from those signs.
# Seen:      printed: a; b | 'time to end'=5s 'a|b'=1
#            file:    a: b   with   'time to end'=5s 'a|b'=1
#            command: a: b   with   time to end=5s ab=1
#            The semicolon of the first line is a colon everywhere, status.dat too; those of further lines are kept.
# Matters:   what reads data from a command sees the labels "time", "to", "end=5s", or two labels that have become one. A label
#            needs no quotes: letters, digits, "_", "-" and ".". A list within the first line is parted by commas.
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
illegal_macro_output_chars=\`~\$&|'"<>
process_performance_data=1
service_perfdata_command=record
service_perfdata_file=$work/file
service_perfdata_file_mode=a
service_perfdata_file_template=\$SERVICEOUTPUT\$ [\$SERVICEPERFDATA\$]
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
cat > plugin <<'PLUGIN'
#!/bin/sh
echo "a; b | 'time to end'=5s 'a|b'=1"
echo "c; d"
PLUGIN
cat > record <<'RECORD'
#!/bin/sh
printf '%s [%s]\n' "$1" "$2" >> "$0ed"
RECORD
chmod 755 plugin record
command plugin "$work/plugin"
command record "$work/record '\$SERVICEOUTPUT\$' '\$SERVICEPERFDATA\$'"
service labels plugin 1

root/usr/sbin/nagios4 nagios.cfg > said 2>&1 &
nagios=$!
await() { # what, a command that succeeds once it is so
    for _ in $(seq 300); do "${@:2}" && return; sleep 0.2; done
    tail -n 5 said >&2
    changed "no $1 in a minute"
}
await "data at the command" test -s recorded
await "data in the file" test -s file
field() { # service, field
    awk -v s="service_description=$1" -v f="$2=" \
        '$1 == s {on = 1} /^\t}/ {on = 0} on && index($0, "\t" f) == 1 {print substr($0, length(f) + 2); exit}' status.dat
}
checked() { [ -e status.dat ] && [ "$(field "$1" has_been_checked)" = 1 ]; }
await "status" checked labels
compare() {
    echo "$1: $2"
    [ "$2" = "$3" ] || changed "$1 was $3"
}
compare file "$(cat file)" "a: b ['time to end'=5s 'a|b'=1]"
compare command "$(cat recorded)" "a: b [time to end=5s ab=1]"
compare "further lines" "$(field labels long_plugin_output)" "c; d"
