#!/bin/bash
# openstack share ... --wait: a share, a snapshot or an access rule that ends in an error is exit code 0.
#
# Software:  python-manilaclient 6.3.0, python-openstackclient 10.5.0, openstacksdk 4.22.0 (PyPI). Seen 2026-11-30.
# Expected:  with --wait the exit code is not 0 where what was asked for ends in an error state, as it is for server create --wait.
# Seen:      share create, share snapshot create and share access create --wait: "ERROR: Share is in error state." on stderr, the
#            table with the state error, exit code 0.
# Matters:   "openstack share access create ... --wait && mount ..." goes on without the access, and a nightly snapshot that failed is
#            a success to cron. Print the state (-f value -c status, -c state) and compare it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-manilaclient==6.3.0 python-openstackclient==10.5.0 openstacksdk==4.22.0
venv/bin/python - <<'PYTHON'
"""Keystone and manila on the loopback interface; a share type, a share, a snapshot and an access rule of one state."""

import http.server
import json
import os
import subprocess
import sys
import threading

SHARE, SNAPSHOT, RULE, TYPE = (f"{number}0000000-0000-4000-8000-000000000000" for number in range(1, 5))


class Cloud(http.server.BaseHTTPRequestHandler):
    states = ["available"]
    asked = 0

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
        path, _, query = self.path.partition("?")
        what = path.rstrip("/").split("/")
        if path.endswith("/auth/tokens"):
            domain = {"id": "d", "name": "d"}
            endpoint = {"id": "e", "interface": "public", "region": "R", "region_id": "R", "url": root + "/share/v2"}
            catalog = [{"type": kind, "name": "manila", "id": kind, "endpoints": [endpoint]} for kind in ("sharev2", "shared-file-system")]
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": domain}, "project": {"id": "p", "name": "p", "domain": domain},
                "catalog": catalog}})  # fmt: skip
        elif path.rstrip("/") == "/v3":
            version = {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}
            self.reply(200, {"version": version})
        elif path.rstrip("/") in ("/share", "/share/v2"):
            links = [{"rel": "self", "href": root + "/share/v2/"}]
            version = {"id": "v2.0", "status": "CURRENT", "version": "2.82", "min_version": "2.0", "links": links}
            self.reply(200, {"versions": [version]})
        elif what[3] == "types":
            kind = {"id": TYPE, "name": "default", "share_type_access:is_public": True, "extra_specs": {}, "required_extra_specs": {}}
            self.reply(200, {"share_type": kind, "volume_type": kind, "share_types": [kind]})
        elif self.command == "POST" and path.endswith("/action"):
            self.reply(202, {"access": self.rule("queued_to_apply")})
        elif what[3] == "share-access-rules":
            self.reply(200, {"access": self.rule(self.state())})
        elif what[3] == "snapshots":
            named = {"id": SNAPSHOT, "name": "snap", "share_id": SHARE, "links": [], "metadata": {}}
            snapshot = named | {"status": "creating" if self.command == "POST" else self.state()}
            self.reply(200, {"snapshot": snapshot, "snapshots": [snapshot]})
        elif path.endswith("/export_locations"):
            self.reply(200, {"export_locations": []})
        elif what[3] == "shares":
            named = {"id": SHARE, "name": "data", "size": 1, "share_proto": "NFS", "links": [], "metadata": {}}
            share = named | {"status": "creating" if self.command == "POST" else self.state()}
            self.reply(200, {"share": share, "shares": [] if "is_soft_deleted" in query else [share]})
        else:
            self.reply(404, {"itemNotFound": {"code": 404, "message": "not found"}})

    do_POST = do_GET

    def rule(self, state):
        allowed = {"access_type": "ip", "access_to": "192.0.2.10", "access_level": "rw", "metadata": {}}
        return {"id": RULE, "share_id": SHARE, "state": state} | allowed

    def state(self):
        """The next of the states, the last one for ever."""
        Cloud.asked += 1
        return Cloud.states[min(Cloud.asked, len(Cloud.states)) - 1]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for command, states, code, said, error in (
    ("share create NFS 1 --name data --wait", ["available"], 0, "available", ""),
    ("share create NFS 1 --name data --wait", ["error"], 0, "error", "ERROR: Share is in error state."),
    ("share snapshot create data --name snap --wait", ["available", "error"], 0, "error", "ERROR: Share snapshot is in error state."),
    ("share access create data ip 192.0.2.10 --wait", ["available", "error"], 0, "error", "ERROR: Share access rule is in error state."),
):
    Cloud.states, Cloud.asked = states, 0
    done = subprocess.run(["venv/bin/openstack", *command.split()], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    print(f"{command}, {', '.join(states)}: exit code {done.returncode} {done.stderr.strip()}")
    if (done.returncode, done.stderr.strip()) != (code, error) or said not in done.stdout or Cloud.asked < len(states):
        sys.exit(f"CHANGED: it was {code} {error!r} after {len(states)} answers, with {said!r} in {done.stdout}")
PYTHON
