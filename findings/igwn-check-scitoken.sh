#!/bin/bash
# check_scitoken of igwn-monitor drops -a and -c without -s: a token for another site, or of one minute, is no CRITICAL.
#
# Software:  igwn-monitor 1.3.2 (PyPI), with scitokens 1.9.7 and PyJWT 2.15.1; an issuer of a few lines on the loopback interface.
#            Seen 2026-11-30.
# Expected:  -a is the audience that the token has to be for, -c the seconds below which it is CRITICAL, each of them with and without a
#            scope, and the worse of -w and -c wins.
# Seen:      a token of an hour for site A   with -s compute.read      without -s
#            -a of site B                    CRITICAL                  OK, "Discovered valid token"
#            -w 7200 -c 5000                 CRITICAL                  WARNING
#            -w 1000 -c 5000                 CRITICAL                  OK
#            of WLCG's profile (wlcg.ver)    CRITICAL, good as it is   OK
#            that has ended                  CRITICAL                  CRITICAL
# Matters:   who renews tokens looks for those that end soon or were made for the wrong audience; both stay green, as the scope is
#            what one leaves out. Give -s with a scope of the token; there is no such check of a token by WLCG's profile.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download python3-gssapi libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 \
    python3-decorator
for package in ./*.deb; do dpkg-deb -x "$package" root; done
python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install scitokens==1.9.7 PyJWT==2.15.1 cryptography==50.0.2 cffi==2.1.1 pycparser==3.12
venv/bin/pip -q --disable-pip-version-check install igwn-monitor==1.3.2 igwn-auth-utils==1.4.0 ciecplib==0.9.0 gpstime==0.10.0
venv/bin/pip -q --disable-pip-version-check install requests-ecp==0.3.2 requests-gssapi==1.4.0 lxml==6.1.3 safe-netrc==1.0.1
venv/bin/pip -q --disable-pip-version-check install requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.10.19.post1
venv/bin/pip -q --disable-pip-version-check install charset-normalizer==3.5.3 platformdirs==4.14.9 python-dateutil==4.0.0 six==1.17.0
mkdir -p gpstime
printf '#@ 9999999999\n2272060800 10\n2287785600 11\n' > gpstime/leap-seconds.list # else gpstime looks for leap seconds in the network
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out ca.pem \
    2> /dev/null
venv/bin/python - <<'PYTHON'
import glob
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(65537, 2048)
JWK = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "a", "alg": "RS256", "use": "sig"}
SITE_A, SITE_B = "https://site-a.example.org", "https://site-b.example.org"


class Issuer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"keys": [JWK]} if self.path == "/keys" else known).encode())

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("ca.pem", "key.pem")
server.socket = tls.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
ISSUER = f"https://localhost:{server.server_port}"
here = os.getcwd()
environment = {
    "PATH": os.environ["PATH"],
    "HOME": here,
    "XDG_CACHE_HOME": here,
    "SSL_CERT_FILE": f"{here}/ca.pem",
    "no_proxy": "*",
    "PYTHONPATH": f"{here}/root/usr/lib/python3/dist-packages",
    "LD_LIBRARY_PATH": ":".join(glob.glob(f"{here}/root/usr/lib/*-linux-gnu") + glob.glob(f"{here}/root/lib/*-linux-gnu")),
}


def check(what, changed, arguments, code, text):
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "monitor", "aud": SITE_A, "scope": "compute.read", "iat": now, "nbf": now, "exp": now + 3600}
    claims = {name: value for name, value in {**claims, "ver": "scitoken:2.0", **changed}.items() if value is not None}
    pathlib.Path("token").write_text(jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "a"}))
    command = ["venv/bin/check_scitoken", "--token-file", "token", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    said = done.stdout.partition("\n")[0] or done.stderr.strip().rpartition("\n")[2]
    print(f"{what}, {' '.join(arguments)}: {done.returncode}, {said}")
    if done.returncode != code or text not in said:
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stderr}")


SCOPE = ["-s", "compute.read"]
WLCG = {"ver": None, "wlcg.ver": "1.0"}
FOUND, REFUSED = "Discovered valid token", "Validator rejected value"
check("site A", {}, ["-a", SITE_A, *SCOPE], 0, FOUND)
check("site A", {}, ["-a", SITE_B, *SCOPE], 2, REFUSED)
check("site A", {}, ["-a", SITE_B], 0, FOUND)
check("an hour", {}, ["-w", "7200", "-c", "5000", *SCOPE], 2, REFUSED)
check("an hour", {}, ["-w", "7200", "-c", "5000"], 1, FOUND)
check("an hour", {}, ["-w", "1000", "-c", "5000", *SCOPE], 2, REFUSED)
check("an hour", {}, ["-w", "1000", "-c", "5000"], 0, FOUND)
for scope in (SCOPE, []):
    check("ended", {"exp": int(time.time()) - 60}, scope, 2, "Signature has expired")
check("WLCG's", WLCG, SCOPE, 2, "wlcg.ver")
check("WLCG's", WLCG, [], 0, FOUND)
PYTHON
