#!/bin/bash
# alertmanager-irc-relay sends the first line of an alert alone, and drops the first alert for a channel it must join in a flood: 200.
#
# Software:  alertmanager-irc-relay 0.4.2-1+b9 of Debian 12; a few lines in the place of an IRC server. Seen 2026-11-30.
# Expected:  what is answered with 200 arrives: a text of several lines as several messages, or in one with blanks between, as a long one
#            becomes several. A channel that was not joined at the start is joined before the message is sent (its README).
# Seen:      a summary of two lines, the status behind it:    its first line; neither the second one nor "firing" or "resolved"
#            a long alert, then one for a new channel:         the JOIN waits behind it, by the relay's own limit of a line in two to six
#                                                             seconds; after ten the alert is dropped, "cannot join channel" in its log,
#                                                             then the channel is joined. Alertmanager got 200, and sends no second time
# Matters:   an outage of many sites is a flood: just then the team whose channel was quiet until now is not told. List each channel in
#            irc_channels, put status and site first in msg_template, and keep annotations in one line.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download alertmanager-irc-relay
dpkg-deb -x alertmanager-irc-relay_*.deb root
echo "alertmanager-irc-relay $(dpkg-deb -f alertmanager-irc-relay_*.deb Version)"
python3 - <<'PYTHON'
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

LINES = []
listener = socket.create_server(("127.0.0.1", 0))
with socket.create_server(("127.0.0.1", 0)) as free:
    relay_port = free.getsockname()[1]


def serve():
    """Take one client, and let it into each channel that it asks for."""
    peer = listener.accept()[0]
    stream = peer.makefile("rw", newline="\r\n")
    for line in stream:
        word = line.split()
        answers = {
            "NICK": [":here 001 bot :welcome", ":here 376 bot :end"],
            "PING": [f":here PONG here {word[-1]}"],
            "JOIN": [f":bot!bot@here JOIN {word[-1]}", f":here 353 bot = {word[-1]} :bot", f":here 366 bot {word[-1]} :end"],
        }.get(word[0], [])
        LINES.append(line.strip())
        stream.writelines(f"{each}\r\n" for each in answers)
        stream.flush()


def alert(channel, name, summary, status="firing"):
    """Post an alert as Alertmanager does. Returns: the code of the answer."""
    one = {"status": status, "labels": {"alertname": name}, "annotations": {"summary": summary}}
    body = json.dumps({"version": "4", "status": status, "groupKey": name, "alerts": [one]}).encode()
    return urllib.request.urlopen(f"http://127.0.0.1:{relay_port}/{channel}", data=body, timeout=30).status


def wait(what, condition):
    until = time.monotonic() + 90
    while not condition():
        if time.monotonic() > until:
            print(*LINES, pathlib.Path("log").read_text(), sep="\n")
            sys.exit(f"CHANGED: {what}")
        time.sleep(0.1)


def sent(channel, part):
    return [line.partition(":")[2] for line in LINES if line.startswith(f"NOTICE #{channel} ") and part in line]


pathlib.Path("relay.yml").write_text(
    f"http_host: 127.0.0.1\nhttp_port: {relay_port}\nirc_host: 127.0.0.1\nirc_port: {listener.getsockname()[1]}\nirc_use_ssl: no\n"
    'irc_nickname: bot\nirc_channels:\n  - name: "#grid"\n'
    'msg_template: "{{ .Labels.alertname }}: {{ .Annotations.summary }} ({{ .Status }})"\n'
)
threading.Thread(target=serve, daemon=True).start()
with pathlib.Path("log").open("w") as log:
    relay = subprocess.Popen(["root/usr/bin/alertmanager-irc-relay", "-config", "relay.yml"], stderr=log, stdout=log)
try:
    wait("the relay joins #grid", lambda: "JOIN #grid" in LINES)
    wait("it says that it did", lambda: "#grid monitor: join succeeded" in pathlib.Path("log").read_text())
    codes = [alert("grid", "Lines", "vm is down\nsince 10:00", status="resolved"), alert("grid", "Line", "vm is down", status="resolved")]
    wait("both arrive", lambda: sent("grid", "Line:") and sent("grid", "Lines:"))
    print(*codes, *sent("grid", "Line"), sep="\n")
    if sent("grid", "Line") != ["Lines: vm is down", "Line: vm is down (resolved)"]:
        sys.exit("CHANGED: of two lines the first one was sent")

    codes = [alert("grid", "Long", "x" * 3000), alert("cloud", "First", "vm is down")]
    wait("the alert is given up", lambda: "Cannot send alert to #cloud" in pathlib.Path("log").read_text())
    wait("the channel is joined after that", lambda: "#cloud monitor: join succeeded" in pathlib.Path("log").read_text())
    codes.append(alert("cloud", "Second", "tcp is down"))
    wait("the second alert arrives", lambda: sent("cloud", "Second"))
    print(*codes, *sent("cloud", ""), sep="\n")
    print(*(line for line in pathlib.Path("log").read_text().splitlines() if "Cannot send" in line or "giving bad news" in line), sep="\n")
    if (codes, sent("cloud", "")) != ([200] * 3, ["Second: tcp is down (firing)"]):
        sys.exit("CHANGED: of two alerts for a new channel the second one was sent")
finally:
    relay.kill()
    relay.wait()
PYTHON
