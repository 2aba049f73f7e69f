#!/bin/bash
# check_truststore -f status is OK, "isTrusted", of an empty or cut file; a file that is missing is exit code 0, too.
#
# Software:  check-truststore 1.2.6 (PyPI), with cryptography 50.0.2. Seen 2026-11-30.
# Expected:  a file without a certificate, or that is not there, is an error. Hash links (*.0) of a CA directory are read, as OpenSSL
#            reads them.
# Seen:      -f status, valid; expired                    OK, 0; EXPIRED, 2
#            -f status, empty, cut, or without a certificate: "groupStatus": "OK", "isTrusted": true, exit code 0
#            -f status, missing, or an empty directory:   exit code 0, "No certificates found to display."
#            a directory with two CAs, one in HASH.0:     "totalCertificates": 1; that file is not read
# Matters:   the CA directory that an update left empty, or a bundle that was cut as the disk was full, is green, while no certificate
#            is trusted any more. Look at totalCertificates, too.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install check-truststore==1.2.6 cryptography==50.0.2
venv/bin/python - <<'PYTHON'
import datetime
import json
import os
import pathlib
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HOME = {**os.environ, "HOME": os.getcwd()}
NOW = datetime.datetime.now(datetime.timezone.utc)


def authority(name, begins, ends):
    """The certificate in PEM of a CA that is valid from one day to another, counted from today."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(NOW + datetime.timedelta(begins)).not_valid_after(NOW + datetime.timedelta(ends))
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


VALID, OTHER, EXPIRED = authority("valid", -100, 400), authority("other", -100, 400), authority("expired", -100, -3)
files = {"valid.pem": VALID, "expired.pem": EXPIRED, "empty.pem": b"", "page.pem": b"<html></html>\n"}
files["cut.pem"] = VALID[:500]
for name in ("nothing", "hashed", "plain"):
    pathlib.Path(name).mkdir()
files.update({"hashed/valid.pem": VALID, "hashed/0a1b2c3d.0": OTHER, "plain/valid.pem": VALID, "plain/other.pem": OTHER})
for name, content in files.items():
    pathlib.Path(name).write_bytes(content)


def run(name):
    command = ["venv/bin/check_truststore", "-f", "status", name]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=HOME)


def judge(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"CHANGED: it was {expected}")


for name, code, state, count in (
    ("valid.pem", 0, "OK", 1),
    ("expired.pem", 2, "EXPIRED", 1),
    ("plain", 0, "OK", 2),
    ("hashed", 0, "OK", 1),
    ("empty.pem", 0, "OK", 0),
    ("page.pem", 0, "OK", 0),
    ("cut.pem", 0, "OK", 0),
):
    done = run(name)
    group = json.loads(done.stdout)["groups"][0]
    summary = group["summary"]
    found = (done.returncode, group["groupStatus"], summary["totalCertificates"], summary["isTrusted"])
    judge(f"-f status {name}", found, (code, state, count, state == "OK"))
for name in ("missing.pem", "nothing"):
    done = run(name)
    judge(f"-f status {name}", (done.returncode, "No certificates found to display" in done.stdout + done.stderr), (0, True))
PYTHON
