#!/bin/bash
# arccp: a download that breaks off in the middle is a file of that length, with exit code 0 and not a word.
#
# Software:  nordugrid-arc-client 6.17.0-3 of Debian 12, with nordugrid-arc-plugins-needed 6.17.0-3. Seen 2026-11-30.
# Expected:  less than Content-Length says, or a body in chunks without its last one, is a failure, after which there is no file, or
#            it is asked for again from there on. So it is for a 404 (exit code 1, no file).
# Seen:      of 3000000 bytes the web server sends 1000000 and closes the connection: arccp writes 1000000 bytes and ends with 0,
#            without a line on stderr, for Content-Length and for chunks. It asks once. A redirect to a page for a login, with 200:
#            the page is the file, exit code 0.
# Matters:   a job reads, and a copy keeps, a third of the data for all of it. Compare size and checksum with the catalogue's after
#            each copy.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nordugrid-arc-client nordugrid-arc-plugins-needed libarccommon3v5 libglibmm-2.4-1v5 \
    libsigc++-2.0-0v5 libglib2.0-0 libxml2 libicu72 libldns3 libltdl7
for package in *.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f nordugrid-arc-client_*.deb Version
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /DC=org/DC=example/CN=user 2> said
chmod 600 key.pem
python3 - <<'PYTHON'
"""A web server that closes the connection within the body, on the loopback interface."""

import glob
import http.server
import os
import pathlib
import subprocess
import sys
import threading

DATA = bytes(range(250)) * 12000
SENT = 1000000
PAGE = b"<html>Please log in</html>"


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def log_message(self, *_):
        pass

    def head(self, code, *headers):
        self.send_response(code)
        for name, value in (*headers, ("Connection", "close")):
            self.send_header(name, str(value))
        self.end_headers()
        self.close_connection = True

    def do_GET(self):
        Web.asked += 1
        match self.path.rpartition("/")[2]:
            case "whole":
                self.head(200, ("Content-Length", len(DATA)))
                self.wfile.write(DATA)
            case "cut":
                self.head(200, ("Content-Length", len(DATA)))
                self.wfile.write(DATA[:SENT])
            case "cut-chunks":
                self.head(200, ("Transfer-Encoding", "chunked"))
                self.wfile.write(b"%x\r\n%b\r\n" % (SENT, DATA[:SENT]))
            case "moved":
                self.head(302, ("Location", "/login"), ("Content-Length", 0))
            case "login":
                self.head(200, ("Content-Length", len(PAGE)))
                self.wfile.write(PAGE)
            case code:
                self.head(int(code), ("Content-Length", 0))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = os.getcwd()
environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
environment |= {
    "LD_LIBRARY_PATH": ":".join([f"{here}/root/usr/lib", *glob.glob(f"{here}/root/usr/lib/*-linux-gnu")]),
    "ARC_PLUGIN_PATH": f"{here}/root/usr/lib/arc", "ARC_LOCATION": f"{here}/root/usr", "HOME": here,
    "X509_USER_CERT": f"{here}/cert.pem", "X509_USER_KEY": f"{here}/key.pem",
}  # fmt: skip


def run(what, *command):
    """Exit code, how often was asked, what is in the file, and whether a word was printed."""
    Web.asked = 0
    target = pathlib.Path("target")
    target.unlink(missing_ok=True)
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    got = target.read_bytes() if target.exists() else None
    names = {None: "no file", DATA: "all bytes", DATA[:SENT]: "1000000 bytes", PAGE: "the page for a login"}
    found = names.get(got, f"something else, {len(got or b'')} bytes")
    printed = bool((done.stdout + done.stderr).strip())
    print(f"{what}: exit code {done.returncode}, requests {Web.asked}, {found}, {'a word' if printed else 'not a word'}")
    return done.returncode, Web.asked, found, printed


for name, expected in (
    ("whole", (0, 1, "all bytes", False)),
    ("cut", (0, 1, "1000000 bytes", False)),
    ("cut-chunks", (0, 1, "1000000 bytes", False)),
    ("moved", (0, 2, "the page for a login", False)),
    ("404", (1, 1, "no file", True)),
):
    got = run(f"arccp {name}", f"{here}/root/usr/bin/arccp", f"http://127.0.0.1:{server.server_port}/{name}", f"file://{here}/target")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
