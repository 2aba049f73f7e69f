#!/bin/bash
# perun-proxy-utils: a service that is down is a WARNING to three probes; check_pgsql hides CRITICAL behind WARNING, and 0 is not OK.
#
# Software:  perun-proxy-utils 3.3.0 (PyPI), the probes of Perun's identity proxy, with requests 2.32.5; web servers and PostgreSQL
#            are stood in for by a few lines. Seen 2026-11-30.
# Expected:  what refuses the connection is CRITICAL, or UNKNOWN; the worse of two limits that a value breaks is the state; a limit of 50 is
#            kept by 0; a page of another user is not that of the user asked for.
# Seen:      check_privacyidea, check_rpc_status, metadata_expiration of a port that refuses:  a traceback, which is 1: WARNING
#            metadata_expiration of a page that says 503:  the same
#            check_pgsql -W 50 -C 100:  120 is a WARNING, and so are 0 and 50; nothing is CRITICAL but what is no number
#            check_rpc_status -i 1:     0 of an answer of the user 12
#            check_webserver_availability:  0 of a 301, wherever it leads; 2 of a 302 and a 204
# Matters:   an identity proxy that is down pages nobody by night, where WARNINGs wait for the morning, and logins to all sites fail. Look
#            at the exit code of a probe against a port that is closed before it is trusted.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install requests==2.32.5 pyotp==2.9.0 beautifulsoup4==4.12.3 psycopg2-binary==2.9.11
PIP_NO_DEPS=1 venv/bin/pip -q --disable-pip-version-check install perun-proxy-utils==3.3.0
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> log
venv/bin/python - <<'PYTHON'
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading

with socket.create_server(("127.0.0.1", 0)) as closed:
    NOBODY = f"localhost:{closed.getsockname()[1]}"


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "getUserById" in self.path:
            code, body = 200, b'{"id":12,"firstName":"Another"}'
        else:
            code, body = int(self.path[1:]), b"busy"
        self.send_response(code)
        self.send_header("Location", "https://elsewhere.example.org/")
        self.end_headers()
        if code != 204:
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def start(secure):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("ca.pem", "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"localhost:{server.server_port}"


def probe(expected, name, *options):
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": "ca.pem", "TMPDIR": os.getcwd()}
    done = subprocess.run([f"venv/bin/{name}", *options], env=environment, capture_output=True, text=True, timeout=60)
    said = (done.stdout or done.stderr).strip().splitlines()[-1]
    print(f"{name} {' '.join(options)}: exit code {done.returncode}, {said[:100]}")
    if done.returncode != expected:
        sys.exit(f"CHANGED: it was {expected}")


web, secure = f"http://{start(False)}", start(True)
probe(1, "check_privacyidea", "--hostname", NOBODY, "--username", "probe", "--totp", "JBSWY3DPEHPK3PXP")
user = ("-u", "probe", "-p", "secret", "-i", "1")
probe(1, "check_rpc_status", "-d", f"{NOBODY}/ba", *user)
probe(0, "check_rpc_status", "-d", f"{secure}/ba", *user)
probe(1, "metadata_expiration", f"http://{NOBODY}/")
probe(1, "metadata_expiration", f"{web}/503")
probe(2, "check_webserver_availability", "-u", f"http://{NOBODY}/")
for code, expected in (200, 0), (301, 0), (302, 2), (204, 2), (503, 2):
    probe(expected, "check_webserver_availability", "-u", f"{web}/{code}")

QUERY = """
import sys
import psycopg2
import perun.proxy.utils.nagios.check_pgsql

class Database:
    description = ["column"]
    def __enter__(self):
        return self
    def __exit__(self, *raised):
        return None
    def cursor(self):
        return self
    def execute(self, query):
        self.row = [query.split()[1]]
    def fetchone(self):
        return self.row

psycopg2.connect = lambda **options: Database()
sys.exit(perun.proxy.utils.nagios.check_pgsql.main())
"""
for value, limits, expected in (
    ("20", ("-W", "50", "-C", "100"), 0),
    ("60", ("-W", "50", "-C", "100"), 1),
    ("120", ("-W", "50", "-C", "100"), 1),
    ("0", ("-W", "50", "-C", "100"), 1),
    ("50", ("-W", "50", "-C", "100"), 1),
    ("0", ("-C", "100"), 2),
    ("none", ("-W", "50", "-C", "100"), 2),
):
    done = subprocess.run([sys.executable, "-c", QUERY, "-q", f"SELECT {value}", *limits], capture_output=True, text=True, timeout=60)
    print(f"check_pgsql {' '.join(limits)}: {done.stdout.splitlines()[-1]}, exit code {done.returncode}")
    if done.returncode != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
