#!/bin/bash
# openstack coe: quotas, templates and credentials that Magnum refuses, and containers that Zun refuses, are exit code 0.
#
# Software:  python-magnumclient 5.0.0, python-zunclient 5.5.0, python-openstackclient 10.5.0, openstacksdk 4.22.0 (PyPI).
#            Seen 2026-11-30.
# Expected:  a request that is refused with 403 is another exit code than 0, as it is for "coe cluster delete".
# Seen:      coe quotas create, update and delete, coe cluster template delete and coe credential rotate print "... failed" to
#            stdout and end with 0, nothing on stderr; so do appcontainer stop and appcontainer delete.
# Matters:   "coe quotas update ... && notify" reports a limit that was never set, a playbook counts the template as deleted, and a
#            credential that had to be replaced is in use still. Look for "failed" in what is printed, or at what is there afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-magnumclient==5.0.0 python-zunclient==5.5.0 python-openstackclient==10.5.0 openstacksdk==4.22.0
venv/bin/python - <<'PYTHON'
"""Keystone, and a magnum and a zun that refuse every change, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading


class Cloud(http.server.BaseHTTPRequestHandler):
    refused = []

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
                "catalog": [{"type": kind, "name": kind, "id": kind, "endpoints": [endpoint]} for kind in ("container-infra", "container")]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/api", "/api/v1") and self.command == "GET":
            links = [{"rel": "self", "href": root + "/api/v1/"}]
            version = {"id": "v1", "status": "CURRENT", "max_version": "1.12", "min_version": "1.1", "links": links}
            self.reply(200, {"versions": [version], "id": "v1", "links": links})
        elif self.command == "GET":
            self.reply(200, {"uuid": "c", "name": "c"})
        else:
            Cloud.refused.append(f"{self.command} {path.removeprefix('/api')}")
            self.reply(403, {"errors": [{"status": 403, "code": "", "title": "Forbidden", "detail": "Forbidden by policy", "links": []}]})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for command, code, asked, said in (
    ("coe quotas create --project-id p --resource Cluster --hard-limit 5", 0, 1, "failed"),
    ("coe quotas update --project-id p --resource Cluster --hard-limit 5", 0, 1, "failed"),
    ("coe quotas delete --project-id p --resource Cluster", 0, 1, "failed"),
    ("coe cluster template delete one two", 0, 2, "failed"),
    ("coe credential rotate c", 0, 1, "failed"),
    ("coe cluster delete c", 1, 1, ""),
    ("appcontainer stop c", 0, 1, "failed"),
    ("appcontainer delete c", 0, 1, "failed"),
):
    Cloud.refused = []
    done = subprocess.run(["venv/bin/openstack", *command.split()], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    print(f"{command}: exit code {done.returncode}, refused: {', '.join(Cloud.refused)}\n  {done.stdout.strip()} {done.stderr.strip()}")
    if (done.returncode, len(Cloud.refused)) != (code, asked) or said not in done.stdout or (code == 0 and done.stderr.strip()):
        sys.exit(f"CHANGED: it was {code}, {asked} refused, {said!r} on stdout and nothing on stderr")
PYTHON
