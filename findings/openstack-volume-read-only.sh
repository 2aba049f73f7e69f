#!/bin/bash
# openstack volume create --read-only: exit code 0 where the volume can be written to, and where it is in error.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  what was asked for and not done is another exit code than 0, as it is for "volume set --read-only".
# Seen:      where Cinder refuses to set the flag, "Failed to set volume read-only access mode flag" on stderr, the table of the volume,
#            exit code 0; the same for --bootable. A volume that ends in error is exit code 0 as well, and the table, which is that of
#            the request, has "creating".
# Matters:   a copy of data that nobody may change can be changed, and a script goes on with a volume that is none. Set the flag with
#            "volume set", and look at "volume show".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, and a cinder whose volume gets the status it is given and whose flags are refused, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

VOLUME = {"id": "10000000-0000-4000-8000-000000000000", "name": "data", "size": 1, "links": [], "metadata": {}, "attachments": []}


class Cloud(http.server.BaseHTTPRequestHandler):
    status = "available"
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
                "catalog": [{"type": kind, "name": kind, "id": kind, "endpoints": [endpoint | {"url": root + "/api/v3"}]}
                            for kind in ("block-storage", "volumev3")]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/api", "/api/v3"):
            links = [{"rel": "self", "href": root + "/api/v3/"}]
            self.reply(200, {"versions": [{"id": "v3.0", "status": "CURRENT", "version": "3.71", "min_version": "3.0", "links": links}]})
        elif path.endswith("/action"):
            Cloud.refused += json.loads(sent)
            self.reply(403, {"forbidden": {"code": 403, "message": "Policy doesn't allow it to be performed."}})
        else:
            status = "creating" if self.command == "POST" else Cloud.status
            self.reply(202 if self.command == "POST" else 200, {"volume": VOLUME | {"status": status}})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
READ_ONLY, BOOTABLE = "Failed to set volume read-only access mode flag", "Failed to set volume bootable property"
for command, status, code, refused, said in (
    ("volume create --size 1 --read-only data -f json", "available", 0, ["os-update_readonly_flag"], READ_ONLY),
    ("volume create --size 1 --bootable data -f json", "available", 0, ["os-set_bootable"], BOOTABLE),
    ("volume create --size 1 --read-only data -f json", "error", 0, [], READ_ONLY),
    ("volume create --size 1 --bootable data -f json", "error", 0, [], BOOTABLE),
    (f"volume set --read-only {VOLUME['id']}", "available", 1, ["os-update_readonly_flag"], "One or more of the set operations failed"),
):
    Cloud.status, Cloud.refused = status, []
    done = subprocess.run(["venv/bin/openstack", *command.split()], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    shown = json.loads(done.stdout)["status"] if done.stdout else "nothing"
    print(f"{command}, becomes {status}: exit code {done.returncode}, refused: {Cloud.refused}, shown: {shown} {done.stderr.strip()}")
    if (done.returncode, Cloud.refused) != (code, refused) or said not in done.stderr or shown != ("nothing" if code else "creating"):
        sys.exit(f"CHANGED: it was {code}, {refused}, {said!r}")
PYTHON
