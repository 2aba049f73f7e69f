#!/bin/bash
# collectd: a value that is not known ends the alert of a limit, "within range again", and Nagios gets an OK for it.
#
# Software:  collectd-core 5.12.0-14 of Debian 12, its plug-ins unixsock, threshold and notify_nagios. Seen 2026-11-30.
# Expected:  a value that is not known is neither within the limits nor outside: the alert stands, or becomes an UNKNOWN. What is answered
#            with "Success" is taken as it was sent; a number that cannot be read to its end is refused, as `abc` is.
# Seen:      FailureMax 20, then 25, then U:          "All data sources are within range again. Current value of "value" is nan.",
#                                                     sent to Nagios with the code 0
#            U first of all:                          an OK for that, too
#            25, and a 5 that is a second older:      "Success: 1 value has been dispatched", the 25 stays
#            21,5 and 21%:                            21, "Success"; the log has "Ignoring trailing garbage"
#            PUTNOTIF with a text of 300 characters:  "Success", 255 of them arrive; severity=critical is refused, failure is CRITICAL
# Matters:   a script that says U when its service does not answer makes the service recover in Nagios, at the very moment that it went
#            down. Let it send no value and set `Interesting true`, which is a FAILURE after two intervals, or PUTNOTIF a failure.
set -eu
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download collectd-core libltdl7
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "collectd-core $(dpkg-deb -f collectd-core_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
cat > collectd.conf <<SETTINGS
Hostname "monitor"
BaseDir "$work"
PIDFile "$work/pid"
PluginDir "$work/root/usr/lib/collectd"
TypesDB "$work/root/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
    LogLevel "info"
    File "$work/log"
</Plugin>
LoadPlugin unixsock
<Plugin unixsock>
    SocketFile "$work/socket"
</Plugin>
LoadPlugin notify_nagios
<Plugin notify_nagios>
    CommandFile "$work/commands"
</Plugin>
LoadPlugin threshold
<Plugin threshold>
    <Plugin "exec">
        <Type "gauge">
            FailureMax 20
        </Type>
    </Plugin>
</Plugin>
SETTINGS
: > commands
root/usr/sbin/collectd -f -C collectd.conf > said 2>&1 &
daemon=$!
for _ in $(seq 300); do [ -S socket ] && break; sleep 0.1; done
[ -S socket ] || { cat said log >&2; echo "CHANGED: collectd does not start" >&2; exit 1; }
python3 - <<'PYTHON'
import pathlib
import socket
import sys
import time

commands = pathlib.Path("commands")
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(60)
peer.connect("socket")
stream = peer.makefile("rw")
PAST, NOW = int(time.time()) - 60, int(time.time()) - 59
AGAIN = "All data sources are within range again. Current value of \"value\" is"
ABOVE = "Data source \"value\" is currently 25.000000. That is above the failure threshold of 20.000000."
LONG = "x" * 300


def ask(command):
    """The first line of the answer, and the first value if there is one."""
    stream.write(command + "\n")
    stream.flush()
    said = stream.readline().strip()
    return stream.readline().strip() if said == "1 Value found" else said


def judge(found, expected, what):
    print(f"{what[:90]}\n    {found[:150]}")
    if found != expected:
        sys.exit(f"CHANGED: it was {expected}")


def told(command, answer, expected):
    """What Nagios gets for a command: service, code and text."""
    before = len(commands.read_text())
    judge(ask(command), answer, command)
    until = time.monotonic() + 30
    while not (lines := commands.read_text()[before:]).endswith("\n") and time.monotonic() < until:
        time.sleep(0.1)
    service, code, text = lines.strip().split(";", 4)[2:]
    judge(f"{service} {code} {text.rpartition('): ')[2]}", expected, "  Nagios:")


taken = "0 Success: 1 value has been dispatched."
told(f'PUTVAL "site/exec/gauge-vm" interval=3600 {PAST}:25', taken, f"exec/gauge-vm 2 {ABOVE}")
told(f'PUTVAL "site/exec/gauge-vm" interval=3600 {NOW}:U', taken, f"exec/gauge-vm 0 {AGAIN} nan.")
told(f'PUTVAL "site/exec/gauge-tcp" interval=3600 {NOW}:U', taken, f"exec/gauge-tcp 0 {AGAIN} nan.")
told(f'PUTVAL "site/exec/gauge-http" interval=3600 {NOW}:25', taken, f"exec/gauge-http 2 {ABOVE}")
judge(ask(f'PUTVAL "site/exec/gauge-http" interval=3600 {PAST}:5'), taken, "a 5 that is a second older")
for name, text in (("comma", "21,5"), ("percent", "21%")):
    judge(ask(f'PUTVAL "site/other/gauge-{name}" interval=3600 {NOW}:{text}'), taken, text)
    until = time.monotonic() + 30
    while not (value := ask(f'GETVAL "site/other/gauge-{name}"')).startswith("value=") and time.monotonic() < until:
        time.sleep(0.1)
    judge(value, "value=2.100000e+01", "  is")
judge(ask('GETVAL "site/exec/gauge-http"'), "value=2.500000e+01", "what stays")
judge(ask(f'PUTVAL "site/other/gauge-word" interval=3600 {NOW}:abc'), "-1 Parsing the values string failed.", "abc")
notice = f'PUTNOTIF host=site plugin=exec type=gauge type_instance=vm time={NOW} message="{LONG}" severity='
told(notice + "failure", "0 Success", f"exec/gauge-vm 2 {LONG[:255]}")
judge(ask(notice + "critical"), "-1 Error parsing option `severity'", "severity=critical")
PYTHON
grep garbage log
