#!/bin/bash
# aodh alarm list --query: what the parser of the query does not understand ends it there; what was before is asked for, exit code 0.
#
# Software:  aodhclient 3.12.0 (PyPI). Seen 2026-11-30.
# Expected:  a query that cannot be read to its end is refused, as one that cannot be read at its beginning is. A word that is no
#            number, as vo.example.org or 10min, is that word.
# Seen:      "state=alarm AND severity=critical" asks for state=alarm, all of them (the client itself prints such queries with AND);
#            "name=vo.example.org" asks for the name vo, "name=high-cpu" for high, "name=10min" for the number 10, and
#            "timestamp>2026-11-30" for what is later than the number 2026: exit code 0, not a word.
# Matters:   a script that lists the critical alarms, or deletes what it lists, takes those of every severity. Write "and" in small
#            letters and each value in quotation marks.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install aodhclient==3.12.0
venv/bin/python - <<'PYTHON'
"""An aodh that has no alarm, and keeps what it was asked for, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading


class Aodh(http.server.BaseHTTPRequestHandler):
    asked = []

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Aodh.asked.append(json.loads(body["filter"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Aodh)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "AODH_"))}
environment |= {"HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
options = ["--os-auth-type", "aodh-noauth", "--aodh-endpoint", f"http://127.0.0.1:{server.server_port}", "--user-id", "u",
           "--project-id", "p", "--roles", "admin"]  # fmt: skip
ALARM, CRITICAL = {"=": {"state": "alarm"}}, {"=": {"severity": "critical"}}
for query, code, expected in (
    ("state=alarm and severity=critical", 0, [{"and": [CRITICAL, ALARM]}]),
    ("state=alarm AND severity=critical", 0, [ALARM]),
    ("state=alarm, severity=critical", 0, [ALARM]),
    ("name='vo.example.org'", 0, [{"=": {"name": "vo.example.org"}}]),
    ("name=vo.example.org", 0, [{"=": {"name": "vo"}}]),
    ("name=high-cpu", 0, [{"=": {"name": "high"}}]),
    ("name=10min", 0, [{"=": {"name": 10}}]),
    ("timestamp>2026-11-30", 0, [{">": {"timestamp": 2026}}]),
    ("state<>alarm", 1, []),
):
    Aodh.asked = []
    command = ["venv/bin/aodh", *options, "alarm", "list", "--query", query]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    print(f"{query}: exit code {done.returncode}, asked for {json.dumps(Aodh.asked)[1:-1] or 'nothing'}")
    if (done.returncode, Aodh.asked) != (code, expected) or (code == 0 and done.stderr.strip()):
        sys.exit(f"CHANGED: it was {code}, {expected}: {done.stderr[-1000:]}")
PYTHON
