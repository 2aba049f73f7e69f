#!/bin/bash
# openstack project cleanup: with a --created-before that it cannot read it deletes everything, however new; exit code 0.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  "2026-06-31" (June has 30 days) and "01.06.2026" are usage errors, and so is --skip-resource of a kind that there is
#            none of. What is newer than --created-before stays. The exit code tells whether all was deleted.
# Seen:      with either date, and with --skip-resource server (it had to be compute.server), all machines are deleted, that of
#            yesterday too; of the dates "Error during condition evaluation" is printed for each. With a good date the new machine
#            stays, but the new floating IP that has no port is deleted. A 409 of Nova's: "Cannot delete resource", exit code 0.
# Matters:   a weekly clean-up of what is older than a month, with --auto-approve, takes the whole project for a typing error.
#            Run it with --dry-run, and compare the table with what may go.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, a nova with an old and a new machine, and a neutron with a new floating IP, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

NEW, OLD = "2026-11-29T12:00:00Z", "2026-01-01T12:00:00Z"
FOUND = {
    "servers": [
        {"id": name, "name": name, "status": "ACTIVE", "created": created, "updated": created, "addresses": {}, "metadata": {}}
        for name, created in (("old-machine", OLD), ("new-machine", NEW))
    ],
    "floatingips": [{"id": "new-address", "floating_ip_address": "192.0.2.10", "port_id": None, "project_id": "p", "created_at": NEW}],
}


class Cloud(http.server.BaseHTTPRequestHandler):
    deleted = []
    refuses = False

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
        what = path.split("/")
        if path.endswith("/auth/tokens"):
            domain = {"id": "d", "name": "d"}
            catalog = [
                {"type": kind, "name": kind, "id": kind, "endpoints": [
                    {"id": kind, "interface": "public", "region": "R", "region_id": "R", "url": root + url}]}
                for kind, url in (("compute", "/v2.1"), ("network", "/neutron"))
            ]  # fmt: skip
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": domain}, "project": {"id": "p", "name": "p", "domain": domain},
                "catalog": catalog}})  # fmt: skip
        elif path == "/neutron":
            links = [{"rel": "self", "href": root + "/neutron/v2.0/"}]
            self.reply(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})
        elif path in ("/v3", "/v2.1"):
            version = {"id": path[1:], "status": "CURRENT", "links": [{"rel": "self", "href": root + path + "/"}]}
            self.reply(200, {"version": version | ({"version": "2.96", "min_version": "2.1"} if path == "/v2.1" else {})})
        elif path.endswith("/servers/detail"):
            self.reply(200, {"servers": [] if "marker" in self.path else FOUND["servers"]})
        elif what[-2] == "servers":
            self.reply(404, {"itemNotFound": {"code": 404, "message": f"Instance {what[-1]} could not be found."}})
        elif path.startswith(("/neutron/v2.0/", "/v2.1/")):
            self.reply(200, {what[-1]: FOUND.get(what[-1], []), what[-1].replace("-", "_"): FOUND.get(what[-1], [])})
        else:
            self.reply(404, {"error": {"code": 404, "message": "not found", "title": "Not Found"}})

    do_POST = do_GET

    def do_DELETE(self):
        Cloud.deleted.append(self.path.rpartition("/")[2])
        if Cloud.refuses:
            self.reply(409, {"conflictingRequest": {"code": 409, "message": "Cannot 'delete' an instance that is locked"}})
        else:
            self.reply(204)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
ALL = ["new-address", "new-machine", "old-machine"]
for options, Cloud.refuses, said, expected in (
    ("--created-before 2026-06-30", False, "", ["new-address", "old-machine"]),
    ("--created-before 2026-06-31", False, "Error during condition evaluation", ALL),
    ("--created-before 01.06.2026", False, "Error during condition evaluation", ALL),
    ("--skip-resource compute.server", False, "", ["new-address"]),
    ("--skip-resource server", False, "", ALL),
    ("--created-before 2026-06-30", True, "Cannot delete resource", ["new-address", "old-machine"]),
):
    Cloud.deleted = []
    command = ["venv/bin/openstack", "project", "cleanup", "--auth-project", "--auto-approve", *options.split()]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    got = (done.returncode, sorted(set(Cloud.deleted)))
    refused = ", which is refused" if Cloud.refuses else ""
    print(f"{options}: exit code {got[0]}, asked to delete {', '.join(got[1])}{refused} {said}")
    if got != (0, expected) or said not in done.stderr:
        sys.exit(f"CHANGED: it was exit code 0, {expected}, with {said!r} in {done.stderr[-2000:]}")
PYTHON
