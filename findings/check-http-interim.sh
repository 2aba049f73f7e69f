#!/bin/bash
# check_http judges the first status line, be it "103 Early Hints" before a 503: OK. A body that breaks off is OK as well.
#
# Software:  check_http and check_curl of monitoring-plugins-standard 2.3.3-5+deb12u2 (-basic), both of Debian 12. Seen 2026-11-29.
# Expected:  1xx are interim (RFC 9110 section 15.2): the answer is the status that comes after them. A body that is shorter than
#            Content-Length is an incomplete message (RFC 9112 section 8), no OK. check_curl is to take the place of check_http,
#            with the same options, so both have one opinion.
# Seen:      103, then 503:       check_http "HTTP OK: HTTP/1.1 103 Early Hints", check_curl CRITICAL. So for 100, then 503.
#            the same with -e 503: check_http CRITICAL "Invalid HTTP response", check_curl OK.
#            12 of 100 bytes:     check_http OK, also with -s and a string of those 12; check_curl CRITICAL (cURL 18).
# Matters:   the day a proxy in front of a portal learns Early Hints, its check is green for good, whatever the portal behind it
#            answers; and a portal that breaks off in the middle of each page was green all the time. Use check_curl.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-basic monitoring-plugins-standard liburiparser1 libcurl4 libnghttp2-14 \
    librtmp1 libssh2-1 libpsl5 libbrotli1 libldap-2.5-0 libsasl2-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-basic $(dpkg-deb -f monitoring-plugins-basic_*.deb Version)"
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import http.server
import subprocess
import sys
import threading


class Portal(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = b"hello world\n"
        if self.path.startswith("/interim"):
            code = int(self.path[-3:])
            self.wfile.write(b"HTTP/1.1 %d %s\r\n\r\n" % (code, {100: b"Continue", 103: b"Early Hints"}[code]))
        self.send_response(200 if self.path in ("/well", "/cut") else 503)
        self.send_header("Content-Length", "100" if self.path == "/cut" else str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


portal = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Portal)
threading.Thread(target=portal.serve_forever, daemon=True).start()
for arguments, expected in {
    ("/well",): (0, 0),
    ("/down",): (2, 2),
    ("/down", "-e", "503"): (0, 0),
    ("/interim/103",): (0, 2),
    ("/interim/100",): (0, 2),
    ("/interim/103", "-e", "503"): (2, 0),
    ("/cut",): (0, 2),
    ("/cut", "-s", "hello"): (0, 2),
}.items():
    print(*arguments)
    codes = []
    for plugin in ("check_http", "check_curl"):
        done = subprocess.run(
            [f"root/usr/lib/nagios/plugins/{plugin}", "-I", "127.0.0.1", "-p", str(portal.server_port), "-t", "30", "-u", *arguments],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        codes.append(done.returncode)
        print(f"  {plugin} {done.returncode} {done.stdout.partition('|')[0].strip()}")
    if tuple(codes) != expected:
        sys.exit(f"CHANGED: the exit codes were {expected}")
PYTHON
