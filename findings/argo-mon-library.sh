#!/bin/bash
# argo-mon-library: a refused key is an exception without a word, local midnight is sent as UTC, endpoints without an ID end it.
#
# Software:  argo-mon-library 0.1.0 (PyPI), and answers in the form that the documentation of the ARGO web API shows.
#            Seen 2026-11-29.
# Expected:  MonServiceException has the code and the message of the service, as that of argo-ams-library has. period("today")
#            in Athens begins at 22:00 UTC the day before; a datetime in UTC is sent in the form that the service documents. An
#            endpoint in an answer, with the resource ID or without, is one of the list.
# Seen:      401 {"status": {"message": "Unauthorized", "code": "401"}}, and a 502 with HTML: str() is "{}", no code, no msg.
#            period("today") with TZ=Europe/Athens asks for start_time=...T00:00:00Z; a datetime with UTC is sent as
#            ...T00:00:00+00:00Z. An endpoint whose "info" has a URL only is a KeyError 'ID', one without "info" KeyError 'info':
#            no endpoint of that group can be read, while the group's own status can.
# Matters:   reports of availability made east of Greenwich are those of another day at their edges, and a refused key, a broken
#            proxy and a bad request look alike in the log. Give times without a zone, in UTC; log the answer yourself.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install argo-mon-library==0.1.0
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2> said
REQUESTS_CA_BUNDLE="$PWD/cert" TZ=Europe/Athens NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import datetime
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.parse

import argo_mon_library


def endpoint(host, **info):
    moment = {"timestamp": "2026-11-28T00:00:00Z", "value": "OK"}
    return {"hostname": host, "service": "eu.egi.cloud.accounting", "statuses": [moment], **({"info": info} if info else {})}


def group(name, *endpoints):
    return {"name": name, "type": "SITES", "statuses": [{"timestamp": "2026-11-28T00:00:00Z", "value": "OK"}], "endpoints": endpoints}


REPORTS = {"status": {"message": "Success", "code": "200"}, "data": [{"id": "r", "info": {"name": "Critical"}}]}
STATUS = {"groups": [
    group("WITH-ID", endpoint("a.example.org", ID="1", URL="https://a.example.org/")),
    group("WITH-URL", endpoint("b.example.org", URL="https://b.example.org/")),
    group("WITHOUT", endpoint("c.example.org")),
]}  # fmt: skip
REFUSED = {"status": {"message": "Unauthorized", "code": "401", "details": "no such x-api-key"}}


class Service(http.server.BaseHTTPRequestHandler):
    failure, asked = None, []

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.asked.append(urllib.parse.parse_qs(query))
        code, body = self.failure or (200, json.dumps(REPORTS if path.endswith("/reports") else STATUS))
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def changed(what):
    sys.exit(f"CHANGED: {what}")


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert", "key")
service.socket = context.wrap_socket(service.socket, server_side=True)
threading.Thread(target=service.serve_forever, daemon=True).start()
argo = argo_mon_library.ArgoMonitoringService(f"127.0.0.1:{service.server_port}", "key")

for Service.failure in ((401, json.dumps(REFUSED)), (502, "<html>Bad Gateway</html>")):
    try:
        list(argo.reports)
    except argo_mon_library.MonServiceException as error:
        got = (str(error), hasattr(error, "code"), hasattr(error, "msg"))
    print(f"{Service.failure[0]} {Service.failure[1]}: text, has a code, has a message: {got}")
    if got != ("{}", False, False):
        changed("the exception was without code and message")
Service.failure = None

today = time.strftime("%Y-%m-%d")
for start, expected in (
    ("today", f"{today}T00:00:00Z"),
    (datetime.datetime(2026, 11, 28, tzinfo=datetime.timezone.utc), "2026-11-28T00:00:00+00:00Z"),
    (datetime.datetime(2026, 11, 28), "2026-11-28T00:00:00Z"),
):
    argo.period(start)
    report = argo.reports.by_name("Critical")
    status = report.status
    got = Service.asked[-1]["start_time"]
    print(f"period({start!r}) in {time.tzname[0]}: start_time={got[0]}")
    if got not in ([expected], [expected.replace("+", " ")]):
        changed(f"it was {expected}")

for name, expected in (("WITH-ID", "1 endpoints"), ("WITH-URL", "KeyError: 'ID'"), ("WITHOUT", "KeyError: 'info'")):
    try:
        got = f"{len(status.groups.by_name(name).endpoints.items())} endpoints"
    except KeyError as error:
        got = f"KeyError: {error}"
    print(f"{name}: {got}")
    if got != expected:
        changed(f"it was {expected}")
PYTHON
