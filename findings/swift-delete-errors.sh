#!/bin/bash
# swift delete: a large object or objects of which Swift has deleted nothing are printed as deleted, with exit code 0.
#
# Software:  python-swiftclient 4.11.0, openstacksdk 4.22.0 (PyPI). Seen 2026-11-29. The answers are those of Swift 2.30.1, which
#            says 200 before it begins, and what became of it in the body ("Response Status", "Errors").
# Expected:  "swift delete" of what Swift could not delete prints "Error Deleting" and ends with 1, as it does for a 503 to a DELETE;
#            delete_object() of openstacksdk raises, or returns False for an object that is not there, as its documentation says.
# Seen:      of a static large object whose manifest could not be read, or one of whose segments may not be deleted: the name on
#            stdout, exit code 0, nothing on stderr; True. The body is not looked at.
#            of 25 objects at once, which ended with "500 Internal Error" before the first: 25 names, exit code 0.
#            delete_object() of a small object that is answered with 403 or 503: False, as if it were not there.
# Matters:   a clean-up job is green while the project's quota fills up, and what it printed as deleted is not. List the container
#            afterwards, that of the segments too.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-swiftclient==4.11.0 openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python -W ignore - <<'PYTHON'
"""A Swift of which the object "large" is a static large object; it deletes nothing and says so."""

import http.server
import json
import os
import subprocess
import sys
import threading

MANIFEST = ("400 Bad Request", "", 0, [["/c/large", "Unable to load SLO manifest or segment."]])
SEGMENT = ("400 Bad Request", "", 1, [["/c_segments/large/2", "403 Forbidden"]])
BEFORE = ("500 Internal Error", "", 0, [])
JSON = "application/json"


class Swift(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    outcome = MANIFEST
    refusal = None

    def log_message(self, *_):
        pass

    def reply(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_of_bulk(self):
        status, text, number, errors = self.outcome
        told = {"Number Deleted": number, "Number Not Found": 0, "Response Body": text, "Response Status": status}
        if self.headers.get("Accept") == JSON:
            self.reply(200, json.dumps({**told, "Errors": errors}).encode(), Content_Type=JSON)
        else:
            lines = [*(f"{name}: {value}" for name, value in told.items()), "Errors:", *(", ".join(error) for error in errors)]
            self.reply(200, ("\n".join(lines) + "\n").encode(), Content_Type="text/plain")

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.endswith("/info"):
            self.reply(200, b'{"swift": {}, "bulk_delete": {"max_deletes_per_request": 10000}}', Content_Type=JSON)
        elif self.command == "HEAD":
            large = {"X_Static_Large_Object": "True"} if path.endswith("large") else {}
            self.reply(200, ETag='"0"', Content_Type="application/octet-stream", X_Timestamp="1", **large)
        elif self.refusal:
            self.reply(self.refusal)
        elif "multipart-manifest=delete" in query or "bulk-delete" in query:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.reply_of_bulk()
        else:
            self.reply(404)

    do_HEAD = do_POST = do_DELETE = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Swift)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1/AUTH_p"
environment = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "ST_"))}


def swift(*objects):
    command = ["venv/bin/swift", "--os-auth-token", "t", "--os-storage-url", url, "delete", "--object-threads", "1", "c", *objects]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, len(done.stdout.splitlines()), done.stderr.count("Error Deleting")


import openstack

connection = openstack.connect(
    auth_type="none", auth={"endpoint": url}, load_yaml_config=False, load_envvars=False, object_store_endpoint_override=url
)


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


print("swift delete: exit code, names on stdout, errors on stderr")
many = [f"{number:02}" for number in range(25)]
for what, outcome, objects, expected in (
    ("  large object, its manifest cannot be read", MANIFEST, ["large"], (0, 1, 0)),
    ("  large object, a segment is refused", SEGMENT, ["large"], (0, 1, 0)),
    ("  25 objects, Swift failed before the first", BEFORE, many, (0, 25, 0)),
):
    Swift.outcome = outcome
    compare(what, swift(*objects), expected)
Swift.refusal = 403
compare("  the same for a plain 403", swift("small"), (1, 0, 1))
print("openstacksdk: delete_object()")
compare("  small object, 403", connection.delete_object("c", "small"), False)
Swift.refusal = 503
compare("  small object, 503", connection.delete_object("c", "small"), False)
Swift.refusal = None
for what, outcome in (("  large object, its manifest cannot be read", MANIFEST), ("  large object, a segment is refused", SEGMENT)):
    Swift.outcome = outcome
    compare(what, connection.delete_object("c", "large"), True)
PYTHON
