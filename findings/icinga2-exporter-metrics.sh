#!/bin/bash
# icinga2-exporter: a result that was sent to Icinga without performance data takes its service out of the metrics; 5e-05 is 5.
#
# Software:  icinga2-exporter 1.5.1 (PyPI), icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-30.
# Expected:  each service of the target has its state among the metrics, with performance data or without. Numbers are what the plugin
#            printed, and label values are escaped. A login that Icinga refuses fails the scrape, as an Icinga that is down does.
# Seen:      a result of Icinga's interface without performance_data, CRITICAL: no line at all of that service, HTTP 200. Of a check of
#            Icinga's own there is state 2.
#            5e-05s is 5.0, 1e3 is 1.0. Limits (enable_scrape_thresholds) 10: and 10:20 are both 10, of @10:20 there is none.
#            a service displayed as  disk "data" : service="disk "data"", and a variable os-version of the host is a label of that
#            name: Prometheus (promtool check metrics 2.42.0) refuses both, and with them all that came in the same answer.
#            with enable_scrape_metadata a host without variables, or never checked: HTTP 500, and no service either.
#            wrong password: HTTP 200, with the scrape's duration alone. No Icinga: 500.
# Matters:   an alert on "state != 0" sees no passive service that fails, and nothing of all others after Icinga's password was changed
#            or a host got a variable with a hyphen. Send performance data with each result, and alert on absent(...) as well.
set -eu
work=$(mktemp -d)
icinga=
exporter=
trap 'for each in $exporter $icinga; do kill "$each" 2>/dev/null; done; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install icinga2-exporter==1.5.1
apt-get -qq -o APT::Sandbox::User=root download icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "icinga2-bin $(dpkg-deb -f icinga2-bin_*.deb Version)"
libraries=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
program=$(find root -path "*/sbin/icinga2" -type f -size +1M)

read -r port page wrong nobody <<PORTS
$(python3 -c 'import socket
each = [socket.socket() for _ in range(4)]
for one in each: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in each))')
PORTS
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
object CheckCommand "up" { command = [ "/bin/echo", "up | rta=1ms" ] }
object CheckCommand "says" { command = [ "/bin/sh", "-c", "echo \"\$\$1\"; exit \$\$2" ]
  arguments = { a = { value = "name"; skip_key = true; order = 1 }
    b = { value = "\$text\$"; skip_key = true; order = 2 }
    c = { value = "\$code\$"; skip_key = true; order = 3 } } }
template Host "site" { check_command = "up"; check_interval = 1h; address = "127.0.0.1" }
object Host "plain" { import "site"; vars.vo = "ops" }
object Host "quoted" { import "site"; vars.vo = "ops" }
object Host "dashed" { import "site"; vars["os-version"] = "12" }
object Host "bare" { import "site" }
object Host "unchecked" { import "site"; vars.vo = "ops"; enable_active_checks = false }
template Service "said" { check_command = "says"; check_interval = 1h; retry_interval = 1h; max_check_attempts = 1 }
object Service "good" { import "said"; host_name = "plain"; vars.text = "OK | a=1"; vars.code = 0 }
object Service "bad" { import "said"; host_name = "plain"; vars.text = "CRITICAL - refused"; vars.code = 2 }
object Service "bad with data" { import "said"; host_name = "plain"; vars.text = "CRITICAL - slow | a=1"; vars.code = 2 }
object Service "numbers" { import "said"; host_name = "plain"; vars.code = 0
  vars.text = "OK | small=5e-05s large=1e3 least=15;10: between=15;10:20 outside=15;@10:20 above=15;20" }
object Service "disk" { import "said"; host_name = "quoted"; display_name = "disk \"data\""; vars.text = "OK | a=1"; vars.code = 0 }
object Service "passive" { import "said"; host_name = "plain"; vars.text = "OK | a=1"; vars.code = 0 }
for (each in [ "dashed", "bare", "unchecked" ]) {
  object Service "good" use (each) { import "said"; host_name = each; vars.text = "OK | a=1"; vars.code = 0 }
}
CONF
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" > said 2>&1 &
icinga=$!

cat > serve.py <<'SERVE'
import sys

from icinga2_exporter.main import create_app

