#!/bin/bash
# openstack server backup create: from the second night on it fails, though Nova has made the backup.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  Nova keeps as many backups as --rotate says, and all may have one name (by default that of the machine); from
#            microversion 2.45 on it answers with the ID of the new image. The client shows that image, and --wait waits for it.
# Seen:      the client drops the answer and looks for an image of that name. Where last night's backup is still there it is "More
#            than one Image exists with the name 'db'", exit code 1, --wait or not, and the backup is made; in the first night too where
#            another image has the name of the machine.
# Matters:   a nightly job with --rotate 7 mails a failure every night, and who repeats what failed pushes the good backups out by the
#            rotation. Give a --name with the date in it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, and a nova that makes a backup as it is asked to, with its images, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

SERVER = {"id": "10000000-0000-4000-8000-000000000000", "name": "db", "status": "ACTIVE", "links": [], "metadata": {}}


class Cloud(http.server.BaseHTTPRequestHandler):
    images = []
    made = 0

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
                "catalog": [{"type": kind, "name": kind, "id": kind, "endpoints": [endpoint | {"url": f"{root}/{kind}"}]}
                            for kind in ("compute", "image")]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/compute", "/image"):
            version = {"compute": {"id": "v2.1", "version": "2.96", "min_version": "2.1"}, "image": {"id": "v2.16"}}[path[1:]]
            links = [{"rel": "self", "href": f"{root}{path}/{'v2.1' if path == '/compute' else 'v2'}/"}]
            self.reply(200, {"versions": [version | {"status": "CURRENT", "links": links}]})
        elif path.endswith("/action"):
            backup = json.loads(sent)["createBackup"]
            Cloud.made += 1
            identity = f"30000000-0000-4000-8000-{len(Cloud.images):012d}"
            Cloud.images.append({"id": identity, "name": backup["name"], "status": "active", "visibility": "private"})
            self.reply(202, {"image_id": identity})
        elif path.startswith("/compute/v2.1/servers"):
            if path.endswith("/db"):
                self.reply(404, {"itemNotFound": {"code": 404, "message": "not found"}})
            else:
                self.reply(200, {"servers": [SERVER], "server": SERVER})
        elif path == "/image/v2/images":
            name = dict(urllib.parse.parse_qsl(query)).get("name")
            self.reply(200, {"images": [each for each in Cloud.images if each["name"] == name]})
        else:
            found = [each for each in Cloud.images if path.endswith(each["id"])]
            self.reply(200 if found else 404, found[0] if found else {"message": "not found"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
SEVERAL = "More than one Image exists with the name 'db'."
for options, images, codes in (("", [], (0, 1)), ("--wait ", [], (0, 1)), ("", [{"id": "i", "name": "db", "status": "active"}], (1, 1))):
    Cloud.images = images
    for night, code in enumerate(codes, 1):
        Cloud.made = 0
        said = SEVERAL if code else '"db"'
        command = ["venv/bin/openstack", *f"server backup create --rotate 7 {options}db -f json".split()]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        print(f"night {night}, {' '.join(command[1:])}: exit code {done.returncode}, backups made: {Cloud.made} {done.stderr.strip()}")
        if (done.returncode, Cloud.made) != (code, 1) or said not in done.stdout + done.stderr:
            sys.exit(f"CHANGED: it was {code}, 1 and {said}: {done.stdout}")
PYTHON
