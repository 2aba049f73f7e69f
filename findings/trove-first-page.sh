#!/bin/bash
# openstack database instance list: the first twenty, exit code 0; the others are not found by their names.
#
# Software:  python-troveclient 8.11.0, python-openstackclient 10.5.0, openstacksdk 4.22.0 (PyPI). Seen 2026-11-30.
# Expected:  Trove gives a list in pages (instances_page_size, 20 unless set) with the link to the next one. A list without --limit
#            follows them, and so does a look-up of a name.
# Seen:      of 30 instances "database instance list" prints 20, and "database cluster list" of 30 clusters 20: exit code 0, no word
#            of the rest. "database instance show db25": "No instance with a name or ID of 'db25' exists.", and delete fails likewise.
# Matters:   a script that looks for instances in ERROR sees none of the later ones, and one that deletes by name leaves them to run
#            and be paid for. Ask with --limit, and go on with --marker; set and delete by ID.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-troveclient==8.11.0 python-openstackclient==10.5.0 openstacksdk==4.22.0
venv/bin/python - <<'PYTHON'
"""Keystone, and a trove of 30 instances and 30 clusters in pages of 20, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

PAGE = 20
IDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(1, 31)]
STORE = {"type": "mysql", "version": "8.0"}
INSTANCES = [{"id": each, "name": f"db{number}", "status": "ERROR" if number > 20 else "ACTIVE", "flavor": {"id": "1"},
              "region": "R", "volume": {"size": 1}, "datastore": STORE, "links": []} for number, each in enumerate(IDS, 1)]  # fmt: skip
CLUSTERS = [{"id": each, "name": f"cluster{number}", "datastore": STORE, "task": {"name": "NONE"}, "instances": [], "links": []}
            for number, each in enumerate(IDS, 1)]  # fmt: skip


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
                "catalog": [{"type": "database", "name": "trove", "id": "database", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/api/instances", "/api/clusters"):
            kind = path.rpartition("/")[2]
            rows = {"instances": INSTANCES, "clusters": CLUSTERS}[kind]
            asked = dict(urllib.parse.parse_qsl(query))
            limit = min(int(asked.get("limit", PAGE)), PAGE)
            rest = [each for each in rows if each["id"] > asked.get("marker", "")]
            page = rest[:limit]
            more = urllib.parse.urlencode({"limit": limit, "marker": page[-1]["id"]})
            links = [{"rel": "next", "href": f"{root}{path}?{more}"}] if len(rest) > limit else []
            self.reply(200, {kind: page, "links": links})
        elif path.rpartition("/")[2] in IDS:
            self.reply(202 if self.command == "DELETE" else 200, {"instance": INSTANCES[IDS.index(path.rpartition("/")[2])]})
        else:
            self.reply(404, {"itemNotFound": {"code": 404, "message": f"{path} not found"}})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for command, code, rows, said in (
    ("database instance list -f json", 0, 20, '"db20"'),
    ("database instance list --limit 5 -f json", 0, 5, '"db5"'),
    (f"database instance list --marker {IDS[19]} -f json", 0, 10, '"db30"'),
    ("database cluster list -f json", 0, 20, '"cluster20"'),
    ("database instance show db5 -f json", 0, None, '"db5"'),
    ("database instance show db25 -f json", 1, None, "No instance with a name or ID of 'db25' exists."),
    ("database instance delete db25", 1, None, "Failed to get database instance db25"),
    (f"database instance show {IDS[24]} -f json", 0, None, '"db25"'),
):
    done = subprocess.run(["venv/bin/openstack", *command.split()], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    got = len(json.loads(done.stdout)) if rows else None
    printed = f"{got} rows" if rows else " ".join(done.stdout.split())[:40]
    print(f"{command}: exit code {done.returncode}, {printed} {done.stderr.strip()}")
    if (done.returncode, got) != (code, rows) or said not in done.stdout + done.stderr:
        sys.exit(f"CHANGED: it was {code}, {rows} and {said}: {done.stdout}")
PYTHON
