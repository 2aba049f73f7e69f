#!/bin/bash
# slo-kit: no alert of the rules that it writes ever fires, for 100 % of errors neither; a metric that is misspelt is 100 % of the budget.
#
# Software:  slokit-sre 1.0.1 (PyPI), its command slo-kit, with promtool of prometheus 2.42.0+ds-5+deb12u1 of Debian 12. Seen 2026-11-30.
# Expected:  the alerts of `slo-kit gen-alerts` fire once the budget burns in the long and in the short window, as `slo-kit status` says. The
#            rules of a file with two objectives are one file for Prometheus. `slo-kit gate` blocks where there is no figure.
# Seen:      three hours in which every second request fails, of an objective of 99 %:
#                the ratios of both windows are recorded as 0.5, and "promtool check rules" finds nothing; no alert fires
#                each ratio has a label with its window, and "and" joins equal labels alone; with "and ignoring (window)" all three fire
#            a file with two objectives:                    two keys "groups", which Prometheus refuses; exit code 0 of gen-alerts
#            gate, of a metric that Prometheus does not have: "error budget healthy: 100.0% remaining", exit code 0
# Matters:   the objective is on its page and in Git, and nobody is ever called. Give each new rule a test in which it must fire, and an
#            alert by absent() for its metric.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb -x prometheus_*.deb root
echo "prometheus $(dpkg-deb -f prometheus_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install slokit-sre==1.0.1 PyYAML==6.0.3
venv/bin/python - <<'PYTHON'
import http.server
import json
import pathlib
import subprocess
import sys
import threading

import yaml


class NoSeries(http.server.BaseHTTPRequestHandler):
    """Answers as Prometheus does for a metric that it does not have."""

    def do_GET(self):
        answer = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *said):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoSeries)
threading.Thread(target=server.serve_forever, daemon=True).start()


def run(case, code, word, *command):
    """Run a command against what it was. Returns: its stdout."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = next((line for line in (done.stdout + done.stderr).splitlines() if word in line), "")
    print(f"{case}: exit code {done.returncode}, {said.strip()}")
    if done.returncode != code or word not in said:
        sys.exit(f"CHANGED: it was {code}, {word}: {done}")
    return done.stdout


def objective(name):
    """Return an objective for a site's portal as slo-kit reads it."""
    requests = 'sum(rate(portal_requests_total{code!~"%s"}[{window}]))'
    queries = {"good_query": requests % "5..", "total_query": requests % ""}
    return yaml.safe_dump({"apiVersion": "slo-kit/v1", "name": name, "objective": 0.99, "window": "30d", "sli": queries})


def test(rules, firing):
    """Let promtool see which alerts fire after three hours of errors."""
    samples = [{"series": f'portal_requests_total{{code="{code}"}}', "values": "0+60x180"} for code in (200, 503)]
    labels = {"FastBurn": ("fast_burn", "page", "1h"), "SlowBurn": ("slow_burn", "page", "6h"), "SlowerBurn": ("slower_burn", "ticket", "24h")}
    expected = [
        {
            "eval_time": "3h", "alertname": f"Portal{name}",
            "exp_alerts": [{"exp_labels": {"slo": "portal", "condition": condition, "severity": severity, "window": window}}] if firing else [],
        }
        for name, (condition, severity, window) in labels.items()
    ]
    ratios = [
        {
            "expr": f"slo:sli_error:ratio_rate{window}", "eval_time": "3h",
            "exp_samples": [{"labels": f'slo:sli_error:ratio_rate{window}{{slo="portal", window="{window}"}}', "value": 0.5}],
        }
        for window in ("1h", "5m")
    ]
    one = {"interval": "1m", "input_series": samples, "alert_rule_test": expected, "promql_expr_test": ratios}
    pathlib.Path("test.yml").write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": [one]}))
    run(f"alerts of {rules} after three hours of errors: {'all three' if firing else 'none'}", 0, "SUCCESS", promtool, "test", "rules", "test.yml")


promtool, kit = "root/usr/bin/promtool", "venv/bin/slo-kit"
pathlib.Path("portal.yml").write_text(objective("portal"))
rules = yaml.safe_load(run("gen-alerts", 0, "groups:", kit, "gen-alerts", "portal.yml"))
for rule in rules["groups"][0]["rules"]:
    rule.pop("annotations", None)  # their wording is not the point
pathlib.Path("rules.yml").write_text(yaml.safe_dump(rules))
for rule in rules["groups"][0]["rules"]:
    rule["expr"] = rule["expr"].replace("and\n", "and ignoring (window)\n")
pathlib.Path("ignoring.yml").write_text(yaml.safe_dump(rules))
run("promtool check rules", 0, "9 rules found", promtool, "check", "rules", "rules.yml")
test("rules.yml", False)
test("ignoring.yml", True)

pathlib.Path("two.yml").write_text(objective("portal") + "---\n" + objective("storage"))
pathlib.Path("two-rules.yml").write_text(run("gen-alerts of two", 0, "groups:", kit, "gen-alerts", "two.yml"))
run("promtool check rules of two", 1, "already defined", promtool, "check", "rules", "two-rules.yml")
run("gate without the metric", 0, "100.0% remaining", kit, "gate", "portal.yml", "--source", f"http://127.0.0.1:{server.server_port}")
PYTHON
