#!/bin/bash
# blackbox exporter: a certificate that has expired has no end and no TLS, an unverified chain ended in the year 1.
#
# Software:  prometheus-blackbox-exporter 0.23.0-4+b4 of Debian 12; cryptography 50.0.2 (PyPI) makes the certificates. Seen 2026-11-29.
# Expected:  probe_ssl_earliest_cert_expiry is the end of the server's certificate, in the past once it is over; probe_http_ssl is 1 for
#            https; the metric of the last chain is missing where no chain was verified. probe_failed_due_to_regex tells that a
#            pattern was not found in the body.
# Seen:      expired yesterday, or by an unknown CA, or of another name: probe_success 0, probe_http_ssl 0, probe_http_status_code 0,
#            and no probe_ssl_earliest_cert_expiry at all, by the probers http and tcp.
#            insecure_skip_verify: success 1, the end of the certificate, and probe_ssl_last_chain_expiry_timestamp_seconds
#            -62135596800. A body that breaks off behind the pattern: probe_failed_due_to_regex 1.
# Matters:   an alert of "ends within a week" goes out by itself in the hour when the certificate ends, as does one of "expired";
#            one on the last chain fires for every site that is asked without verification. Alert on probe_success as well, or
#            have a second probe without verification for the end, and a rule that leaves out what is below 0.
set -eu
work=$(mktemp -d)
exporter=
trap '[ -z "$exporter" ] || kill "$exporter" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus-blackbox-exporter
dpkg-deb -x prometheus-blackbox-exporter_*.deb root
echo "prometheus-blackbox-exporter $(dpkg-deb -f prometheus-blackbox-exporter_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cryptography==50.0.2
cat > blackbox.yml <<'SETTINGS'
modules:
  http: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: ca.pem}}}
  tcp: {prober: tcp, timeout: 60s, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: ca.pem}}}
  unverified: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, tls_config: {insecure_skip_verify: true}}}
  pattern: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [hello]}}
SETTINGS
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
root/usr/bin/prometheus-blackbox-exporter --config.file=blackbox.yml --web.listen-address="127.0.0.1:$port" 2> said &
exporter=$!
cat > certificates.py <<'PYTHON'
import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def make(file, name, begin, end, issuer=None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].subject if issuer else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begin * DAY).not_valid_after(NOW + end * DAY)
    builder = builder.add_extension(x509.BasicConstraints(issuer is None, None), True)
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    pathlib.Path(f"{file}.pem").write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made, key


ours = make("ca", "CA", -10, 100)
make("good", "localhost", -1, 30, ours)
make("expired", "localhost", -9, -1, ours)
make("other-name", "other.example.org", -1, 30, ours)
make("other-ca", "localhost", -1, 30, make("ca2", "Another CA", -10, 100))
PYTHON
venv/bin/python certificates.py
for _ in $(seq 300); do (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done
python3 - "$port" <<'PYTHON'
import http.server
import ssl
import sys
import threading
import time
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SHOWN = {
    "probe_success": "success", "probe_http_ssl": "ssl", "probe_http_status_code": "code", "probe_ssl_earliest_cert_expiry": "end",
    "probe_ssl_last_chain_expiry_timestamp_seconds": "chain", "probe_failed_due_to_regex": "regex",
}  # fmt: skip


class Site(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100" if self.path == "/cut" else "6")
        self.end_headers()
        self.wfile.write(b"hello\n")


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


def serve(certificate=None):
    server = Server(("127.0.0.1", 0), Site)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certificate}.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def compare(module, target, what, **expected):
    """What the exporter says: an end in days from now, rounded; 'never' for the year 1."""
    with OPENER.open(f"http://127.0.0.1:{sys.argv[1]}/probe?module={module}&target={target}", timeout=120) as answer:
        lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if not line.startswith("#")]
    got = {SHOWN[name.partition("{")[0]]: float(value) for name, _, value in lines if name.partition("{")[0] in SHOWN}
    for name in {"end", "chain"} & got.keys():
        got[name] = "year 1" if got[name] == -62135596800 else round((got[name] - time.time()) / 86400)
    print(f"{what:12}{module:12}", *(f"{name}={got[name]}" for name in sorted(got)))
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


for certificate in ("good", "expired", "other-name", "other-ca"):
    port = serve(certificate)
    end = -1 if certificate == "expired" else 30
    if certificate == "good":
        compare("http", f"https://localhost:{port}", certificate, success=1, ssl=1, code=200, end=30, chain=30, regex=0)
        compare("tcp", f"localhost:{port}", certificate, success=1, end=30, chain=30, regex=0)
    else:
        compare("http", f"https://localhost:{port}", certificate, success=0, ssl=0, code=0, regex=0)
        compare("tcp", f"localhost:{port}", certificate, success=0, regex=0)
    compare("unverified", f"https://localhost:{port}", certificate, success=1, ssl=1, code=200, end=end, chain="year 1", regex=0)
port = serve()
compare("pattern", f"http://127.0.0.1:{port}/whole", "whole body", success=1, ssl=0, code=200, regex=0)
compare("pattern", f"http://127.0.0.1:{port}/cut", "cut body", success=0, ssl=0, code=200, regex=1)
PYTHON
