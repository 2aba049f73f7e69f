#!/bin/bash
# nrdpd sends nothing of a plugin that was killed; one line on stderr makes an OK a CRITICAL; what the server refuses is dropped.
#
# Software:  nrdp-daemon 1.0.34 (PyPI), its scheduler with a configuration of five checks; a few lines in the place of NRDP. Seen 2026-11-30.
# Expected:  a plugin that was killed is UNKNOWN or CRITICAL, as one that is missing, or ends with 4 (CRITICAL, both). The exit code and
#            the line on stdout are the result, whatever stands on stderr. A result that the server answers with 503, or with NRDP's own
#            refusal (200, "status": -1), is sent again, or at least told.
# Seen:      kill -9 in the plugin:                  nothing arrives
#            OK on stdout, a warning on stderr:      CRITICAL, "Check failed with stderr output"; the line on stdout is lost
#            503:                                    a line in the log, and no second try; a refused token: not even the line
# Matters:   a plugin that the kernel kills for its memory keeps its last state in the monitor, mostly OK, unless that looks for results
#            that are too old; a library that warns of its next version turns all checks red. Set freshness_threshold for each service,
#            and PYTHONWARNINGS=ignore.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nrdp-daemon==1.0.34
cat > plugin <<'PLUGIN'
#!/bin/sh
case $1 in
good) echo "OK - fine" ;;
warned) echo "OK - fine"; echo "warning: use new()" >&2 ;;
killed) echo "OK - halfway"; kill -9 $$ ;;
four) echo "CRITICAL - gone"; exit 4 ;;
refused) echo "CRITICAL - down"; exit 2 ;;
esac
PLUGIN
chmod 755 plugin
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=nobody" -keyout key.pem -out ca.pem 2> said
venv/bin/python - <<'PYTHON'
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

ARRIVED = []
CHECKS = ("good", "warned", "killed", "four", "refused")


class Monitor(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        name = "?"
        for each in json.loads(form["json"][0])["checkresults"]:
            if each["checkresult"]["type"] == "service":
                name = each["servicename"]
                ARRIVED.append((name, str(each["state"]), " ".join(each["output"].split())))
        answer = b'{"result": {"status": -1, "message": "BAD TOKEN"}}'
        self.send_response(503 if name == "refused" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *said):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Monitor)
threading.Thread(target=server.serve_forever, daemon=True).start()
checks = "".join(f"[check:{name}]\ncommand = {pathlib.Path('plugin').absolute()} {name}\nfrequency = 3600\ntimeout = 60\n" for name in CHECKS)
address = f"http://127.0.0.1:{server.server_port}/nrdp/"
pathlib.Path("config.ini").write_text(f"[config]\nservers = {address}\ntoken = token\nhost = site\ncacert = ca.pem\n{checks}")
pathlib.Path("conf.d").mkdir()
DAEMON = """
import logging
from libnrdpd import config, schedule
logging.basicConfig(level=logging.ERROR, format="%(message)s")
schedule.Schedule(config.Config("config.ini", "conf.d")).loop()
"""
with pathlib.Path("log").open("w") as log:
    daemon = subprocess.Popen(["venv/bin/python", "-c", DAEMON], stderr=log)
try:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        logged = pathlib.Path("log").read_text().splitlines()
        if sum(line.startswith("Task complete") for line in logged) == len(CHECKS) and len(ARRIVED) >= 4:
            break
        time.sleep(0.2)
    time.sleep(2)
    logged = pathlib.Path("log").read_text().splitlines()
finally:
    daemon.kill()
    daemon.wait()
told = [line.replace(address, "the server") for line in logged if line.startswith("Submission")]
print(*sorted(ARRIVED), *sorted(told), sep="\n")
expected = [
    ("four", "2", "Check exited with unknown code: 4"),
    ("good", "0", "OK - fine"),
    ("refused", "2", "CRITICAL - down"),
    ("warned", "2", "Check failed with stderr output: warning: use new()"),
]
if sorted(ARRIVED) != expected:
    sys.exit(f"CHANGED: it was {expected}")
if [line.split(":")[0] for line in sorted(told)] != ["Submission error", "Submission to the server failed"]:
    sys.exit("CHANGED: the log had two lines of submissions")
PYTHON
