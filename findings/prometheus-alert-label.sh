#!/bin/bash
# prometheus: a label of a rule that replaces the site's makes an alert of one site that is down, and none once a second one is down.
#
# Software:  prometheus 2.42.0+ds-5+deb12u1 of Debian 12, with its promtool; a few lines in the place of a target and Alertmanager.
#            Seen 2026-11-30.
# Expected:  alerts that have the same labels after those of the rule were set are one alert, or `promtool check rules` says that they
#            would be. An alert that is shown as firing is sent to Alertmanager.
# Seen:      expr: probe_state == 2, labels: {site: grid}. check rules --lint=all: SUCCESS. Site A is down: the alert is sent.
#            Sites A and B are down: the rule fails ("vector contains metrics with the same labelset"), nothing is sent any more, though
#            the alert is still shown as firing, and as ALERTS. Of a rule that goes by the site's own label both are sent meanwhile.
#            After A is well again, with B down, the alert is sent as before.
# Matters:   Alertmanager resolves what it is no longer sent: the page ends in the minute in which things become worse. Aggregate in the
#            expression, max by (job) (...), before a label is replaced, and alert on prometheus_rule_evaluation_failures_total.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb -x prometheus_*.deb root
echo "prometheus $(dpkg-deb -f prometheus_*.deb Version)"
python3 - <<'PYTHON'
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
STATES = {"A": 2, "B": 0}
SENT = []


class Both(http.server.BaseHTTPRequestHandler):
    """The target, with the state of each site, and the Alertmanager that alerts are sent to."""

    def do_GET(self):
        body = "".join(f'probe_state{{site="{site}"}} {state}\n' for site, state in STATES.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        alerts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        SENT.extend(f"{each['labels']['alertname']} {each['labels']['site']}" for each in alerts)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing of each request."""


def ask(path):
    with OPENER.open(f"http://{address}/api/v1/{path}", timeout=60) as answer:
        return json.load(answer)["data"]


def rule():
    return ask("rules")["groups"][0]["rules"][0]


def until(holds, what):
    for _ in range(600):
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"CHANGED: {what} did not come, sent was {SENT}")


def evaluated(times):
    """Wait for so many more evaluations."""
    for _ in range(times):
        before = rule()["lastEvaluation"]
        until(lambda: rule()["lastEvaluation"] != before, "an evaluation")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Both)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
here = [{"targets": [f"127.0.0.1:{server.server_port}"]}]
rules = [
    {"alert": "AnySite", "expr": "probe_state == 2", "labels": {"site": "grid"}},
    {"alert": "OneSite", "expr": "probe_state == 2"},
]
pathlib.Path("rules.yml").write_text(json.dumps({"groups": [{"name": "sites", "rules": rules}]}))
settings = {
    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
    "rule_files": ["rules.yml"],
    "scrape_configs": [{"job_name": "probes", "static_configs": here}],
    "alerting": {"alertmanagers": [{"static_configs": here}]},
}
pathlib.Path("prometheus.yml").write_text(json.dumps(settings))
checked = subprocess.run(["root/usr/bin/promtool", "check", "rules", "--lint=all", "rules.yml"], capture_output=True, text=True)
print("check rules:", checked.returncode, " ".join(checked.stdout.split()))
if checked.returncode:
    sys.exit("CHANGED: it was 0")
options = ["--config.file=prometheus.yml", "--storage.tsdb.path=kept", f"--web.listen-address={address}"]
with open("said", "w") as said:
    daemon = subprocess.Popen(["root/usr/bin/prometheus", *options, "--rules.alert.resend-delay=1s"], stderr=said)
try:
    until(lambda: ask("rules")["groups"], "the daemon")
    for a, b, health, expected in (
        (2, 0, "ok", {"AnySite grid", "OneSite A"}),
        (2, 2, "err", {"OneSite A", "OneSite B"}),
        (0, 2, "ok", {"AnySite grid", "OneSite B"}),
    ):
        STATES.update(A=a, B=b)
        until(lambda: rule()["health"] == health, health)
        if health == "err":
            evaluated(3)
            SENT.clear()
        until(lambda: expected <= set(SENT), expected)
        evaluated(3)
        told = set(SENT)
        print(f"A={a} B={b}: {rule()['health']} {rule().get('lastError', '')}, shown as {rule()['state']}, sent {sorted(told)}")
        if rule()["state"] != "firing" or (health == "err" and told != expected):
            sys.exit(f"CHANGED: it was firing, sent {sorted(expected)}")
        SENT.clear()
finally:
    daemon.terminate()
    daemon.wait()
PYTHON
