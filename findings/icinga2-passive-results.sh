#!/bin/bash
# Of a result that came by Icinga's interface, exit_status reads 0, whatever was sent; "|" in its text parts nothing.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, action process-check-result. Seen 2026-11-29.
# Expected:  last_check_result has the exit_status that the request named, as it has of a check of Icinga's own; a plugin's line
#            with "| time=1s" is taken apart as that of a plugin is; an exit_status that is no state is refused.
# Seen:      exit_status 2 is stored as exit_status 0 with state 2. The text keeps "| time=1s" and there is no performance data;
#            performance_data:"a=1 b=2" of the request becomes two. exit_status 4, -1 and 1.7 are states 3, 3 and 1. All of these
#            get 200, "Successfully processed".
# Matters:   exporters and reports that read exit_status see a green service in each passive alarm: read "state". Who hands on a
#            plugin's line takes it apart first, or the graphs of passive services stay empty.
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
object CheckCommand "fails" { command = [ "/bin/sh", "-c", "echo own; exit 2" ] }
object CheckCommand "none" { command = [ "/bin/true" ] }
object Host "h" { check_command = "none"; enable_active_checks = false }
for (name in [ "a", "b", "c", "d" ]) {
  object Service name { host_name = "h"; check_command = "none"; enable_active_checks = false; max_check_attempts = 1 }
}
object Service "own" { host_name = "h"; check_command = "fails"; check_interval = 1h; retry_interval = 1h }
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
import urllib.request

LOGIN = base64.b64encode(b"finding:secret").decode()

TRUST = ssl.create_default_context(cafile="state/certs/ca.crt")
TRUST.check_hostname = False
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TRUST))


def ask(method, path, body):
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    with OPENER.open(request, timeout=60) as answer:
        return answer.status, json.load(answer)["results"]


def compare(expected, exit_status, text, **more):
    """Send a result: what is stored of it (state, exit_status, text, performance data)."""
    code, told = ask("POST", "actions/process-check-result", {
        "type": "Service", "service": "h!a", "exit_status": exit_status, "plugin_output": text, **more})  # fmt: skip
    [found] = ask("GET", "objects/services/h!a", {})[1]
    stored = found["attrs"]["last_check_result"]
    got = (stored["state"], stored["exit_status"], stored["output"], stored["performance_data"])
    print(f"sent {exit_status} {text!r} {more or ''}: {code} {told[0]['status']}\n  state, exit_status, text, data: {got}")
    if code != 200 or got != expected:
        sys.exit(f"CHANGED: it was {expected}")


ask("POST", "actions/reschedule-check", {"type": "Service", "service": "h!own", "force": True})
for _ in range(300):
    own = ask("GET", "objects/services/h!own", {})[1][0]["attrs"]["last_check_result"]
    if own:
        break
    time.sleep(0.2)
print("a check of its own that ends with 2: state, exit_status:", (own["state"], own["exit_status"]))
if (own["state"], own["exit_status"]) != (2, 2):
    sys.exit("CHANGED: a check of its own had exit_status 2")
compare((2, 0, "down", None), 2, "down")
compare((1, 0, "slow | time=1s", None), 1, "slow | time=1s")
compare((1, 0, "slow", ["a=1", "b=2"]), 1, "slow", performance_data="a=1 b=2")
for number, state in ((4, 3), (-1, 3), (1.7, 1)):
    compare((state, 0, "odd", None), number, "odd")
PYTHON
