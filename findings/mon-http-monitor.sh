#!/bin/bash
# mon's http.monitor: with -m a 503 is fine if its page has the word, and a page that stops after its header is fine after the timeout.
#
# Software:  http.monitor of mon 1.3.6-4 of Debian 12; a few lines in the place of a web server. Seen 2026-11-30.
# Expected:  -m is a further condition: the code must be good and the page must match. A server that sends the header and then nothing
#            until -t is over has failed. A login that is wanted (401) is a failure, or there is an option for it.
# Seen:      503 without -m: exit code 1. 503 with -m portal and a page "the portal is down": 0, "ok".
#            -m looks at the header too: -m text finds "Content-Type: text/html" of any page.
#            header of a 200, then silence until -t 10 is over: 0, "ok".
#            401: 0, "ok". 404: 1.
# Matters:   the page of an error names the service as the right page does, so a check that was made stricter by -m is blind to
#            each 500 and 503; and one that hangs, as a portal does whose database is gone, is never seen. Choose a word that only the good
#            page has, near its end.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download mon
dpkg-deb -x mon_*.deb root
echo "mon $(dpkg-deb -f mon_*.deb Version)"
python3 - <<'PYTHON'
import socketserver
import subprocess
import sys
import threading

ENDED = threading.Event()


class Portal(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().decode().split()[1]
        code = path.strip("/")
        page = {"200": "welcome to the portal", "503": "the portal is down"}.get(code, "nothing")
        self.wfile.write(f"HTTP/1.0 {200 if code == 'silent' else code} said\r\nContent-Type: text/html\r\n\r\n".encode())
        if code == "silent":
            ENDED.wait(300)
        else:
            self.wfile.write(page.encode())


socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Portal)
threading.Thread(target=server.serve_forever, daemon=True).start()
for options, code, text in (
    ("-u /200", 0, "ok"),
    ("-u /404", 1, "HTTP response code failure"),
    ("-u /503", 1, "HTTP response code failure"),
    ("-u /401", 0, "ok"),
    ("-u /200 -m portal", 0, "ok"),
    ("-u /200 -m nobody", 1, "Regex match failed"),
    ("-u /503 -m portal", 0, "ok"),
    ("-u /503 -m text", 0, "ok"),
    ("-u /silent -t 10", 0, "ok"),
):
    monitor = ["perl", "root/usr/lib/mon/mon.d/http.monitor", "-t", "60", "-p", str(server.server_address[1]), *options.split(), "127.0.0.1"]
    done = subprocess.run(monitor, capture_output=True, text=True, timeout=200)
    said = [line.removeprefix("HOST 127.0.0.1: ") for line in done.stdout.splitlines() if line.startswith("HOST")]
    print(f"{options}: {done.returncode} {said}")
    if (done.returncode, said) != (code, [text]):
        sys.exit(f"CHANGED: it was {code} {text} {done.stderr}")
ENDED.set()
PYTHON
