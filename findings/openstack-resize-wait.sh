#!/bin/bash
# openstack server resize --wait: "Complete" and exit code 0 for a resize that failed; shelve --offload of what is shelved asks nothing.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-29.
# Expected:  with --wait the exit code tells whether it was done: a machine that goes RESIZE, ACTIVE with its old flavour, as nova's does
#            where no host has room, was not resized; the same for migrate.
# Seen:      resize --wait: "Complete", exit code 0; ACTIVE is taken for success as VERIFY_RESIZE is, and the flavour is not looked at.
#            migrate --wait, cold and live: "Complete, check success/failure by ...", exit code 0.
#            shelve --offload of a machine that is SHELVED, which is what the option is for: asks nova for nothing, exit code 0.
# Matters:   a script that empties a host with "migrate --wait" and then switches it off takes running machines with it. Look for
#            VERIFY_RESIZE, for the host, or into "server migration list"; run --wait under timeout(1). What was shelved keeps its place
#            on the host.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, and a nova whose machine takes each request and then goes through the states it is given, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

SMALL = {"original_name": "small", "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}}
LARGE = {"id": "2", "name": "large", "vcpus": 2, "ram": 1024, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0, "links": []}
VM = {"id": "a", "name": "vm", "flavor": SMALL, "image": {"id": "i"}, "addresses": {}, "metadata": {}, "links": [], "tenant_id": "p",
      "user_id": "u", "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z", "key_name": None}  # fmt: skip


class Cloud(http.server.BaseHTTPRequestHandler):
    before = "ACTIVE"
    states = []
    asked = -1

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
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        root = f"http://127.0.0.1:{self.server.server_port}"
        path = self.path.partition("?")[0].rstrip("/")
        if path.endswith("/auth/tokens"):
            endpoint = {"id": "n", "interface": "public", "region": "R", "region_id": "R", "url": root + "/v2.1"}
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
                "catalog": [{"type": "compute", "name": "nova", "id": "n", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path in ("/v3", "/v2.1"):
            version = {"id": path[1:], "status": "CURRENT", "links": [{"rel": "self", "href": root + path + "/"}]}
            self.reply(200, {"version": version | ({"version": "2.93", "min_version": "2.1"} if path == "/v2.1" else {})})
        elif path.endswith("/action"):
            Cloud.asked = 0
            self.reply(202)
        elif path.endswith("/servers/a"):
            number = max(Cloud.asked, 0)
            if Cloud.asked >= 0:
                Cloud.asked += 1
            if number < len(Cloud.states):
                state = Cloud.states[number] if Cloud.asked >= 0 else Cloud.before
                self.reply(200, {"server": VM | {"status": state, "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": None}})
            else:
                self.reply(404, {"itemNotFound": {"code": 404, "message": "Instance a could not be found."}})
        elif path.endswith("/flavors/2"):
            self.reply(200, {"flavor": LARGE})
        else:
            self.reply(404, {"itemNotFound": {"code": 404, "message": "not found"}})

    do_POST = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
auth = {"auth_url": f"http://127.0.0.1:{server.server_port}/v3", "username": "u", "password": "secret", "project_name": "p",
        "user_domain_id": "d", "project_domain_id": "d"}  # fmt: skip
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_" + name.upper(): value for name, value in auth.items()} | {"OS_IDENTITY_API_VERSION": "3"}
AFTER = "Complete, check success/failure by openstack server migration/event list/show"
for command, Cloud.before, states, expected in (
    ("resize --flavor 2", "ACTIVE", ["RESIZE", "ACTIVE"], (0, "Complete", 2)),
    ("resize --flavor 2", "ACTIVE", ["ERROR"], (1, "", 1)),
    ("migrate", "ACTIVE", ["RESIZE", "ACTIVE"], (0, AFTER, 2)),
    ("migrate --live-migration", "ACTIVE", ["MIGRATING", "ACTIVE"], (0, AFTER, 2)),
    ("shelve --offload", "SHELVED", ["SHELVED"], (0, "", -1)),
):
    Cloud.states, Cloud.asked = states, -1
    done = subprocess.run(
        ["venv/bin/openstack", "server", *command.split(), "--wait", "a"], env=environment, capture_output=True, text=True, timeout=300
    )
    got = (done.returncode, done.stdout.strip(), Cloud.asked)
    seen = f"looked at {Cloud.asked} times after the request" if Cloud.asked >= 0 else "no request"
    print(f"server {command} --wait, {Cloud.before}, then {', '.join(states)}: exit code {got[0]} {got[1]!r}, {seen}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}; on stderr {done.stderr.strip()[-200:]!r}")
PYTHON
