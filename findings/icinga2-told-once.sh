#!/bin/bash
# With interval 0, "once", Icinga sends the problem again after each message of another kind: a comment to all, a downtime, an acknowledgement.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-30.
# Expected:  a Notification with interval 0 tells a problem once, whatever else is sent about it meanwhile.
# Seen:      a service that stays CRITICAL, without any new result:
#            a custom notification:                                CUSTOM, then PROBLEM again
#            a downtime that is removed:                           DOWNTIMESTART, DOWNTIMEEND, then PROBLEM again
#            an acknowledgement that is removed:                   ACKNOWLEDGEMENT, then PROBLEM again
#            the same with types = [ Problem, Recovery ]:          PROBLEM once
#            The log calls the second a reminder.
# Matters:   where each PROBLEM opens a ticket or pages somebody, whoever writes "we are at it" to all pages all once more. Name the types
#            of a Notification, or put those of problems and those of all else into two.
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
printf '#!/bin/sh\necho "$@" >> %s/told\n' "$work" > tell
chmod 755 tell
: > told
cat > icinga2.conf <<CONF
object Endpoint "node" { }
object Zone "master" { endpoints = [ "node" ] }
object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = $port }
object ApiUser "finding" { password = "secret"; permissions = [ "*" ] }
object NotificationComponent "notification" { }
object NotificationCommand "tell" {
  command = [ "$work/tell", "\$service.name\$", "\$user.name\$", "\$notification.type\$" ]
}
object User "always" { }
object CheckCommand "none" { command = [ "/bin/true" ] }
object Host "site" { check_command = "none"; enable_active_checks = false }
for (name in [ "custom", "downtime", "acknowledged", "named-types" ]) {
  object Service name { host_name = "site"; check_command = "none"; enable_active_checks = false; max_check_attempts = 1 }
  object Notification "once" use (name) {
    host_name = "site"
    service_name = name
    command = "tell"
    users = [ "always" ]
    interval = 0
    if (name == "named-types") { types = [ Problem, Recovery ] }
  }
}
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


EXPECTED = {
    "custom": ["PROBLEM", "CUSTOM", "PROBLEM"],
    "downtime": ["PROBLEM", "DOWNTIMESTART", "DOWNTIMEEND", "PROBLEM"],
    "acknowledged": ["PROBLEM", "ACKNOWLEDGEMENT", "PROBLEM"],
    "named-types": ["PROBLEM"],
}


def ask(method, path, body):
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    with OPENER.open(request, timeout=60) as answer:
        return json.load(answer)["results"][0]


def act(action, service, **more):
    ask("POST", f"actions/{action}", {"type": "Service", "service": f"site!{service}", **more})


def told(service):
    with open("told") as lines:
        return [kind for name, _, kind in (line.split() for line in lines) if name == service]


def await_told(service, kinds):
    for _ in range(120):
        if told(service) == kinds:
            return
        time.sleep(1)
    sys.exit(f"CHANGED: {service} had {kinds} within two minutes, there was {told(service)}")


note = {"author": "op", "comment": "we are at it"}
for exit_status in (0, 2):
    for name in EXPECTED:
        act("process-check-result", name, exit_status=exit_status, plugin_output="result")
for name in EXPECTED:
    await_told(name, ["PROBLEM"])
for name in ("custom", "named-types"):
    act("send-custom-notification", name, **note)
for name in ("downtime", "named-types"):
    now = time.time()
    act("schedule-downtime", name, start_time=now - 5, end_time=now + 3600, **note)
for name in ("acknowledged", "named-types"):
    act("acknowledge-problem", name, notify=True, **note)
await_told("custom", EXPECTED["custom"])
await_told("downtime", EXPECTED["downtime"][:2])
await_told("acknowledged", EXPECTED["acknowledged"][:2])
for name in ("downtime", "named-types"):
    act("remove-downtime", name)
for name in ("acknowledged", "named-types"):
    act("remove-acknowledgement", name)
for name, kinds in EXPECTED.items():
    await_told(name, kinds)
time.sleep(10)  # in which Icinga looks twice whether a reminder is due
for name, kinds in EXPECTED.items():
    print(f"{name}:", *told(name))
    if told(name) != kinds:
        sys.exit(f"CHANGED: it was {kinds}")
PYTHON
grep -c "Sending reminder 'Problem'" said
