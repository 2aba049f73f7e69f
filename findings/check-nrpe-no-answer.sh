#!/bin/bash
# check_nrpe: a name that does not resolve is a WARNING whatever -u and -t say; -t 2:OK turns a refused connection into OK as well.
#
# Software:  nagios-nrpe-plugin 4.1.0-1+b1 of Debian 12. Seen 2026-11-29.
# Expected:  "-u: make connection problems return UNKNOWN instead of CRITICAL": without it each of them is CRITICAL, with it UNKNOWN.
#            -t 2:STATE is the state of what does not answer in two seconds, and of nothing else.
# Seen:      exit codes           -       -u      -n      -t 2:OK
#            nothing listens      2       3       2       0, "Connection refused"
#            does not answer      2       3       2       0, "STATE OK: Socket timeout after 2 seconds"
#            speaks HTTP          2       3       3       3
#            no such name         1       1       1       1
# Matters:   a resolver that is down makes all that is watched through NRPE a WARNING, under the threshold of most notifications and
#            counted as up by availability, and no option changes that: give addresses (-H $HOSTADDRESS$). Who softens
#            timeouts by -t 30:OK for a slow host hides the day on which its daemon is gone.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nagios-nrpe-plugin
dpkg-deb -x nagios-nrpe-plugin_*.deb root
echo "nagios-nrpe-plugin $(dpkg-deb -f nagios-nrpe-plugin_*.deb Version)"
python3 - <<'PYTHON'
import contextlib
import socket
import subprocess
import sys
import threading

mute = socket.create_server(("127.0.0.1", 0))
web = socket.create_server(("127.0.0.1", 0))
with socket.create_server(("127.0.0.1", 0)) as closed:
    nothing = closed.getsockname()[1]


def refuse(peer):
    with peer, contextlib.suppress(OSError):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass


def serve():
    while True:
        threading.Thread(target=refuse, args=[web.accept()[0]], daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
EXPECTED = {
    "nothing listens": ("127.0.0.1", nothing, [2, 3, 2, 0]),
    "does not answer": ("127.0.0.1", mute.getsockname()[1], [2, 3, 2, 0]),
    "speaks HTTP": ("127.0.0.1", web.getsockname()[1], [2, 3, 3, 3]),
    "no such name": ("nobody.invalid", 5666, [1, 1, 1, 1]),
}
for case, (host, port, expected) in EXPECTED.items():
    codes = []
    print(case)
    for options in (["-t", "4"], ["-t", "4", "-u"], ["-t", "4", "-n"], ["-t", "2:OK"]):
        done = subprocess.run(
            ["root/usr/lib/nagios/plugins/check_nrpe", "-H", host, "-p", str(port), *options],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        codes.append(done.returncode)
        print(f"  {' '.join(options):10} {done.returncode} {(done.stdout + done.stderr).strip().splitlines()[0]}")
    if codes != expected:
        sys.exit(f"CHANGED: the exit codes were {expected}")
PYTHON
