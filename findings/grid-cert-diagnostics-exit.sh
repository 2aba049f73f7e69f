#!/bin/bash
# grid-cert-diagnostics -c: exit code 0 for a certificate that has expired, is revoked or is not there, and nothing on stderr.
#
# Software:  globus-proxy-utils 7.3-2 of Debian 12. Seen 2026-11-29.
# Expected:  "check the validity of the certificate in the file" ends with another code than 0 where the check failed, or says so on
#            stderr at least, as grid-proxy-info -exists does with its exit code.
# Seen:      expired, not valid yet, revoked, unknown CA, no such file: "failed" with the reason on stdout, exit code 0, stderr empty.
#            Before the failed line stands "Checking cert... ok" for the same certificate, each time that there is one. A revocation
#            list that has expired is a failure of each certificate, also of a good one; no list at all is none.
# Matters:   cron jobs and monitoring that call it never see anything, whatever ends: the words "trust chain... ok" are to be looked
#            for. A monitoring host whose lists are old sees every site fail there, and one without lists none.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download globus-proxy-utils libglobus-common0 libglobus-openssl-module0 libglobus-gsi-sysconfig1 \
    libglobus-gsi-credential1 libglobus-gsi-proxy-core0 libglobus-gsi-callback0 libglobus-gsi-cert-utils0 libglobus-gsi-openssl-error0 \
    libglobus-gsi-proxy-ssl1 libglobus-gss-assist3 libglobus-gssapi-gsi4 libglobus-callout0 libltdl7
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "globus-proxy-utils $(dpkg-deb -f globus-proxy-utils_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cryptography==50.0.2

mkdir certificates home
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2> /dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 30 -subj "/DC=org/DC=example/CN=Other" 2> /dev/null
hash=$(openssl x509 -hash -noout -in ca.pem)
cp ca.pem "certificates/$hash.0"
printf '%s\n' "access_id_CA X509 '/DC=org/DC=example/CN=CA'" "pos_rights globus CA:sign" \
    "cond_subjects globus '\"/DC=org/DC=example/*\"'" > "certificates/$hash.signing_policy"
HOME="$work/home" X509_CERT_DIR="$work/certificates" LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu) \
    venv/bin/python - "certificates/$hash.r0" <<'PYTHON'
import datetime
import pathlib
import re
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

REVOCATIONS = pathlib.Path(sys.argv[1])
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
KEY = rsa.generate_private_key(65537, 2048)


def signer(name):
    certificate = x509.load_pem_x509_certificate(pathlib.Path(f"{name}.pem").read_bytes())
    return certificate.subject, serialization.load_pem_private_key(pathlib.Path(f"{name}.key").read_bytes(), None)


def certificate(begin, end, ca="ca"):
    issuer, key = signer(ca)
    subject = x509.Name.from_rfc4514_string("CN=Robot,DC=example,DC=org")
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(KEY.public_key()).serial_number(5)
    built = built.not_valid_before(NOW + begin * DAY).not_valid_after(NOW + end * DAY).sign(key, hashes.SHA256())
    pathlib.Path("cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))


def revocations(begin, end, *serials):
    issuer, key = signer("ca")
    built = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(NOW + begin * DAY).next_update(NOW + end * DAY)
    for serial in serials:
        built = built.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build())
    REVOCATIONS.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


OK = "Checking cert... ok"
for case, span, ca, lists, lines in (
    ("valid", (-1, 20), "ca", None, (OK, "trust chain... ok")),
    ("valid, a list", (-1, 20), "ca", (-1, 1), (OK, "trust chain... ok")),
    ("expired", (-20, -1), "ca", None, (OK, "trust chain... failed", "has expired")),
    ("not valid yet", (2, 20), "ca", None, (OK, "trust chain... failed", "is not yet valid")),
    ("revoked", (-1, 20), "ca", (-1, 1, 5), (OK, "trust chain... failed", "has been revoked")),
    ("valid, an old list", (-1, 20), "ca", (-3, -2), (OK, "trust chain... failed", "CRL has expired")),
    ("of an unknown CA", (-1, 20), "other", None, (OK, "trust chain... failed")),
    ("no such file", None, "", None, ("Checking cert at cert.pem... failed",)),
):
    for path in (pathlib.Path("cert.pem"), REVOCATIONS):
        path.unlink(missing_ok=True)
    if span:
        certificate(*span, ca)
    if lists:
        revocations(*lists)
    done = subprocess.run(["root/usr/bin/grid-cert-diagnostics", "-c", "cert.pem"], capture_output=True, text=True, timeout=60)
    said = re.findall(r"^Checking (?:cert|certificate trust chain)(?: at cert.pem)?\.\.\. \w+", done.stdout, re.MULTILINE)
    print(f"{case}: exit code {done.returncode}, {'; '.join(said)}")
    missing = [line for line in lines if line not in done.stdout]
    if done.returncode or done.stderr or missing:
        sys.exit(f"CHANGED: it was exit code 0, nothing on stderr, and {lines}: {done.stdout} {done.stderr}")
PYTHON
