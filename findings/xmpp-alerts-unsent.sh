#!/bin/bash
# prometheus-xmpp-alerts answers "Sent message" where it is not connected, and refuses all alerts of a group of which one began on a whole second.
#
# Software:  prometheus-xmpp-alerts 0.5.3-1.1, python3-slixmpp 1.8.3-1 and python3-aiohttp of Debian 12, with an address at which no
#            server answers. Seen 2026-11-30.
# Expected:  while there is no connection an alert is answered with a code of 500 and more, after which Alertmanager sends it again, and
#            its metric last_alert_message_succeeded is 0. RFC 3339 has no need of a fraction, and Alertmanager leaves out one of 0.
#            "RESOLVED" stands beside the time of the end.
# Seen:      not connected, /alert:                200, "Sent message"; last_alert_message_succeeded 1, alert_count_total 1; /test too
#            ended by SIGTERM then:                exit code 0, and not a word of what waits
#            one of three startsAt "...:00Z":      500 for all three, each time that they come; with "...:00.123Z": 200
#            resolved, short format:               "RESOLVED, <time of the beginning>, summary"
# Matters:   an alert of the hours without the XMPP server counts as sent, and is gone with a restart; its own metric says that all is well
#            (xmpp_online and /health do not). What a script posts in whole seconds is never told, nor what is grouped with it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus-xmpp-alerts python3-slixmpp python3-aiodns python3-aiohttp python3-aiosignal \
    python3-async-timeout python3-attr python3-cffi-backend python3-charset-normalizer python3-frozenlist python3-idna python3-multidict \
    python3-decorator python3-prometheus-client python3-pyasn1 python3-pyasn1-modules python3-pycares python3-typing-extensions python3-tz \
    python3-yaml python3-yarl libc-ares2 libidn12 libyaml-0-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in prometheus-xmpp-alerts python3-slixmpp; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
LD_LIBRARY_PATH="$(dirname "$(find "$PWD/root" -name 'libcares.so*' | head -1)")" PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages" \
    python3 -W ignore - <<'PYTHON'
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from prometheus_xmpp import create_message_short

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
settings = {"jid": "robot@127.0.0.1", "password": "secret1", "to_jid": "shift@127.0.0.1"}
pathlib.Path("alerts.yml").write_text(json.dumps({**settings, "listen_address": "127.0.0.1", "listen_port": port}))
log = open("log", "w")
relay = subprocess.Popen([sys.executable, "root/usr/bin/prometheus-xmpp-alerts", "--config", "alerts.yml"], stdout=log, stderr=log)


def ask(path, body=None):
    """Return the code and the text of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def notification(*begun, status="firing"):
    """Return what Alertmanager posts of alerts that began at these times."""
    alerts = [
        {
            "status": status, "labels": {"alertname": "SiteDown", "site": f"site{number}"}, "annotations": {"summary": f"site{number} is down"},
            "startsAt": each, "endsAt": "2026-11-30T11:30:00.5Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        }
        for number, each in enumerate(begun, 1)
    ]
    return {"version": "4", "status": status, "groupLabels": {"alertname": "SiteDown"}, "commonLabels": {}, "alerts": alerts}


def told(case, got, expected):
    print(f"{case}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


try:
    for _ in range(600):
        try:
            ask("/")
            break
        except OSError:
            time.sleep(0.1)
    fraction, whole = "2026-11-30T10:00:00.123Z", "2026-11-30T10:00:00Z"
    told("health", ask("/health"), (500, "not authenticated to server"))
    told("an alert", ask("/alert", json.dumps(notification(fraction)).encode()), (200, "Sent message"))
    told("a test", ask("/test"), (200, "Sent message."))
    metrics = dict(re.findall(r"^(\w+) ([0-9.]+)$", ask("/metrics")[1], re.MULTILINE))
    names = ("xmpp_online", "last_alert_message_succeeded", "alert_count_total")
    told("metrics", [metrics[each] for each in names], ["0.0", "1.0", "1.0"])
    three = json.dumps(notification(fraction, whole, fraction)).encode()
    told("three alerts, one of a whole second", [ask("/alert", three)[0] for _ in range(2)], [500, 500])
    told("three alerts, with a fraction", ask("/alert", json.dumps(notification(*[fraction] * 3)).encode()), (200, "Sent message"))
    relay.send_signal(signal.SIGTERM)
    told("its exit code", relay.wait(60), 0)
    told("its log tells of what waits", "SiteDown" in pathlib.Path("log").read_text(), False)
finally:
    relay.kill()
resolved = notification(fraction, status="resolved")
told("the sentence of an end at 11:30", [*create_message_short(resolved)], ["RESOLVED, 2026-11-30T10:00:00+00:00, site1 is down"])
PYTHON
