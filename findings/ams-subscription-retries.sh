#!/bin/bash
# argo-ams-library: a subscription drops retry=, and does not go back to offset 0.
#
# Software:  argo-ams-library 1.0.0 (PyPI). Seen 2026-11-30.
# Expected:  pull(), pullack() and ack() of a subscription take retry=, retrysleep= and retrybackoff= as pull_sub() does. offsets(move_to=0)
#            goes back to the first message.
# Seen:      503 once, then a message: pull_sub(retry=2) returns it; pull(retry=2), pullack(retry=2) and ack(retry=2) of the subscription
#            ask once, AmsBalancerException
#            offsets(move_to=0):       returns the offsets that are there, nothing is moved; move_to=1 is
# Matters:   a consumer whose retries are set ends at the first restart of the balancer; a replay from the beginning replays nothing. Use
#            ArgoMessagingService itself.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install argo-ams-library==1.0.0 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2> said
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import http.server
import json
import logging
import ssl
import sys
import threading
import time

from argo_ams_library import ArgoMessagingService

logging.disable()
NAME = "/projects/EGI/subscriptions/results"
REFUSED = "<h1>No server</h1>"
ENOUGH = {"verify": "cert", "timeout": 60}
refuse = []  # the code of each answer to come, of POST requests; then 200
asked, slept = [], []


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what = self.path.partition("?")[0].rpartition(":")[2]
        code = 200
        if self.command == "POST":
            asked.append(what)
            code = refuse.pop(0) if refuse else 200
        if code != 200:
            body = REFUSED
        elif what == "pull":
            body = json.dumps({"receivedMessages": [{"ackId": "a:1", "message": {"messageId": "1", "data": "T0s=", "attributes": {}}}]})
        elif what == "offsets":
            body = json.dumps({"max": 79, "min": 0, "current": 78})
        elif what in ("acknowledge", "modifyOffset"):
            body = "{}"
        else:
            body = json.dumps({"name": NAME, "topic": "/projects/EGI/topics/results", "pushConfig": {"pushEndpoint": ""}, "ackDeadlineSeconds": 10})
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert", "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
ams = ArgoMessagingService(endpoint=f"127.0.0.1:{server.server_port}", token="t", project="EGI")
subscription = ams.get_sub("results", retobj=True, **ENOUGH)
again = {"retry": 2, "retrysleep": 0, **ENOUGH}
for name, refusals, call, expected in (
    ("pull_sub(retry=2), 503 once", [503], lambda: len(ams.pull_sub("results", **again)), (1, 2)),
    ("pull(retry=2), 503 once", [503], lambda: len(subscription.pull(**again)), ("AmsBalancerException", 1)),
    ("pullack(retry=2), 503 once", [503], lambda: len(subscription.pullack(**again)), ("AmsBalancerException", 1)),
    ("ack(retry=2), 503 once", [503], lambda: subscription.ack(["a:1"], **again), ("AmsBalancerException", 1)),
    ("offsets(move_to=1)", [], lambda: subscription.offsets(move_to=1, **ENOUGH)["current"], (78, 1)),
    ("offsets(move_to=0)", [], lambda: subscription.offsets(move_to=0, **ENOUGH)["current"], (78, 0)),
):
    asked.clear()
    refuse[:] = refusals
    pause, time.sleep = time.sleep, slept.append
    try:
        returned = call()
    except Exception as error:
        returned = type(error).__name__
    time.sleep = pause
    print(f"{name}: {returned}, {len(asked)} requests that change or take something")
    if (returned, len(asked)) != expected:
        sys.exit(f"CHANGED: it was {expected}")
print("pauses of the library:", slept)
if any(slept):
    sys.exit("CHANGED: it made none")
PYTHON
