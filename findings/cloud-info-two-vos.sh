#!/bin/bash
# cloud-info-provider, a site with two VOs: its largest machine is that of the last VO, at least 0 CPUs, and IDs come twice.
#
# Software:  cloud-info-provider 1.2.0 (PyPI), format glue21json. Seen 2026-11-29.
# Expected:  GLUE 2: an ID names one object; an image and a flavour that two shares (VOs) can use are one object each, with two
#            associations. CloudComputingManager's InstanceMaxRAM and InstanceMaxCPU are the largest of all shares, the Min ones
#            the smallest. CreationTime is yyyy-mm-ddThh:mm:ssZ. Counts of VMs are the sum over the shares.
# Seen:      one VO may start machines of 32 CPUs, the other, last in the file, of 2: the manager's InstanceMaxCPU is 2, and
#            its InstanceMinCPU and InstanceMinRAM are 0 always. The image and the small flavour that both see are two objects
#            with the same ID, each associated with one share. CreationTime is 2026-11-29T08:00:00.000000+00:00. The counts of VMs
#            are sums.
# Matters:   a reader that keeps objects by their ID loses one VO's right to the image, and a client that asks the site for its
#            largest machine finds none: look at the shares, and join what has one ID. A strict reader of GLUE 2 times refuses
#            all of it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cloud-info-provider==1.2.0
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=goc.egi.eu 2> said
venv/bin/python - <<'PYTHON'
"""A cloud on the loopback interface, and a proxy there that answers in the GOCDB's place."""

import collections
import http.server
import json
import os
import re
import socketserver
import ssl
import subprocess
import sys
import threading

SMALL = {"id": "1", "name": "small", "vcpus": 2, "ram": 4096, "disk": 20}
LARGE = {"id": "2", "name": "large", "vcpus": 32, "ram": 131072, "disk": 20}
FLAVORS = {"first": [SMALL, LARGE], "second": [SMALL]}
"""What each project may start; its id is its token too."""
IMAGE = {"id": "i", "name": "EGI Small", "status": "active", "visibility": "public", "file": "/v2/images/i/file"}


class Cloud(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, code, body, token=""):
        payload = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        if token:
            self.send_header("X-Subject-Token", token)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        project = asked["auth"]["scope"]["project"]["id"]
        root = f"http://127.0.0.1:{self.server.server_port}"
        catalog = [
            {"type": kind, "name": kind, "id": kind, "endpoints": [
                {"id": kind, "interface": "public", "region": "R", "region_id": "R", "url": root + url}]}
            for kind, url in {"identity": "/v3", "compute": "/nova/v2.1", "image": "/glance"}.items()
        ]  # fmt: skip
        domain = {"id": "default", "name": "Default"}
        self.reply(201, {"token": {
            "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z",
            "user": {"id": "u", "name": "u", "domain": domain}, "roles": [], "catalog": catalog,
            "project": {"id": project, "name": project, "domain": domain}}}, token=project)  # fmt: skip

    def do_GET(self):
        path = self.path.partition("?")[0].rstrip("/")
        project = self.headers.get("X-Auth-Token", "")
        links = [{"rel": "self", "href": f"http://127.0.0.1:{self.server.server_port}{path}"}]
        if path.endswith("/flavors/detail"):
            more = {"OS-FLV-EXT-DATA:ephemeral": 0, "os-flavor-access:is_public": True, "links": []}
            self.reply(200, {"flavors": [{**flavor, **more} for flavor in FLAVORS[project]]})
        elif path.endswith("/os-extra_specs"):
            self.reply(200, {"extra_specs": {}})
        elif path.endswith("/servers/detail"):
            servers = [] if "marker" in self.path else [{"id": project, "name": project, "status": "ACTIVE"}]
            self.reply(200, {"servers": servers})
        elif "/os-quota-sets/" in path:
            self.reply(200, {"quota_set": {"id": project, "instances": 10}})
        elif path.endswith("/images"):
            self.reply(200, {"images": [IMAGE]})
        elif path.endswith("/schemas/image"):
            self.reply(200, {"name": "image", "properties": {name: {"type": "string"} for name in IMAGE}})
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3.14", "status": "stable", "links": links}})
        else:
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1", "links": links}
            self.reply(200, {"version": version, "versions": [version]})


class Proxy(socketserver.StreamRequestHandler):
    """Takes every CONNECT, and answers with one service of one site."""

    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("cert", "key")
        with context.wrap_socket(self.connection, server_side=True) as peer:
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.recv(65536)
            body = f"""<results><SERVICE_ENDPOINT PRIMARY_KEY="1G0"><SITENAME>EXAMPLE-SITE</SITENAME>
                <URL>http://127.0.0.1:{cloud.server_port}/v3</URL><ENDPOINTS/></SERVICE_ENDPOINT></results>""".encode()
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
            peer.sendall(body)


cloud = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
for server in (cloud, proxy):
    threading.Thread(target=server.serve_forever, daemon=True).start()
with open("site.yaml", "w") as file:
    print(f"""gocdb: EXAMPLE-SITE
endpoint: http://127.0.0.1:{cloud.server_port}/v3
vos:
- name: vo.example.org
  auth: {{ project_id: first }}
- name: ops
  auth: {{ project_id: second }}""", file=file)
command = ["venv/bin/cloud-info-provider-service", "--insecure", "--os-auth-type", "v3password", "--os-username", "u"]
command += ["--os-password", "secret", "--os-user-domain-id", "default", "site.yaml"]
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}", "NO_PROXY": "127.0.0.1", "HOME": os.getcwd()}
done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
if done.returncode:
    sys.exit(done.stderr)
found = json.loads(done.stdout)


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: {what} was {expected}")


shares = [(share["InstanceMaxCPU"], share["InstanceMaxRAM"], share["TotalVM"]) for share in found["Share"]]
compare("shares: most CPUs, most MiB, VMs", shares, [(32, 131072, 1), (2, 4096, 1)])
[manager] = found["CloudComputingManager"]
limits = [manager[name] for name in ("InstanceMaxCPU", "InstanceMaxRAM", "InstanceMinCPU", "InstanceMinRAM")]
compare("manager: most CPUs, most MiB, fewest CPUs, fewest MiB", limits, [2, 4096, 0, 0])
compare("service: VMs", found["CloudComputingService"][0]["TotalVM"], 2)
for kind, expected in (("CloudComputingInstanceType", {"1": 2, "2": 1}), ("CloudComputingImage", {"i": 2})):
    compare(f"{kind}: objects of each ID", dict(collections.Counter(each["ID"] for each in found[kind])), expected)
    compare("  shares of each object", [len(each["Associations"]["Share"]) for each in found[kind]], [1] * sum(expected.values()))
form = re.sub(r"\d", "9", manager["CreationTime"])
compare("CreationTime, with 9 for every digit", form, "9999-99-99T99:99:99.999999+99:99")
PYTHON
