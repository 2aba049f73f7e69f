#!/bin/bash
# openstack recordset delete ZONE '*.example.org.': takes the name for a pattern, and deletes www where there is no such record.
#
# Software:  python-designateclient 7.0.0, python-openstackclient 10.5.0, openstacksdk 4.22.0 (PyPI); a few lines in the
#            place of Designate, whose filters take "*" for anything, as its own do. Seen 2026-11-30.
# Expected:  a record set is given by its ID or its name. That of a wildcard (RFC 4592) is "*.example.org."; where the zone has none,
#            there is nothing to show, set or delete, and the exit code is not 0.
# Seen:      the client asks for record sets of this name by the filter. In a zone with www alone, show is that of www, set gives www
#            the new address, delete removes it: exit code 0. Where the zone has the wildcard and www, it is "Multiple matches found
#            for {name}, please use ID instead.", with the braces.
# Matters:   a playbook that removes a wildcard twice removes the one other record of the zone the second time. Look up the ID
#            with "recordset list ZONE", and give that.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-designateclient==7.0.0 python-openstackclient==10.5.0 openstacksdk==4.22.0
venv/bin/python - <<'PYTHON'
"""Keystone, and a designate with one zone and filters as its own ("*" of a filter becomes "%" of LIKE), on the loopback interface."""

import fnmatch
import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

ZONE = {"id": "10000000-0000-4000-8000-000000000000", "name": "example.org.", "type": "PRIMARY", "status": "ACTIVE"}
NAMES = {"20000000-0000-4000-8000-000000000000": ("example.org.", "NS"), "30000000-0000-4000-8000-000000000000": ("www.example.org.", "A"),
         "40000000-0000-4000-8000-000000000000": ("*.example.org.", "A")}  # fmt: skip


class Cloud(http.server.BaseHTTPRequestHandler):
    sets = {}
    changed = []

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
        name = dict(urllib.parse.parse_qsl(query)).get("name", "*")
        if path.endswith("/auth/tokens"):
            domain = {"id": "d", "name": "d"}
            endpoint = {"id": "e", "interface": "public", "region": "R", "region_id": "R", "url": root + "/dns"}
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": domain}, "project": {"id": "p", "name": "p", "domain": domain},
                "catalog": [{"type": "dns", "name": "designate", "id": "dns", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path in ("/dns", "/dns/v2"):
            version = {"id": "v2", "status": "CURRENT", "links": [{"rel": "self", "href": root + "/dns/v2"}]}
            self.reply(200, {"versions": [version]})
        elif path == "/dns/v2/zones":
            self.reply(200, {"zones": [ZONE] if fnmatch.fnmatchcase(ZONE["name"], name) else [], "links": {}, "metadata": {}})
        elif path.endswith("/recordsets"):
            found = [each for each in Cloud.sets.values() if fnmatch.fnmatchcase(each["name"], name)]
            self.reply(200, {"recordsets": found, "links": {}, "metadata": {"total_count": len(found)}})
        elif path.rpartition("/")[2] in Cloud.sets:
            record_set = Cloud.sets[path.rpartition("/")[2]]
            Cloud.changed += [f"{self.command} {record_set['name']}"] if self.command != "GET" else []
            self.reply(202 if self.command == "DELETE" else 200, record_set)
        else:
            self.reply(404, {"code": 404, "type": "recordset_not_found", "message": "Could not find RecordSet"})

    do_POST = do_PUT = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret",
                "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "d", "OS_PROJECT_DOMAIN_ID": "d", "OS_REGION_NAME": "R",
                "OS_IDENTITY_API_VERSION": "3", "HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip
for action, options, there, code, changed, said in (
    ("delete", (), ("NS", "A"), 0, ["DELETE www.example.org."], "www.example.org."),
    ("set", ("--record", "192.0.2.99"), ("NS", "A"), 0, ["PUT www.example.org."], "www.example.org."),
    ("show", (), ("NS", "A"), 0, [], "www.example.org."),
    ("delete", (), ("NS",), 1, [], "Name *.example.org. didn't resolve"),
    ("delete", (), ("NS", "A", "wildcard"), 1, [], "Multiple matches found for {name}, please use ID instead."),
):
    Cloud.sets = {each: {"id": each, "zone_id": ZONE["id"], "name": NAMES[each][0], "type": NAMES[each][1], "records": ["192.0.2.1"],
                         "status": "ACTIVE", "action": "NONE"} for each in list(NAMES)[:len(there)]}  # fmt: skip
    Cloud.changed = []
    command = ["venv/bin/openstack", "recordset", action, "example.org.", "*.example.org.", *options]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    print(f"{action} '*.example.org.' in a zone with {', '.join(each['name'] for each in Cloud.sets.values())}: exit code "
          f"{done.returncode}, {', '.join(Cloud.changed) or 'nothing changed'} {done.stderr.strip()}")  # fmt: skip
    if (done.returncode, Cloud.changed) != (code, changed) or said not in done.stdout + done.stderr:
        sys.exit(f"CHANGED: it was {code}, {changed} and {said!r}: {done.stdout}")
PYTHON
