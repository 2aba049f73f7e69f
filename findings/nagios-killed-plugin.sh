#!/bin/bash
# A killed plugin is UNKNOWN or CRITICAL for Nagios, by whether there is a ">" anywhere in its command line.
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12. Seen 2026-11-28.
# Expected:  one state and one text for a plugin that a signal ends (the kernel's out-of-memory killer, a limit of CPU time).
# Seen:      command line without a shell's signs, or with quotes or a ";" at its end: run directly; UNKNOWN, and the first line
#            that the plugin had printed is the service's output.
#            the same with "2>&1" at its end: run by a shell, which says 137; CRITICAL, "(Return code of 137 ... was out of
#            bounds)", the plugin's line lost.
# Matters:   a redirection that was added to catch error messages turns "we do not know" into a page at night for a
#            site that is well. Let the wrapper of a plugin do that, and end with 3 itself where its child was killed.
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
printf '#!/bin/bash\necho "said before the end | a=1"\nkill -9 $$\n' > killed
chmod 755 killed
command plain "$work/killed x"
command quoted "$work/killed 'x y'"
command redirected "$work/killed x 2>&1"
for each in plain quoted redirected; do service "$each" "$each" 1; done

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
for each in plain quoted redirected; do await "result of $each" checked "$each"; done
while read -r service state text; do
    got="$(field "$service" current_state) $(field "$service" plugin_output)"
    echo "$service: state $got"
    [ "$got" = "$state $text" ] || changed "$service was $state $text"
done <<'TABLE'
plain 3 said before the end
quoted 3 said before the end
redirected 2 (Return code of 137 for service 'redirected' on host 'h' was out of bounds)
TABLE
