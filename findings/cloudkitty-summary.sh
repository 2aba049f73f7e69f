#!/bin/bash
# openstack rating summary get: a filter given twice is the last one alone, and of all projects the first hundred are printed.
#
# Software:  python-cloudkittyclient 6.2.0, python-openstackclient 10.5.0, openstacksdk 4.22.0 (PyPI). Seen 2026-11-30.
# Expected:  --filter may be given more than once, so two of them for one key are both sent, or refused. A summary by project has a
#            row of each project, or says that there are more.
# Seen:      "--filter type:cpu --filter type:ram" asks CloudKitty for type:ram alone: the sum is that of the memory, exit code 0.
#            "-g project_id" asks with limit=100: of 150 projects 100 rows, exit code 0; the total that CloudKitty answers
#            with is dropped.
# Matters:   a bill of "cpu and ram" has the memory alone, and the sum over all VOs lacks a third of them. Give --limit above what
#            there is, and ask for each value by itself or with -g type.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-cloudkittyclient==6.2.0 python-openstackclient==10.5.0 openstacksdk==4.22.0
venv/bin/python - <<'PYTHON'
"""Keystone, and a cloudkitty with 150 projects and three metrics, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

PROJECTS = [f"vo{number:03d}" for number in range(150)]
RATES = {"cpu": 3.0, "ram": 2.0, "disk": 1.0}


class Cloud(http.server.BaseHTTPRequestHandler):
    asked = []

    def log_message(self, *_):
        pass

    def reply(self, code, body=None):
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Subject-Token", "t")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        root = f"http://127.0.0.1:{self.server.server_port}"
        path, _, query = self.path.partition("?")
        path = path.rstrip("/")
        if path.endswith("/auth/tokens"):
            domain = {"id": "d", "name": "d"}
            endpoint = {"id": "e", "interface": "public", "region": "R", "region_id": "R", "url": root + "/api"}
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": domain}, "project": {"id": "p", "name": "p", "domain": domain},
                "catalog": [{"type": "rating", "name": "cloudkitty", "id": "rating", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path == "/api":
            self.reply(200, {"versions": [{"id": "v2", "status": "CURRENT", "links": [{"rel": "self", "href": root + "/api/v2"}]}]})
        elif path == "/api/v2/summary":
            asked = dict(urllib.parse.parse_qsl(query))
            Cloud.asked.append({name: asked[name] for name in ("filters", "limit") if name in asked})
            kinds = [each.partition(":")[2] for each in asked.get("filters", "").split(",") if each] or list(RATES)
            rate = sum(RATES[each] for each in kinds)
            rows = [[project, rate] for project in PROJECTS] if "groupby" in asked else [["all", rate * len(PROJECTS)]]
            first = int(asked.get("offset", 0))
            page = rows[first:first + int(asked.get("limit", 100))]
            self.reply(200, {"total": len(rows), "columns": ["project_id", "rate"], "results": page})
        else:
            self.reply(404, {"message": f"{path} not found"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for options, asked, expected in (
    ("", {"limit": "100"}, (1, 900.0)),
    ("--filter type:cpu", {"filters": "type:cpu", "limit": "100"}, (1, 450.0)),
    ("--filter type:cpu --filter type:ram", {"filters": "type:ram", "limit": "100"}, (1, 300.0)),
    ("-g project_id", {"limit": "100"}, (100, 600.0)),
    ("-g project_id --limit 1000", {"limit": "1000"}, (150, 900.0)),
):
    Cloud.asked = []
    command = ["venv/bin/openstack", "rating", "summary", "get", *options.split(), "-f", "json"]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    rows = json.loads(done.stdout) if done.returncode == 0 else sys.exit(f"CHANGED: {done.returncode} {done.stdout} {done.stderr}")
    got = (len(rows), sum(each["Rate"] for each in rows))
    print(f"rating summary get {options}: exit code {done.returncode}, asked with {Cloud.asked}, {got[0]} rows, the sum is {got[1]}")
    if (done.returncode, Cloud.asked, got) != (0, [asked], expected) or done.stderr.strip():
        sys.exit(f"CHANGED: it was 0, {asked}, {expected}, and nothing on stderr: {done.stdout} {done.stderr}")
PYTHON
