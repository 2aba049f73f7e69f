#!/bin/bash
# auditor-utilization-plugin counts the jobs of each VO whose name holds another's for that one too, and a day of one job like one of 99.
#
# Software:  auditor-utilization-plugin 0.11.2 (PyPI). Seen 2026-11-30.
# Expected:  each record counts for the VO that it names. The efficiency of a month is its CPU time by its time of wall and cores.
# Seen:      biomed 10 core hours, vo.biomed.example 1000: the file has 1010 for biomed, exit code 0; so for energy and CO2.
#            100 core hours of full use on one day, one without any on the next:  cpu_eff 0.5, where 0.99 were used.
# Matters:   figures for a VO, and the kWh that are reported for it, may be a hundred times too high, and their sum is more than the site
#            has. Compare the sum with that of the portal, and name groups so that none is a part of another's name.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install auditor-utilization-plugin==0.11.2
venv/bin/python - <<'PYTHON'
"""A service of AUDITOR on the loopback interface with the records of two days, and the program that asks for them."""

import csv
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import urllib.parse


def record(number, vo, day, hours, used):
    cores = {"name": "Cores", "amount": 1, "scores": [{"name": "HEPscore23", "value": 10.0}]}
    return {
        "record_id": f"job-{number}", "meta": {"site": ["EXAMPLE-SITE"], "VO": [vo]}, "runtime": hours * 3600,
        "components": [cores, {"name": "TotalCPU", "amount": int(hours * 3600 * used), "scores": []}],
        "start_time": "2026-01-01T00:00:00Z", "stop_time": f"{day}T12:00:00Z",
    }  # fmt: skip


RECORDS = [
    record(1, "biomed", "2026-01-01", 10, 1.0),
    record(2, "vo.biomed.example", "2026-01-01", 1000, 1.0),
    record(3, "dteam", "2026-01-01", 100, 1.0),
    record(4, "dteam", "2026-01-02", 1, 0.0),
]


class Auditor(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        day = query["stop_time[gte]"][0][:10]
        payload = b"".join(json.dumps(each).encode() + b"\n" for each in RECORDS if each["stop_time"].startswith(day))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Auditor)
threading.Thread(target=server.serve_forever, daemon=True).start()
pathlib.Path("config.yaml").write_text(json.dumps({
    "logging": {"level": "INFO", "file": "log"},
    "auditor": {
        "hosts": ["127.0.0.1"], "port": [server.server_port], "timeout": 60, "site_meta_field": "site", "use_tls": False,
        "component_fields_in_record": {"cores": "Cores", "benchmark": "HEPscore23", "total_cpu": "TotalCPU"},
    },
    "utilization": {"groupedby": "VO", "grouped_list": [], "watt_per_core": 5.0, "co2_per_kwh": 0.3, "interval": 600},
    "cluster": {"watt_per_core": {"site": {"EXAMPLE-SITE": 5.0}}},
    "email": {"enable_email_report": False, "smtp_server": "127.0.0.1", "smtp_port": 25},
}))  # fmt: skip
program = ["venv/bin/auditor-utilization-plugin", "-c", "config.yaml", "--oneshot", "--month", "1", "--year", "2026"]
done = subprocess.run(program, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)
if done.returncode:
    sys.exit(f"{done.stderr}CHANGED: the exit code was 0")
text = pathlib.Path("auditor_127.0.0.1_1_2026.csv").read_text()
print(text)
rows = {row["user"]: row for row in csv.DictReader(text.splitlines())}


def compare(vo, column, expected):
    if abs(float(rows[vo][column]) - expected) > 0.001:
        sys.exit(f"CHANGED: {column} of {vo} was {expected}")


compare("vo.biomed.example", "corehours", 1000)
compare("biomed", "corehours", 1010)
compare("biomed", "power [kWh]", 5.05)
compare("biomed", "co2 [kg]", 1.515)
compare("dteam", "corehours", 101)
compare("dteam", "cpu_eff", 0.5)
PYTHON
