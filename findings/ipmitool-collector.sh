#!/bin/bash
# The ipmitool collector of node_exporter: of two sensors of one name the last is left, and a power supply that failed looks as before.
#
# Software:  prometheus-node-exporter-collectors 0.0~git20230203.6f710f8-1 of Debian 12. Seen 2026-11-30.
# Expected:  each line of `ipmitool sensor` is a series, whatever its unit; a discrete sensor's series changes with its state.
# Seen:      two lines "Temp", of 91 and 40 degrees, as of two processors: one series, of 40
#            a power supply, 0x0 | discrete | 0x0180, then 0x0280:         0 both times: the state stands in the column behind, which is not read
#            0x1a | discrete and 0x10 | discrete:                          1 or 10: the digits of a hexadecimal number as a decimal one
#            Amps, percent, a threshold that is crossed ("cr"):            no series
#            a sensor without a reading ("na"):                            no series, as for one that is not there
# Matters:   an alert by temperature never comes for the first of two processors, nor one for a power supply at all. Use ipmi_exporter,
#            or collect the state's column and number the sensors.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download prometheus-node-exporter-collectors mawk
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in prometheus-node-exporter-collectors mawk; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done

collect() { root/usr/bin/mawk -f root/usr/share/prometheus-node-exporter-collectors/ipmitool | grep -v '^#' | sort | paste -sd' '; }
sensor() { # name, reading, unit, state; six limits stand behind them
    printf '%-16s | %-10s | %-10s | %-6s| na        | na        | na        | 80.000    | 90.000    | na        \n' "$@"
}
compare() { # what, expected; sensors come from stdin
    got=$(collect)
    echo "$1: ${got:-nothing}"
    [ "$got" = "$2" ] || changed "it was: $2"
}
supply() { sensor "PS1 Status" "$1" discrete "$2"; }

sensor "Inlet Temp" 21.000 "degrees C" ok | compare "a temperature" 'node_ipmi_temperature_celsius{sensor="Inlet Temp"} 21.000000'
{ sensor Temp 91.000 "degrees C" cr; sensor Temp 40.000 "degrees C" ok; } |
    compare "two processors" 'node_ipmi_temperature_celsius{sensor="Temp"} 40.000000'
supply 0x0 0x0180 | compare "a power supply that is there" 'node_ipmi_status{sensor="PS1 Status"} 0.000000'
supply 0x0 0x0280 | compare "one that has failed" 'node_ipmi_status{sensor="PS1 Status"} 0.000000'
supply 0x1a 0x0180 | compare "a reading of 26" 'node_ipmi_status{sensor="PS1 Status"} 1.000000'
supply 0x10 0x0180 | compare "a reading of 16" 'node_ipmi_status{sensor="PS1 Status"} 10.000000'
{ sensor "Current 1" 0.400 Amps ok; sensor "CPU Usage" 97.000 percent cr; sensor "Fan1" na RPM na; } | compare "Amps, percent, no reading" ""
