#!/bin/bash
# alerta: a filter in the form of a query is dropped, so `close -f resource:a` closes all; send drops its options where stdin is no terminal.
#
# Software:  alerta 8.5.3 (PyPI). Seen 2026-11-30.
# Expected:  `-f resource:a`, which is the form of -q, is refused. "Acking 120 alerts" acknowledges 120. Where the server refuses, the exit code is
#            not 0. `send` with a resource and an event sends them, wherever it runs.
# Seen:      close or delete -f resource:a, of 120 alerts, 70 of a:   50 of all are closed or deleted, no question, exit code 0
#            ack -q resource:a:                                       "Acking 70 alerts", the first 50 are asked for; exit code 0
#            ack of what the server refuses with 403:                 no word of it, exit code 0
#            send -r a -e down -s critical, stdin /dev/null, and TERM is set:     nothing is sent, exit code 0; without TERM it is sent
#            the same in a loop that reads lines of a file:           the next line of the file is read as JSON, and the alert is lost
# Matters:   one colon for an equals sign closes what nobody has seen, and an alert of a script that runs from ssh, screen or a loop is lost
#            without a word. Write =, act until nothing is left, and run send with TERM and PS1 unset.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install alerta==8.5.3 click==8.5.1 requests-hawk==1.2.1 mohawk==1.1.0 six==1.17.0 tabulate==0.10.0 pytz==2026.6 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

CONFIG = {"alarm_model": {"severity": {"critical": 1, "normal": 5}, "defaults": {"normal_severity": "normal"}}}
done, refused, alerts = [], [], {}


class Alerta(http.server.BaseHTTPRequestHandler):
    """120 alerts, 50 of b and then 70 of a, of which a page has as many as are asked for; with `refused` nothing can be changed."""

    protocol_version = "HTTP/1.1"

    def answer(self, code, content):
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        wanted = query.get("resource") or query.get("q", "").removeprefix("resource:")
        found = [{"id": name, "resource": resource, "event": "down", "service": []} for name, resource in alerts.items() if wanted in ("", resource)]
        if path == "/config":
            return self.answer(200, CONFIG)
        if path == "/alerts/count":
            return self.answer(200, {"total": len(found), "severityCounts": {}, "statusCounts": {}})
        return self.answer(200, {"alerts": found[: int(query["page-size"])]})

    def change(self):
        content = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        if refused:
            return self.answer(403, {"status": "error", "message": "Missing required scope: write:alerts"})
        done.append(content["resource"] if self.path == "/alert" else alerts[self.path.split("/")[2]])
        return self.answer(200, {"status": "ok", "id": "new"})

    do_PUT = do_POST = do_DELETE = change

    def log_message(self, *_):
        pass


def alerta(*arguments, stdin=subprocess.DEVNULL, text=None, **environment):
    done.clear()
    kept = {name: value for name, value in os.environ.items() if name not in ("TERM", "PS1")}
    kept |= {"HOME": os.getcwd(), "ALERTA_ENDPOINT": f"http://127.0.0.1:{server.server_port}"} | environment
    given = {"input": text} if text is not None else {"stdin": stdin}
    ended = subprocess.run(["venv/bin/alerta", *arguments], env=kept, capture_output=True, text=True, **given)
    return ended.returncode, {resource: done.count(resource) for resource in sorted(set(done))}, ended.stdout + ended.stderr


def check(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


alerts |= {f"{number:08}-0000": "b" if number < 50 else "a" for number in range(120)}
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alerta)
threading.Thread(target=server.serve_forever, daemon=True).start()
check("close -f resource=a", alerta("close", "-f", "resource=a")[:2], (0, {"a": 50}))
check("close -f resource:a", alerta("close", "-f", "resource:a")[:2], (0, {"b": 50}))
check("delete -f resource:a", alerta("delete", "-f", "resource:a")[:2], (0, {"b": 50}))
code, changed, said = alerta("ack", "-q", "resource:a")
check("ack -q resource:a", (code, changed, "Acking 70 alerts" in said), (0, {"a": 50}, True))
refused.append(True)
code, changed, said = alerta("ack", "-q", "resource:a")
check("ack that is refused: exit code, done, scope in the output", (code, changed, "scope" in said), (0, {}, False))
refused.clear()
SEND = ("send", "-r", "site", "-e", "down", "-s", "critical", "-E", "Production")
check("send without TERM", alerta(*SEND)[:2], (0, {"site": 1}))
check("send with TERM", alerta(*SEND, TERM="xterm"), (0, {}, ""))
code, changed, said = alerta(*SEND, TERM="xterm", text="second-site\n")
check("send in a loop with TERM: exit code, done, JSON in the output", (code, changed, "JSON" in said), (1, {}, True))
PYTHON
