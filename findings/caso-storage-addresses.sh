#!/bin/bash
# cASO: one volume without a name and none of the project's is in the storage accounting; IPv6 addresses replace the IPv4 ones.
#
# Software:  caso 5.2.2 (PyPI), its extractors cinder and neutron, its messenger ssm. Seen 2026-11-30.
# Expected:  each volume is a record, with a name or not (Cinder needs none, it is null then). A record for --extract-to 2026-10-01
#            ends there, and a volume that was made later is in none. Floating IPs are those of the project, IPv4 and IPv6 apart.
# Seen:      two volumes, one of them without a name: an error in the log, no record, exit code 0. --extract-to: EndTime is the time of
#            the run, and a volume made after that day is recorded too. Neutron is asked for the floating IPs of all projects, so
#            where the accounting user has the role admin each project counts those of all. Of a project with two IPv4 addresses
#            and one IPv6 the record says one, of version 6; there is no other.
# Matters:   volumes are often made without a name, and the whole project is then missing from the accounting; a month that is
#            published again counts to today. Look into the log for "cannot extract records", and compare the counts with Cinder's and Neutron's.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install caso==5.2.2
venv/bin/python - <<'PYTHON'
"""Keystone, cinder and neutron on the loopback interface; neutron lists all projects' addresses, as it does to an administrator."""

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import urllib.parse


def volume(number, name, created):
    return {"id": f"{number:08d}-0000-4000-8000-000000000000", "name": name, "size": 10, "status": "available", "user_id": "u",
            "created_at": created, "attachments": [], "metadata": {}, "links": []}  # fmt: skip


def address(text, project):
    return {"floating_ip_address": text, "created_at": "2026-01-01T00:00:00Z", "project_id": project, "tenant_id": project}


class Cloud(http.server.BaseHTTPRequestHandler):
    volumes = []
    addresses = []

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

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        root = f"http://127.0.0.1:{self.server.server_port}"
        urls = {"identity": "/v3", "network": "/neutron", "volumev3": "/cinder/v3/p", "block-storage": "/cinder/v3/p"}
        catalog = [
            {"type": kind, "name": kind, "id": kind, "endpoints": [
                {"id": kind, "interface": "public", "region": "R", "region_id": "R", "url": root + url}]}
            for kind, url in urls.items()
        ]  # fmt: skip
        self.reply(201, {"token": {
            "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z",
            "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}, "roles": [], "catalog": catalog,
            "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}}}})  # fmt: skip

    def do_GET(self):
        path, _, query = self.path.partition("?")
        root = f"http://127.0.0.1:{self.server.server_port}"
        asked = dict(urllib.parse.parse_qsl(query))
        if path.endswith("/volumes/detail"):
            self.reply(200, {"volumes": self.volumes})
        elif path.endswith("/floatingips"):
            project = asked.get("project_id", asked.get("tenant_id"))
            self.reply(200, {"floatingips": [each for each in self.addresses if project in (None, each["project_id"])]})
        elif path.rstrip("/") == "/v3":
            self.reply(200, {"version": {"id": "v3", "status": "stable", "links": [{"rel": "self", "href": root + path}]}})
        elif path.startswith("/v3/projects"):
            project = {"id": "p", "name": "p", "VO": "ops", "domain_id": "d", "enabled": True, "links": {}}
            self.reply(200, {"project": project} if path.endswith("/p") else {"projects": [], "links": {}})
        elif path.startswith("/v3/users"):
            self.reply(200, {"user": {"id": "u", "name": "user"}, "users": []})
        else:
            self.reply(200, {"versions": []})


cloud = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=cloud.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
runs = 0


def run(extractor, *options):
    """What lies in the directory for ssm after a run in a new place, and whether the log has an error."""
    global runs
    runs += 1
    home = pathlib.Path(str(runs)).absolute()
    home.mkdir()
    (home / "caso.conf").write_text(f"""
[DEFAULT]
site_name = EXAMPLE-SITE
service_name = cloud
projects = p
extractor = {extractor}
messengers = ssm
spooldir = {home}/spool
lock_path = {home}
log_file = {home}/log
[keystone_auth]
auth_type = v3password
auth_url = http://127.0.0.1:{cloud.server_port}/v3
username = u
password = secret
user_domain_id = d
[ssm]
output_path = {home}/outgoing
""")
    command = ["venv/bin/caso-extract", "--config-file", home / "caso.conf", *options]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    if done.returncode:
        sys.exit(f"CHANGED: exit code {done.returncode}")
    return "".join(path.read_text() for path in home.glob("outgoing/*/*")), " ERROR " in (home / "log").read_text()


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def storage(*options):
    """Start and end of each record, as days, and whether the log has an error."""
    text, error = run("cinder", *options)
    return re.findall(r"StartTime>([\d-]+)T", text), re.findall(r"EndTime>([\d-]+)T", text), error


OLD = "2026-08-01T00:00:00.000000"
Cloud.volumes = [volume(1, "data", OLD), volume(2, "more", OLD)]
starts, _, error = storage()
compare("two volumes with names: records, error", (len(starts), error), (2, False))
Cloud.volumes = [volume(1, "data", OLD), volume(2, None, OLD)]
starts, _, error = storage()
compare("one of them without: records, error", (len(starts), error), (0, True))
Cloud.volumes = [volume(1, "data", OLD), volume(2, "more", "2026-10-20T00:00:00.000000")]
starts, ends, _ = storage("--extract-from", "2026-09-01", "--extract-to", "2026-10-01")
compare("September: starts of records", starts, ["2026-09-01", "2026-10-20"])
compare("September: records that end after it", sum(end > "2026-10-01" for end in ends), 2)


def counted():
    """Version and number of addresses in each record."""
    return [(each["IPVersion"], each["IPCount"]) for each in json.loads(run("neutron")[0])["UsageRecords"]]


Cloud.addresses = [address("192.0.2.1", "p"), address("192.0.2.2", "p"), *(address(f"198.51.100.{n}", "q") for n in range(5))]
compare("two addresses of this project, five of another: version and number", counted(), [(4, 7)])
Cloud.addresses = [address("192.0.2.1", "p"), address("192.0.2.2", "p"), address("2001:db8::1", "p")]
compare("two of version 4 and one of version 6: version and number", counted(), [(6, 1)])
PYTHON
