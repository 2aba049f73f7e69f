#!/bin/bash
# fedcloudclient gives up where Keystone refuses the protocol "openid", and never asks for "oidc"; a renewed token stays expired.
#
# Software:  fedcloudclient 1.4.7 (PyPI), its functions for other programs. Seen 2026-11-29.
# Expected:  get_unscoped_token() tries the protocols openid and oidc ("all protocols if needed"), as sites have the one or the
#            other. An OIDCToken that is asked about another token looks at that one.
# Seen:      what the first protocol's refusal raises is not what the loop catches: 401 or 404 for openid ends it with
#            TokenException, and oidc is not asked. OIDCToken keeps the claims of the first token it was shown:
#            check_token() of a renewed token says that it is expired.
# Matters:   a site with "oidc" alone seems to refuse the user ("you probably do not have access"). A service that keeps its
#            OIDCToken is without a token from the first expiry until it is started again: make a new object for each token.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install fedcloudclient==1.4.7
mkdir home
HOME="$PWD/home" venv/bin/python - <<'PYTHON'
import http.server
import sys
import threading
import time

import jwt
from fedcloudclient import auth, endpoint
from fedcloudclient.exception import TokenError


class Keystone(http.server.BaseHTTPRequestHandler):
    """Knows one protocol alone."""

    known, refusal, asked = "", 401, []

    def log_message(self, *_):
        pass

    def do_POST(self):
        protocol = self.path.rpartition("/protocols/")[2].partition("/")[0]
        self.asked.append(protocol)
        self.send_response(201 if protocol == self.known else self.refusal)
        self.send_header("X-Subject-Token", "unscoped")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


keystone = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keystone)
threading.Thread(target=keystone.serve_forever, daemon=True).start()


def changed(what):
    sys.exit(f"CHANGED: {what}")


for known, refusal, expected in (
    ("openid", 401, ("('unscoped', 'openid')", ["openid"])),
    ("oidc", 401, ("TokenException", ["openid"])),
    ("oidc", 404, ("TokenException", ["openid"])),
):
    Keystone.known, Keystone.refusal = known, refusal
    Keystone.asked.clear()
    try:
        got = str(endpoint.get_unscoped_token(f"http://127.0.0.1:{keystone.server_port}/v3", "access-token"))
    except Exception as error:
        got = type(error).__name__
    print(f"a Keystone with {known}, {refusal} for others: {got}, asked for {Keystone.asked}")
    if (got, Keystone.asked) != expected:
        changed(f"it was {expected}")


def token(seconds):
    claims = {"sub": "user", "iss": "https://127.0.0.1/", "exp": int(time.time()) + seconds}
    return jwt.encode(claims, "k" * 32)


def check(judge, text):
    try:
        judge.check_token(text)
    except TokenError as error:
        return str(error).split(" in ")[0]
    return "valid"


expired, renewed = token(-60), token(3600)
kept = auth.OIDCToken()
got = [check(kept, expired), check(kept, renewed)]
print("one object, an expired token, then a renewed one:", *got, sep="\n  ")
print("a new object, the renewed one:", check(auth.OIDCToken(), renewed))
if got != ["Error: Expired access token"] * 2:
    changed("the second token was judged by the first")
if check(auth.OIDCToken(), renewed) != "valid":
    changed("the renewed token by itself was valid")
PYTHON
