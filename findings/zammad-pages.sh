#!/bin/bash
# zammad_py: a loop over all tickets has the first ten, with per_page=250 the first hundred count as the last page; a merge that failed returns.
#
# Software:  zammad_py 3.2.1 (PyPI). Seen 2026-11-30.
# Expected:  a loop over ticket.all() or search() goes through all pages, or is_last_page() says that there are more. next_page() of a page is
#            the one behind it. What Zammad refuses is an exception.
# Seen:      of 250 tickets, for ticket in ticket.all():            10, and len() is 10
#            per_page 250, of which Zammad gives 100:               100, and is_last_page() is true; of search() 200
#            next_page() twice of the first page:                   the second and the third
#            merge() into a number that does not exist:             returns, with "failed" in its result
#            a page of a maintenance with 200:                      returned as bytes
# Matters:   GGUS is a Zammad: a report of open tickets stops at ten or a hundred, a ticket counts as merged and is not.
#            Ask page by page until one is empty, and look at the result.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install zammad_py==3.2.1 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import http.server
import json
import sys
import threading
import urllib.parse

from zammad_py import ZammadAPI

class Zammad(http.server.BaseHTTPRequestHandler):
    """250 tickets, of which a page has at most 100, or 200 that were found, as in Zammad's tickets_controller.rb; none can be changed."""

    protocol_version = "HTTP/1.1"

    def answer(self, code, content, kind="application/json"):
        body = content.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/api/v1/users/me":
            return self.answer(200, "<html>Back at 10:00</html>", "text/html")
        query = dict(urllib.parse.parse_qsl(url.query))
        size = min(int(query["per_page"]), 200 if url.path.endswith("/search") else 100)
        first = (int(query["page"]) - 1) * size + 1
        return self.answer(200, json.dumps([{"id": number} for number in range(first, min(first + size, 251))]))

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/ticket_merge/" in self.path:
            return self.answer(200, json.dumps({"result": "failed", "message": "The target ticket number could not be found."}))
        return self.answer(422, json.dumps({"error": "Ticket is closed"}))

    def log_message(self, *_):
        pass


def check(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Zammad)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/api/v1"
zammad = ZammadAPI(url=URL, http_token="example")
for name, most, ask in (("all()", 100, zammad.ticket.all), ("search()", 200, lambda **more: zammad.ticket.search("state.name:open", **more))):
    page = ask()
    check(f"{name} of 250 tickets: in a loop, length, last page?", (sum(1 for _ in page), len(page), page.is_last_page()), (10, 10, False))
    page = ask(filters={"per_page": 250})
    check(f"{name} with 250 a page: in a loop, last page?", (sum(1 for _ in page), page.is_last_page()), (most, True))
page = zammad.ticket.all()
check("first tickets of next_page() twice", (page.next_page()[0]["id"], page.next_page()[0]["id"]), (11, 21))
check("merge() into a number that does not exist", zammad.ticket.merge(5, 999999)["result"], "failed")
check("users/me during a maintenance", zammad.user.me(), b"<html>Back at 10:00</html>")
PYTHON
