#!/bin/bash
# openstack flavor create and volume type create: exit code 0 where the project or the properties were not set.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  --project and --property that were not set, because the project is misspelt or Nova refuses, are another exit code than
#            0, as they are for "flavor set"; better, a misspelt project is found out before anything is made.
# Seen:      "flavor create --private --project vo.exmaple.org": the flavor is made, "Failed to add project" on stderr, exit code 0;
#            --property that is refused and "volume type create --project" likewise.
# Matters:   the VO does not see the flavor that it was promised, and a flavor without its properties starts machines on
#            hosts that are meant for others; a playbook is green. Look at "flavor show" afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone with no such project, a nova that refuses properties, and a cinder, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

FLAVOR = {"id": "f", "name": "gpu", "ram": 1024, "vcpus": 1, "disk": 1, "swap": "", "rxtx_factor": 1.0, "links": [],
          "os-flavor-access:is_public": False, "OS-FLV-DISABLED:disabled": False, "OS-FLV-EXT-DATA:ephemeral": 0}  # fmt: skip
TYPE = {"id": "t", "name": "ssd", "is_public": False, "description": None, "extra_specs": {}}


class Cloud(http.server.BaseHTTPRequestHandler):
    made = []

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
                "catalog": [{"type": kind, "name": kind, "id": kind, "endpoints": [endpoint | {"url": root + url}]}
                            for kind, url in (("compute", "/compute/v2.1"), ("volumev3", "/volume/v3"), ("block-storage", "/volume/v3"),
                                              ("identity", "/v3"))]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/compute", "/compute/v2.1", "/volume", "/volume/v3"):
            number, last, least = ("2.1", "2.96", "2.1") if path.startswith("/compute") else ("3", "3.71", "3.0")
            links = [{"rel": "self", "href": f"{root}/{path.split('/')[1]}/v{number}/"}]
            version = {"id": f"v{number}", "status": "CURRENT", "version": last, "min_version": least, "links": links}
            self.reply(200, {"versions": [version], "version": version})
        elif path == "/v3/projects":
            self.reply(200, {"projects": [], "links": {}})
        elif self.command == "POST" and path.endswith(("/flavors", "/types")):
            Cloud.made.append(path.rpartition("/")[2])
            self.reply(200, {"flavor": FLAVOR, "volume_type": TYPE})
        elif self.command == "GET" and path.endswith("/flavors/f"):
            self.reply(200, {"flavor": FLAVOR})
        elif self.command == "GET" and path.endswith("/os-extra_specs"):
            self.reply(200, {"extra_specs": {}})
        elif self.command == "POST":
            self.reply(403, {"forbidden": {"code": 403, "message": "Policy doesn't allow it to be performed."}})
        else:
            self.reply(404, {"itemNotFound": {"code": 404, "message": "not found"}})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for command, code, made, said in (
    ("flavor create --ram 1024 --disk 1 --vcpus 1 --private --project vo.exmaple.org gpu", 0, ["flavors"], "Failed to add project"),
    ("flavor create --ram 1024 --disk 1 --vcpus 1 --property vo=ops gpu", 0, ["flavors"], "Failed to set flavor properties"),
    ("flavor set --property vo=ops f", 1, [], "Failed to set flavor properties"),
    ("flavor set --project vo.exmaple.org f", 1, [], "Failed to set flavor access to project"),
    ("volume type create --private --project vo.exmaple.org ssd", 0, ["types"], "Failed to add project"),
):
    Cloud.made = []
    done = subprocess.run(["venv/bin/openstack", *command.split()], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    print(f"{command}: exit code {done.returncode}, made: {Cloud.made or 'nothing'}\n  {done.stderr.strip()}")
    if (done.returncode, Cloud.made) != (code, made) or said not in done.stderr:
        sys.exit(f"CHANGED: it was {code}, {made} and {said}")
PYTHON
