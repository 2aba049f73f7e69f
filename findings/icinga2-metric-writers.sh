#!/bin/bash
# Icinga's writers for Graphite and InfluxDB cut numbers at six decimals and send "nan"; three labels are one series in Graphite.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  a number is handed on as exactly as it came. What is not a number is left out, as InfluxDB's lines can have none. A dot in
#            a label becomes "_" for Graphite, as one in a host's name does, and labels that differ stay apart.
# Seen:      0.0000004 is 0.000000 in both, 0.12345678 is 0.123457. nan and inf are "value=nan" and "value=inf" for InfluxDB, and
#            "nan" for Graphite; U is left out. For Graphite size.max is two levels of the tree, beside site_example_org for the host,
#            and 'a b', a_b and a/b are three values of the one series a_b, of the same second. InfluxDB gets the three apart.
# Matters:   rates and shares that are small are drawn as nothing; with the nan InfluxDB gets a line that it cannot read; of three graphs
#            one is left, with the last value. Give labels of letters, digits and "_", and units in which values are not tiny.
set -eu
work=$(mktemp -d)
icinga=
trap '[ -z "$icinga" ] || kill "$icinga" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f icinga2-bin_*.deb Version
libraries=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
program=$(find root -path "*/sbin/icinga2" -type f -size +1M)

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
graphite=$(free)
influxdb=$(free)
mkdir -p state/certs
make_key() { openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2> said; }
make_key ca
openssl x509 -req -in ca.csr -signkey ca.key -days 2 -out state/certs/ca.crt 2> said
make_key node
printf 'subjectAltName=DNS:localhost\n' > names
openssl x509 -req -extfile names -in node.csr -CA state/certs/ca.crt -CAkey ca.key -CAcreateserial -days 2 -out state/certs/node.crt 2> said
cp node.key state/certs
cat > icinga2.conf <<CONF
object Endpoint "node" { }
object Zone "master" { endpoints = [ "node" ] }
object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = $port }
object ApiUser "finding" { password = "secret"; permissions = [ "*" ] }
object GraphiteWriter "graphite" { host = "127.0.0.1"; port = $graphite }
object InfluxdbWriter "influxdb" { host = "127.0.0.1"; port = $influxdb; flush_interval = 1s }
object CheckCommand "none" { command = [ "/bin/true" ] }
object Host "site.example.org" { check_command = "none"; enable_active_checks = false }
object Service "vm" { host_name = "site.example.org"; check_command = "none"; enable_active_checks = false; check_interval = 5m }
CONF
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" >> said 2>&1 &
icinga=$!
for _ in $(seq 300); do (: < "/dev/tcp/127.0.0.1/$port") 2> errors && break; sleep 0.2; done

python3 - "$port" "$graphite" "$influxdb" <<'PYTHON'
import base64
import http.server
import json
import socketserver
import ssl
import sys
import threading
import time
import urllib.request

PORT, GRAPHITE, INFLUXDB = (int(each) for each in sys.argv[1:])
LOGIN = base64.b64encode(b"finding:secret").decode()
DATA = "tiny=0.0000004 fine=0.12345678 no=nan much=inf unknown=U size.max=1 'a b'=2 a_b=3 a/b=4 end=9"
PREFIX = "icinga2.site_example_org.services.vm.none.perfdata."
graphite, influxdb = [], []


class Graphite(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            name, value, _ = line.decode().split(" ")
            if name.startswith(PREFIX):
                graphite.append(f"{name.removeprefix(PREFIX)} {value}")


class InfluxDB(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        for line in self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines():
            influxdb.append(line.partition("metric=")[2].rpartition(" ")[0])
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()


socketserver.ThreadingTCPServer.daemon_threads = True
for server in (socketserver.ThreadingTCPServer(("127.0.0.1", GRAPHITE), Graphite), http.server.ThreadingHTTPServer(("127.0.0.1", INFLUXDB), InfluxDB)):
    threading.Thread(target=server.serve_forever, daemon=True).start()
trust = ssl.create_default_context(cafile="state/certs/ca.crt")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
body = {"type": "Service", "filter": 'service.name=="vm"', "exit_status": 0, "plugin_output": "OK", "performance_data": DATA}
headers = {"Accept": "application/json", "Authorization": f"Basic {LOGIN}"}
for _ in range(60):
    opener.open(urllib.request.Request(f"https://localhost:{PORT}/v1/actions/process-check-result", json.dumps(body).encode(), headers), timeout=60).close()
    time.sleep(1)
    if "end.value 9" in graphite and "end value=9" in influxdb:
        break
else:
    sys.exit("CHANGED: both writers sent every result within a minute")

for what, got, expected in (
    ("Graphite", graphite, ["tiny.value 0.000000", "fine.value 0.123457", "no.value nan", "much.value inf", "size.max.value 1",
                            "a_b.value 2", "a_b.value 3", "a_b.value 4", "end.value 9"]),
    ("InfluxDB", influxdb, ["tiny value=0.000000", "fine value=0.123457", "no value=nan", "much value=inf", "size.max value=1",
                            r"a\ b value=2", "a_b value=3", "a/b value=4", "end value=9"]),
):  # fmt: skip
    last = got.index(expected[-1]) + 1
    first = got[max(0, last - len(expected)):last]
    print(f"{what}:", *first, sep="\n  ")
    if first != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
