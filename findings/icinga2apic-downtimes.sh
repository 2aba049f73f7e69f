#!/bin/bash
# icinga2apic: a flexible downtime becomes a fixed one, and a change that Icinga refused is returned as a success.
#
# Software:  icinga2apic 0.7.5 (PyPI), icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  schedule_downtime(..., duration=600, fixed=False) asks for a flexible downtime of ten minutes. What Icinga answers with
#            "code": 500 raises the library's exception, whatever the HTTP status is.
# Seen:      an argument that is False is not sent, and Icinga takes "fixed" for true where it is left out: the downtime is fixed, from
#            its first to its last minute. update() with an attribute that Icinga does not take returns the answer as for a success,
#            as HTTP 200 stands before it; the attributes beside it are not set either. No such object: Icinga2ApiRequestException.
# Matters:   a window of eight hours for ten minutes of work hides all of the eight. Send the request yourself, or look at "fixed" of the
#            downtime that was made; read "code" in each of the results.
set -eu
work=$(mktemp -d)
icinga=
trap '[ -z "$icinga" ] || kill "$icinga" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f icinga2-bin_*.deb Version
libraries=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
program=$(find root -path "*/sbin/icinga2" -type f -size +1M)

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p state/certs
make_key() { openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2> said; }
make_key ca
openssl x509 -req -in ca.csr -signkey ca.key -days 2 -out state/certs/ca.crt 2> said
make_key node
printf 'subjectAltName=DNS:localhost\n' > names
openssl x509 -req -extfile names -in node.csr -CA state/certs/ca.crt -CAkey ca.key -CAcreateserial -days 2 -out state/certs/node.crt 2> said
cp node.key state/certs
cat > icinga2.conf <<CONF
object Endpoint "node" { }
object Zone "master" { endpoints = [ "node" ] }
object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = $port }
object ApiUser "finding" { password = "secret"; permissions = [ "*" ] }
object CheckCommand "none" { command = [ "/bin/true" ] }
object Host "site" { check_command = "none"; enable_active_checks = false }
object Service "vm" { host_name = "site"; check_command = "none"; enable_active_checks = false; check_interval = 5m }
CONF
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" >> said 2>&1 &
icinga=$!
for _ in $(seq 300); do (: < "/dev/tcp/127.0.0.1/$port") 2> errors && break; sleep 0.2; done

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install icinga2apic==0.7.5 requests==2.32.5
venv/bin/python -W ignore - "$port" <<'PYTHON'
import sys
import time

from icinga2apic.client import Client
from icinga2apic.exceptions import Icinga2ApiRequestException

client = Client(url=f"https://localhost:{sys.argv[1]}", username="finding", password="secret", ca_certificate="state/certs/ca.crt")


def changed(what):
    sys.exit(f"CHANGED: it was {what}")


now = int(time.time())
for fixed, expected in ((True, True), (None, True), (False, True)):
    answer = client.actions.schedule_downtime("Service", 'service.name=="vm"', "me", "work", now, now + 28800, 600, fixed=fixed)
    made = client.objects.get("Downtime", answer["results"][0]["name"])["attrs"]
    print(f"fixed={fixed}, duration=600, eight hours: fixed {made['fixed']}, duration {made['duration']:.0f}")
    if made["fixed"] is not expected:
        changed(f"fixed {expected}")
# The same as a request of our own: Icinga itself can.
body = {"type": "Service", "filter": 'service.name=="vm"', "author": "me", "comment": "work"}
body.update(start_time=now, end_time=now + 28800, duration=600, fixed=False)
answer = client.actions._request("POST", client.actions.base_url_path + "/schedule-downtime", body)
made = client.objects.get("Downtime", answer["results"][0]["name"])["attrs"]
print(f'"fixed": false within the request: fixed {made["fixed"]}')
if made["fixed"]:
    changed("a flexible downtime")

answer = client.objects.update("Service", "site!vm", {"attrs": {"notes": "new", "check_interval": "5m"}})
notes = client.objects.get("Service", "site!vm")["attrs"]["notes"]
print(f"update(): {[int(each['code']) for each in answer['results']]} without an exception, notes now {notes!r}")
if [int(each["code"]) for each in answer["results"]] != [500] or notes:
    changed("[500], and no notes")
try:
    client.objects.update("Service", "site!gone", {"attrs": {"notes": "new"}})
except Icinga2ApiRequestException as error:
    print(f"no such object: {type(error).__name__}")
else:
    changed("Icinga2ApiRequestException")
PYTHON
