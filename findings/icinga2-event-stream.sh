#!/bin/bash
# A reload ends Icinga's event stream like an answer that is complete; results of the time until the next request are in none.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, /v1/events. Seen 2026-11-29.
# Expected:  the stream goes on over a reload, or breaks off in a way that a client notices: an endless answer comes in chunks, and
#            one that ends without the last chunk is an error (curl: exit code 18, http.client: IncompleteRead).
# Seen:      the answer has neither a length nor chunks, so the end of the connection is the end of the document: a client reads
#            to the end without an error. The reloaded Icinga gives no event of what it had before.
# Matters:   a recorder that is started again only after a failure (Restart=on-failure, curl --retry) stops recording with the
#            first reload, and says nothing. Start it again always, and take what it missed from icinga2.state.
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
object CheckerComponent "checker" { }
object CheckCommand "fine" { command = [ "/bin/echo", "fine" ] }
object Host "h" { check_command = "fine"; enable_active_checks = false }
object Service "s" { host_name = "h"; check_command = "fine"; check_interval = 1s; retry_interval = 1s }
CONF
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" >> said 2>&1 &
icinga=$!
for _ in $(seq 300); do (: < "/dev/tcp/127.0.0.1/$port") 2> errors && break; sleep 0.2; done

python3 - "$port" state/icinga2.pid <<'PYTHON'
import base64
import http.client
import json
import os
import signal
import ssl
import sys
import time

PORT, PID_FILE = sys.argv[1:]
LOGIN = base64.b64encode(b"finding:secret").decode()
HEADERS = {"Accept": "application/json", "Authorization": f"Basic {LOGIN}"}
TRUST = ssl.create_default_context(cafile="state/certs/ca.crt")
TRUST.check_hostname = False


def listen():
    connection = http.client.HTTPSConnection("127.0.0.1", int(PORT), context=TRUST, timeout=120)
    connection.request("POST", "/v1/events", json.dumps({"queue": "q", "types": ["CheckResult"]}), HEADERS)
    return connection.getresponse()


answer = listen()
framing = [answer.headers["Content-Length"], answer.headers["Transfer-Encoding"]]
print("length and transfer encoding:", *framing)
before = [json.loads(answer.readline())["service"] for _ in range(2)]
os.kill(int(open(PID_FILE).read()), signal.SIGHUP)
asked = time.time()
try:
    while line := answer.readline():
        print("then", json.loads(line)["type"])
        if time.time() > asked + 120:
            sys.exit("CHANGED: the stream went on")
except (http.client.HTTPException, OSError) as error:
    sys.exit(f"CHANGED: the client notices: {error!r}")
print(f"the stream ended without an error, {time.time() - asked:.0f} s after the reload was asked for")
for _ in range(300):
    try:
        answer = listen()
        break
    except OSError:
        time.sleep(0.2)
event = json.loads(answer.readline())
late = event["check_result"]["execution_start"] - asked
print(f"the next stream begins with a check that began {late:.1f} s after that")
if framing != [None, None] or before != ["s", "s"] or late < 0:
    sys.exit("CHANGED: an answer without length and chunks, and no event of before the request")
PYTHON
