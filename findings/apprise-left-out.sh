#!/bin/bash
# apprise ends with 0 where one of the recipients could not be read, and asks nobody of the configuration once a URL is given too.
#
# Software:  apprise 2.2.0 (PyPI), its command; a few lines take what it sends. Seen 2026-11-30.
# Expected:  an exit code that is not 0 where somebody is not told, as it is where a service answers with 500 (4 here). Recipients of the
#            configuration and those of the command line are all told. A priority or an option that does not exist is refused;
#            "urgent" is ntfy's own second name for its priority 5.
# Seen:      one good URL, one whose scheme is misspelt:       the good one is told, "Unparseable URL", exit code 0;
#            the same in a configuration file                  so it is, and so where one of two files is not there
#            -c recipients -g night, and a URL:                the URL alone, without -g's recipients and without a word; exit code 0
#            ntfy's priority=urgent, gotify's priority=hihg:   no priority, and 8; overflow=spilt, prio=10: dropped; exit code 0
# Matters:   a notification command whose exit code Nagios logs is a success with half of the shift not told, for months: what was
#            misspelt shows at the first outage. Run it with -v once after each change, and one recipient at a time where it matters.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install apprise==2.2.0
venv/bin/python - <<'PYTHON'
import http.server
import json
import pathlib
import subprocess
import sys
import threading

ARRIVED = []


class Recipient(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ARRIVED.append((self.path, sent.get("priority", self.headers.get("X-Priority")), len(sent.get("text", ""))))
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *said):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recipient)
threading.Thread(target=server.serve_forever, daemon=True).start()
at = f"127.0.0.1:{server.server_port}"
pathlib.Path("recipients").write_text(f"night=json://{at}/anna\nnight=jsno://{at}/bernd\n")
pathlib.Path("good").write_text(f"night=json://{at}/anna\n")
long = "x" * 9000


def tell(case, code, arrived, error, *arguments, text="site is down"):
    """What the command says and sends, against what it was."""
    ARRIVED.clear()
    done = subprocess.run(
        ["venv/bin/apprise", "-b", text, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    said = (done.stdout + done.stderr).strip().rpartition(" - ")[2].replace(at, "...")
    print(f"{case}: exit code {done.returncode}, arrived: {sorted(ARRIVED)}, said: {said[:60]}")
    if (done.returncode, sorted(ARRIVED), bool(said)) != (code, arrived, error):
        sys.exit(f"CHANGED: it was {code}, {arrived}")


anna = ("/anna", None, 0)
tell("a service that answers with 500", 4, [anna, ("/broken", None, 0)], False, f"json://{at}/anna", f"json://{at}/broken")
tell("a URL that is misspelt", 0, [anna], True, f"json://{at}/anna", f"jsno://{at}/bernd")
tell("a line that is misspelt", 0, [anna], True, "-c", "recipients", "-g", "night")
tell("a file that is not there", 0, [anna], True, "-c", "good", "-c", "god", "-g", "night")
tell("recipients and a URL", 0, [("/carla", None, 0)], False, "-c", "good", "-g", "night", f"json://{at}/carla")
for priority, sent in (("max", "max"), ("urgent", None)):
    tell(f"ntfy, priority={priority}", 0, [("/", sent, 0)], False, f"ntfy://{at}/topic?priority={priority}")
for option, sent in (("priority=hihg", 8), ("prio=10", 5)):
    tell(f"gotify, {option}", 0, [("/message", sent, 0)], False, f"gotify://{at}/token-of-gotify?{option}")
hook = "a" * 24
for option, sizes in (("split", [1000, 4000, 4000]), ("spilt", [9000])):
    sent = [(f"/hooks/{hook}", None, each) for each in sizes]
    tell(f"9000 characters to Mattermost, overflow={option}", 0, sent, False, f"mmost://{at}/{hook}?overflow={option}", text=long)
PYTHON
