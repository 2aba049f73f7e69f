#!/bin/bash
# nrdpy: submit() returns True for a token that NRDP refused, and for a page that is no answer of NRDP.
#
# Software:  nrdpy 0.9.1 (PyPI); a few lines in the place of NRDP. Seen 2026-11-29.
# Expected:  submit(results) reads the <status> of the answer: 0 is taken, all else is an error. The output is sent as it was given. A
#            result takes its state where it is made, ServiceResult(host, service, 2, output), as its documentation has it.
# Seen:      <status>-1</status> "BAD TOKEN", "0 checks processed", a page of HTML and nothing at all, each with HTTP 200: True.
#            HTTP 403 and 500: False, without a word. ServiceResult(..., 2, ...) is a ValueError; .state = 2 afterwards is taken.
#            An output "CRITICAL - no answer" is sent as "CRITICAL: CRITICAL - no answer".
# Matters:   NRDP says all of its refusals with HTTP 200. A monitor with a new token gets no more results, and who sends them counts
#            successes. Compare the monitor's own last check, or read the answer yourself; texts that are compared have a word before.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nrdpy==0.9.1 requests==2.32.5
venv/bin/python -W ignore - <<'PYTHON'
import http.server
import sys
import threading
import urllib.parse
import xml.etree.ElementTree

import nrdpy


class Nrdp(http.server.BaseHTTPRequestHandler):
    status, body, got = 200, "", ""

    def log_message(self, *_):
        pass

    def do_POST(self):
        Nrdp.got = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = Nrdp.body.encode()
        self.send_response(Nrdp.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer(status, message, output=""):
    meta = f"<meta><output>{output}</output></meta>" if output else ""
    return f'<?xml version="1.0" encoding="utf-8"?><result><status>{status}</status><message>{message}</message>{meta}</result>'


def changed(what):
    sys.exit(f"CHANGED: {what}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nrdp)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = nrdpy.NRDP(f"http://127.0.0.1:{server.server_port}/nrdp/", "token")
try:
    nrdpy.ServiceResult("host", "service", 2, "CRITICAL - no answer")
except ValueError as error:
    print("a state where the result is made: ValueError", error)
else:
    changed("it was a ValueError")
result = nrdpy.ServiceResult("host", "service", output="CRITICAL - no answer")
result.state = 2
for case, status, body, expected in (
    ("taken", 200, answer(0, "OK", "1 checks processed."), True),
    ("none of it taken", 200, answer(0, "OK", "0 checks processed."), True),
    ("refused", 200, answer(-1, "BAD TOKEN"), True),
    ("a page", 200, "<html><body>Please log in</body></html>", True),
    ("nothing", 200, "", True),
    ("HTTP 403", 403, "", False),
    ("HTTP 500", 500, "", False),
):
    Nrdp.status, Nrdp.body = status, body
    got = client.submit([result])
    print(f"{case}: {got}")
    if got is not expected:
        changed(f"it was {expected}")
sent = xml.etree.ElementTree.fromstring(urllib.parse.parse_qs(Nrdp.got)["XMLDATA"][0].encode())
print(f"sent: {sent.findtext('.//state')} {sent.findtext('.//output')}")
if sent.findtext(".//output") != "CRITICAL: CRITICAL - no answer":
    changed("the word stood twice")
PYTHON
