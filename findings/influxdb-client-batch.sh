#!/bin/bash
# influxdb-client: what waits at the end of a program is lost, a refused login is a line on stderr, seconds of a Point are nanoseconds.
#
# Software:  influxdb-client 1.50.0 (PyPI). Seen 2026-11-30.
# Expected:  write_api() without options sends what waits when the program ends, since it registers itself with atexit. A `with` around it raises
#            what the server refused. write_precision="s" holds for a Point as for a dictionary.
# Seen:      write() without close():                                nothing is sent, "cannot schedule new futures after interpreter shutdown"
#                                                                    on stderr, exit code 0
#            with write_api() as ..., and the server says 401, 400:  the block ends without an exception, a line on stderr, exit code 0
#            Point.time(1700000000), write_precision="s":            sent as nanoseconds, which is two seconds of 1970; the same dictionary
#                                                                    as seconds
#            a Point whose only field is nan or None:                an empty body, which is a success
# Matters:   a probe's wrapper that writes one result per run has never written one, or none since its token ended, and ends with 0; what was
#            dated in seconds lies beyond the retention, and is dropped. Use SYNCHRONOUS, and give time() its own precision.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install influxdb-client==1.50.0 reactivex==6.1.0 typing-extensions==4.16.0 certifi==2026.7.22 python-dateutil==2.9.0 six==1.17.0 urllib3==2.8.0
cat > program.py <<'PYTHON'
import sys

from influxdb_client import InfluxDBClient, Point, WriteOptions
from influxdb_client.client.write_api import SYNCHRONOUS

client = InfluxDBClient(url=sys.argv[1], token="example", org="egi")
WAITING = WriteOptions(flush_interval=8_000)  # so that nothing is sent before the end on a slow machine either; the default is 1 s
WHEN = 1700000000
if sys.argv[2] == "left":
    client.write_api(WAITING).write("probes", record="status state=2")
elif sys.argv[2] == "closed":
    with client.write_api() as api:
        api.write("probes", record="status state=2")
else:
    record = {
        "point": Point("status").field("state", 2).time(WHEN),
        "dictionary": {"measurement": "status", "fields": {"state": 2}, "time": WHEN},
        "line": f"status state=2i {WHEN}",
        "nan": Point("status").field("state", float("nan")),
        "none": Point("status").field("state", None),
    }[sys.argv[2]]
    client.write_api(SYNCHRONOUS).write("probes", record=record, write_precision="s")
print("end")
PYTHON
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import http.server
import json
import subprocess
import sys
import threading
import urllib.parse

got, code = [], 204


class InfluxDB(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        got.append((dict(urllib.parse.parse_qsl(self.path.partition("?")[2]))["precision"], body))
        answer = b"" if code == 204 else json.dumps({"code": "refused", "message": "refused by the server"}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), InfluxDB)
threading.Thread(target=server.serve_forever, daemon=True).start()
SENT = ("ns", "status state=2")
for name, code, ended, sent, word in (
    ("left", 204, 0, [], "after interpreter shutdown"),
    ("closed", 204, 0, [SENT], ""),
    ("closed", 400, 0, [SENT], "refused by the server"),
    ("closed", 401, 0, [SENT], "refused by the server"),
    ("line", 401, 1, [("s", "status state=2i 1700000000")], "refused by the server"),
    ("line", 204, 0, [("s", "status state=2i 1700000000")], ""),
    ("dictionary", 204, 0, [("s", "status state=2i 1700000000")], ""),
    ("point", 204, 0, [("ns", "status state=2i 1700000000")], ""),
    ("nan", 204, 0, [("ns", "")], ""),
    ("none", 204, 0, [("ns", "")], ""),
):
    got.clear()
    done = subprocess.run([sys.executable, "-W", "ignore", "program.py", f"http://127.0.0.1:{server.server_port}", name], capture_output=True, text=True)
    reached = done.stdout == "end\n"
    print(f"{name}, {code}: exit code {done.returncode}, sent {got}, stderr: {done.stderr[:120]!r}")
    if (done.returncode, got, reached) != (ended, sent, ended == 0) or word not in done.stderr or bool(word) != bool(done.stderr):
        sys.exit(f"CHANGED: it was {ended}, {sent}, and {word!r} on stderr")
PYTHON
