#!/bin/bash
# check_ssh drops each option that stands behind the host, takes half a version for a version, and lines before it for no SSH.
#
# Software:  check_ssh of monitoring-plugins-basic 2.3.3-5+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  options count wherever they stand, as those of check_tcp do, or are refused. A server "may send other lines of data before
#            the version string" (RFC 4253 section 4.2), which a client passes over, and a line ends with its newline, however many
#            pieces it comes in.
# Seen:      check_ssh -t 3 HOST of a server that says nothing: CRITICAL after 3 s; check_ssh HOST -t 3: after 10 s, the default.
#            check_ssh HOST -P 1.99 of a server with 2.0: OK; -P 1.99 before HOST: CRITICAL.
#            a line "Welcome" before the version: CRITICAL "Server answer: Welcome".
#            "SSH-2.0-" and then "OpenSSH_9.2p1": OK, with an empty version; so -r OpenSSH_9.2p1 is CRITICAL. Exit code 0 or 2, never 3.
# Matters:   a limit or a demanded protocol that was appended to a command line does nothing, in silence; a gateway that greets first is
#            down for ever, and the check of a version depends on how the network cuts. Give -H, and all else before it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-basic
dpkg-deb -x monitoring-plugins-basic_*.deb root
echo "monitoring-plugins-basic $(dpkg-deb -f monitoring-plugins-basic_*.deb Version)"
python3 - <<'PYTHON'
import contextlib
import socket
import subprocess
import sys
import threading
import time

VERSION = b"SSH-2.0-OpenSSH_9.2p1\r\n"


def answer(peer, pieces):
    with peer, contextlib.suppress(OSError):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, piece in enumerate(pieces):
            time.sleep(1 if number else 0)
            peer.sendall(piece)
        while peer.recv(1024):
            pass


def serve(*pieces):
    listener = socket.create_server(("127.0.0.1", 0))

    def loop():
        while True:
            threading.Thread(target=answer, args=[listener.accept()[0], pieces], daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    return str(listener.getsockname()[1])


whole, mute, greets, cut = serve(VERSION), serve(), serve(b"Welcome\r\n" + VERSION), serve(VERSION[:8], VERSION[8:])
HOST = "127.0.0.1"
for what, arguments, expected in (
    ("a version", ["-p", whole, HOST], "0 SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("-P before", ["-p", whole, "-P", "1.99", HOST], "2 SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0) protocol version mismatch, expected '1.99'"),
    ("-P behind", ["-p", whole, HOST, "-P", "1.99"], "0 SSH OK - OpenSSH_9.2p1 (protocol 2.0)"),
    ("-t before", ["-p", mute, "-t", "3", HOST], "2 CRITICAL - Socket timeout after 3 seconds"),
    ("-t behind", ["-p", mute, HOST, "-t", "3"], "2 CRITICAL - Socket timeout after 10 seconds"),
    ("a line before", ["-p", greets, HOST], "2 Server answer: Welcome"),
    ("two pieces", ["-p", cut, HOST], "0 SSH OK -  (protocol 2.0)"),
    ("two pieces, -r", ["-p", cut, "-r", "OpenSSH_9.2p1", HOST], "2 SSH CRITICAL -  (protocol 2.0) version mismatch, expected 'OpenSSH_9.2p1'"),
):
    done = subprocess.run(["root/usr/lib/nagios/plugins/check_ssh", *arguments], capture_output=True, text=True, timeout=120)
    got = f"{done.returncode} {done.stdout.partition('|')[0].strip().splitlines()[0].strip()}"
    print(f"{what:16}{got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
