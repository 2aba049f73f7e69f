#!/bin/bash
# openstack reservation lease set: a misspelt key before id= is dropped, and the rest is changed.
#
# Software:  python-blazarclient 4.6.0, python-openstackclient 10.5.0, openstacksdk 4.22.0 (PyPI). Seen 2026-11-30.
# Expected:  key=value pairs may stand in any order; a misspelt key is refused.
# Seen:      "vcpu=4,id=R,memory_mb=8192" asks Blazar for the memory alone, "maximum=10,id=R" for nothing but the ID: "Updated lease",
#            exit code 0. Behind id= such a key becomes part of the ID.
# Matters:   the reservation of a course keeps its small machines, or its number of hosts, without a word. Put id= first, and
#            look at "lease show" afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-blazarclient==4.6.0 python-openstackclient==10.5.0 openstacksdk==4.22.0
venv/bin/python - <<'PYTHON'
"""Keystone, and a blazar that takes each change, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

LEASE = {"id": "10000000-0000-4000-8000-000000000000", "name": "course", "start_date": "2026-11-01T00:00:00.000000",
         "end_date": "2026-12-01T00:00:00.000000", "reservations": [], "events": []}  # fmt: skip


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
                "catalog": [{"type": "reservation", "name": "blazar", "id": "reservation", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif self.command == "PUT":
            Cloud.asked.append(json.loads(sent)["reservations"])
            self.reply(200, {"lease": LEASE})
        elif path.endswith("/leases"):
            self.reply(200, {"leases": [LEASE]})
        else:
            self.reply(200, {"lease": LEASE})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for values, expected in (
    ("id=R,vcpus=4,memory_mb=8192", [{"id": "R", "vcpus": 4, "memory_mb": 8192}]),
    ("vcpus=4,id=R,memory_mb=8192", [{"id": "R", "vcpus": 4, "memory_mb": 8192}]),
    ("vcpu=4,id=R,memory_mb=8192", [{"id": "R", "memory_mb": 8192}]),
    ("max=10,id=R", [{"id": "R", "max": 10}]),
    ("maximum=10,id=R", [{"id": "R"}]),
    ("id=R,vcpu=4", [{"id": "R,vcpu=4"}]),
):
    Cloud.asked = []
    command = ["venv/bin/openstack", "reservation", "lease", "set", "course", "--reservation", values]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    print(f"--reservation {values}: exit code {done.returncode}, asked for {Cloud.asked}, {done.stdout.strip()} {done.stderr.strip()}")
    if (done.returncode, Cloud.asked) != (0, [expected]):
        sys.exit(f"CHANGED: it was 0, {expected}")
PYTHON
