#!/bin/bash
# check_json: a filter that finds nothing drops all filters behind it, and of many values the first is judged: OK.
#
# Software:  check-json 0.6.3 (PyPI), with nagiosplugin 1.4.0, jq 1.13.0 and requests 2.34.2. Seen 2026-11-30.
# Expected:  a filter that finds nothing is UNKNOWN, and the others are judged all the same; of a filter that gives several values each
#            is judged. An answer with 503 is no JSON to judge. A level that is given twice is refused.
# Seen:      queue of site A 2, of site B 900, limits 5 and 10.
#            -f A .. -f B ..:               CRITICAL, 2
#            -f A .. -f C .. -f B ..:       OK, 0; no site C is there, and B is not judged
#            -f all '.sites[].queue':       OK, 0; the value is A's. With B first CRITICAL.
#            503 with a page of JSON:       OK, 0
#            w1,w5 (w for c), value 3:      OK, 0; the first is dropped
# Matters:   the day on which a site leaves the list, all sites that were written behind it are OK for ever. One service for each filter,
#            and an aggregate in the filter ([.sites[].queue] | max).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install check-json==0.6.3 nagiosplugin==1.4.0 jq==1.13.0 requests==2.34.2
venv/bin/python - <<'PYTHON'
import http.server
import json
import pathlib
import subprocess
import sys
import threading

SITES = [{"name": "A", "queue": 2}, {"name": "B", "queue": 900}]
pathlib.Path("sites.json").write_text(json.dumps({"load": 3, "sites": SITES}))
pathlib.Path("other.json").write_text(json.dumps({"load": 3, "sites": SITES[::-1]}))


class Down(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b'{"load": 3, "error": "these are the values of yesterday"}')

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Down)
threading.Thread(target=server.serve_forever, daemon=True).start()
page = f"http://127.0.0.1:{server.server_port}/"


def queue(name):
    return ["-f", name, f'.sites[] | select(.name == "{name}").queue', "w5,c10"]


for what, arguments, code, text in (
    ("A", [*queue("A"), "sites.json"], 0, "A is 2"),
    ("A B", [*queue("A"), *queue("B"), "sites.json"], 2, "B is 900"),
    ("A C B", [*queue("A"), *queue("C"), *queue("B"), "sites.json"], 0, "A is 2"),
    ("C", [*queue("C"), "sites.json"], 3, "no check results"),
    ("all", ["-f", "all", ".sites[].queue", "w5,c10", "sites.json"], 0, "all is 2"),
    ("all, B first", ["-f", "all", ".sites[].queue", "w5,c10", "other.json"], 2, "all is 900"),
    ("max", ["-f", "max", "[.sites[].queue] | max", "w5,c10", "sites.json"], 2, "max is 900"),
    ("503", ["-f", "load", ".load", "w5,c10", page], 0, "load is 3"),
    ("w1,c5", ["-f", "load", ".load", "w1,c5", "sites.json"], 1, "load is 3"),
    ("w1,w5", ["-f", "load", ".load", "w1,w5", "sites.json"], 0, "load is 3"),
):
    done = subprocess.run(["venv/bin/check_json", *arguments], capture_output=True, text=True, timeout=120, env={"no_proxy": "*"})
    said = done.stdout.strip() or done.stderr.strip()
    print(f"{what}: {done.returncode}, {said}")
    if done.returncode != code or text not in said:
        sys.exit(f"CHANGED: it was {code} with {text}")
PYTHON
