#!/bin/bash
# voms-proxy-info looks at the last certificate alone: a proxy made of one that has ended is good for hours; others say 0.
#
# Software:  voms-clients 2.1.0~rc3-4, globus-proxy-utils 7.3-2, nordugrid-arc-client 6.17.0-3, openssl 3.0.19, all of Debian 12;
#            cryptography 50.0.2 (PyPI) makes the proxies. Seen 2026-11-29.
# Expected:  a chain is good as long as each certificate in it (RFC 5280 section 6.1.3), so the three programs tell the time that is
#            left of the first one to end, and "-exists" is no of a chain that has ended, or that has not begun.
# Seen:      seconds left of  a proxy of one that ended an hour ago:    voms 32399, grid -1, arcproxy 0
#                             a proxy of one that has an hour left:     voms 32399, grid 3599, arcproxy 3599
#            -exists -valid 2:00 of both: voms-proxy-info 0, grid-proxy-info 1. openssl verify: "certificate has expired" at depth 1.
#            A proxy that begins in an hour and ends in five: each counts to its end, both -exists are 0, openssl: not yet valid.
#            grid-proxy-info and arcproxy end with 0 for what has ended.
# Matters:   a robot's proxy that MyProxy or a portal delegated from a dying one is "good for nine hours" for the cron job that
#            asks voms-proxy-info, and refused by every site. Look at all certificates of the file, at both ends.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download voms-clients libvomsapi1v5 libgsoap-2.8.124 globus-proxy-utils libglobus-common0 \
    libglobus-openssl-module0 libglobus-gsi-sysconfig1 libglobus-gsi-credential1 libglobus-gsi-proxy-core0 libglobus-gsi-callback0 \
    libglobus-gsi-cert-utils0 libglobus-gsi-openssl-error0 libglobus-gsi-proxy-ssl1 libltdl7 nordugrid-arc-client libarccommon3v5 \
    libglibmm-2.4-1v5 libsigc++-2.0-0v5 libxml2 libicu72
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in voms-clients globus-proxy-utils nordugrid-arc-client; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cryptography==50.0.2

mkdir certificates home
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/DC=org/DC=example/CN=CA" 2> /dev/null
openssl req -newkey rsa:2048 -nodes -keyout robot.key -out robot.csr -subj "/DC=org/DC=example/CN=Robot" 2> /dev/null
printf 'keyUsage=critical,digitalSignature,keyEncipherment\nbasicConstraints=critical,CA:FALSE\n' > extensions
openssl x509 -req -in robot.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile extensions -out robot.pem 2> /dev/null
cp ca.pem "certificates/$(openssl x509 -hash -noout -in ca.pem).0"
printf '[common]\n' > arc.conf
venv/bin/python - <<'PYTHON'
import datetime
import os
import pathlib
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HOUR = datetime.timedelta(hours=1)
PROXY = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"), bytes.fromhex("300c300a06082b06010505071501"))
SIGNATURES = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
ROBOT = x509.load_pem_x509_certificate(pathlib.Path("robot.pem").read_bytes())
ROBOT_KEY = serialization.load_pem_private_key(pathlib.Path("robot.key").read_bytes(), None)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def make(name, *spans):
    """A file with a proxy for each span, in hours from now: the first of the robot's certificate, each other of the one before."""
    now = datetime.datetime.now(datetime.timezone.utc)
    signer, signing, chain = ROBOT, ROBOT_KEY, pem(ROBOT)
    for number, (begin, end) in enumerate(spans, 1000):
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([*signer.subject, x509.NameAttribute(x509.NameOID.COMMON_NAME, str(number))])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(signer.subject).serial_number(number)
        builder = builder.not_valid_before(now + begin * HOUR).not_valid_after(now + end * HOUR).public_key(key.public_key())
        made = builder.add_extension(PROXY, True).add_extension(SIGNATURES, True).sign(signing, hashes.SHA256())
        rest, chain = chain, pem(made) + chain
        signer, signing = made, key
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    pathlib.Path(name).write_bytes(pem(made) + text + rest)
    os.chmod(name, 0o600)


libraries = ":".join(map(str, [*pathlib.Path("root/usr/lib").glob("*-linux-gnu"), pathlib.Path("root/usr/lib")]))
HERE = os.getcwd()
ENVIRONMENT = {
    **os.environ, "LD_LIBRARY_PATH": libraries, "X509_CERT_DIR": f"{HERE}/certificates", "HOME": f"{HERE}/home",
    "ARC_LOCATION": f"{HERE}/root/usr",
}  # fmt: skip


def run(*command):
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.strip().splitlines()


def left(command):
    """What is left: hours, rounded, or 'none'."""
    code, lines = run(*command)
    number = int(lines[-1])
    print(f"  {command[0].rpartition('/')[2]:16} {number:6} s, exit code {code}")
    return round(number / 3600) if number > 0 else "none"


CASES = {
    "of a dead one": ([(-5, -1), (-1, 9)], (9, "none", "none"), (0, 1), False),
    "of one with an hour": ([(-1, 1), (-1, 9)], (9, 1, 1), (0, 1), True),
    "not yet": ([(1, 5)], (5, 5, 5), (0, 0), False),
    "dead": ([(-5, -1)], ("none", "none", "none"), (1, 1), False),
    "good": ([(-1, 9)], (9, 9, 9), (0, 0), True),
}
for name, (spans, times, exists, verified) in CASES.items():
    print(name)
    make("proxy", *spans)
    got = (
        left(["root/usr/bin/voms-proxy-info2", "-file", "proxy", "-timeleft"]),
        left(["root/usr/bin/grid-proxy-info", "-file", "proxy", "-timeleft"]),
        left(["root/usr/bin/arcproxy", "-z", "arc.conf", "-P", "proxy", "-i", "validityLeft"]),
    )
    is_there = tuple(
        run(f"root/usr/bin/{program}", "-file", "proxy", "-exists", "-valid", "2:00")[0] for program in ("voms-proxy-info2", "grid-proxy-info")
    )
    code, _ = run("openssl", "verify", "-allow_proxy_certs", "-CApath", "certificates", "-untrusted", "proxy", "proxy")
    print(f"  -exists -valid 2:00: voms {is_there[0]}, grid {is_there[1]}; openssl verify: {code}")
    if (got, is_there, code == 0) != (times, exists, verified):
        sys.exit(f"CHANGED: it was {times} hours, -exists {exists}, openssl {'content' if verified else 'not content'}")
PYTHON
