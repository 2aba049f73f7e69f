#!/bin/bash
# openstacksdk: "except SDKException" misses a refused login and a page of HTML; authorize() loses the 401.
#
# Software:  openstacksdk 4.22.0, keystoneauth1 5.18.1. Seen 2026-11-28.
# Expected:  what goes wrong between a call of openstacksdk and its answer is an openstack.exceptions.SDKException; of HTTP an
#            HttpException with its status_code. That is what the name of the base class and the documentation lead to.
# Seen:      a 401 of nova: HttpException, status_code 401 (after a second login).
#            a 401 of Keystone at the first call: keystoneauth1's Unauthorized, no SDKException, http_status 401.
#            the same from authorize(): a bare SDKException, no HttpException, no status but in its text.
#            a 503 of nova: HttpException; of Keystone: keystoneauth1's ServiceUnavailable.
#            status 200 with a page of HTML: JSONDecodeError of requests where nova's, keystoneauth1's InvalidResponse where
#            Keystone's.
#            status 200 with {} of nova: KeyError.
#            None of 503 is tried again, and without api_timeout a call waits for ever (session.timeout is None).
# Matters:   a monitor has to tell "token refused" (401: ours) from "service down" (theirs). By SDKException alone it does
#            neither, and a maintenance page is a traceback. Catch both families, then ValueError and KeyError.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 keystoneauth1==5.18.1

venv/bin/python -W ignore - <<'PYTHON'
"""Keystone with a nova in regions RA (first in the catalog) and RB, on the loopback interface."""

import http.server
import json
import sys
import threading


class Stub(http.server.BaseHTTPRequestHandler):
    asked = []
    answers = {}

    def log_message(self, *_):
        pass

    def reply(self, code, body, **headers):
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        path = self.path.partition("?")[0].rstrip("/")
        project = body.get("auth", {}).get("scope", {}).get("project", {}).get("id", "")
        self.note(path, project)
        for end, answer in self.answers.items():
            if path.endswith(end):
                self.reply(*answer, Content_Type="text/html")
                return
        root = f"http://127.0.0.1:{self.server.server_port}"
        if path.endswith(("/auth", "/auth/tokens")):
            nova = [{"id": r, "interface": "public", "region": r, "region_id": r, "url": f"{root}/{r}/v2.1"} for r in ("RA", "RB")]
            token = {
                "methods": ["token"],
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
                "roles": [],
                "catalog": [{"id": "n", "type": "compute", "name": "nova", "endpoints": nova}],
            }
            self.reply(201, {"token": token}, X_Subject_Token="t")
        elif path.endswith("/v2.1"):
            links = [{"rel": "self", "href": root + path}]
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.90", "min_version": "2.1", "links": links}
            self.reply(200, {"version": version})
        elif path.endswith("/servers/detail"):
            self.reply(200, {"servers": []})
        else:
            self.reply(404, {})

    do_POST = do_GET

    def note(self, path, project):
        self.asked.append(path)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()

import openstack
from openstack.exceptions import HttpException, SDKException


def connect():
    url = f"http://127.0.0.1:{server.server_port}/v3"
    auth = {"auth_url": url, "application_credential_id": "i", "application_credential_secret": "s"}
    return openstack.connect(
        auth_type="v3applicationcredential", auth=auth, region_name="RA", load_yaml_config=False, load_envvars=False
    )


def servers(connection):
    list(connection.compute.servers())


def seen(what, call, answers, expected):
    Stub.answers, connection = answers, connect()
    try:
        call(connection)
        got = "no error"
    except Exception as exc:
        status = getattr(exc, "status_code", None) or getattr(exc, "http_status", None)
        kind = f"{type(exc).__module__.partition('.')[0]} {type(exc).__name__}"
        got = f"{kind}, SDKException {isinstance(exc, SDKException)}, HttpException {isinstance(exc, HttpException)}, status {status}"
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: {what} was {expected}")


html = "<html>Down for maintenance</html>"
http_exception = "openstack HttpException, SDKException True, HttpException True, status"
foreign = "SDKException False, HttpException False, status"
seen("nova 401", servers, {"/detail": (401, html)}, f"{http_exception} 401")
seen("Keystone 401", servers, {"/auth/tokens": (401, html)}, f"keystoneauth1 Unauthorized, {foreign} 401")
bare = "openstack SDKException, SDKException True, HttpException False, status None"
seen("authorize() 401", lambda connection: connection.authorize(), {"/auth/tokens": (401, html)}, bare)
Stub.asked.clear()
seen("nova 503", servers, {"/detail": (503, html)}, f"{http_exception} 503")
tries = sum(path.endswith("/detail") for path in Stub.asked)
seen("Keystone 503", servers, {"/auth/tokens": (503, html)}, f"keystoneauth1 ServiceUnavailable, {foreign} 503")
seen("nova 200 with HTML", servers, {"/detail": (200, html)}, f"requests JSONDecodeError, {foreign} None")
seen("Keystone 200 with HTML", servers, {"/auth/tokens": (200, html)}, f"keystoneauth1 InvalidResponse, {foreign} None")
seen("nova 200 with {}", servers, {"/detail": (200, "{}")}, f"builtins KeyError, {foreign} None")
print(f"a 503 is tried {tries} time(s), time-out of the session {connect().session.timeout}")
if tries != 1 or connect().session.timeout is not None:
    sys.exit("CHANGED: a 503 was tried once, and there was no time-out")
PYTHON
