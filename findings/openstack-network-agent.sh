#!/bin/bash
# openstack network agent add network, add router: not a word and exit code 0 where Neutron refuses; without --dhcp nothing is done.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  a refusal is told with another exit code than 0, as "network agent delete" does. A command line that names an agent and a
#            network does what it says, or is a usage error.
# Seen:      "network agent add network --dhcp", "remove network --dhcp" and "add router --l3" that are refused print nothing and end
#            with 0. Without --dhcp or --l3 both are looked up, and nothing is added or removed: exit code 0.
# Matters:   who empties a network node moves its networks, sees no error and switches it off: the machines of these networks get no
#            address at their next boot. Look at "network agent list --network" afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, and a neutron that refuses to add and remove, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

AGENT = {"id": "10000000-0000-4000-8000-000000000000", "agent_type": "DHCP agent", "host": "net1", "binary": "neutron-dhcp-agent"}
NETWORK = {"id": "20000000-0000-4000-8000-000000000000", "name": "vo-net"}
ROUTER = {"id": "30000000-0000-4000-8000-000000000000", "name": "vo-router"}


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
                "catalog": [{"type": "network", "name": "neutron", "id": "network", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/api", "/api/v2.0"):
            links = [{"rel": "self", "href": root + "/api/v2.0/"}]
            self.reply(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}], "resources": []})
        elif self.command != "GET":
            Cloud.refused.append(self.command)
            self.reply(409, {"NeutronError": {"type": "Conflict", "message": "The agent has no room", "detail": ""}})
        elif path.endswith("/agents/" + AGENT["id"]):
            self.reply(200, {"agent": AGENT})
        elif path.endswith("/networks/" + NETWORK["id"]):
            self.reply(200, {"network": NETWORK})
        else:
            self.reply(200, {"router": ROUTER})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for options, thing, code, refused, said in (
    ("add network --dhcp", NETWORK, 0, ["POST"], ""),
    ("remove network --dhcp", NETWORK, 0, ["DELETE"], ""),
    ("add router --l3", ROUTER, 0, ["POST"], ""),
    ("add network", NETWORK, 0, [], ""),
    ("remove network", NETWORK, 0, [], ""),
    ("add router", ROUTER, 0, [], ""),
    ("delete", None, 1, ["DELETE"], "1 of 1 network agents failed to delete"),
):
    Cloud.refused = []
    command = ["venv/bin/openstack", "network", "agent", *options.split(), AGENT["id"], *([thing["id"]] if thing else [])]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    said_of = (done.stdout + done.stderr).strip()
    print(f"{options}: exit code {done.returncode}, refused: {Cloud.refused or 'nothing was asked for'}, printed: {said_of or 'nothing'}")
    if (done.returncode, Cloud.refused) != (code, refused) or said not in said_of or (said_of and not said):
        sys.exit(f"CHANGED: it was {code}, {refused} and {said or 'nothing'}")
PYTHON
