#!/bin/bash
# auditor-utilization-plugin drops --host and --port, a --month without --year, and the second host of --oneshot.
#
# Software:  auditor-utilization-plugin 0.11.2 (PyPI). Seen 2026-11-30.
# Expected:  an option of the command line wins over the configuration file. --oneshot asks each host of the file once. --month without
#            --year is that month of this year, or an error.
# Seen:      --port PORT:                     the port of the file is asked, exit code 0
#            --host HOST:                     the host of the file is asked, exit code 0
#            --oneshot, two hosts:            the first is asked, the second never; one file, exit code 0
#            --month M without --year:        the records of the month before this one, in a file that is named after M; exit code 0
# Matters:   the figures of a site with two CEs are those of one; who asks again for March has the figures of the last month in the file
#            of March. Run it once for each host, each with a configuration of its own, and give --month and --year together.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install auditor-utilization-plugin==0.11.2
venv/bin/python - <<'PYTHON'
"""Services of AUDITOR on the loopback interface, each with one record a day, and the program that asks them."""

import datetime
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import urllib.parse

asked = []


class Auditor(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        day = query["stop_time[gte]"][0][:10]
        asked.append((self.server.server_port, day[:7]))
        cores = {"name": "Cores", "amount": 1, "scores": [{"name": "HEPscore23", "value": 10.0}]}
        record = {
            "record_id": day, "meta": {"site": ["EXAMPLE-SITE"], "VO": ["ops"]}, "runtime": 3600,
            "components": [cores, {"name": "TotalCPU", "amount": 1800, "scores": []}],
            "start_time": f"{day}T01:00:00Z", "stop_time": f"{day}T02:00:00Z",
        }  # fmt: skip
        payload = json.dumps(record).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def auditor():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Auditor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def run(ports, *options):
    """The exit code, the ports that were asked and for which months, and the names of the files that were written."""
    asked.clear()
    for path in pathlib.Path().glob("*.csv"):
        path.unlink()
    pathlib.Path("config.yaml").write_text(json.dumps({
        "logging": {"level": "INFO", "file": "log"},
        "auditor": {
            "hosts": ["127.0.0.1"] * len(ports), "port": ports, "timeout": 60, "site_meta_field": "site", "use_tls": False,
            "component_fields_in_record": {"cores": "Cores", "benchmark": "HEPscore23", "total_cpu": "TotalCPU"},
        },
        "utilization": {"groupedby": "VO", "grouped_list": [], "watt_per_core": 5.0, "co2_per_kwh": 0.3, "interval": 600},
        "cluster": {"watt_per_core": {"site": {"EXAMPLE-SITE": 5.0}}},
        "email": {"enable_email_report": False, "smtp_server": "127.0.0.1", "smtp_port": 25},
    }))  # fmt: skip
    program = ["venv/bin/auditor-utilization-plugin", "-c", "config.yaml", "--oneshot", *options]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)
    names = {first: "first", second: "second"}
    got = (
        done.returncode,
        sorted({names[port] for port, _ in asked}),
        sorted({month for _, month in asked}),
        sorted(path.name for path in pathlib.Path().glob("*.csv")),
    )
    shown = [option if option != str(second) else "SECOND" for option in options]
    print(f"{len(ports)} in the file, {' '.join(shown)}: exit code {got[0]}, asked: {got[1]} for {got[2]}, written: {got[3]}")
    return got, done.stderr


def compare(what, got, expected):
    if got[0] != expected:
        print(got[1], file=sys.stderr)
        sys.exit(f"CHANGED: {what} was {expected}")


first, second = auditor(), auditor()
today = datetime.datetime.now(datetime.timezone.utc).date()
before = today.replace(day=1) - datetime.timedelta(days=1)
other = (before.month + 5) % 12 + 1  # neither this month nor the one before it
january = ("--month", "1", "--year", "2026")
compare("--port", run([first], *january, "--port", str(second)), (0, ["first"], ["2026-01"], ["auditor_127.0.0.1_1_2026.csv"]))
compare("--host", run([first], *january, "--host", "localhost"), (0, ["first"], ["2026-01"], ["auditor_127.0.0.1_1_2026.csv"]))
compare("a run with two hosts", run([first, second], *january), (0, ["first"], ["2026-01"], ["auditor_127.0.0.1_1_2026.csv"]))
written = [f"auditor_127.0.0.1_{other}_{before.year}.csv"]
compare("--month alone", run([first], "--month", str(other)), (0, ["first"], [f"{before:%Y-%m}"], written))
PYTHON
