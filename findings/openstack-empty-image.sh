#!/bin/bash
# openstack image create: after one 503 to the upload the image is uploaded again, empty, and becomes active, exit code 0.
#
# Software:  python-openstackclient 10.5.0, openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-29.
# Expected:  a 503 to the upload of an image's data is tried again with the same data, or ends the command with an error.
# Seen:      503 to the first PUT of 100000 bytes, which was read to its end: "Retriable status code 503. Retrying in 0.5s", then a PUT
#            of 0 bytes, as the file is at its end already. Glance takes it: status active, size 0, exit code 0.
#            create_image() of openstacksdk: returns an image, with wait=True an active one of size 0; with
#            validate_checksum=True it raises SDKException, and deletes the image.
#            Refused with 413 the command ends with 1, and deletes the image.
# Matters:   a restart of glance-api behind its proxy while an image is uploaded makes an image that no machine boots from, by a
#            job that ended well. Compare "size" and "os_hash_value" with the file afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-openstackclient==10.5.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python -W ignore - <<'PYTHON'
"""Keystone and Glance on the loopback interface; Glance refuses the first upload of each image, and takes the second."""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

NEW = {"id": "11111111-1111-1111-1111-111111111111", "name": "image", "status": "queued", "size": None, "checksum": None,
       "disk_format": "raw", "container_format": "bare", "visibility": "private", "tags": [], "min_disk": 0, "min_ram": 0,
       "protected": False, "owner": "p", "schema": "/v2/schemas/image", "file": "/v2/images/1/file",
       "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}  # fmt: skip


class Cloud(http.server.BaseHTTPRequestHandler):
    image = dict(NEW)
    uploads = []
    deleted = 0
    refusal = 503

    def log_message(self, *_):
        pass

    def reply(self, code, body=b""):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Subject-Token", "t")
        if code != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_GET(self):
        data, root = self.read(), f"http://127.0.0.1:{self.server.server_port}"
        path = self.path.partition("?")[0].rstrip("/")
        if path.endswith("/auth/tokens"):
            endpoint = {"id": "g", "interface": "public", "region": "R", "region_id": "R", "url": root + "/glance"}
            self.reply(201, {"token": {
                "methods": ["password"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
                "catalog": [{"type": "image", "name": "glance", "id": "g", "endpoints": [endpoint]}]}})  # fmt: skip
        elif path == "/v3":
            self.reply(200, {"version": {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": root + "/v3/"}]}})
        elif path == "/glance":
            links = [{"rel": "self", "href": root + "/glance/v2/"}]
            self.reply(300, {"versions": [{"id": "v2.15", "status": "CURRENT", "links": links}]})
        elif path.endswith("/file"):
            Cloud.uploads.append(len(data))
            if len(Cloud.uploads) == 1:
                self.reply(Cloud.refusal)
            else:
                digests = {"checksum": hashlib.md5(data).hexdigest(), "os_hash_value": hashlib.sha512(data).hexdigest()}
                Cloud.image |= {"status": "active", "size": len(data), "os_hash_algo": "sha512", **digests}
                self.reply(204)
        elif self.command == "DELETE":
            Cloud.deleted += 1
            self.reply(204)
        elif self.command == "POST":
            self.reply(201, Cloud.image)
        else:
            self.reply(200, Cloud.image if path.endswith(NEW["id"]) else {"images": []})

    do_POST = do_PUT = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
auth = {"auth_url": f"http://127.0.0.1:{server.server_port}/v3", "username": "u", "password": "secret", "project_name": "p",
        "user_domain_id": "d", "project_domain_id": "d"}  # fmt: skip
environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
environment |= {"OS_" + name.upper(): value for name, value in auth.items()} | {"OS_IDENTITY_API_VERSION": "3"}
pathlib.Path("image").write_bytes(b"x" * 100000)

import openstack


def command():
    asked = ["venv/bin/openstack", "image", "create", "--file", "image", "image", "-f", "json", "-c", "status", "-c", "size"]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=300)
    return f"exit code {done.returncode} {json.dumps(json.loads(done.stdout), sort_keys=True) if done.stdout else ''}".strip()


def library(**options):
    connection = openstack.connect(auth=auth, region_name="R", load_yaml_config=False, load_envvars=False)
    try:
        image = connection.create_image("image", filename="image", disk_format="raw", container_format="bare", **options)
    except openstack.exceptions.SDKException:
        return "SDKException"
    return f"{image.status}, size {image.size}"


EMPTY = [100000, 0]
for what, call, refusal, expected in (
    ("openstack image create, 503", command, 503, ('exit code 0 {"size": 0, "status": "active"}', EMPTY, 0)),
    ("openstack image create, 413", command, 413, ("exit code 1", [100000], 1)),
    ("create_image(wait=True), 503", lambda: library(wait=True), 503, ("active, size 0", EMPTY, 0)),
    ("create_image(validate_checksum=True), 503", lambda: library(validate_checksum=True), 503, ("SDKException", EMPTY, 1)),
):
    Cloud.image, Cloud.uploads, Cloud.deleted, Cloud.refusal = dict(NEW), [], 0, refusal
    got = (call(), Cloud.uploads, Cloud.deleted)
    print(f"{what}: {got[0]}; bytes of each upload {got[1]}, deletions {got[2]}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
