#!/bin/bash
# Nine certification authorities that the grid trusts have the serial number 0, which cryptography means to refuse.
#
# Software:  igtf-policy-classic 1.133-1~deb12u1 (Debian 12), cryptography 50.0.2 (PyPI). Seen 2026-11-28.
# Expected:  trust anchors that were reviewed by the IGTF load without a word; RFC 5280 section 4.1.2.2 asks for positive
#            serial numbers.
# Seen:      several roots, among them NorduGrid's and those of the Hellenic Academic and Research Institutions (HARICA),
#            have serial 0. Each costs a CryptographyDeprecationWarning: a future release will raise instead of load.
# Matters:   Python writes the warning to stderr, which Nagios mixes into a plugin's output or drops; and the release that
#            raises will make a reader of /etc/grid-security/certificates fail for everybody because of these few. A
#            reader has to take each file for itself and go on.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cryptography==50.0.2
apt-get -qq -o APT::Sandbox::User=root download igtf-policy-classic
dpkg-deb -x igtf-policy-classic_*.deb root
dpkg-deb -f igtf-policy-classic_*.deb Version
venv/bin/python - root/usr/share/igtf-policy/classic <<'PYTHON'
import pathlib
import sys
import warnings

from cryptography import x509

told = {}
paths = sorted(pathlib.Path(sys.argv[1]).glob("*.pem"))
for path in paths:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        serial = certificate.serial_number
    if caught:
        told[path.stem] = serial, str(caught[0].message)
for name, (serial, message) in told.items():
    print(f"{name}: serial {serial}")
print(f"{len(told)} of {len(paths)}: {message}")
if not told or any(serial for serial, _ in told.values()) or "exception in a future release" not in message:
    sys.exit("CHANGED: no more warnings about serial 0, or others")
PYTHON
