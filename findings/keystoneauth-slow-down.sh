#!/bin/bash
# keystoneauth1: a device login ends with the first "slow_down"; of all refusals the reason is lost.
#
# Software:  keystoneauth1 5.18.1 (PyPI), its plugin v3oidcdeviceauthz. Seen 2026-11-29.
# Expected:  while somebody types the code into a browser, "authorization_pending" and "slow_down" go on, the second with five seconds
#            more between two requests (RFC 8628 section 3.5). Else the exception has the issuer's error: access_denied,
#            expired_token, or its description.
# Seen:      authorization_pending goes on. slow_down: BadRequest "Unrecognized schema in response body. (HTTP 400)", and the same for
#            access_denied and expired_token, whatever their error_description. A 503 between two requests: ServiceUnavailable.
#            A 400 with a page of HTML: JSONDecodeError, which is no ClientException.
# Matters:   an issuer that asks for patience ends the login of a person who was about to confirm it, with a sentence that looks like
#            a broken site. error.response.json()["error"] of the exception has the reason.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install keystoneauth1==5.18.1
venv/bin/python -W ignore - <<'PYTHON' 2>&1
"""Keystone, and an issuer of tokens that answers each request of the poll as told, on the loopback interface."""

import http.server
import json
import sys
import threading

from keystoneauth1 import exceptions, session
from keystoneauth1.identity.v3 import oidc


class Peers(http.server.BaseHTTPRequestHandler):
    answers = []
    polls = 0

    def log_message(self, *_):
        pass

    def reply(self, code, body, kind="application/json"):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("X-Subject-Token", "keystone's token")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        root = f"http://127.0.0.1:{self.server.server_port}"
        if self.path.endswith("/.well-known/openid-configuration"):
            self.reply(200, {
                "issuer": root, "token_endpoint": root + "/token", "authorization_endpoint": root + "/authorize",
                "device_authorization_endpoint": root + "/device"})  # fmt: skip
        elif self.path == "/device":
            page = root + "/confirm"
            self.reply(200, {"device_code": "d", "user_code": "CODE", "verification_uri": page, "expires_in": 600, "interval": 1})
        elif self.path == "/token":
            Peers.polls += 1
            self.reply(*Peers.answers.pop(0))
        else:
            self.reply(201, {"token": {
                "methods": ["openid"], "issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2099-01-01T00:00:00.0Z", "roles": [],
                "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}, "catalog": []}})  # fmt: skip

    do_POST = do_GET


def refused(error, description):
    return (400, {"error": error, "error_description": description})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peers)
threading.Thread(target=server.serve_forever, daemon=True).start()
root = f"http://127.0.0.1:{server.server_port}"
PENDING, SLOW = refused("authorization_pending", "not yet"), refused("slow_down", "five seconds more")
GOOD = (200, {"access_token": "a", "token_type": "Bearer", "expires_in": 3600})
NO_REASON = "BadRequest, ClientException True: Unrecognized schema in response body. (HTTP 400)"
for what, answers, expected, polls in (
    ("pending, then good", [PENDING, GOOD], "keystone's token", 2),
    ("pending, slow_down, then good", [PENDING, SLOW, GOOD], NO_REASON, 2),
    ("access_denied", [refused("access_denied", "the user said no")], NO_REASON, 1),
    ("expired_token", [refused("expired_token", "the code has expired")], NO_REASON, 1),
    ("503, then good", [(503, b"<html>", "text/html"), GOOD], "ServiceUnavailable, ClientException True: Service Unavailable (HTTP 503)", 1),
    ("400 with a page", [(400, b"<html>", "text/html")], "JSONDecodeError, ClientException False", 1),
):
    Peers.answers, Peers.polls = list(answers), 0
    plugin = oidc.OidcDeviceAuthorization(
        auth_url=root + "/v3", identity_provider="egi.eu", protocol="openid", client_id="client", client_secret="secret",
        discovery_endpoint=root + "/.well-known/openid-configuration"
    )  # fmt: skip
    try:
        got = plugin.get_token(session.Session())
    except Exception as error:
        is_one = isinstance(error, exceptions.ClientException)
        got = f"{type(error).__name__}, ClientException {is_one}" + (f": {error}" if is_one else "")
    print(f"{what}: {got} ({Peers.polls} polls)")
    if (got, Peers.polls) != (expected, polls):
        sys.exit(f"CHANGED: it was {expected} ({polls} polls)")
PYTHON
