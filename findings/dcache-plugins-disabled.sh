#!/bin/bash
# check_dcache_pool is OK of a pool that is disabled or read-only; check_dcache_linkgroup ends in a traceback, a WARNING, with -p.
#
# Software:  dcache-nagios-plugins 0.0.8 (PyPI), with Python 3.11; a few lines in the place of dCache's info service.
#            Seen 2026-11-30.
# Expected:  a pool that dCache has as enabled="false" is CRITICAL, or a WARNING; a read-only one is told. A pool that cannot be
#            asked for is told on stdout. Each option can be used, and wrong usage is UNKNOWN with a line on stdout.
# Seen:      check_dcache_pool --heartbeat 60s,300s: OK of a disabled and of a read-only pool; a heartbeat of 900 s is CRITICAL
#            a pool for which the answer is 404:     UNKNOWN, nothing on stdout
#            check_dcache_linkgroup -H HOST -p PORT: TypeError, exit code 1; -U, and the answer is 404: HTTPError, 1
#            a misspelt option:                      exit code 64, nothing on stdout
# Matters:   dCache disables a pool whose disk fails: its files cannot be read any more, and the pool's service stays green, as its
#            heartbeat goes on. Ask the info service for `enabled` yourself.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install dcache-nagios-plugins==0.0.8
venv/bin/python - <<'PYTHON'
import http.server
import subprocess
import sys
import threading

POOLS = {  # heartbeat, enabled, read-only
    "good": (12, "true", "false"),
    "late": (900, "true", "false"),
    "disabled": (12, "false", "false"),
    "read-only": (12, "true", "true"),
}


class Info(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/info/pools/")
        if name not in POOLS:
            self.send_error(404)
            return
        heartbeat, enabled, read_only = POOLS[name]
        space = "".join(
            f'<metric name="{what}" type="integer">{size}</metric>'
            for what, size in (("total", 10**13), ("precious", 10**12), ("used", 6 * 10**12), ("free", 4 * 10**12))
        )
        body = f"""<dCache xmlns="http://www.dcache.org/2008/01/Info"><pools><pool name="{name}">
            <metric name="enabled" type="boolean">{enabled}</metric>
            <metric name="read-only" type="boolean">{read_only}</metric>
            <metric name="last-heartbeat" type="integer">{heartbeat}</metric>
            <space>{space}</space></pool></pools></dCache>"""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Info)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/info"


def check(plugin, arguments, code, text, on_stderr=""):
    service = [] if "-H" in arguments else ["-U", URL]
    command = ["venv/bin/python", f"venv/lib/nagios/plugins/{plugin}", *service, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={"no_proxy": "*", "LC_ALL": "C.UTF-8"})
    said = done.stdout.partition("\n")[0]
    print(f"{plugin} {arguments}: {done.returncode}, {said!r} {done.stderr.strip().rpartition(chr(10))[2]}")
    if done.returncode != code or not said.startswith(text) or bool(said) != bool(text) or on_stderr not in done.stderr:
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stderr}")


LIMIT = "--heartbeat 60s,300s"
FINE = "total = 9.09 TiB, heartbeat = 12 s"
check("check_dcache_pool", f"-P good {LIMIT}", 0, FINE)
check("check_dcache_pool", f"-P late {LIMIT}", 2, "total = 9.09 TiB, heartbeat = 15 min (critical)")
for name in ("disabled", "read-only"):
    check("check_dcache_pool", f"-P {name} {LIMIT}", 0, FINE)
check("check_dcache_pool", f"-P missing {LIMIT}", 3, "", "HTTP Error 404")
check("check_dcache_pool", "-P good --hartbeat 60s", 64, "", "not recognized")
check("check_dcache_linkgroup", f"-H 127.0.0.1 -p {server.server_port} -l 1", 1, "", "TypeError")
check("check_dcache_linkgroup", "-l 1", 1, "", "HTTPError")
PYTHON
