#!/bin/bash
# publish() of argo-ams-library returns without an exception when a balancer answers 200 with a page, or with nothing at all.
#
# Software:  argo-ams-library 1.0.0 (PyPI). Seen 2026-11-29.
# Expected:  the library tells AMS, balancer and connection apart by exceptions of its own (AmsServiceException,
#            AmsBalancerException, AmsTimeoutException, AmsConnectionException); an answer to publish() that is no JSON, or has no
#            messageIds, is one of them. A 502 whose body is JSON of the balancer's own is an AmsBalancerException.
# Seen:      200 with a page for maintenance: publish() returns {'error': {'code': 200, 'message': b'<html>...'}}; with an
#            empty body {}; with {} {}. The 503 with HTML is an AmsBalancerException, the 502 with JSON a bare KeyError.
# Matters:   a publisher that forgets its messages when publish() returns, as argo-nagios-ams-publisher 0.3.9 does, forgets
#            what nobody has. Count the messageIds of what it returns; catch KeyError beside AmsException.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install argo-ams-library==1.0.0
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2> said
NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import http.server
import ssl
import sys
import threading

from argo_ams_library import AmsMessage, ArgoMessagingService

PAGE = b"<html><body><h1>Back in an hour</h1></body></html>"
ANSWERS = {
    "200, as AMS": (200, b'{"messageIds": ["17"]}'),
    "200 with a page": (200, PAGE),
    "200 with nothing": (200, b""),
    "200 with {}": (200, b"{}"),
    "503 with a page": (503, PAGE),
    "502 with JSON": (502, b'{"detail": "no backend"}'),
}


class Service(http.server.BaseHTTPRequestHandler):
    answer = (200, b"")

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        code, body = self.answer
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert", "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
ams = ArgoMessagingService(endpoint=f"127.0.0.1:{server.server_port}", token="t", project="EGI")
seen = {}
for name, Service.answer in ANSWERS.items():
    try:
        seen[name] = ams.publish("metric_data", AmsMessage(data="x"), verify="cert", timeout=60)
    except Exception as error:
        seen[name] = type(error).__name__
    print(f"{name:17} {seen[name]}")
if not all(isinstance(seen[name], dict) for name in ("200 with a page", "200 with nothing", "200 with {}")):
    sys.exit("CHANGED: an answer without messageIds is an exception")
if (seen["503 with a page"], seen["502 with JSON"]) != ("AmsBalancerException", "KeyError"):
    sys.exit("CHANGED: errors of the balancer are told otherwise")
PYTHON
