#!/bin/bash
# What "nagios4 -v" passes: a value cut at its first ";", a misspelt macro, a service twice; "Total Warnings" leaves the last out.
#
# Software:  nagios4-core 4.4.6-4+deb12u2 of Debian 12. Seen 2026-11-30.
# Expected:  what stands behind a ";" in the middle of a value belongs to it, at least within quotes, or the check of the
#            configuration tells of it. So it does of a macro that does not exist. Of two services of one name the first counts, or none,
#            and each warning is counted.
# Seen:      check_command url!http://site/;v=1!5          -u http://site/ -w: address and limit are cut
#            _URL http://site/;v=1                         http://site/
#            command_line ... first; exit 2                "; exit 2" is cut, so OK
#            -H $HOSTADRESS$ -p $USER9$ -w 5               -H, a single dollar sign, -p, -w 5
#            a service twice, and a dependency without     the later service counts; two warnings are printed, and
#              criteria                                    "Total Warnings: 0"
#            All of it ends with 0, and "Things look okay".
# Matters:   a limit, a query or a second command that is lost leaves a service that is OK for ever. Write "\;", look at the arguments of each
#            kind of check as it runs, and count the lines "Warning:" rather than believe the total.
set -eu
work=$(mktemp -d)
nagios=
trap '[ -z "$nagios" ] || kill "$nagios" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download nagios4-core
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f nagios4-core_*.deb Version

cat > plugin <<'PLUGIN'
#!/bin/sh
into=$1
shift
printf '<%s>' "$@" > "$into.new"
mv "$into.new" "$into"
echo "fine"
PLUGIN
chmod 755 plugin
mkdir results archives
mkdir asked
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
execute_service_checks=1
execute_host_checks=0
enable_notifications=0
check_external_commands=1
illegal_macro_output_chars=|<>
interval_length=1
SETTINGS
cat > objects.cfg <<'OBJECTS'
define timeperiod {
 timeperiod_name always
 alias always
 sunday 00:00-24:00
 monday 00:00-24:00
 tuesday 00:00-24:00
 wednesday 00:00-24:00
 thursday 00:00-24:00
 friday 00:00-24:00
 saturday 00:00-24:00
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
}
define host {
 host_name h
 address 127.0.0.1
 max_check_attempts 1
 check_period always
 notification_period always
 contacts c
}
define service {
 name all
 register 0
 host_name h
 max_check_attempts 1
 check_interval 1
 retry_interval 1
 check_period always
 notification_period always
 contacts c
}
OBJECTS
service() { # name, arguments of the plugin, arguments of the check_command, more
    printf 'define command {\n command_name %s\n command_line %s %s %s\n}\n' "$1" "$work/plugin" "$work/asked/$1" "$2"
    printf 'define service {\n use all\n service_description %s\n check_command %s%s\n %s\n}\n' "$1" "$1" "$3" "$4"
}
{
    service argument "-u \$ARG1\$ -w \$ARG2\$" "!http://site/;v=1!5" ""
    service escaped "-u '\$ARG1\$' -w \$ARG2\$" "!http://site/\\;v=1!5" ""
    service variable "'\$_SERVICEURL\$'" "" "_URL http://site/;v=1"
    service command "first; exit 2" "" ""
    service macro "-H \$HOSTADRESS\$ -p \$USER9\$ -w 5" "" ""
    service twice "the first" "" ""
    printf 'define service {\n use all\n service_description twice\n check_command none\n display_name later\n}\n'
    printf 'define servicedependency {\n host_name h\n service_description macro\n dependent_service_description twice\n}\n'
} >> objects.cfg
root/usr/sbin/nagios4 -v nagios.cfg > verified 2>&1 || { cat verified; changed "the configuration was accepted"; }
grep -E "^(Warning|Error|Total|Things)" verified | sed "s,$work,.,"
[ "$(grep -c "^Warning:" verified)" = 2 ] || changed "two warnings were printed"
grep -q "^Total Warnings: 0$" verified || changed "no warning was counted"

root/usr/sbin/nagios4 nagios.cfg > said-nagios 2>&1 &
nagios=$!
await() { # what, a command that succeeds once it is so
    for _ in $(seq 300); do "${@:2}" && return; sleep 0.2; done
    tail -n 5 said-nagios >&2
    changed "no $1 in a minute"
}
await "command file" test -p nagios.cmd
compare() { # name, what the plugin was given
    await "run of $1" test -e "asked/$1"
    echo "$1: $(cat "asked/$1")"
    [ "$(cat "asked/$1")" = "$2" ] || changed "it was $2"
}
compare argument "<-u><http://site/><-w>"
compare escaped "<-u><http://site/;v=1><-w><5>"
compare variable "<http://site/>"
compare macro "<-H><\$><-p><-w><5>"
compare command "<first>"
state() { awk -v s="\tservice_description=$1" '/^servicestatus/ {on = 0} $0 == s {on = 1} on && /\tcurrent_state=/ {sub(".*=", ""); print; exit}' status.dat; }
await "result of command" grep -q "plugin_output=fine" status.dat
echo "command: state $(state command)"
[ "$(state command)" = 0 ] || changed "it was OK"
grep -A 20 "^define service {" objects.cache | grep -E "display_name.*later" || changed "the later one counted"
[ ! -e asked/twice ] || changed "the first of the two never ran"
