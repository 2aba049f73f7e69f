#!/bin/bash
# check_curl -C 30,14 --continue-after-certificate prints "CRITICAL - Certificate ... expired" and ends with 0; check_http with 2.
#
# Software:  check_http and check_curl of monitoring-plugins 2.3.3-5+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  "--continue-after-certificate: allows the HTTP check to continue after performing the certificate check", so the worse of
#            the two is the state, as it is with check_http, which check_curl is to take the place of.
# Seen:      expired, and a page with 200:  check_http 2, check_curl 0; both print "CRITICAL - Certificate 'localhost' expired on ...",
#            and then check_http "HTTP CRITICAL: HTTP/1.1 200 OK", check_curl "HTTP OK: HTTP/1.1 200 OK".
#            ends in 20 days, -C 30,14:    check_http 1, check_curl 0. Without --continue-after-certificate: 2 and 1 of both.
#            a page with 503:              2 of both.
# Matters:   after the change to check_curl no certificate that is about to end alerts any more, where one service watches both, and
#            the text in the web interface says CRITICAL beside a green OK. Have a service of its own for -C.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-basic monitoring-plugins-standard liburiparser1 libcurl4 libnghttp2-14 \
    librtmp1 libssh2-1 libpsl5 libbrotli1 libldap-2.5-0 libsasl2-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-basic $(dpkg-deb -f monitoring-plugins-basic_*.deb Version)"
cat > ca.cnf <<'SETTINGS'
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
[names]
commonName = supplied
SETTINGS
: > index
echo 01 > serial
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost 2> said
for days in -1 20 90; do
    openssl ca -batch -config ca.cnf -selfsign -keyfile key.pem -in request.pem -notext -out "$days.pem" \
        -startdate "$(date -u -d "10 days ago" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$days days 1 hour" +%Y%m%d%H%M%SZ)" 2>> said
    : > index
done
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import http.server
import ssl
import subprocess
import sys
import threading


class Site(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


for days, code, options, expected in (
    (90, 200, ["--continue-after-certificate"], [0, 0]),
    (20, 200, [], [1, 1]),
    (20, 200, ["--continue-after-certificate"], [1, 0]),
    (-1, 200, [], [2, 2]),
    (-1, 200, ["--continue-after-certificate"], [2, 0]),
    (-1, 503, ["--continue-after-certificate"], [2, 2]),
):
    server = Server(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{days}.pem", "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"ends in {days} days, page with {code}", *options)
    codes = []
    for plugin in ("check_http", "check_curl"):
        done = subprocess.run(
            [f"root/usr/lib/nagios/plugins/{plugin}", "-S", "-H", "localhost", "-I", "127.0.0.1", "-p", str(server.server_port),
             "-u", f"/{code}", "-t", "60", "-C", "30,14", *options],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        codes.append(done.returncode)
        print(f"  {plugin} {done.returncode} {done.stdout.partition('|')[0].strip()}".replace("\n", " / "))
    if codes != expected:
        sys.exit(f"CHANGED: the exit codes were {expected}")
PYTHON
