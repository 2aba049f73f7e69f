#!/bin/bash
# check_ups: limits of the mains voltage never alert, those of a value that the UPS does not have are dropped; overload and alarm are OK.
#
# Software:  check_ups of monitoring-plugins-standard 2.3.3-5+deb12u2 of Debian 12; a few lines in the place of NUT's upsd.
#            Seen 2026-11-30.
# Expected:  -v LINE -w 20 -c 30 alerts where the voltage is that far from what it should be. Limits of a value that is not there are
#            UNKNOWN, limits without -v refused. The states OVER, ALARM and BYPASS of NUT (too much load, a fault that the UPS reports,
#            no battery behind the mains) are at least WARNING, and WAIT (no data from the UPS yet) is UNKNOWN.
# Seen:      LINE, 80 V to 300 V: 0, "UPS OK", with the limits in the performance data as 20000 and 30000 (mV).
#            LOADPCT of a UPS without ups.load, and a battery of 5 % with -w 50 -c 20 and no -v: 0, "UPS OK".
#            OL OVER, OL ALARM, OL BYPASS, WAIT: 0, "UPS OK". OL RB and OB are 1, OB LB and OFF 2.
#            ups.load 90.5 is 90 in the performance data.
# Matters:   of a machine room with brownouts, or with a UPS that is overloaded or bypassed, nothing is heard before the power fails. Try
#            each limit once with a value that must alert.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-standard monitoring-plugins-basic
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-standard $(dpkg-deb -f monitoring-plugins-standard_*.deb Version)"
python3 - <<'PYTHON'
import socketserver
import subprocess
import sys
import threading

VALUES = {}


class Upsd(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            words = line.decode().split()
            if words[:2] != ["GET", "VAR"]:
                return
            value = VALUES.get(words[3])
            said = "ERR VAR-NOT-SUPPORTED" if value is None else f'VAR {words[2]} {words[3]} "{value}"'
            self.wfile.write(f"{said}\n".encode())


socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upsd)
threading.Thread(target=server.serve_forever, daemon=True).start()
USUAL = {"ups.status": "OL", "input.voltage": "230.0", "battery.charge": "100", "ups.load": "20", "ups.temperature": "30"}
for changed, options, code, data in (
    ({}, "", 0, ""),
    ({"ups.status": "OL RB"}, "", 1, ""),
    ({"ups.status": "OB"}, "", 1, ""),
    ({"ups.status": "OB LB"}, "", 2, ""),
    ({"ups.status": "OFF"}, "", 2, ""),
    ({"ups.status": "OL OVER"}, "", 0, ""),
    ({"ups.status": "OL ALARM"}, "", 0, ""),
    ({"ups.status": "OL BYPASS"}, "", 0, ""),
    ({"ups.status": "WAIT"}, "", 0, ""),
    ({"input.voltage": "80.0"}, "-v LINE -w 20 -c 30", 0, "voltage=80000mV;20000;30000"),
    ({"input.voltage": "190.0"}, "-v LINE -w 20 -c 30", 0, "voltage=190000mV;20000;30000"),
    ({"input.voltage": "300.0"}, "-v LINE -w 20 -c 30", 0, "voltage=300000mV;20000;30000"),
    ({"ups.load": "90.5"}, "-v LOADPCT -w 50 -c 80", 2, "load=90%;50;80"),
    ({"ups.load": None}, "-v LOADPCT -w 50 -c 80", 0, "battery=100%"),
    ({"battery.charge": "5"}, "-v BATTPCT -w 50 -c 20", 2, "battery=5%;50;20"),
    ({"battery.charge": "5"}, "-w 50 -c 20", 0, "battery=5%;;;"),
):
    VALUES.clear()
    VALUES.update({**USUAL, **changed})
    plugin = ["root/usr/lib/nagios/plugins/check_ups", "-H", "127.0.0.1", "-p", str(server.server_address[1]), "-u", "rack", "-t", "60"]
    done = subprocess.run(plugin + options.split(), capture_output=True, text=True, timeout=120)
    said = done.stdout.strip()
    print(f"{changed or 'all as usual'} {options}: {done.returncode} {said}")
    if done.returncode != code or data not in said:
        sys.exit(f"CHANGED: it was {code} {data}")
PYTHON
