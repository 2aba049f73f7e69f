#!/bin/bash
# openstacksdk: create_stack(wait=True) and update_stack(wait=True) return a stack that failed as one that is complete.
#
# Software:  openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  with wait=True a failure is an exception, as it is for delete_stack();
#            orchestration.wait_for_status() ends with the failure that Heat tells.
# Seen:      create_stack() returns the stack with the status CREATE_FAILED, update_stack() with UPDATE_FAILED, without a word;
#            wait_for_status(stack, "CREATE_COMPLETE") of a CREATE_FAILED stack waits its whole time.
# Matters:   a program that creates a cluster goes on with the machines that are not there, and one that checks after the update
#            sees the old ones, which still answer. Look at stack.status; give failures=["CREATE_FAILED", "ROLLBACK_COMPLETE"] and wait=.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, and a heat whose stack ends in the status it is given, on the loopback interface."""

import http.server
import json
import os
import sys
import threading

import openstack
from openstack import exceptions

ID = "10000000-0000-4000-8000-000000000000"
TEMPLATE = "heat_template_version: 2021-04-16\nresources: {}\n"


class Cloud(http.server.BaseHTTPRequestHandler):
    action, status = "CREATE", "CREATE_COMPLETE"

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
                "catalog": [{"type": "orchestration", "name": "heat", "id": "heat", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path == "/api":
            self.reply(200, {"versions": [{"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": root + "/api/v1/"}]}]})
        elif path.endswith("/events"):
            links = [{"rel": "stack", "href": f"{root}/api/stacks/cluster/{ID}"}]
            event = {"resource_name": "cluster", "physical_resource_id": ID, "links": links, "resource_status_reason": "no host"}
            states = [f"{Cloud.action}_IN_PROGRESS", Cloud.status]
            events = [event | {"id": str(number), "resource_status": each} for number, each in enumerate(states)]
            self.reply(200, {"events": [] if "marker=1" in query else events})
        elif self.command == "DELETE":
            self.reply(204)
        else:
            stack = {"id": ID, "stack_name": "cluster", "stack_status": Cloud.status, "stack_status_reason": "no host", "links": []}
            self.reply(201 if self.command == "POST" else 200, {"stack": stack})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"
cloud = openstack.connect(load_yaml_config=False, load_envvars=False, region_name="R", auth={
    "auth_url": f"http://127.0.0.1:{server.server_port}/v3", "username": "u", "password": "secret", "project_name": "p",
    "user_domain_id": "d", "project_domain_id": "d"})  # fmt: skip
with open("cluster.yaml", "w") as file:
    file.write(TEMPLATE)


def outcome(function):
    """Return the status of the stack that a function returns, or the name of its exception."""
    try:
        stack = function()
        return getattr(stack, "status", stack)
    except exceptions.SDKException as failure:
        return type(failure).__name__


for action, status, what, function, expected in (
    ("CREATE", "CREATE_COMPLETE", "create_stack", lambda: cloud.create_stack("cluster", template_file="cluster.yaml", wait=True),
     "CREATE_COMPLETE"),
    ("CREATE", "CREATE_FAILED", "create_stack", lambda: cloud.create_stack("cluster", template_file="cluster.yaml", wait=True),
     "CREATE_FAILED"),
    ("UPDATE", "UPDATE_FAILED", "update_stack", lambda: cloud.update_stack("cluster", template_file="cluster.yaml", wait=True),
     "UPDATE_FAILED"),
    ("CREATE", "CREATE_FAILED", "wait_for_status", lambda: cloud.orchestration.wait_for_status(
        cloud.get_stack("cluster"), "CREATE_COMPLETE", interval=1, wait=3), "ResourceTimeout"),
    ("DELETE", "DELETE_FAILED", "delete_stack", lambda: cloud.delete_stack("cluster", wait=True), "SDKException"),
):  # fmt: skip
    Cloud.action, Cloud.status = action, status
    got = outcome(function)
    print(f"{what} of a stack that becomes {status}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
