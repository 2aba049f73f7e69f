#!/bin/bash
# influxdb-client sends nothing for a point of nan, as a success; influxdb reads 13/12/2026 as December and 11/12/2026 as November.
#
# Software:  influxdb-client 1.50.0, influxdb 5.3.2 (PyPI). Seen 2026-11-30.
# Expected:  a point without any value that InfluxDB takes is refused before it is sent, or left out with a word. A date that has two
#            readings is refused, or all dates of a list are read in one way.
# Seen:      influxdb-client, a point whose only field is nan or None:  write() sends an empty request and returns
#            the same among others:                                     left out, nothing is said
#            influxdb, nan:                                             "age=nan" is written, no number of the line protocol; None is left out
#            influxdb, the times "11/12/2026" and "13/12/2026":         12 November and 13 December; influxdb-client refuses both
# Matters:   a value that could not be measured looks like one that was stored; a list by days, 11 December and 13 December among them,
#            is stored in two months. Leave out what is unknown yourself, and give times as datetime.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install influxdb-client==1.50.0 influxdb==5.3.2
NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 venv/bin/python - <<'PYTHON'
import datetime
import http.server
import sys
import threading

from influxdb.line_protocol import make_lines
from influxdb_client import InfluxDBClient, Point
from influxdb_client.client.write_api import SYNCHRONOUS

BODIES = []


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        BODIES.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = InfluxDBClient(f"http://127.0.0.1:{server.server_address[1]}", token="a-token", org="an-organisation", timeout=120_000)
writer = client.write_api(write_options=SYNCHRONOUS)


def written(record):
    """Return the bodies of the requests that write() made before it returned."""
    BODIES.clear()
    writer.write("results", record=record)
    return BODIES[:]


def old(fields, **options):
    return make_lines({"points": [{"measurement": "state", "tags": {"site": "A"}, "fields": fields, **options}]})


def day(line):
    return datetime.datetime.fromtimestamp(int(line.split()[-1]) / 1e9, datetime.timezone.utc).strftime("%d %B")


def point(**fields):
    made = Point("state").tag("site", "A")
    for name, value in fields.items():
        made.field(name, value)
    return made


nan = float("nan")
fail_unless("influxdb-client, a number", written(point(up=1)), ["state,site=A up=1i"])
fail_unless("influxdb-client, nan", written(point(age=nan)), [""])
fail_unless("influxdb-client, None", written(point(age=None)), [""])
fail_unless("influxdb-client, two points", written([point(age=nan), point(up=1)]), ["\nstate,site=A up=1i"])
fail_unless("influxdb, nan and None", (old({"age": nan}), old({"age": None, "up": 1})), ("state,site=A age=nan\n", "state,site=A up=1i\n"))
for text, expected in (("2026-12-11", "11 December"), ("13/12/2026", "13 December"), ("11/12/2026", "12 November")):
    fail_unless(f"influxdb, {text}", day(old({"up": 1}, time=text)), expected)
    try:
        got = day(written(point(up=1).time(text))[0])
    except ValueError as error:
        got = type(error).__name__
    fail_unless(f"influxdb-client, {text}", got, "ValueError" if "/" in text else expected)
client.close()
PYTHON
