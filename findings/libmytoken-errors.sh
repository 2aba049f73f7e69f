#!/bin/bash
# libmytoken: it cannot be imported as installed, its get() drops a rotated mytoken, and a refusal without description is a KeyError.
#
# Software:  libmytoken 0.1.0, PyJWT 2.15.1 (PyPI); a few lines in the place of a mytoken server. Seen 2026-11-29.
# Expected:  pip brings what the library needs. get() of an access token that comes with a new mytoken, as servers that rotate them
#            send it ("token_update"), hands that on, or fails. Whatever is refused raises MytokenError, also where there is no
#            "error_description", which is optional (RFC 6749 section 5.2), and where a page comes.
# Seen:      with libmytoken pip brings neither requests nor PyJWT, which it imports: ModuleNotFoundError. get() returns the access token
#            as a text, and the new mytoken is in the answer of api_get() alone. {"error": "invalid_token"}: KeyError
#            'error_description'; a page of HTML, with 500 or with 200: JSONDecodeError, without the status. Both fields: MytokenError.
# Matters:   a robot that asks with get() works once: the mytoken that it still has is void, and a server may revoke the whole family
#            when it comes again. "except MytokenError" does not see a proxy's page. Use api_get(), and store what it brings.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install libmytoken==0.1.0
if venv/bin/python -c "import libmytoken" 2> said; then echo "CHANGED: it could not be imported" >&2; exit 1; fi
echo "libmytoken alone: $(tail -1 said)"
grep -q ModuleNotFoundError said || { echo "CHANGED: it was ModuleNotFoundError" >&2; exit 1; }
venv/bin/pip -q --disable-pip-version-check install PyJWT==2.15.1 requests==2.32.5
venv/bin/python -W ignore - <<'PYTHON'
import http.server
import json
import sys
import threading

from libmytoken import MytokenServer


class Mytoken(http.server.BaseHTTPRequestHandler):
    status, body = 200, ""

    def log_message(self, *_):
        pass

    def do_GET(self):
        root = f"http://127.0.0.1:{self.server.server_port}"
        self.answer(200, json.dumps({"issuer": root, "access_token_endpoint": f"{root}/token/access"}))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(Mytoken.status, Mytoken.body)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mytoken)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = MytokenServer(f"http://127.0.0.1:{server.server_port}").AccessToken
ROTATED = '{"access_token": "access", "token_type": "Bearer", "expires_in": 3600, "token_update": {"mytoken": "new"}}'
for case, function, status, body, expected in (
    ("rotated", "get", 200, ROTATED, "access"),
    ("rotated", "api_get", 200, ROTATED, str(json.loads(ROTATED))),
    ("refused, described", "get", 401, '{"error": "invalid_token", "error_description": "expired"}', "MytokenError invalid_token: expired"),
    ("refused", "get", 401, '{"error": "invalid_token"}', "KeyError 'error_description'"),
    ("a page", "get", 500, "<html>", "JSONDecodeError Expecting value: line 1 column 1 (char 0)"),
    ("a page", "get", 200, "<html>", "JSONDecodeError Expecting value: line 1 column 1 (char 0)"),
):
    Mytoken.status, Mytoken.body = status, body
    try:
        got = str(getattr(endpoint, function)("mytoken"))
    except Exception as error:
        got = f"{type(error).__name__} {error}"
    print(f"{case} ({status}), {function}(): {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
