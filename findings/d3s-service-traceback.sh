#!/bin/bash
# nagios_d3s_check_systemd_service ends in a traceback, a WARNING, for an active unit without a process; its performance data have commas.
#
# Software:  d3s-nagios-plugins 2.1.0 (PyPI); a few lines in the place of systemctl, in its form. Seen 2026-11-30.
# Expected:  a unit that is active is OK, also one that has no process left ("active (exited)", as a firewall has), or whose memory is not
#            accounted; a static unit, which cannot be enabled, is as well. Performance data are parted by blanks, and are numbers.
# Seen:      active (exited), enabled:             1, a KeyError 'service_memory' on stderr, nothing on stdout
#            running, without accounting:          the same
#            running, static or alias:             WARNING, "running but not enabled"
#            running, enabled:                     OK, "|service_memory=12.6M,service_name=web,service_tasks=6": one datum, or none
# Matters:   a firewall that is in place is a WARNING without a word from the first day on, so that nobody looks when it is really gone
#            (that is a CRITICAL); a graph of the memory is never drawn. Use it for daemons alone, and another plugin for figures.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install d3s-nagios-plugins==2.1.0
mkdir bin
cat > bin/systemctl <<'SYSTEMCTL'
#!/bin/bash
case $1:$2 in
is-enabled:static) echo static; exit 0 ;;
is-enabled:alias) echo alias; exit 0 ;;
is-enabled:*) echo enabled; exit 0 ;;
is-active:stopped) echo inactive; exit 3 ;;
is-active:*) echo active; exit 0 ;;
status:firewall) printf '● firewall.service - Firewall\n     Active: active (exited) since Mon\n   Main PID: 7 (code=exited, status=0/SUCCESS)\n' ;;
status:unaccounted) printf '● unaccounted.service - Web\n     Active: active (running) since Mon\n   Main PID: 7 (web)\n      Tasks: 6 (limit: 99)\n' ;;
status:stopped) printf '○ stopped.service - Web\n     Active: inactive (dead)\n'; exit 3 ;;
status:*) printf '● %s.service - Web\n     Active: active (running)\n      Tasks: 6 (limit: 99)\n     Memory: 12.6M\n' "$2" ;;
esac
SYSTEMCTL
chmod 755 bin/systemctl
export PATH="$work/bin:$PATH"
look() { # unit, exit code, what is printed, last line on stderr
    code=0
    venv/bin/nagios_d3s_check_systemd_service --service "$1" > answer 2> said || code=$?
    echo "$1: $code, $(cat answer) $(tail -1 said)"
    [ "$code:$(cat answer):$(tail -1 said)" = "$2:$3:$4" ] || { echo "CHANGED: it was $2, $3 $4" >&2; exit 1; }
}
data=service_memory=12.6M,service_name
look web 0 "SRV OK - web running, 12.6M, 6 tasks|$data=web,service_tasks=6" ''
look static 1 "SRV WARNING - static running but not enabled, 12.6M, 6 tasks|$data=static,service_tasks=6" ''
look alias 1 "SRV WARNING - alias running but not enabled, 12.6M, 6 tasks|$data=alias,service_tasks=6" ''
look firewall 1 '' "KeyError: 'service_memory'"
look unaccounted 1 '' "KeyError: 'service_memory'"
look stopped 2 'SRV CRITICAL - stopped not running|service_name=stopped' ''
