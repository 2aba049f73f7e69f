#!/bin/bash
# centreon-plugins: a port that refuses each connection is OK with 0.000 ms, also with a limit of the time; a web server that is down is UNKNOWN.
#
# Software:  centreon-plugins 0.0~20221017-1 of Debian 12; a few lines in the place of a web server. Seen 2026-11-30.
# Expected:  apps::protocols::tcp, mode response-time, is CRITICAL where nothing listens, or at least where a limit of the response time is
#            given. Both modes of apps::protocols::http have the same state for a server that is down or answers 503, and a value that
#            --extracted-pattern does not find is UNKNOWN where it has a limit.
# Seen:      tcp, nothing listens:                         0, "OK: TCP ... rta 0.000ms, lost 100%".
#            the same with --critical-rta=1000:            0; with --critical-pl=80: 2.
#            http, mode response, nothing listens or 503:  2; mode expected-content: 3, the same text.
#            --extracted-pattern that does not match, with --critical-extracted=10:  0, "OK: HTTP test(s)", no performance datum.
#            expected-content without anything expected:   0 for any page.
# Matters:   a service that was set up with a limit of its response time stays green, and its graph shows the fastest answers ever, when it
#            is down; a page whose figure has moved is green for ever. Give --critical-pl=0, and --expected-string beside each pattern.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download centreon-plugins libtry-tiny-perl libwww-perl libencode-locale-perl libfile-listing-perl \
    libhtml-parser-perl libhtml-tagset-perl libhttp-cookies-perl libhttp-date-perl libhttp-message-perl libhttp-negotiate-perl \
    liblwp-mediatypes-perl libnet-http-perl liburi-perl libclone-perl libio-html-perl libtimedate-perl libwww-robotrules-perl \
    libio-socket-ssl-perl libnet-ssleay-perl libregexp-ipv6-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "centreon-plugins $(dpkg-deb -f centreon-plugins_*.deb Version)"
PERL5LIB=$work/root/usr/lib/centreon-plugins:$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
export PERL5LIB
python3 - <<'PYTHON'
import http.server
import socket
import subprocess
import sys
import threading


class Page(http.server.BaseHTTPRequestHandler):
    """A page with a number."""

    def do_GET(self):
        self.send_response(503 if self.path == "/busy" else 200)
        self.end_headers()
        self.wfile.write(b"jobs waiting: 42\n")

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.socket() as unused:
    unused.bind(("127.0.0.1", 0))
    port, closed = server.server_port, unused.getsockname()[1]
TCP = "tcp --mode=response-time --packets=2"
RESPONSE = "http --mode=response"
CONTENT = "http --mode=expected-content"
for where, options, code, text in (
    (port, TCP, 0, "lost 0%"),
    (closed, TCP, 0, "rta 0.000ms, lost 100%"),
    (closed, f"{TCP} --critical-rta=50000", 0, "rta 0.000ms, lost 100%"),
    (closed, f"{TCP} --critical-pl=80", 2, "lost 100%"),
    (port, RESPONSE, 0, "OK: response time"),
    (closed, RESPONSE, 2, "CRITICAL: 500 Can't connect"),
    (port, f"{RESPONSE} --urlpath=/busy", 2, "CRITICAL: 503 Service Unavailable"),
    (closed, f"{CONTENT} --expected-string=jobs", 3, "UNKNOWN: 500 Can't connect"),
    (port, f"{CONTENT} --expected-string=jobs --urlpath=/busy", 3, "UNKNOWN: 503 Service Unavailable"),
    (port, f"{CONTENT} --expected-string=jobs", 0, "OK: HTTP test(s)"),
    (port, f"{CONTENT} --expected-string=none", 2, "CRITICAL: Content test"),
    (port, CONTENT, 0, "OK: HTTP test(s)"),
    (port, f"{CONTENT} --critical-extracted=10 --extracted-pattern=waiting:.(\\d+)", 2, "CRITICAL: Extracted value : 42"),
    (port, f"{CONTENT} --critical-extracted=10 --extracted-pattern=queued:.(\\d+)", 0, "OK: HTTP test(s)"),
):
    plugin, *rest = options.split()
    program = ["perl", "root/usr/lib/nagios/plugins/centreon_plugins.pl", f"--plugin=apps::protocols::{plugin}::plugin"]
    arguments = [*program, "--hostname=127.0.0.1", f"--port={where}", "--timeout=60", *rest]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    said = done.stdout.partition("|")[0].strip()
    print(f"{'nothing listens, ' if where == closed else ''}{options}: {done.returncode} {said}")
    if done.returncode != code or text not in said:
        sys.exit(f"CHANGED: it was {code} {text} {done.stderr}")
PYTHON
