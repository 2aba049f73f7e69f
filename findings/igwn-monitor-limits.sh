#!/bin/bash
# igwn-monitor: the limits of check_scitoken (without -s), check_xrootd_ping and check_partitions are never looked at.
#
# Software:  igwn-monitor 1.3.2 (PyPI), scitokens 1.9.7. Seen 2026-11-30.
# Expected:  a value beyond -c is CRITICAL.
# Seen:      check_scitoken -c 7200 of a token that ends in 50 minutes:    "valid token with 3000s until expiry", exit code 0
#            the same with -s storage.read:                                exit code 2
#            check_xrootd_ping -c 1 of an answer after 2 seconds:           "XRootD OK | 'latency'=2.0s;1;1;0", exit code 0
#            check_partitions -c 1 of a latency of 45 seconds:              "Latency OK: ... | 'latency_X'=45.0s;1.0;1.0", exit code 0
# Matters:   a robot's token that is no longer renewed is green until the moment it ends, and a slow server for ever; the limits stand in
#            the performance data, so graphs show them crossed beside an OK. Give check_scitoken a scope.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download python3-gssapi python3-decorator libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 \
    libkeyutils1 libcom-err2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libgssapi_krb5.so*' | head -1)")
export LD_LIBRARY_PATH PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages" HOME="$PWD" XDG_CACHE_HOME="$PWD/cache" PATH="$PWD/bin:$PATH"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install ciecplib==0.9.0 gpstime==0.10.0 igwn-auth-utils==1.4.0 scitokens==1.9.7 pyjwt==2.15.1
PIP_NO_DEPS=1 venv/bin/pip -q --disable-pip-version-check install igwn-monitor==1.3.2 requests-gssapi==1.3.0

mkdir -p bin cache/gpstime
printf '#expires 4102444800\nLeap 2016 Dec 31 23:59:60 + S\n' > cache/gpstime/leapseconds  # so that gpstime asks nobody for them
cat > bin/smlatency <<'END'
#!/bin/sh
# A stand-in for smlatency, which prints a line a second for ever.
printf 'Partition %s latency, n=1  avg=45.000  sig=0.000  max=45.000\n' "$3"
exec sleep 600
END
cat > bin/smstat <<'END'
#!/bin/sh
echo 1400000000
END
chmod +x bin/*

venv/bin/python - <<'PYTHON'
import re
import socket
import subprocess
import sys
import threading
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from scitokens.utils import keycache

ISSUER = "https://issuer.example.org"
key = ec.generate_private_key(ec.SECP256R1())
keycache.KeyCache().addkeyinfo(ISSUER, "1", key.public_key(), cache_timer=3600, next_update=3600)
now = int(time.time())
claims = {"iss": ISSUER, "sub": "robot", "aud": "https://storage.example.org", "scope": "storage.read:/", "iat": now, "nbf": now}
with open("token", "w") as file:
    file.write(jwt.encode(claims | {"exp": now + 3000}, key, algorithm="ES256", headers={"kid": "1"}))


def xrootd():
    """The port of a server that takes two seconds for the answer to a handshake."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = server.accept()
        with peer:
            peer.recv(20)
            time.sleep(2)
            peer.sendall(bytes(16))

    threading.Thread(target=serve, daemon=True).start()
    return str(server.getsockname()[1])


def compare(plugin, options, expected, said):
    command = [sys.executable, "-W", "ignore", "-m", f"igwn_monitor.plugins.{plugin}", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    line = done.stdout.partition("\n")[0]
    print(f"{plugin} {' '.join(options)}: exit code {done.returncode}\n    {line}")
    if done.returncode != expected or not re.search(said, line):
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(f"CHANGED: it was {expected}, and {said}")


token, scope = ["--token-file", "token"], ["-s", "storage.read"]
compare("check_scitoken", [*token, "-c", "7200"], 0, r"valid token with \d+s until expiry")
compare("check_scitoken", [*token, *scope, "-c", "7200"], 2, "exp")
compare("check_scitoken", [*token, *scope], 0, r"valid token with \d+s until expiry")
compare("check_xrootd_ping", ["-H", "127.0.0.1", "-p", xrootd(), "-w", "1", "-c", "1"], 0, r"XRootD OK \| 'latency'=([2-9]|[0-9]{2,})[0-9.]*s;1;1;")
compare("check_partitions", ["-P", "X", "-t", "10", "-w", "1", "-c", "1"], 0, r"Latency OK: X=45.0s.*'latency_X'=45.0s;1.0;1.0")
PYTHON
