#!/bin/bash
# prometheus-alertmanager: an alert that ends while it is silenced is never told as resolved, and when it fires again nobody is told of that either.
#
# Software:  prometheus-alertmanager 0.25.0-1+b4 of Debian 12, whose path of the default templates is changed in a copy; a webhook
#            receiver of a few lines. Seen 2026-11-30.
# Expected:  a silence keeps notifications back while it lasts. Once it has been removed, an alert that fires anew is notified of, like
#            any other that begins; and of one that ended within a silence "resolved" is sent at the latest then.
# Seen:      sites A and B fire: two notifications. A is silenced, then both end: "resolved" for B alone. The silence is removed: nothing.
#            Both fire anew: a notification for B alone. A is shown as active by the API, silenced by nothing, and stays unsaid until
#            the repeat_interval, 4 hours unless set, has gone by since the first notification.
#            The same with an inhibition in the place of the silence.
# Matters:   a site that was silenced for its repair and goes down again after it pages nobody for hours, and a ticket that was opened by
#            "firing" is never closed by "resolved". Look at the list of active alerts after each silence, or have a short
#            repeat_interval.
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


def told(*expected, what):
    """Wait for what is expected, and long enough for what is not: until another alert was told of and ended, twice."""
    for turn in range(2):
        for end, word in ((86400, "firing"), (-1, "resolved")):
            fire(f"{what}{turn}", "Other", end)
            until(lambda: f"Other {what}{turn} {word}" in TOLD, f"Other {what}{turn} {word}")
    until(lambda: all(each in TOLD for each in expected), expected)
    got = sorted(each for each in TOLD if not each.startswith("Other"))
    TOLD.clear()
    print(f"{what}: {got}")
    if got != sorted(expected):
        sys.exit(f"CHANGED: it was {sorted(expected)}")


def state(site):
    found = {each["labels"]["site"]: each["status"]["state"] for each in json.loads(ask("/api/v2/alerts"))}
    return found.get(site)


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
inhibit = {"source_matchers": ["alertname=Repair"], "target_matchers": ["alertname=SiteDown"], "equal": ["site"]}
pathlib.Path("settings.yml").write_text(json.dumps({"route": route, "receivers": [hook], "inhibit_rules": [inhibit]}))
listen = ["--web.listen-address", address, "--cluster.listen-address="]
with open("said", "w") as said:
    daemon = subprocess.Popen(["./alertmanager", "--config.file=settings.yml", "--storage.path=kept", *listen], stderr=said)
address = f"http://{address}"
try:
    until(lambda: ask("/-/ready"), "the daemon")
    for kind in ("silence", "inhibition"):
        fire("A")
        fire("B")
        told("SiteDown A firing", "SiteDown B firing", what="fire")
        if kind == "silence":
            matcher = {"name": "site", "value": "A", "isRegex": False}
            silence = {"matchers": [matcher], "startsAt": after(0), "endsAt": after(86400), "createdBy": "me", "comment": "repair"}
            number = json.loads(ask("/api/v2/silences", silence))["silenceID"]
        else:
            fire("A", "Repair")
            until(lambda: "Repair A firing" in TOLD, "the inhibition's source")
            TOLD.clear()
        until(lambda: state("A") == "suppressed" or kind == "inhibition", "suppressed")
        fire("A", end=-1)
        fire("B", end=-1)
        told("SiteDown B resolved", what=f"end within {kind}")
        if kind == "silence":
            ask(f"/api/v2/silence/{number}", method="DELETE")
        else:
            fire("A", "Repair", -1)
            until(lambda: "Repair A resolved" in TOLD, "the inhibition's end")
            TOLD.clear()
        told(what=f"{kind} over")
        fire("A")
        fire("B")
        told("SiteDown B firing", what="fire anew")
        print("of A the API says", state("A"))
        if state("A") != "active":
            sys.exit("CHANGED: it was active")
        ask("/api/v2/alerts", [{"labels": {"alertname": "SiteDown", "site": site}, "endsAt": after(-1)} for site in "AB"])
        until(lambda: {"SiteDown A resolved", "SiteDown B resolved"} <= set(TOLD), "the end of both")
        TOLD.clear()
finally:
    daemon.terminate()
    daemon.wait()
PYTHON
