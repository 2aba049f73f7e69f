#!/bin/bash
# slo-generator: -t changes no figure from Prometheus, of several sites the first is taken, and an objective of 100 % never alerts.
#
# Software:  slo-generator 2.6.0 (PyPI) with prometheus-http-client 1.0.0. Seen 2026-11-30.
# Expected:  `slo-generator compute -t TIME` asks for the window that ends at TIME; an expression with several results is refused; an
#            objective that is missed alerts; what could not be computed is an exit code.
# Seen:      -t 1700000000: Prometheus is asked for now; the report says "timestamp": 1700000000.
#            results for two sites, 0.999 and 0.5: the SLI is 0.999, with no word of the other.
#            goal 1, SLI 0.5: error_budget_burn_rate 0, alert false, the message for "on track".
#            goal 0.9, SLI 0.8951, threshold 1: the burn rate 1.049 is rounded to 1.0, alert false, "on track".
#            no series: an ERROR in the log, exit code 0. In all of them events_count is -2, good_events_count and bad_events_count -1.
# Matters:   months that are computed again all get today's figure; a site that is down hides behind another; of the strictest objective
#            nobody is told. Have one result per expression, goals below 1, and look for "valid": false in the reports.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1 # without the clouds' libraries, which are not used
venv/bin/pip -q --disable-pip-version-check install slo-generator==2.6.0 prometheus-http-client==1.0.0 click==8.5.1 dateparser==1.5.0 python-dateutil==2.9.0 pytz==2026.6 PyYAML==6.0.4 regex==2026.11.19 requests==2.34.2 ruamel.yaml==0.19.1 six==1.17.0 tzlocal==5.4.5 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3 setuptools==80.9.0
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import ast
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

PAST = 1700000000
STEP = {"name": "month", "window": 2592000, "burn_rate_threshold": 1, "alert": True, "message_alert": "page", "message_ok": "on track"}
CASES = {  # what Prometheus has, the goal, and of the report: the SLI, the burn rate, alert, message
    "missed": ([("A", "0.5")], 0.9, (0.5, 5.0, True, "page")),
    "two_sites": ([("A", "0.999"), ("B", "0.5")], 0.9, (0.999, 0.0, False, "on track")),
    "strictest": ([("A", "0.5")], 1, (0.5, 0, False, "on track")),
    "rounded": ([("A", "0.8951")], 0.9, (0.8951, 1.0, False, "on track")),
    "no_series": ([], 0.9, (None, None, None, None)),
}
FIELDS = ("sli_measurement", "error_budget_burn_rate", "alert", "consequence_message")
asked = []


class Prometheus(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        asked.append(query)
        result = [{"metric": {"site": name}, "value": [PAST, value]} for name, value in CASES[query["query"][0].split("[")[0]][0]]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
threading.Thread(target=server.serve_forever, daemon=True).start()
backend = {"url": f"http://127.0.0.1:{server.server_address[1]}"}
save = {"config.yaml": {"backends": {"prometheus": backend}, "error_budget_policies": {"default": {"steps": [STEP]}}}}
os.mkdir("slos")
for name, (_, goal, _) in CASES.items():
    spec = {"description": "availability", "goal": goal, "backend": "prometheus", "method": "query_sli", "exporters": [],
            "service_level_indicator": {"expression": f"{name}[window]"}}  # fmt: skip
    labels = {"service_name": "cloud", "feature_name": "sites", "slo_name": name}
    save[f"slos/{name}.yaml"] = {"apiVersion": "sre.google.com/v2", "kind": "ServiceLevelObjective",
                                 "metadata": {"name": name, "labels": labels}, "spec": spec}  # fmt: skip
for name, content in save.items():
    pathlib.Path(name).write_text(json.dumps(content))
done = subprocess.run(["venv/bin/slo-generator", "compute", "-f", "slos", "-c", "config.yaml", "-t", str(PAST)],
                      capture_output=True, text=True, env={**os.environ, "DEBUG": "1"})  # fmt: skip
print("exit code", done.returncode)
said = [line.partition(" - DEBUG - ")[2] for line in done.stdout.splitlines() if line.startswith("slo_generator.cli - DEBUG - {")]
if done.returncode or not said:
    sys.exit(f"CHANGED: it ended with 0: {done.stderr}")
reports = {name: each[0] for name, each in ast.literal_eval(said[-1]).items()}
for name, (has, goal, expected) in CASES.items():
    got = tuple(reports[name].get(field) for field in FIELDS)
    counts = [reports[name].get(field) for field in ("events_count", "good_events_count", "bad_events_count")]
    print(f"{name}, goal {goal}: Prometheus has {has}, the report {got}, counts {counts}, of {reports[name].get('timestamp')}")
    if got != expected or (has and (counts != [-2, -1, -1] or reports[name]["timestamp"] != PAST)):
        sys.exit(f"CHANGED: it was {expected}")
times = [float(query["time"][0]) if "time" in query else time.time() for query in asked]
print(f"asked for the time {PAST}:", "yes" if PAST in times else "no, for now")
if min(times) < time.time() - 86400:
    sys.exit("CHANGED: it was now")
PYTHON
