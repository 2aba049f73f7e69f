#!/bin/bash
# xymon: a misspelt filter or field of xymondboard is dropped, a colour that is none finds nothing; of "red;yellow" yellow is missing.
#
# Software:  xymon 4.3.30-1+b2 of Debian 12, its xymond and its client. Seen 2026-11-30.
# Expected:  xymondboard refuses a filter, a field and a colour that it does not know, by its answer or by the client's exit code. Several
#            colours or tests are parted as the fields are.
# Seen:      exit code 0 each time, and no line in the log. disk of two hosts is red, cpu yellow, load green.
#            tests=^cpu$ (for test=), hots=^web$:  dropped, all services of all hosts are listed.
#            color=Red is red, color=critical:     an empty answer, as if all were well.
#            color=red;yellow:                     the red ones alone; "color=red,yellow" has both.
#            test=disk,cpu:                        an empty answer; test=disk|cpu has both, and disk2 as well.
#            fields=hostname,tset,color:           lines of two columns, host and colour; "hostname, testname, color" of one.
# Matters:   a script that counts what is red of one site counts all sites, or none for ever, and one that takes the second column for
#            the service has the colour there. Let it look for a service that is always there, and anchor each name: ^name$.
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
pathlib.Path("hosts.cfg").write_text("127.0.0.1 web # noconn\n127.0.0.1 web2 # noconn\n")
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
    for message in ("web.disk red full", "web2.disk red full", "web.disk2 green fine", "web.cpu yellow hot", "web.load green fine"):
        if send(f"status {message}") != (0, "", ""):
            sys.exit(f"CHANGED: {message} was answered")
    before = pathlib.Path("log").read_text()
    everything = {"web disk", "web2 disk", "web disk2", "web cpu", "web load"}
    for asked, expected in (
        ("test=^cpu$ fields=hostname,testname", {"web cpu"}),
        ("tests=^cpu$ fields=hostname,testname", everything),
        ("host=^web$ color=red fields=hostname,testname", {"web disk"}),
        ("hots=^web$ color=red fields=hostname,testname", {"web disk", "web2 disk"}),
        ("color=red fields=hostname,testname", {"web disk", "web2 disk"}),
        ("color=Red fields=hostname,testname", {"web disk", "web2 disk"}),
        ("color=critical fields=hostname,testname", set()),
        ("color=red,yellow fields=hostname,testname", {"web disk", "web2 disk", "web cpu"}),
        ("color=red;yellow fields=hostname,testname", {"web disk", "web2 disk"}),
        ("test=disk,cpu fields=hostname,testname", set()),
        ("test=disk|cpu fields=hostname,testname", {"web disk", "web2 disk", "web disk2", "web cpu"}),
        ("test=^cpu$ fields=hostname,testname,color", {"web cpu yellow"}),
        ("test=^cpu$ fields=hostname,tset,color", {"web yellow"}),
        ("test=^cpu$ fields=hostname, testname, color", {"web"}),
    ):
        code, answer, error = send(f"xymondboard {asked}")
        got = {" ".join(line.split("|")) for line in answer.splitlines()}
        got = {line for line in got if not line.endswith((" info", " trends"))}
        print(f"{asked}: exit code {code}, {sorted(got)}")
        if (code, error, got) != (0, "", expected):
            sys.exit(f"CHANGED: it was 0 and {sorted(expected)}")
    if pathlib.Path("log").read_text() != before:
        sys.exit("CHANGED: the log names one of these")
finally:
    daemon.terminate()
    daemon.wait()
PYTHON
