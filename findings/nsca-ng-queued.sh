#!/bin/bash
# nsca-ng: exit code 0 where no monitor runs, and those results are gone with the daemon; one refused result drops all behind it.
#
# Software:  nsca-ng-client and nsca-ng-server 1.6-6 of Debian 12. Seen 2026-11-29.
# Expected:  a result that the server says OK to has reached the monitor, or is kept until it does. A state is 0 to 3. Of several
#            results each is taken or refused by itself; a wrong password is called so.
# Seen:      no command file, as while Nagios is stopped: exit code 0, for every result. They wait in memory, and come with the time
#            that they were sent at once the file is there; what waits when nsca-ng is stopped is never written.
#            vm, other, vm with "other" not allowed: exit code 1, the first is written, the third never sent.
#            states 4, -1 and CRITICAL are handed on as they are, exit code 0. A wrong password: "sslv3 alert illegal parameter".
# Matters:   exit code 0 says that nsca-ng has it, not that anyone will see it: after a stop of both there is a gap, and a sender that
#            repeats what failed repeats the first and never gets to the third. Send one result each, watch the freshness in the monitor.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nsca-ng-client nsca-ng-server libconfuse2 libev4
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in nsca-ng-client nsca-ng-server; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import contextlib
import getpass
import os
import re
import socket
import subprocess
import sys
import time

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]


def write(name, text):
    with open(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


write(
    "server.cfg",
    f'listen = "127.0.0.1:{PORT}"\nuser = "{getpass.getuser()}"\ncommand_file = "{os.getcwd()}/commands"\n'
    'authorize "site" {\n    password = "secret"\n    services = "vm"\n}\n',
)
for password in ("secret", "another"):
    write(f"{password}.cfg", f'server = "127.0.0.1"\nport = "{PORT}"\nidentity = "site"\npassword = "{password}"\n')


def changed(what):
    sys.exit(f"CHANGED: {what}")


@contextlib.contextmanager
def nsca_ng():
    with open("said", "w") as said:
        server = subprocess.Popen(["root/usr/sbin/nsca-ng", "-F", "-S", "-c", "server.cfg", "-P", "pid"], stderr=said)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT)):
                break
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(60)


def send(*results, password="secret"):
    text = "\x17".join(f"site\t{service}\t{state}\t{output}\n" for service, state, output in results)
    done = subprocess.run(["root/usr/sbin/send_nsca", "-c", f"{password}.cfg"], input=text, capture_output=True, text=True, timeout=60)
    print(f"{[result[:2] for result in results]} {password}: exit code {done.returncode} {done.stderr.strip()}")
    return done.returncode, done.stderr


@contextlib.contextmanager
def monitor():
    os.mkfifo("commands")
    pipe = os.open("commands", os.O_RDWR | os.O_NONBLOCK)
    try:
        yield lambda last: read(pipe, last)
    finally:
        os.unlink("commands")
        os.close(pipe)


def read(pipe, last):
    """What was written until a result with this output came."""
    text = ""
    for _ in range(300):
        with contextlib.suppress(BlockingIOError):
            text += os.read(pipe, 65536).decode()
        if text.endswith(f";{last}\n"):
            break
        time.sleep(0.1)
    print(*text.splitlines(), sep="\n")
    return re.findall(r"site;(.*)", text)


with nsca_ng():
    got = [send(("vm", 0, "no monitor"))[0], send(("vm", 0, "still none"))[0]]
    with monitor() as commands:
        got += commands("still none")
if got != [0, 0, "vm;0;no monitor", "vm;0;still none"]:
    changed("both were taken, and written later")
with nsca_ng():
    if send(("vm", 2, "to be lost"))[0] != 0:
        changed("it was exit code 0")
with nsca_ng(), monitor() as commands:
    send(("vm", 0, "after the start"))
    if commands("after the start") != ["vm;0;after the start"]:
        changed("what waited at the stop was never written")
    code, said = send(("vm", 1, "first"), ("other", 1, "second"), ("vm", 1, "third"))
    if (code, "not authorized" in said) != (1, True):
        changed("it was exit code 1, You're not authorized")
    codes = [send(("vm", state, "odd"))[0] for state in (4, -1, "CRITICAL")]
    send(("vm", 0, "end"))
    if codes != [0] * 3 or commands("end") != ["vm;1;first", "vm;4;odd", "vm;-1;odd", "vm;CRITICAL;odd", "vm;0;end"]:
        changed("the first alone was written, and then the states as they were")
    code, said = send(("vm", 0, "x"), password="another")
    if code != 1 or "illegal parameter" not in said:
        changed("it was exit code 1, sslv3 alert illegal parameter")
PYTHON
