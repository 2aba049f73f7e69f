#!/bin/bash
# xymon (PyPI): status() and appfeed() are "unknown" for every service under Python 3.9 and later; a refusal looks the same.
#
# Software:  xymon 2.0.0 (PyPI), with Python 3.11; a few lines in the place of appfeed.cgi. Seen 2026-11-30.
# Expected:  the colour of a service that the answer has; an exception where no answer can be had or read.
# Seen:      an answer with web.disk red: {"web": {"disk": {"status": "unknown", "summary": "Error parsing XML from Xymon"}}}, for
#            it asks the parsed answer for a method that Python 3.9 has dropped. With an older one's method put back: red.
#            A page of HTML and a 403: "unknown" too, with another summary. appfeed() of everything: one host, "nohost", of one
#            service, "notest". Nothing is raised, nothing is printed.
#            report() of a colour that xymond does not know returns None, as for "red".
# Matters:   a dashboard goes on to show services as "unknown" after the machine has a newer Python, and no program that counts what is
#            red finds any. Read xymondboard instead.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install xymon==2.0.0
no_proxy='*' venv/bin/python - <<'PYTHON'
import http.server
import socketserver
import sys
import threading
import xml.etree.ElementTree

from xymon import Xymon

SERVICE = "<Type>{}</Type><Status>{}</Status><LastChange>1764460800</LastChange><LogTime>1764464400</LogTime>"
REST = "<MessageSummary>a word</MessageSummary><DetailURL>/xymon-cgi/svcstatus.sh</DetailURL>"
BOARD = "".join(
    f"<ServerStatus><Servername>web</Servername>{SERVICE.format(*each)}{REST}</ServerStatus>"
    for each in (("disk", "red"), ("cpu", "green"))
)
ANSWERS = [(200, f"<StatusBoard>{BOARD}</StatusBoard>"), (200, "<html><p>Log in"), (403, "")]


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code, page = ANSWERS[0]
        self.send_response(code)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_):
        """Say nothing of each request."""


class Daemon(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.read()


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


xymon = Xymon(f"127.0.0.1:{serve(http.server.ThreadingHTTPServer(('127.0.0.1', 0), Web))}")
PARSING = {"status": "unknown", "summary": "Error parsing XML from Xymon"}
compare("disk is red", xymon.appfeed(host="web", test="disk", ssl=False), {"web": {"disk": PARSING}})
compare("all", xymon.appfeed(ssl=False), {"nohost": {"notest": PARSING}})
ANSWERS.pop(0)
compare("a page of HTML", xymon.appfeed(host="web", test="disk", ssl=False), {"web": {"disk": PARSING}})
ANSWERS.pop(0)
compare("403", xymon.appfeed(host="web", test="disk", ssl=False)["web"]["disk"]["status"], "unknown")
ANSWERS.append((200, f"<StatusBoard>{BOARD}</StatusBoard>"))
ANSWERS.pop(0)


class Older(xml.etree.ElementTree.Element):
    """An element as it was in Python 3.8."""

    def getiterator(self, tag):
        return self.iter(tag)


def parsed(text):
    parser = xml.etree.ElementTree.XMLParser(target=xml.etree.ElementTree.TreeBuilder(element_factory=Older))
    parser.feed(text)
    return parser.close()


xml.etree.ElementTree.fromstring = parsed
found = xymon.appfeed(ssl=False)
compare("as in Python 3.8", {test: each["status"] for test, each in found["web"].items()}, {"disk": "red", "cpu": "green"})
port = serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Daemon))
compare("report of CRITICAL", Xymon("127.0.0.1", port).report("web", "disk", "CRITICAL", "full"), None)
PYTHON
