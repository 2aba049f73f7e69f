#!/bin/bash
# openstacksdk: create_object(filename=...) says nothing of a refusal; nothing compares the MD5 that Swift tells (ETag).
#
# Software:  openstacksdk 4.22.0, python-openstackclient 10.5.0, keystoneauth1 5.18.1, python-swiftclient 4.11.0 (PyPI).
#            Seen 2026-11-29.
# Expected:  create_object() raises an HttpException where Swift refuses the object (403, 413 for the quota, 503), whether its data
#            come from a file or from memory. An ETag that is not the MD5 of what was sent or read is an error, as it is of "swift".
# Seen:      with filename= it returns None for each of them, as for a success; with data= it raises.
#            Swift answers 201 with another ETag: create_object() returns None, "openstack object create" ends with 0 and prints it.
#            Another ETag with a download: get_object(), download_object() and "openstack object save" hand out the bytes, exit
#            code 0. "swift upload" and "swift download" end with 1.
# Matters:   a backup into a project whose quota is full "succeeds" every night. Ask for the object afterwards (get_object_metadata)
#            and compare etag and content-length with the file, or use swift.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 python-openstackclient==10.5.0 keystoneauth1==5.18.1
venv/bin/pip -q --disable-pip-version-check install python-swiftclient==4.11.0
venv/bin/python -W ignore - <<'PYTHON'
"""Keystone, and a Swift that refuses the object, or tells another MD5 than that of its bytes, on the loopback interface."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

BYTES = b"an object"


class Cloud(http.server.BaseHTTPRequestHandler):
    answer = 201

    def log_message(self, *_):
        pass

    def reply(self, code, body, **headers):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content_Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def read(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self):
        self.read()
        root = f"http://127.0.0.1:{self.server.server_port}"
        path = self.path.partition("?")[0].rstrip("/")
        if path.endswith("/auth/tokens"):
            endpoint = {"id": "s", "interface": "public", "region": "R", "region_id": "R", "url": root + "/v1/AUTH_p"}
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
                "catalog": [{"type": "object-store", "name": "swift", "id": "s", "endpoints": [endpoint]}]}}, X_Subject_Token="t")  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path == "/info":
            self.reply(200, {"swift": {"max_file_size": 5368709122}, "slo": {"min_segment_size": 1}})
        elif path.endswith("/object"):
            if self.command == "PUT":
                self.reply(Cloud.answer, b"", ETag="0" * 32)
            elif self.command == "GET":
                self.reply(200, BYTES, ETag="0" * 32, Content_Type="application/octet-stream")
            else:
                self.reply(404, b"")
        else:
            self.reply(201 if self.command == "PUT" else 200, b"[]")

    do_POST = do_PUT = do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
auth = {"auth_url": f"http://127.0.0.1:{server.server_port}/v3", "username": "u", "password": "secret", "project_name": "p",
        "user_domain_id": "d", "project_domain_id": "d"}  # fmt: skip
environment = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "ST_"))}
environment |= {"OS_" + name.upper(): value for name, value in auth.items()} | {"OS_IDENTITY_API_VERSION": "3"}
pathlib.Path("object").write_bytes(BYTES)

import openstack

connection = openstack.connect(auth=auth, region_name="R", load_yaml_config=False, load_envvars=False)


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def result(call):
    try:
        return repr(call())
    except openstack.exceptions.HttpException as error:
        return f"HttpException {error.status_code}"


for Cloud.answer in (403, 413, 503, 201):
    got = result(lambda: connection.create_object("c", "object", filename="object"))
    compare(f"{Cloud.answer} to create_object(filename=)", got, "None")
    if Cloud.answer != 201:
        got = result(lambda: connection.create_object("c", "object", data=BYTES))
        compare(f"{Cloud.answer} to create_object(data=)", got, f"HttpException {Cloud.answer}")
compare("get_object(), another ETag", connection.get_object("c", "object")[1], BYTES.decode())
compare("download_object(), another ETag", connection.object_store.download_object("object", container="c"), BYTES)
for command, expected in (
    ("openstack object create c object", 0),
    ("openstack object save c object", 0),
    ("swift upload c object", 1),
    ("swift download c object", 1),
):
    done = subprocess.run(["venv/bin/" + command.split()[0], *command.split()[1:]], env=environment, capture_output=True, timeout=300)
    compare(f"{command}, another ETag: exit code", done.returncode, expected)
PYTHON
