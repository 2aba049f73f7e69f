#!/bin/bash
# auditor-apel-plugin adds jobs of 1 node and 12 cores to those of 11 nodes and 2 cores; after a stop of a month it leaves that month out.
#
# Software:  auditor-apel-plugin 0.11.2 (PyPI). Seen 2026-11-30.
# Expected:  each pair of NodeCount and Processors is a summary of its own. After a stop the plugin goes on from "last_report_time".
# Seen:      one job of an hour with NodeCount 1, Processors 12 and one with 11 and 2:  one summary, NodeCount 11, Processors 2, two jobs,
#            two hours, which are 4 core hours where 14 were used (the two numbers are told apart as "112" alone); exit code 0.
#            last report on the 1st of last month, then a run today:  AUDITOR is asked for this month's records alone.
# Matters:   the accounting portal gets less than a third of the core hours, and the number of jobs is right. After a stop of a month
#            or more publish the months with auditor-apel-republish.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 3 -subj "/CN=example" 2> /dev/null
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install auditor-apel-plugin==0.11.2
venv/bin/python - <<'PYTHON'
"""A service of AUDITOR on the loopback interface with three jobs, and the two programs that publish, without sending."""

import datetime
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import urllib.parse

asked = []


def job(number, day, nodes, cores):
    return {
        "record_id": f"job-{number}", "meta": {"site": ["cluster"], "VO": ["ops"], "ce": ["ce.example.org"]}, "runtime": 3600,
        "components": [
            {"name": "Cores", "amount": cores, "scores": [{"name": "HEPscore23", "value": 10.0}]},
            {"name": "Nodes", "amount": nodes, "scores": []},
            {"name": "TotalCPU", "amount": 3600, "scores": []},
        ],
        "start_time": f"{day}T01:00:00Z", "stop_time": f"{day}T02:00:00Z",
    }  # fmt: skip


JOBS = [job(1, "2026-01-01", 1, 12), job(2, "2026-01-01", 11, 2), job(3, "2026-01-02", 1, 1)]


class Auditor(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        day = query["stop_time[gte]"][0][:10]
        asked.append(day)
        payload = b"".join(json.dumps(each).encode() + b"\n" for each in JOBS if each["stop_time"].startswith(day))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Auditor)
threading.Thread(target=server.serve_forever, daemon=True).start()
pathlib.Path("config.yaml").write_text(f"""!Config
plugin: {{log_level: TRACE, time_json_path: time.json, report_interval: 86400}}
site: {{sites_to_report: {{EXAMPLE-SITE: [cluster]}}, ce: ARC}}
auditor: {{ip: 127.0.0.1, port: {server.server_port}, timeout: 60, site_meta_field: site, use_tls: false}}
messaging:
  {{host: 127.0.0.1, port: 1, client_cert: cert.pem, client_key: key.pem, project: p, topic: t, timeout: 5, retry: 1}}
summary_fields:
  mandatory:
    VO: !MetaField {{name: VO}}
    SubmitHost: !MetaField {{name: ce}}
    Processors: !ComponentField {{name: Cores}}
    NodeCount: !ComponentField {{name: Nodes}}
    CpuDuration: !ComponentField {{name: TotalCPU}}
    NormalisedCpuDuration: !NormalisedField
      base_value: !ComponentField {{name: TotalCPU}}
      score: !ScoreField {{name: HEPscore23, component_name: Cores}}
    NormalisedWallDuration: !NormalisedField
      score: !ScoreField {{name: HEPscore23, component_name: Cores}}
""")


def run(program, *options):
    """What it logs."""
    asked.clear()
    command = [f"venv/bin/{program}", "-c", "config.yaml", "--dry-run", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    print(f"{program} {' '.join(options)}: exit code {done.returncode}, asked for the days {asked[0]} to {asked[-1]}")
    if done.returncode:
        sys.exit(f"{done.stdout}CHANGED: the exit code was 0")
    return done.stdout


message = run("auditor-apel-republish", "-m", "1", "-y", "2026", "-s", "EXAMPLE-SITE").partition("APEL-normalised-summary-message")[2]
summaries = []
for text in message.partition("Signed message")[0].split("%%"):
    fields = dict(re.findall(r"^(\w+): (.*)$", text, re.MULTILINE))
    if fields:
        shown = {name: int(fields[name]) for name in ("NodeCount", "Processors", "NumberOfJobs", "WallDuration")}
        print(" ", shown)
        summaries.append(tuple(shown.values()))
if sorted(summaries) != [(1, 1, 1, 3600), (11, 2, 2, 7200)]:
    sys.exit("CHANGED: there were two summaries, of 1 node and 1 core and of 11 nodes and 2 cores")

today = datetime.datetime.now(datetime.timezone.utc).date()
last = (today.replace(day=1) - datetime.timedelta(days=1)).replace(day=1)
pathlib.Path("time.json").write_text(json.dumps({"last_report_time": f"{last}T12:00:00+00:00"}))
print("last report:", last)
run("auditor-apel-publish")
if asked[0] != f"{today:%Y-%m}-01":
    sys.exit("CHANGED: it asked for the records of this month alone")
PYTHON
