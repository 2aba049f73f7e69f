#!/bin/bash
# cASO goes on behind what it could not read or hand over: the next run begins after it, the exit code is 0.
#
# Software:  caso 5.2.2 (PyPI), its nova extractor, its messengers ssm and logstash. Seen 2026-11-29.
# Expected:  a run in which nova answers 503, or a messenger fails, ends with an error, or leaves its "lastrun" file as it was,
#            so that the next run asks for that time again. One messenger's failure is none of the other's.
# Seen:      nova answers 503: a traceback in the log, exit code 0, no record, and lastrun.<project> is set to now; the next run
#            asks nova for what has changed since then, and a machine that was deleted before is in no record for ever.
#            messengers = logstash,ssm: logstash is connected to and gets nothing (the messenger takes the list of records for a
#            dictionary), ssm gets nothing either, lastrun is moved, exit code 0. In the other order ssm gets its records.
# Matters:   machines that end while nova cannot be asked stay "started" in the accounting, or are missing from it. The next
#            publication is fresh, so a check of the portal's dates is green, and so is one of the exit code: look into the
#            log for "cannot extract records", and publish such days again with --extract-from.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install caso==5.2.2
venv/bin/python - <<'PYTHON'
"""Keystone, nova, glance and neutron on the loopback interface, with one machine that was deleted an hour ago."""

import datetime
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

UTC = datetime.timezone.utc
NOW = datetime.datetime.now(UTC).replace(microsecond=0)
MACHINE = "11111111-1111-1111-1111-111111111111"


def ago(**time):
    return (NOW - datetime.timedelta(**time)).isoformat().replace("+00:00", "Z")


DELETED = {
    "id": MACHINE, "name": "vm", "status": "DELETED", "user_id": "u", "tenant_id": "p", "addresses": {}, "image": "",
    "flavor": {"id": "f"}, "created": ago(hours=5), "updated": ago(hours=1), "OS-SRV-USG:launched_at": ago(hours=5),
    "OS-SRV-USG:terminated_at": ago(hours=1),
}  # fmt: skip


class Cloud(http.server.BaseHTTPRequestHandler):
    nova_works = True

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
        urls = {"identity": "/v3", "compute": "/nova/v2.1", "image": "/glance", "network": "/neutron"}
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
        if path.startswith("/nova") and not self.nova_works:
            self.reply(503, {"computeFault": {"code": 503, "message": "no database"}})
        elif path.endswith("/servers/detail"):
            since = urllib.parse.parse_qs(query)["changes-since"][0]
            print("nova is asked for changes since", "1970" if since.startswith("1970") else "the run before")
            then = datetime.datetime.fromisoformat(since)
            changed = datetime.datetime.fromisoformat(DELETED["updated"]) >= (then if then.tzinfo else then.replace(tzinfo=UTC))
            self.reply(200, {"servers": [DELETED] if changed else []})
        elif "/os-simple-tenant-usage" in path:
            self.reply(200, {"tenant_usage": {}})
        elif path.endswith("/flavors/detail"):
            self.reply(200, {"flavors": []})
        elif path.endswith("/images"):
            self.reply(200, {"images": []})
        elif path.rstrip("/") in ("/v3", "/nova/v2.1"):
            version = {"id": path[-4:].strip("/"), "status": "stable", "links": [{"rel": "self", "href": root + path}]}
            self.reply(200, {"version": version})
        elif path.startswith("/v3/projects"):
            project = {"id": "p", "name": "p", "VO": "ops", "domain_id": "d", "enabled": True, "links": {}}
            self.reply(200, {"project": project} if path.endswith("/p") else {"projects": [], "links": {}})
        elif path.startswith("/v3/users"):
            self.reply(200, {"user": {"id": "u", "name": "user"}, "users": []})
        else:
            self.reply(200, {"networks": [], "floatingips": [], "routers": [], "versions": []})


cloud = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=cloud.serve_forever, daemon=True).start()
logstash = socket.create_server(("127.0.0.1", 0))
sent = []


def listen():
    while True:
        peer, _ = logstash.accept()
        with peer:
            sent.append(0)
            while piece := peer.recv(65536):
                sent[-1] += len(piece)


threading.Thread(target=listen, daemon=True).start()


def run(directory, messengers="ssm"):
    """The exit code, whether lastrun was moved to now, and what lies in the directory for ssm."""
    home = pathlib.Path(directory).absolute()
    home.mkdir(exist_ok=True)
    (home / "caso.conf").write_text(f"""
[DEFAULT]
site_name = EXAMPLE-SITE
service_name = cloud
projects = p
extractor = nova
messengers = {messengers}
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
[logstash]
host = 127.0.0.1
port = {logstash.getsockname()[1]}
""")
    done = subprocess.run(
        ["venv/bin/caso-extract", "--config-file", home / "caso.conf"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )
    last = home / "spool/lastrun.p"
    moved = last.exists() and datetime.datetime.fromisoformat(last.read_text()) > NOW
    texts = [path.read_text() for path in home.glob("outgoing/*/*")]
    got = (done.returncode, "lastrun moved" if moved else "lastrun as it was", sum(MACHINE in text for text in texts))
    print("  exit code %d, %s, messages with the machine: %d" % got)
    return got


def compare(what, got, expected):
    if got != expected:
        sys.exit(f"CHANGED: {what} was {expected}")


print("nova answers 503")
Cloud.nova_works = False
compare("with nova answering 503", run("outage"), (0, "lastrun moved", 0))
print("nova works again")
Cloud.nova_works = True
time.sleep(2)
compare("the run after it", run("outage"), (0, "lastrun moved", 0))
print("another cASO that never saw the outage")
compare("without an outage", run("control"), (0, "lastrun moved", 1))
for messengers, expected in (("ssm,logstash", 1), ("logstash,ssm", 0)):
    print("messengers =", messengers)
    compare(messengers, run(messengers, messengers), (0, "lastrun moved", expected))
    print("  bytes that logstash got, for each connection:", sent)
if sent != [0, 0]:
    sys.exit("CHANGED: logstash got no bytes over two connections")
PYTHON
