#!/bin/bash
# A problem that began outside of a user's own period is never told to this user by Icinga with interval 0, nor is its end.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-30.
# Expected:  period of a User and period of a Notification do the same: what began outside is told when the period begins, once, if
#            it still lasts. New ranges of a TimePeriod that are set by the interface are those that count.
# Seen:      a service is CRITICAL before the period begins, and still is when it does; then another CRITICAL, then OK.
#            period of the Notification, interval 0: PROBLEM at the period's begin, then RECOVERY
#            period of the User, interval 0:         nothing at all
#            period of the User, interval 5 s:       PROBLEM with the first reminder, then RECOVERY
#            POST objects/timeperiods {"ranges": ...} that is over: 200 "Attributes updated.", the new ranges are shown, and is_inside stays true
# Matters:   interval 0, "once", is what keeps mails few. Who is on duty by a period of the User hears nothing in the morning of what broke
#            at night, while a colleague's mail about the same service comes. Put the period into the Notification; reload Icinga after a change
#            of ranges.
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

# A time zone in which it is noon: all that follows is far from midnight.
hour=$(date -u +%-H)
export TZ="SITE$((hour - 12))"
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
for (name in [ "of-notification", "of-user", "of-user-reminded" ]) {
  object Service name { host_name = "site"; check_command = "none"; enable_active_checks = false; max_check_attempts = 1 }
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


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def ask(method, path, body):
    request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/v1/{path}", json.dumps(body).encode(), method="POST")
    for name, value in {"Accept": "application/json", "X-HTTP-Method-Override": method, "Authorization": f"Basic {LOGIN}"}.items():
        request.add_header(name, value)
    with OPENER.open(request, timeout=60) as answer:
        return json.load(answer)["results"][0]


def put(path, **attributes):
    ask("PUT", f"objects/{path}", {"attrs": attributes})


def send(exit_status):
    for name in ("of-notification", "of-user", "of-user-reminded"):
        ask("POST", "actions/process-check-result", {
            "type": "Service", "service": f"site!{name}", "exit_status": exit_status, "plugin_output": "result"})  # fmt: skip


def told():
    with open("told") as lines:
        return [line.strip() for line in lines]


def await_line(line):
    for _ in range(120):
        if line in told():
            return
        time.sleep(1)
    sys.exit(f"CHANGED: {line!r} came within two minutes, there was {told()}")


def is_inside():
    return ask("GET", "objects/timeperiods/later", {})["attrs"]["is_inside"]


begin = time.time() + 30
ranges = {day: f"{time.strftime('%H:%M:%S', time.localtime(begin))}-23:00" for day in DAYS}
put("timeperiods/later", ranges=ranges)
put("users/own", period="later")
put("notifications/site!of-notification!n", command="tell", users=["always"], period="later", interval=0)
put("notifications/site!of-user!n", command="tell", users=["own"], interval=0)
put("notifications/site!of-user-reminded!n", command="tell", users=["own"], interval=5)
send(0)
send(2)
print("before the period:", told())
if is_inside() or told():
    sys.exit("SLOW: the period began before the problems were there; run it again")
await_line("of-notification always PROBLEM")
await_line("of-user-reminded own PROBLEM")
send(2)
send(0)
await_line("of-notification always RECOVERY")
await_line("of-user-reminded own RECOVERY")
print("afterwards:", *sorted(set(told())), sep="\n  ")
if any(line.startswith("of-user ") for line in told()):
    sys.exit("CHANGED: the user with a period was told nothing")
answer = ask("POST", "objects/timeperiods/later", {"attrs": {"ranges": dict.fromkeys(DAYS, "01:00-02:00")}})
found = ask("GET", "objects/timeperiods/later", {})["attrs"]
print("changed:", answer["code"], answer["status"], found["ranges"]["monday"], "is_inside", found["is_inside"])
if not (answer["code"] == 200 and found["ranges"]["monday"] == "01:00-02:00" and found["is_inside"]):
    sys.exit("CHANGED: the new ranges were shown, and the old ones counted")
PYTHON
