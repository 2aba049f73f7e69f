#!/bin/bash
# xymon-client: drop(host, test) drops the whole host with all its services, and drop(host) a service "None" that is not there.
#
# Software:  xymon-client 1.0.0 (PyPI), and xymon 4.3.30-1+b2 of Debian 12, its xymond. Seen 2026-11-30.
# Expected:  drop("web", "old") removes what is kept of that service, drop("web") of the host.
# Seen:      drop("web", "old"):  sends "drop web"; disk and cpu of the host are gone too, those of other hosts are there.
#            drop("web"):         sends "drop web None"; everything is still there. Both return an empty string.
#            query() of a service that is not there is an empty string as well.
# Matters:   one service that was renamed is tidied up, and the state, the downtimes and the history of the whole machine are lost, for
#            xymond's other processes remove the files at this message. Send it by hand: Xymon(server)("drop web old").
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download xymon xymon-client libpcre3
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "xymon $(dpkg-deb -f xymon_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install xymon-client==1.0.0
export LD_LIBRARY_PATH=$work/root/lib/x86_64-linux-gnu:$work/root/usr/lib/x86_64-linux-gnu
venv/bin/python - <<'PYTHON'
import os
import pathlib
import socket
import subprocess
import sys
import time

from xymon_client import Xymon

BIN = "root/usr/lib/xymon/server/bin"
SENT: list[str] = []
here = os.getcwd()
pathlib.Path("hosts.cfg").write_text("127.0.0.1 alpha # noconn\n127.0.0.1 web # noconn\n127.0.0.1 web2 # noconn\n")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
environment = {
    **os.environ, "XYMONHOME": here, "XYMONVAR": here, "XYMONTMP": here, "XYMONSERVERLOGS": here, "HOSTSCFG": f"{here}/hosts.cfg",
}  # fmt: skip


class Told(Xymon):
    """Keeps each message that it sends."""

    def __call__(self, data, *more, **options):
        SENT.append(data)
        return super().__call__(data, *more, **options)


def send(message):
    done = subprocess.run([f"{BIN}/xymon", address, message], capture_output=True, text=True, timeout=60, env=environment)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


with open("log", "w") as log:
    daemon = subprocess.Popen(
        [f"{BIN}/xymond", "--hosts=hosts.cfg", f"--listen={address}", "--no-daemon"], stdout=log, stderr=log, env=environment
    )
try:
    for _ in range(600):
        if send("ping")[0] == 0:
            break
        time.sleep(0.1)
    else:
        sys.exit("CHANGED: no daemon")
    server = Told("127.0.0.1", int(address.rpartition(":")[2]))
    every = {"alpha disk", "web disk", "web cpu", "web old", "web2 disk"}
    for arguments, message, left in ((["web"], "drop web None", every), (["web", "old"], "drop web", {"alpha disk", "web2 disk"})):
        for host, test in (each.split() for each in sorted(every)):
            server.status(host, test, "red", "down")
        SENT.clear()
        answer = server.drop(*arguments)
        sent = list(SENT)
        rows = server.xymondboard({"color": "red"}, ["hostname", "testname"])
        got = {" ".join(row) for row in rows}
        print(f"drop{tuple(arguments)}: sent {sent}, answer {answer!r}, left are {sorted(got)}")
        if (sent, answer, got) != ([message], "", left):
            sys.exit(f"CHANGED: it was {message}, {sorted(left)}")
    if server.query("web", "nothing") != "":
        sys.exit("CHANGED: the answer was empty")
finally:
    daemon.terminate()
    daemon.wait()
PYTHON
