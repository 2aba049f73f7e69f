#!/bin/bash
# check_graphite: the state is that of the last series, so CRITICAL of the first is printed and the exit code is 0.
#
# Software:  check_graphite of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12; a few lines in the place of Graphite.
#            Seen 2026-11-29.
# Expected:  a target like servers.*.load, or -t twice, has several series, and the worst of them is the state. A limit may be 0.
#            With --under a value of 0 is below the band of --confidence.
# Seen:      -W 5 -C 9, series of 20 and 1:  "CRITICAL: first ...", "OK: last ...", exit code 0; in the other order 2.
#            -C 0 or -W 0:                   the help, exit code 3, Graphite is not asked.
#            --percentile 95 -t a -t b:      b is not asked for.
#            --confidence --under, band 50:  1 is CRITICAL, 0 is OK.
#            a refusal by Graphite (404), an answer that is no JSON: CRITICAL "No output", and 1 with a traceback, WARNING.
# Matters:   a service over all machines is that of one machine, whichever comes last; a rate that has fallen to nothing is the
#            one value that is not seen. Have one series for each service (maxSeries(...)), and no limit of 0: 0.001 will do.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib
dpkg-deb -x monitoring-plugins-contrib_*.deb root
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"
python3 - <<'PYTHON'
import http.server
import json
import subprocess
import sys
import threading
import urllib.parse

ASKED = []
SERIES = {"high": [20.0, 20.0], "low": [1.0, 1.0], "none": [0.0, 0.0], "empty": [None, None]}


class Graphite(http.server.BaseHTTPRequestHandler):
    """Answers with the series that a target names, parted by "*"; a band of confidence is 50 to 100."""

    def do_GET(self):
        targets = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["target"]
        ASKED.append(targets)
        found = []
        for target in targets:
            if target.startswith("holtWinters"):
                found += [("upper", [100.0, 100.0]), ("lower", [50.0, 50.0])]
            else:
                found += [(name, SERIES.get(name, [3.0])) for name in target.split("*")]
        body = json.dumps([{"target": name, "datapoints": [[value, 60] for value in values]} for name, values in found])
        refused = "refused" in targets
        self.send_response(404 if refused else 200)
        self.end_headers()
        self.wfile.write(b"<html>" if "page" in targets else body.encode())

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Graphite)
threading.Thread(target=server.serve_forever, daemon=True).start()
plugin = [sys.executable, "root/usr/lib/nagios/plugins/check_graphite", "-U", f"http://127.0.0.1:{server.server_port}"]
LIMITS = "--from=-5min -W 5 -C 9"
for options, code, states, asked in (
    (f"{LIMITS} -t low", 0, ["OK"], ["low"]),
    (f"{LIMITS} -t high", 2, ["CRITICAL"], ["high"]),
    (f"{LIMITS} -t low*high", 2, ["OK", "CRITICAL"], ["low*high"]),
    (f"{LIMITS} -t high*low", 0, ["CRITICAL", "OK"], ["high*low"]),
    (f"{LIMITS} -t high -t low", 0, ["CRITICAL", "OK"], ["high", "low"]),
    (f"{LIMITS} --percentile 95 -t low -t high", 0, ["OK"], ["nPercentile(low, 95)"]),
    ("--from=-5min --under -W 5 -C 3 -t low", 2, ["CRITICAL"], ["low"]),
    ("--from=-5min --under -W 5 -C 0 -t low", 3, [], None),
    ("--from=-5min -W 0 -C 1 -t low", 3, [], None),
    ("--confidence --under --from=2 -t low", 2, ["CRITICAL"], ["low", "holtWintersConfidenceBands(low)"]),
    ("--confidence --under --from=2 -t none", 0, ["OK"], ["none", "holtWintersConfidenceBands(none)"]),
    (f"{LIMITS} -t empty", 2, ["CRITICAL"], ["empty"]),
    (f"{LIMITS} -t refused", 2, ["CRITICAL"], ["refused"]),
    (f"{LIMITS} -t page", 1, [], ["page"]),
):
    ASKED.clear()
    arguments = plugin + options.split()
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={"no_proxy": "*"})
    said = [line for line in done.stdout.splitlines() if line.startswith(("OK", "WARNING", "CRITICAL"))]
    got = (done.returncode, [line.partition(":")[0] for line in said], ASKED[0] if ASKED else None)
    print(f"{options}: {done.returncode}, {said or (done.stderr or done.stdout).splitlines()[-1]}")
    if got != (code, states, asked):
        sys.exit(f"CHANGED: {got}, it was {(code, states, asked)}")
PYTHON
