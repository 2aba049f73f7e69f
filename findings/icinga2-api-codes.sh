#!/bin/bash
# Icinga's interface: what failed is HTTP 200, what nothing matches is 500, 404 or 200, by the kind of question and of misspelling.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-29.
# Expected:  the status of the answer says whether it worked: 4xx or 5xx where an attribute could not be set; one and the same status
#            where a filter matches no object; an error for a filter that names a field that does not exist.
# Seen:      POST objects, check_interval "5m" (which is right in a file) or a misspelt attribute: 200, with "code": 500 within the
#            result; nothing of that request is set, the right attributes neither. PUT of the same: 500.
#            a filter that matches nothing:       objects 200 and no results; actions 500 and no results; remove-comment 404.
#            a filter on a field that is not (service.stat), or an object that is not (srvice): 404 "No objects found.".
#            a name that is not there: 404 everywhere. POST objects {"state": 2}: "Attributes updated.", the state is as it was.
# Matters:   raise_for_status() finds a change that failed well, and takes a downtime for a host that is no longer monitored for a
#            broken Icinga, as it takes a typing error for "there are none". Read "code" in each result, and count the results.
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
openssl x509 -req -in node.csr -CA state/certs/ca.crt -CAkey ca.key -CAcreateserial -days 2 -out state/certs/node.crt 2> said
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

python3 - "$port" <<'PYTHON'
import base64
import json
import ssl
import sys
import time
import urllib.error
import urllib.request

LOGIN = base64.b64encode(b"finding:secret").decode()

TRUST = ssl.create_default_context(cafile="state/certs/ca.crt")
TRUST.check_hostname = False
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TRUST))


def ask(method, path, body):
    """The status of the answer, and of each result its own code."""
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    try:
        with OPENER.open(request, timeout=60) as answer:
            status, said = answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        status, said = answer.code, json.load(answer)
    for result in said.get("results", []):
        print("     ", result.get("status", "").splitlines())
    return status, [int(result.get("code", 0)) for result in said["results"]] if "results" in said else said["status"]


def compare(method, path, body, *expected):
    print(method, path, json.dumps(body)[:110])
    got = ask(method, path, body)
    print("  ->", *got)
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def stored():
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/objects/services/site!vm")
    request.add_header("Authorization", f"Basic {LOGIN}")
    with OPENER.open(request, timeout=60) as answer:
        attributes = json.load(answer)["results"][0]["attrs"]
    return attributes["check_interval"], attributes["notes"], attributes["state"]


NONE = (404, "No objects found.")
now = time.time()
compare("POST", "objects/services/site!vm", {"attrs": {"notes": "new", "check_interval": "5m"}}, 200, [500])
compare("POST", "objects/services/site!vm", {"attrs": {"notes": "new", "chekc_interval": 300}}, 200, [500])
print("check_interval, notes and state now:", *stored())
if stored() != (300, "", 3):
    sys.exit("CHANGED: nothing was set")
compare("PUT", "objects/services/site!new", {"attrs": {"check_command": "none", "check_interval": "5m"}}, 500, [500])
compare("POST", "objects/services/site!vm", {"attrs": {"state": 2}}, 200, [200])
print("check_interval, notes and state now:", *stored())
if stored()[2] != 3:
    sys.exit("CHANGED: the state was as before")
for name, answers in {
    "vm": ((200, [0]), (200, [200]), (200, [200]), NONE),
    "gone": ((200, []), (500, []), (500, []), NONE),
}.items():
    query = {"type": "Service", "filter": f'service.name=="{name}"', "author": "a", "comment": "c"}
    compare("GET", "objects/services", {"filter": query["filter"], "attrs": ["state"]}, *answers[0])
    compare("POST", "actions/schedule-downtime", {**query, "start_time": now, "end_time": now + 600}, *answers[1])
    compare("POST", "actions/remove-downtime", query, *answers[2])
    compare("POST", "actions/remove-comment", {**query, "type": "Comment"}, *answers[3])
for wrong in ('service.stat==2', 'srvice.name=="vm"'):
    compare("GET", "objects/services", {"filter": wrong, "attrs": ["state"]}, *NONE)
    compare("POST", "actions/remove-downtime", {"type": "Service", "filter": wrong}, *NONE)
compare("POST", "objects/services/site!gone", {"attrs": {"notes": "new"}}, *NONE)
compare("POST", "actions/remove-downtime", {"type": "Service", "service": "site!gone"}, *NONE)
PYTHON
