#!/bin/bash
# influx: an insert that the server refuses ends with 0 and nothing on stderr, and so does an import without "# DML"; its count is not of points.
#
# Software:  influxdb 1.6.7~rc0-1+b13 and influxdb-client of the same version, Debian 12. Seen 2026-11-30.
# Expected:  `influx -execute` of an insert that is refused ends with 1, as of a query that is; `-import` counts what was not inserted, and
#            tells each reason.
# Seen:      insert of another type than before, of half a line, into no database, with a second one behind a semicolon:  "ERR: ..." on
#            stdout, exit code 0; a query with a mistake: exit code 1
#            use of a database that is not there:              exit code 0
#            -import of five lines of which two are refused:   "5 points were not inserted", one reason; three are there
#            -import of lines without "# DML" before them:     exit code 0, nothing is there
#            where stat = 2, a field that is not there:        nothing, exit code 0
# Matters:   a job that inserts a state after each run, and looks at its exit code, does not see that its points are refused since one was
#            2.5 instead of 2. Send lines to /write and look for 204.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download influxdb influxdb-client
for each in *.deb; do
    dpkg-deb -x "$each" root
    echo "$(dpkg-deb -f "$each" Package) $(dpkg-deb -f "$each" Version)"
done
python3 - <<'PYTHON'
import os
import re
import socket
import subprocess
import sys
import time

WHEN = 1700000000


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def influx(*arguments, database="probes"):
    chosen = ("-database", database) if database else ()
    command = ["root/usr/bin/influx", "-host", "127.0.0.1", "-port", str(port), *chosen, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"})
    return done.returncode, " ".join(done.stdout.split()), " ".join(re.sub(r"^\d{4}/\S+ \S+ ", "", done.stderr, flags=re.MULTILINE).split())


def held():
    return sorted(influx("-format", "csv", "-execute", "select site, state from status")[1].split()[1:])


def imported(name, text):
    with open(name, "w") as file:
        file.write(text)
    return influx("-import", "-path", name, "-precision", "s")


port, other = free_port(), free_port()
with open("influxdb.conf", "w") as file:
    file.write(f'reporting-disabled = true\nbind-address = "127.0.0.1:{other}"\n[meta]\ndir = "meta"\n[data]\ndir = "data"\nwal-dir = "wal"\n')
    file.write(f'[http]\nbind-address = "127.0.0.1:{port}"\n[monitor]\nstore-enabled = false\n')
with open("said", "w") as said:
    daemon = subprocess.Popen(["root/usr/bin/influxd", "-config", "influxdb.conf"], stdout=said, stderr=said)
try:
    for _ in range(600):
        if influx("-execute", "create database probes", database=None)[0] == 0:
            break
        time.sleep(0.1)
    for database, command, code, beginning, on_stderr in (
        ("probes", f"insert status,site=A state=2i {WHEN}000000000", 0, "", False),
        ("probes", f"insert status,site=A state=2.5 {WHEN}000000000", 0, 'ERR: {"error":"partial write: field type conflict', False),
        ("probes", f"insert status,site=A state= {WHEN}000000000", 0, 'ERR: {"error":"unable to parse', False),
        ("probes", "insert status,site=B state=2i; insert status,site=C state=2i", 0, 'ERR: {"error":"unable to parse', False),
        (None, f"insert status,site=A state=2i {WHEN}000000000", 0, 'ERR: {"error":"database is required', False),
        ("prbes", f"insert status,site=A state=2i {WHEN}000000000", 0, 'ERR: {"error":"database not found', False),
        ("probes", "use prbes", 0, "ERR: Database prbes doesn't exist", False),
        ("probes", "select * from status where stat = 2", 0, "", False),
        ("probes", "selct * from status", 1, "ERR: error parsing query", True),
    ):
        got = influx("-execute", command, database=database)
        print(f"in {database}: {command}: {got}")
        if got[0] != code or not got[1].startswith(beginning) or bool(got[1]) != bool(beginning) or bool(got[2]) != on_stderr:
            sys.exit(f"CHANGED: it was {code}, {beginning!r}, and {'something' if on_stderr else 'nothing'} on stderr")
    influx("-execute", "drop measurement status")

    lines = [f"status,site={site} state={state} {WHEN}\n" for site, state in (("A", "2i"), ("B", "2.5"), ("C", ""), ("D", "1i"), ("E", "0i"))]
    got, there = imported("five", "# DML\n# CONTEXT-DATABASE: probes\n" + "".join(lines)), held()
    print("import of five lines:", got, "there are", [line.split(",")[2:] for line in there])
    if got[0] != 1 or "5 points were not inserted" not in got[2] or "conflict" not in got[2] or "unable to parse" in got[2] or len(there) != 3:
        sys.exit("CHANGED: it was 1, five not inserted for one reason, and three were there")
    influx("-execute", "drop measurement status")

    got, there = imported("bare", "".join(lines)), held()
    print("import without # DML:", got[0], "there are", there)
    if got[0] != 0 or there:
        sys.exit("CHANGED: it was 0 and nothing")
finally:
    daemon.kill()
    daemon.wait()
PYTHON