create_app(sys.argv[1]).run(host="127.0.0.1", port=int(sys.argv[2]))
SERVE
start() { # port, port of Icinga, password, metadata of hosts
    cat > "$1.yml" <<SETTINGS
logger: {logfile: $work/exporter.log, level: WARNING}
icinga2: {url: "https://127.0.0.1:$2", user: finding, passwd: $3, verify: false, timeout: 60, metric_prefix: icinga2,
  enable_scrape_thresholds: true, enable_scrape_metadata: $4}
SETTINGS
    venv/bin/python -W ignore serve.py "$1.yml" "$1" >> served 2>&1 &
    exporter="$exporter $!"
}
start "$page" "$port" secret true
start "$wrong" "$port" mistaken false
start "$nobody" 1 secret false
venv/bin/python - "$port" "$page" "$wrong" "$nobody" <<'PYTHON'
import base64
import json
import ssl
import sys
import time
import urllib.error
import urllib.request

ICINGA, PAGE, WRONG, NOBODY = sys.argv[1:]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl._create_unverified_context()))


def get(url, headers, data=None):
    """The code and text of an answer, as soon as something listens there."""
    for _ in range(300):
        try:
            with OPENER.open(urllib.request.Request(url, data, headers), timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()
        except urllib.error.URLError:
            time.sleep(0.2)
    sys.exit(f"CHANGED: nothing listens for {url}")


def metrics(port, host):
    code, text = get(f"http://127.0.0.1:{port}/metrics?target={host}", {})
    return code, [line for line in text.splitlines() if line]


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


login = {"Authorization": "Basic " + base64.b64encode(b"finding:secret").decode()}
sending = {**login, "Accept": "application/json", "Content-Type": "application/json"}


def act(name, body):
    code, text = get(f"https://127.0.0.1:{ICINGA}/v1/actions/{name}", sending, json.dumps(body).encode())
    if code != 200:
        sys.exit(f"CHANGED: {name}: {code} {text}")


def checked(kind, number):
    """Wait until so many hosts or services have a result."""
    for _ in range(300):
        found = json.loads(get(f"https://127.0.0.1:{ICINGA}/v1/objects/{kind}?attrs=last_check_result", login)[1])["results"]
        if sum(bool(each["attrs"]["last_check_result"]) for each in found) == number:
            return
        time.sleep(0.2)
    sys.exit(f"CHANGED: not {number} of the {kind} were checked in a minute")


act("reschedule-check", {"type": "Host", "filter": 'host.name != "unchecked"', "force": True})
act("reschedule-check", {"type": "Service", "filter": "true", "force": True})
checked("hosts", 4)
checked("services", 9)
result = {"type": "Service", "service": "plain!passive", "exit_status": 2, "plugin_output": "CRITICAL - refused"}
act("process-check-result", result)

code, lines = metrics(PAGE, "plain")
states = {line.partition('service="')[2].partition('"')[0]: line.split()[-1] for line in lines if line.startswith("icinga2_says_metadata_state{")}
compare("states", (code, states), (200, {"good": "0", "bad": "2", "bad with data": "2", "numbers": "0"}))
values = {line.partition("{")[0].removeprefix("icinga2_says_"): line.split()[-1] for line in lines if 'service="numbers"' in line}
values = {name: value for name, value in values.items() if "metadata" not in name}
compare("numbers", values, {
    "small": "5.0", "large": "1.0", "least": "15.0", "least_threshold_warning": "10.0", "between": "15.0",
    "between_threshold_warning": "10.0", "outside": "15.0", "above": "15.0", "above_threshold_warning": "20.0",
})  # fmt: skip
for host, text in (("quoted", 'service="disk "data""'), ("dashed", 'os-version="12"')):
    code, lines = metrics(PAGE, host)
    compare(host, (code, any(text in line for line in lines)), (200, True))
for host in ("bare", "unchecked"):
    compare(host, metrics(PAGE, host)[0], 500)
code, lines = metrics(WRONG, "plain")
compare("wrong password", (code, [line.partition("{")[0] for line in lines]), (200, ["icinga2_scrape_duration_seconds"]))
compare("no Icinga", metrics(NOBODY, "plain"), (500, []))
PYTHON
