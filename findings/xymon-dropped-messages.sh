#!/bin/bash
# xymon: a status of an unknown colour, a disable before the first status and one scheduled by a date are dropped, exit code 0.
#
# Software:  xymon 4.3.30-1+b2 of Debian 12, its xymond and its client. Seen 2026-11-30.
# Expected:  xymon ends with another code than 0, or prints something, where xymond does not take a message; xymond's log names it.
#            `disable` holds for a service whose first status comes later; `schedule` refuses a time that it cannot read.
# Seen:      all of these: exit code 0, not a word on stdout and stderr.
#            status web.a orange, CRITICAL or 2:             dropped, the service does not come into being; no line in the log.
#            status web red, without the name of a test:     dropped with a line in the log.
#            status web.c purple:                            the service comes into being with the colour "none".
#            disable web.d 60 ..., before its first status:  not kept, the status is red afterwards. "web.*" neither.
#            schedule 2099-12-24T10:00 disable web.e 60 ...: "Ran scheduled task" at once, of which nothing becomes; the schedule is
#            empty. With seconds since 1970 it is kept. xymondack of a number that is none: dropped with a line in the log.
# Matters:   a script that translates a state wrongly shows nothing but a service that is missing; of a new site the downtime that was
#            announced before pages all the same. Ask for what was sent, by xymondboard, and write seconds since 1970.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download xymon xymon-client libpcre3
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "xymon $(dpkg-deb -f xymon_*.deb Version)"
export LD_LIBRARY_PATH=$work/root/lib/x86_64-linux-gnu:$work/root/usr/lib/x86_64-linux-gnu
python3 - <<'PYTHON'
import os
import pathlib
import socket
import subprocess
import sys
import time

BIN = "root/usr/lib/xymon/server/bin"
here = os.getcwd()
pathlib.Path("hosts.cfg").write_text("127.0.0.1 web # noconn\n")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
environment = {
    **os.environ, "XYMONHOME": here, "XYMONVAR": here, "XYMONTMP": here, "XYMONSERVERLOGS": here, "HOSTSCFG": f"{here}/hosts.cfg",
}  # fmt: skip


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
    for test, messages, expected, words in (
        ("fine", ["status web.fine red down"], "red", ""),
        ("kept", ["status web.kept red down", "disable web.kept 60 repair"], "blue", ""),
        ("orange", ["status web.orange orange warm"], None, ""),
        ("critical", ["status web.critical CRITICAL down"], None, ""),
        ("two", ["status web.two 2 down"], None, ""),
        ("web", ["status web red down"], None, "Bogus message"),
        ("purple", ["status web.purple purple silent"], "none", "Ignored PURPLE"),
        ("before", ["disable web.before 60 repair", "status web.before red down"], "red", ""),
        ("every", ["disable web.* 60 repair", "status web.every red down"], "red", ""),
        ("seconds", ["status web.seconds red down", f"schedule {int(time.time()) + 86400} disable web.seconds 60 repair"], "red", ""),
        ("date", ["status web.date red down", "schedule 2099-12-24T10:00 disable web.date 60 repair"], "red", "Ran scheduled task"),
        ("ack", ["status web.ack red down", "xymondack 123456 60 seen"], "red", "dropping ack"),
    ):
        begin = len(pathlib.Path("log").read_text())
        for message in messages:
            got = send(message)
            if got != (0, "", ""):
                sys.exit(f"CHANGED: {message} was answered with {got}")
        time.sleep(0.1)
        for _ in range(600 if words else 1):
            said = pathlib.Path("log").read_text()[begin:]
            if words in said:
                break
            time.sleep(0.1)
        color = send(f"xymondboard test=^{test}$ fields=color")[1] or None
        print(f"{'; '.join(messages)}: exit code 0, color {color}, log: {' '.join(said.split()) or 'nothing'}")
        if color != expected or (words not in said) or (not words and said):
            sys.exit(f"CHANGED: it was {expected}, {words or 'nothing'}")
    kept = send("schedule")[1]
    print("schedule:", kept)
    if "web.date" in kept or "web.seconds" not in kept:
        sys.exit("CHANGED: web.seconds alone was kept")
finally:
    daemon.terminate()
    daemon.wait()
PYTHON
