#!/bin/bash
# check_httpd_status: a web server that is down is CRITICAL without limits, UNKNOWN with them; -u asks for another page than it says.
#
# Software:  check_httpd_status of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12; a few lines in the place of Apache.
#            Seen 2026-11-30.
# Expected:  a refused connection or a 503 is CRITICAL, with limits of the free slots or without. -u /own-status is the page that is asked
#            for, with ?auto.
# Seen:      nothing listens, 503, 404: 2 without -w and -c, 3 as soon as one of them is given, for the same text "HTTP error: ...".
#            -u /own-status: asks for /own-status/server-status?auto, 404; -u "/own-status?auto" is what works.
#            limits that hold (100 free of 101, -w 20: -c 5:) are 0, and 3 free are 2.
# Matters:   who is paged for CRITICAL alone, and watches the slots of a portal, is not told when it is down. Ask for a page of the server
#            by a check of its own, and let UNKNOWN of this one page.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib \
    libmonitoring-plugin-perl libclass-accessor-perl libsub-name-perl libparams-validate-perl libconfig-tiny-perl libmath-calc-units-perl \
    libmodule-implementation-perl libmodule-runtime-perl libtry-tiny-perl liblocale-gettext-perl libwww-perl libencode-locale-perl \
    libfile-listing-perl libhtml-parser-perl libhtml-tagset-perl libhttp-cookies-perl libhttp-date-perl libhttp-message-perl \
    libhttp-negotiate-perl liblwp-mediatypes-perl libnet-http-perl liburi-perl libclone-perl libio-html-perl libtimedate-perl \
    libwww-robotrules-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
export PERL5LIB
python3 - <<'PYTHON'
import atexit
import glob
import http.server
import os
import socket
import subprocess
import sys
import threading

ASKED = []
FREE = [0]
KEPT = "/tmp/127.0.0.1_check_httpd_status*"


class Apache(http.server.BaseHTTPRequestHandler):
    """Tells how many slots are free, at the usual place and at one of its own."""

    def do_GET(self):
        ASKED.append(self.path)
        place = self.path.removesuffix("?auto")
        code = {"/server-status": 200, "/own-status": 200, "/busy": 503}.get(place, 404)
        page = f"Total Accesses: 9\nTotal kBytes: 9\nUptime: 9\nBusyWorkers: 1\nIdleWorkers: {FREE[0]}\nScoreboard: W{'_' * FREE[0]}\n"
        self.send_response(code)
        self.end_headers()
        self.wfile.write(page.encode() if code == 200 else b"")

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Apache)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.socket() as unused:
    unused.bind(("127.0.0.1", 0))
    port, closed = server.server_port, unused.getsockname()[1]
kept = set(glob.glob(KEPT))


@atexit.register
def remove_new():
    """Remove what the plugin has kept of its runs here."""
    for path in set(glob.glob(KEPT)) - kept:
        os.unlink(path)


for where, free, options, code, text, asked in (
    (port, 100, "", 0, "OK", "/server-status?auto"),
    (closed, 0, "", 2, "CRITICAL - HTTP error: 500", None),
    (closed, 0, "-w 20: -c 5:", 3, "UNKNOWN - HTTP error: 500", None),
    (port, 0, "-u /busy?auto", 2, "CRITICAL - HTTP error: 503", "/busy?auto"),
    (port, 0, "-u /busy?auto -c 5:", 3, "UNKNOWN - HTTP error: 503", "/busy?auto"),
    (port, 100, "-u /own-status", 2, "CRITICAL - HTTP error: 404", "/own-status/server-status?auto"),
    (port, 100, "-u /own-status?auto", 0, "OK", "/own-status?auto"),
    (port, 100, "-w 20: -c 5:", 0, "OK", "/server-status?auto"),
    (port, 3, "-w 20: -c 5:", 2, "CRITICAL", "/server-status?auto"),
):
    ASKED.clear()
    FREE[0] = free
    plugin = ["perl", "root/usr/lib/nagios/plugins/check_httpd_status", "-t", "60", "-H", "127.0.0.1", "-p", str(where), *options.split()]
    done = subprocess.run(plugin, capture_output=True, text=True, timeout=120)
    said = done.stdout.partition("|")[0].strip()
    print(f"{'nothing listens' if where == closed else f'{free} free'} {options}: {done.returncode} {said}")
    if done.returncode != code or text not in said or ASKED != [asked] * bool(asked):
        sys.exit(f"CHANGED: it was {code} {text}, {asked}: {ASKED} {done.stderr}")
PYTHON
