#!/bin/bash
# openstacksdk: a filter that is misspelt is dropped: servers(stauts="ERROR") are all servers of the project.
#
# Software:  openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-29.
# Expected:  a name that is neither a query of the service nor a field of the resource is refused (there is an exception for it,
#            InvalidResourceQuery), or nothing matches it.
# Seen:      compute.servers(stauts="ERROR"), network.networks(nmae="x") and list_servers(filters={"stauts": "ERROR"}) ask without a
#            filter and return everything, without a word. search_servers(filters={"stauts": "ERROR"}) raises AttributeError.
# Matters:   a clean-up, "for server in servers(naem='test-*'): delete", takes every machine of the project. Compare the field of each
#            resource with what was asked for before it is deleted.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python -W ignore - <<'PYTHON'
"""Keystone, a nova with two servers that knows the filter "status", and a neutron with two networks, on the loopback interface."""

import http.server
import json
import sys
import threading
import urllib.parse

SERVERS = [{"id": state, "name": state, "status": state, "addresses": {}, "metadata": {}} for state in ("ACTIVE", "ERROR")]
NETWORKS = [{"id": name, "name": name} for name in ("x", "y")]


class Cloud(http.server.BaseHTTPRequestHandler):
    query = ""

    def log_message(self, *_):
        pass

    def reply(self, code, body):
        payload = json.dumps(body).encode()
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
        path = path.rstrip("/")
        asked = dict(urllib.parse.parse_qsl(query))
        if path.endswith("/auth/tokens"):
            catalog = [
                {"type": kind, "name": name, "id": name, "endpoints": [
                    {"id": name, "interface": "public", "region": "R", "region_id": "R", "url": root + url}]}
                for kind, name, url in (("compute", "nova", "/v2.1"), ("network", "neutron", "/neutron"))
            ]  # fmt: skip
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}, "catalog": catalog,
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}}}})  # fmt: skip
        elif path == "/neutron":
            links = [{"rel": "self", "href": root + "/neutron/v2.0/"}]
            self.reply(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})
        elif path in ("/v3", "/v2.1"):
            version = {"id": path[1:], "status": "CURRENT", "links": [{"rel": "self", "href": root + path + "/"}]}
            self.reply(200, {"version": version | ({"version": "2.93", "min_version": "2.1"} if path == "/v2.1" else {})})
        elif path.endswith("/servers/detail"):
            Cloud.query = query
            self.reply(200, {"servers": [each for each in SERVERS if asked.get("status", each["status"]) == each["status"]]})
        elif path.endswith("/networks"):
            Cloud.query = query
            self.reply(200, {"networks": [each for each in NETWORKS if asked.get("name", each["name"]) == each["name"]]})
        else:
            kind = path.rpartition("/")[2]
            self.reply(200, {kind: []})

    do_POST = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
auth = {"auth_url": f"http://127.0.0.1:{server.server_port}/v3", "username": "u", "password": "secret", "project_name": "p",
        "user_domain_id": "d", "project_domain_id": "d"}  # fmt: skip

import openstack

cloud = openstack.connect(auth=auth, region_name="R", load_yaml_config=False, load_envvars=False)
for what, call, expected, query in (
    ("compute.servers(status='ERROR')", lambda: cloud.compute.servers(status="ERROR"), ["ERROR"], "status=ERROR"),
    ("compute.servers(stauts='ERROR')", lambda: cloud.compute.servers(stauts="ERROR"), ["ACTIVE", "ERROR"], ""),
    ("list_servers(filters={'stauts': 'ERROR'})", lambda: cloud.list_servers(filters={"stauts": "ERROR"}), ["ACTIVE", "ERROR"], ""),
    ("search_servers(filters={'stauts': 'ERROR'})", lambda: cloud.search_servers(filters={"stauts": "ERROR"}), "AttributeError", ""),
    ("search_servers(filters={'status': 'ERROR'})", lambda: cloud.search_servers(filters={"status": "ERROR"}), ["ERROR"], ""),
    ("network.networks(name='x')", lambda: cloud.network.networks(name="x"), ["x"], "name=x"),
    ("network.networks(nmae='x')", lambda: cloud.network.networks(nmae="x"), ["x", "y"], ""),
):
    try:
        got = [each.id for each in call()]
    except (openstack.exceptions.SDKException, AttributeError) as error:
        got = type(error).__name__
    print(f"{what}: {got}, asked with {Cloud.query!r}")
    if (got, Cloud.query) != (expected, query):
        sys.exit(f"CHANGED: it was {expected}, asked with {query!r}")
PYTHON
