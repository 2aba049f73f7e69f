#!/bin/bash
# passify and icinga-pusher: a result that Icinga refused, for a wrong password or too few permissions, is lost with exit code 0.
#
# Software:  icinga-passify 0.1, icinga-pusher 0.1.12 (both PyPI). Seen 2026-11-30.
# Expected:  who runs them from cron or behind a backup learns from the exit code, or an exception, that Icinga did not take the result.
#            Performance data are those of all lines, and the text has no "|".
# Seen:      answer of Icinga      passify                        push_state()
#            200                   0                              returns
#            401, 403, 503         0, nothing on stdout, stderr   returns, a warning by way of logging
#            404, 500              a traceback, 1                 returns, a warning
#            nobody listens        a traceback, 1                 returns, a warning
#            "OK | a=1", "long", "more | b=2":  the text is "OK ", performance data are "a=1", a line break, "long", a line break, "more "
#            a plugin that is not there: a traceback, 1, and nothing is sent, though one that was killed is sent as UNKNOWN
# Matters:   a password that was changed on the monitor silences all passive checks of a machine, each of which says that it went well;
#            only a freshness check (ttl) tells. Look at last_check of each service, and give a ttl.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install icinga-passify==0.1 icinga-pusher==0.1.12
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=localhost 2> said
cat > plugin <<'PLUGIN'
#!/bin/sh
printf 'OK | a=1\nlong\nmore | b=2\n'
PLUGIN
cat > killed <<'PLUGIN'
#!/bin/sh
kill -9 $$
PLUGIN
chmod 755 plugin killed
cat > push.py <<'PYTHON'
import sys

import requests
from icinga_pusher import Icinga

post = requests.post
requests.post = lambda url, **more: post(url.replace(":5665/", f":{sys.argv[1]}/"), **more)
service = Icinga("https://127.0.0.1", "passive", "secret", ssl_verify=False).service("site", "backup")
print("returned", service.push_state(Icinga.CHECK_CRITICAL, "backup failed"))
PYTHON
python3 - <<'PYTHON'
import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

RESULTS = {
    200: {"results": [{"code": 200.0, "status": "Successfully processed check result for object 'site!backup'."}]},
    401: {"error": 401, "status": "Unauthorized. Please check your user credentials."},
    403: {"error": 403, "status": "No permissions."},
    404: {"error": 404, "status": "No objects found."},
    500: {"results": []},
    503: {"error": 503, "status": "Icinga is reloading."},
}
code, got = 200, []


class Icinga(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        body = json.dumps(RESULTS[code]).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_post = do_POST

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Icinga)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
nobody = socket.socket()
nobody.bind(("127.0.0.1", 0))
with open("certificate.pem") as pem:
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.read())).hexdigest()
environment = {**os.environ, "no_proxy": "*", "NO_PROXY": "*"}


def run(*command):
    got.clear()
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def passify(port, *command):
    with open("config.ini", "w") as config:
        config.write(f"[DEFAULT]\nurl = https://127.0.0.1:{port}/v1/actions/process-check-result\nuser = passive\npassword = secret\n")
        config.write(f"check_source = site\n[TLS]\nfingerprint = {fingerprint}\n")
    return run("venv/bin/passify", "--config", "config.ini", "-s", "backup", *command)


def compare(what, found, expected):
    print(f"{what}:", *found)
    if found != expected:
        sys.exit(f"CHANGED: it was {expected}")


for code, ending, said in (
    (200, 0, ""), (401, 0, ""), (403, 0, ""), (503, 0, ""), (404, 1, "Traceback"), (500, 1, "Traceback"), (None, 1, "Traceback"),
):  # fmt: skip
    port = server.server_port if code else nobody.getsockname()[1]
    done = passify(port, "./plugin")
    compare(f"passify, {code}", (done.returncode, (done.stdout + done.stderr).partition(" ")[0]), (ending, said))
    if code == 200:
        data = (got[0]["plugin_output"], got[0]["performance_data"])
        compare("  sent", data, ("OK ", " a=1\nlong\nmore "))
    done = run("venv/bin/python", "push.py", str(port))
    compare(f"push_state, {code}", (done.returncode, done.stdout.strip(), "Could not set" in done.stderr), (0, "returned None", code != 200))
code = 200
done = passify(server.server_port, "./killed")
compare("passify, killed", (done.returncode, [each["exit_status"] for each in got]), (0, [3]))
done = passify(server.server_port, "./missing")
compare("passify, missing", (done.returncode, got), (1, []))
PYTHON
