#!/bin/bash
# openstack usage show: of a project with more than 1000 machines it prints the sums of the first 1000; usage list has it twice.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  Nova gives usage in pages of [api]max_limit (1000) machines from microversion 2.40 on, each page with sums of its own
#            and the link to the next. A client that asks for such a microversion follows the links and adds up.
# Seen:      1500 machines of 2 CPUs for an hour are 3000 CPU hours. "usage show" asks with 2.75 for the first page alone: 1000
#            machines, 2000 CPU hours, exit code 0, no word of the rest. "usage list" follows the links and prints two rows of
#            the same project. With --os-compute-api-version 2.39 both are right. The library's get_usage() and usages() likewise.
# Matters:   machines that were deleted within the time count too, so a project of short jobs has a thousand in a month. A
#            report by project loses the rest, and one that keeps rows by project keeps the last page. Ask with 2.39.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
"""Keystone, and a nova with 1500 machines that all ran for an hour, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

MACHINES = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(1500)]
MAX_LIMIT = 1000
HOUR = {"hours": 1.0, "vcpus": 2, "memory_mb": 1024, "local_gb": 10, "flavor": "f", "tenant_id": "p", "state": "terminated",
        "started_at": "2026-11-01T00:00:00.000000", "ended_at": "2026-11-01T01:00:00.000000", "uptime": 3600}  # fmt: skip
PROJECT = {"id": "p", "name": "vo.example.org", "domain_id": "d", "enabled": True, "links": {}}


def usage(machines):
    """Nova's sums of these machines."""
    number = len(machines)
    return {
        "tenant_id": "p", "start": "2026-11-01T00:00:00.000000", "stop": "2026-12-01T00:00:00.000000",
        "total_hours": 1.0 * number, "total_vcpus_usage": 2.0 * number, "total_memory_mb_usage": 1024.0 * number,
        "total_local_gb_usage": 10.0 * number, "server_usages": [{**HOUR, "instance_id": each, "name": each} for each in machines],
    }  # fmt: skip


class Cloud(http.server.BaseHTTPRequestHandler):
    asked = []

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

    def usages(self, path, query):
        """One page from microversion 2.40 on, all before it."""
        version = self.headers.get("OpenStack-API-Version", "compute 2.1").split()[-1]
        pages = tuple(map(int, version.split("."))) >= (2, 40)
        marker = query.get("marker", "")
        rest = [each for each in MACHINES if each > marker]
        page = rest[:MAX_LIMIT] if pages else rest
        Cloud.asked.append(version)
        one = path.endswith("/p")
        body = {"tenant_usage": usage(page)} if one else {"tenant_usages": [usage(page)] if page else []}
        if pages and len(page) == MAX_LIMIT:
            more = urllib.parse.urlencode({**query, "marker": page[-1]})
            link = {"rel": "next", "href": f"http://127.0.0.1:{self.server.server_port}{path}?{more}"}
            body["tenant_usage_links" if one else "tenant_usages_links"] = [link]
        self.reply(200, body)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        root = f"http://127.0.0.1:{self.server.server_port}"
        path, _, query = self.path.partition("?")
        path = path.rstrip("/")
        if path.endswith("/auth/tokens"):
            domain = {"id": "d", "name": "d"}
            catalog = [
                {"type": kind, "name": kind, "id": kind, "endpoints": [
                    {"id": kind, "interface": "public", "region": "R", "region_id": "R", "url": root + url}]}
                for kind, url in (("compute", "/v2.1"), ("identity", "/v3"))
            ]  # fmt: skip
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": domain}, "project": {"id": "p", "name": "p", "domain": domain},
                "catalog": catalog}})  # fmt: skip
        elif path in ("/v3", "/v2.1"):
            version = {"id": path[1:], "status": "CURRENT", "links": [{"rel": "self", "href": root + path + "/"}]}
            self.reply(200, {"version": version | ({"version": "2.96", "min_version": "2.1"} if path == "/v2.1" else {})})
        elif "/os-simple-tenant-usage" in path:
            self.usages(path, dict(urllib.parse.parse_qsl(query)))
        elif path == "/v3/projects":
            self.reply(200, {"projects": [PROJECT], "links": {}})
        elif path == "/v3/projects/p":
            self.reply(200, {"project": PROJECT})
        else:
            self.reply(404, {"error": {"code": 404, "message": "not found", "title": "Not Found"}})

    do_POST = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip


def compare(options, expected):
    """Run openstack, and compare versions asked with, exit code, and machines and CPU hours of each row."""
    Cloud.asked = []
    command = ["venv/bin/openstack", *options.split(), "--start", "2026-11-01", "--end", "2026-12-01", "-f", "json"]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    rows = json.loads(done.stdout or "[]")
    rows = [(len(each["Servers"]), each["CPU Hours"]) for each in (rows if isinstance(rows, list) else [rows])]
    got = (done.returncode, Cloud.asked, rows)
    print(f"{options}: exit code {got[0]}, asked with {', '.join(got[1])}, machines and CPU hours {rows} {done.stderr.strip()}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


compare("usage show --project p", (0, ["2.75"], [(1000, 2000.0)]))
compare("usage list", (0, ["2.75", "2.75"], [(1000, 2000.0), (500, 1000.0)]))
compare("--os-compute-api-version 2.39 usage show --project p", (0, ["2.39"], [(1500, 3000.0)]))
compare("--os-compute-api-version 2.39 usage list", (0, ["2.39"], [(1500, 3000.0)]))
PYTHON
