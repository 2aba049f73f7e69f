#!/bin/bash
# Livestatus of Icinga: what it cannot answer is an empty answer, so both Python clients see no service, no problem and no comment.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, its LivestatusListener; python-mk-livestatus 0.4 and pyLivestatus 1.0.4 (PyPI).
#            Seen 2026-11-30.
# Expected:  a client asks for the services that are CRITICAL and gets them, or an exception. A misspelt header of a query is refused, and
#            a misspelt column is told.
# Seen:      one service is CRITICAL, one OK, the host has a comment
#            mk_livestatus, any query:                [], for its queries end without a blank line, with what it sends
#            pyLivestatus get_hosts(), get_all_services(), get_comments(): [], for some of their columns are not there in Icinga
#            pyLivestatus get_services("site"):       HostNotFoundException, of a host that is there
#            "Filter: stat = 2", "Filter: state = CRITICAL" or a misspelt column: an empty answer, unless it is asked with
#            "ResponseHeader: fixed16": 452 and the reason
#            "Fitler: state = 2":                     all services, with that header 200
# Matters:   a page or a bot that was written for Nagios has no problem to show from the day on which Icinga is behind it. Ask with
#            fixed16, end with a blank line, and take no answer for a failure.
set -eu
work=$(mktemp -d)
icinga=
trap '[ -z "$icinga" ] || kill "$icinga" 2>/dev/null || :; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f icinga2-bin_*.deb Version
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-mk-livestatus==0.4 pyLivestatus==1.0.4
libraries=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
program=$(find root -path "*/sbin/icinga2" -type f -size +1M)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir state
cat > icinga2.conf <<CONF
library "livestatus"
object LivestatusListener "livestatus" { socket_type = "tcp"; bind_host = "127.0.0.1"; bind_port = "$port" }
object CheckerComponent "checker" { }
object CheckCommand "none" { command = [ "/bin/true" ] }
object CheckCommand "ends" { command = [ "/bin/sh", "-c", "echo text; exit \$service.notes\$" ] }
object Host "site" { check_command = "none"; enable_active_checks = false }
object Service "good" { host_name = "site"; check_command = "ends"; check_interval = 1s; retry_interval = 1s; notes = "0" }
object Service "bad" { host_name = "site"; check_command = "ends"; check_interval = 1s; retry_interval = 1s; notes = "2" }
CONF
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" > said 2>&1 &
icinga=$!
venv/bin/python - "$port" <<'PYTHON'
import socket
import sys
import time
import warnings

warnings.simplefilter("ignore")
import mk_livestatus
import pyLivestatus
from pyLivestatus.exceptions import HostNotFoundException

ADDRESS = ("127.0.0.1", int(sys.argv[1]))


def ask(query, header=False):
    with socket.create_connection(ADDRESS, timeout=60) as peer:
        peer.sendall(f"{query}\n{'ResponseHeader: fixed16' if header else ''}\n\n".replace("\n\n\n", "\n\n").encode())
        answer = b""
        while part := peer.recv(65536):
            answer += part
    return answer.decode()


def await_answer(query, expected):
    for _ in range(300):
        try:
            found = ask(query)
        except OSError:
            found = None
        if found == expected:
            return
        time.sleep(0.2)
    sys.exit(f"CHANGED: {query!r} gives {found!r}, it was {expected!r}")


def judge(what, found, expected):
    what = what.replace("\n", " / ")
    print(f"{what}: {found!r}")
    if found != expected:
        sys.exit(f"CHANGED: it was {expected!r}")


CRITICAL = "GET services\nColumns: description\nFilter: state = 2"
await_answer(CRITICAL, "bad\n")
pylivestatus = pyLivestatus.Livestatus(*ADDRESS)
pylivestatus.set_host_comment("site", "operator", "looked at")
await_answer("GET comments\nColumns: host_name comment", "site;looked at\n")
judge(CRITICAL, ask(CRITICAL), "bad\n")
judge("with fixed16", ask(CRITICAL, True)[:3], "200")

services = mk_livestatus.Socket(ADDRESS).services
judge("mk_livestatus, critical", services.columns("description").filter("state = 2").call(), [])
judge("mk_livestatus, all", mk_livestatus.Socket(ADDRESS).services.columns("description").call(), [])
for name in ("get_hosts", "get_all_services", "get_comments"):
    judge(f"pyLivestatus {name}()", getattr(pylivestatus, name)(), [])
try:
    sys.exit(f"CHANGED: get_services() gives {pylivestatus.get_services('site')}")
except HostNotFoundException as error:
    print(f"pyLivestatus get_services('site'): {error!r}")

for query in (
    "GET services\nColumns: description\nFilter: stat = 2",
    "GET services\nColumns: description\nFilter: state = CRITICAL",
    "GET services\nColumns: descripton\nFilter: state = 2",
):
    judge(query, ask(query), "")
    code, reason = ask(query, True).splitlines()[:2]  # a trace follows
    judge(f"with fixed16, {reason}", (code[:3], reason[:6]), ("452", "Error:"))
misspelt = "GET services\nColumns: description\nFitler: state = 2"
judge(misspelt, sorted(ask(misspelt).split()), ["bad", "good"])
judge("with fixed16", ask(misspelt, True)[:3], "200")
PYTHON
