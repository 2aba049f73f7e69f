#!/bin/bash
# prometheus-alertmanager: an alert that is silenced still inhibits others, and `amtool alert` shows neither, as if all were well.
#
# Software:  prometheus-alertmanager 0.25.0-1+b4 of Debian 12 with its amtool, whose path of the default templates is changed in a copy; a
#            webhook receiver of a few lines. Seen 2026-11-30.
# Expected:  whoever silences one alert hears of all others. `amtool alert` lists what fires, or says what it leaves out.
# Seen:      SiteDown inhibits StorageFull of the same site. SiteDown of site A is silenced, then StorageFull of A and B begin: a notification
#            of B's alone. `amtool alert` lists B's alone, `amtool alert query --silenced` SiteDown, and --inhibited StorageFull of A.
#            Once SiteDown has ended, StorageFull of A is told of.
# Matters:   a known alert is silenced for a week so that it does not disturb, and with it go all alerts that it inhibits: the disk that
#            fills up meanwhile is not told of, and in no list that is looked at first. Silence what is inhibited too, or nothing, and
#            list alerts with --active --silenced --inhibited.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus-alertmanager
dpkg-deb -x prometheus-alertmanager_*.deb root
echo "prometheus-alertmanager $(dpkg-deb -f prometheus-alertmanager_*.deb Version)"
python3 - <<'PYTHON'
import datetime
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
TOLD = []
TEMPLATES = b"/usr/share/prometheus/alertmanager"


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        TOLD.extend(f"{each['labels']['alertname']} {each['labels']['site']} {each['status']}" for each in told["alerts"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing of each notification."""


def ask(path, data=None, method=None):
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(f"{address}{path}", body, {"Content-Type": "application/json"}, method=method)
    with OPENER.open(request, timeout=60) as answer:
        return answer.read()


def until(holds, what):
    for _ in range(600):
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"CHANGED: {what} did not come, told was {TOLD}")


def after(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


def fire(site, name="SiteDown", end=86400):
    ask("/api/v2/alerts", [{"labels": {"alertname": name, "site": site}, "endsAt": after(end)}])


def listed(*options):
    command = ["root/usr/bin/amtool", f"--alertmanager.url={address}", "--output=json", "alert", "query", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"no_proxy": "*", "HOME": "."})
    if done.returncode:
        sys.exit(f"CHANGED: amtool ended with {done.returncode}, {done.stderr}")
    found = sorted(f"{each['labels']['alertname']} {each['labels']['site']}" for each in json.loads(done.stdout or "[]") or [])
    return [each for each in found if not each.startswith("Other")]


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


for file in pathlib.Path("root").glob("usr/share/prometheus/alertmanager/*.tmpl"):
    shutil.copy(file, ".")
program = pathlib.Path("root/usr/bin/prometheus-alertmanager").read_bytes()
pathlib.Path("alertmanager").write_bytes(program.replace(TEMPLATES, b"./" * (len(TEMPLATES) // 2)))
pathlib.Path("alertmanager").chmod(0o755)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
route = {"receiver": "hook", "group_by": ["alertname", "site"], "group_wait": "0s", "group_interval": "1s"}
hook = {"name": "hook", "webhook_configs": [{"url": f"http://127.0.0.1:{server.server_port}/"}]}
inhibit = {"source_matchers": ["alertname=SiteDown"], "target_matchers": ["alertname=StorageFull"], "equal": ["site"]}
pathlib.Path("settings.yml").write_text(json.dumps({"route": route, "receivers": [hook], "inhibit_rules": [inhibit]}))
listen = ["--web.listen-address", address, "--cluster.listen-address="]
with open("said", "w") as said:
    daemon = subprocess.Popen(["./alertmanager", "--config.file=settings.yml", "--storage.path=kept", *listen], stderr=said)
address = f"http://{address}"
try:
    until(lambda: ask("/-/ready"), "the daemon")
    matchers = [{"name": name, "value": value, "isRegex": False} for name, value in (("site", "A"), ("alertname", "SiteDown"))]
    silence = {"matchers": matchers, "startsAt": after(-1), "endsAt": after(86400), "createdBy": "me", "comment": "known"}
    ask("/api/v2/silences", silence)
    fire("A")
    until(lambda: listed("--silenced") == ["SiteDown A"], "the silence")
    fire("A", "StorageFull")
    fire("B", "StorageFull")
    for turn in range(2):  # long enough for a notification that does not come: others begin and end
        for end, word in ((86400, "firing"), (-1, "resolved")):
            fire(f"{turn}", "Other", end)
            until(lambda: f"Other {turn} {word}" in TOLD, f"Other {turn} {word}")
    until(lambda: "StorageFull B firing" in TOLD, "B's")
    compare("told", [each for each in TOLD if not each.startswith("Other")], ["StorageFull B firing"])
    compare("amtool alert", listed(), ["StorageFull B"])
    compare("amtool alert query --silenced", listed("--silenced"), ["SiteDown A"])
    compare("amtool alert query --inhibited", listed("--inhibited"), ["StorageFull A"])
    fire("A", end=-1)
    until(lambda: "StorageFull A firing" in TOLD, "A's, once SiteDown is over")
    print("after SiteDown: told StorageFull A")
finally:
    daemon.terminate()
    daemon.wait()
PYTHON
