#!/bin/bash
# Where clouds.yaml names the cloud, openstacksdk ignores OS_REGION_NAME, OS_PROJECT_ID, OS_ACCESS_TOKEN; "openstack" takes them.
#
# Software:  openstacksdk 4.22.0 (openstack.connect()), python-openstackclient 10.3.0, keystoneauth1 5.18.1. Seen 2026-11-28.
# Expected:  one rule of precedence in the program and in the library below it: the environment refines what the file says,
#            the more so where the file says nothing of the matter; and a variable that is set is not "not given".
# Seen:      clouds.yaml with one cloud (v3oidcaccesstoken, no region_name), OS_CLOUD naming it. Of two regions in the catalog:
#            OS_REGION_NAME=RB    the program asks RB; connect() asks RA, the first of the catalog, and is content.
#            OS_PROJECT_ID=other  the program scopes to "other"; connect() to the project of the file.
#            OS_ACCESS_TOKEN=t    and no token in the file: the program works; connect() says "requires parameters which
#                                 were not given: access_token".
#            Without OS_CLOUD connect() takes the only cloud there is; but if OS_PROJECT_ID is set too, it does not, and
#            says that auth_url was not given.
# Matters:   what an operator tried by hand with "openstack" is not what a script with connect() asks: another region or
#            project, and no error. Hand all of it over as arguments, connect(cloud=..., region_name=...).
set -eu
work=$(mktemp -d)
stub=
trap '[ -z "$stub" ] || kill "$stub" 2>/dev/null; wait; rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 keystoneauth1==5.18.1 python-openstackclient==10.3.0

cat > stub.py <<'PYTHON'
"""Keystone with a nova in regions RA (first in the catalog) and RB, on the loopback interface."""

import http.server
import json


class Stub(http.server.BaseHTTPRequestHandler):
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
        root = f"http://127.0.0.1:{self.server.server_port}"
        if path.endswith(("/auth", "/auth/tokens")):
            public = [{"id": r, "interface": "public", "region": r, "region_id": r} for r in ("RA", "RB")]
            nova = [{**each, "url": f"{root}/{each['id']}/v2.1"} for each in public]
            keystone = [{**each, "url": f"{root}/v3"} for each in public]
            token = {
                "methods": ["token"],
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
                "roles": [],
                "catalog": [
                    {"id": "n", "type": "compute", "name": "nova", "endpoints": nova},
                    {"id": "k", "type": "identity", "name": "keystone", "endpoints": keystone},
                ],
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
        with open("asked", "a") as log:
            if project:
                print("project", project, file=log)
            if path.endswith("/servers/detail"):
                print("region", path.split("/")[1], file=log)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 stub.py > port &
stub=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.2; done

cat > connect.py <<'PYTHON'
import openstack

try:
    list(openstack.connect().compute.servers())
except Exception as exc:
    print(exc)
PYTHON
compare() { # program or connect(), token in the file, environment, expected
    { printf 'clouds:\n  site:\n    auth_type: v3oidcaccesstoken\n    auth:\n      auth_url: http://127.0.0.1:%s/v3\n' "$(cat port)"
      printf '      identity_provider: egi.eu\n      protocol: openid\n      project_id: mine\n'
      [ -z "$2" ] || echo "      access_token: $2"; } > clouds.yaml
    : > asked
    what=(venv/bin/python -W ignore connect.py)
    [ "$1" = "connect()" ] || what=(venv/bin/openstack server list --no-name-lookup)
    # shellcheck disable=SC2086
    env -i HOME="$work" PATH="$PATH" $3 "${what[@]}" > said 2>&1 || true
    got=$(sort -u asked | paste -sd,)
    [ -n "$got" ] || got=$(tail -n 1 said)
    echo "$1 with $3, token in the file: ${2:-none}: $got"
    [ "$got" = "$4" ] || changed "it was $4"
}
missing="Auth plugin requires parameters which were not given:"
compare openstack t "OS_CLOUD=site OS_REGION_NAME=RB" "project mine,region RB"
compare "connect()" t "OS_CLOUD=site OS_REGION_NAME=RB" "project mine,region RA"
compare openstack t "OS_CLOUD=site OS_PROJECT_ID=other" "project other,region RA"
compare "connect()" t "OS_CLOUD=site OS_PROJECT_ID=other" "project mine,region RA"
compare openstack "" "OS_CLOUD=site OS_ACCESS_TOKEN=t" "project mine,region RA"
compare "connect()" "" "OS_CLOUD=site OS_ACCESS_TOKEN=t" "$missing access_token"
compare "connect()" t "LANG=C" "project mine,region RA"
compare "connect()" t "OS_PROJECT_ID=mine" "$missing auth_url"
