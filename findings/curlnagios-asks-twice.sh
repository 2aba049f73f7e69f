#!/bin/bash
# curlnagios: asks twice, and prints the state of the first answer with the figures of the second: OK with response_code=503.
#
# Software:  curlnagios 0.6.0 (PyPI), curl 7.88.1 of Debian 12. Seen 2026-11-30.
# Expected:  state and performance data are of one request. No option, or one that is missing, is UNKNOWN.
# Seen:      200, then 503:        OK, 0, response_code=503, and the server counts two requests
#            503, then 200:        CRITICAL, 2, response_code=200
#            no option at all:     the help, 0, OK
#            --oauth2 alone:       1, WARNING
# Matters:   the graph shows an outage of which no service was ever CRITICAL, and the other way round; a service that is asked doubles its
#            load. Behind a list of options that came out empty the service is OK for ever.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download curl libcurl4 libnghttp2-14 librtmp1 libssh2-1 libpsl5 libbrotli1 libldap-2.5-0 libsasl2-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "curl $(dpkg-deb -f curl_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install curlnagios==0.6.0
python3 - <<'PYTHON'
import http.server
import os
import subprocess
import sys
import threading

ASKED = []
CODES = []


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ASKED.append(self.path)
        self.send_response(CODES.pop(0) if CODES else 200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"hi\n")

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = os.getcwd()
url = f"http://127.0.0.1:{server.server_port}/"
environment = {
    "PATH": f"{here}/root/usr/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": f"{here}/root/usr/lib/x86_64-linux-gnu", "no_proxy": "*",
}  # fmt: skip
for what, arguments, codes, code, texts, asked in (
    ("200, 200", ["-u", url], [200, 200], 0, ["OK: ", "response_code=200"], ["/", "/"]),
    ("200, 503", ["-u", url], [200, 503], 0, ["OK: ", "response_code=503"], ["/", "/"]),
    ("503, 200", ["-u", url], [503, 200], 2, ["CRITICAL: ", "response_code=200"], ["/", "/"]),
    ("no option", [], [], 0, ["usage: "], []),
    ("--oauth2", ["--oauth2", "-u", url], [], 1, [], []),
):
    ASKED.clear()
    CODES[:] = codes
    command = [f"{here}/venv/bin/python", "-m", "curlnagios", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    said = " ".join(done.stdout.split())
    print(f"{what}: {done.returncode}, {said[:110] or 'nothing; ' + done.stderr.splitlines()[-1]}, asked {ASKED}")
    if done.returncode != code or not all(text in said for text in texts) or ASKED != asked:
        sys.exit(f"CHANGED: it was {code}, {texts}, {asked}")
PYTHON
