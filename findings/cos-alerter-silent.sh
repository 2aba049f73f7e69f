#!/bin/bash
# cos-alerter tells nobody of a second outage within its repeat_interval, nor of any for as long as its machine was up before a reboot.
#
# Software:  cos-alerter 0.10.0 (PyPI), which watches Alertmanagers by their heartbeats; its own functions and its web application, with a
#            clock that this script moves, and a few lines that take what it sends. Seen 2026-11-30.
# Expected:  the repeat_interval is that of one outage; a new one is told of. A message that its recipient answered with 503 is sent again,
#            or there is a word of it. A silence lasts for the hours that were asked for. A restart keeps what was known.
# Seen:      repeat_interval 1h, down, told, up, down again:    not told until the hour is over
#            the recipient answers with 503:                    no second try within the hour
#            silenced for 8 hours, the next heartbeat comes:    the silence is gone, and the works of the night are told
#            stopped, the machine up for 30 days reboots:       an Alertmanager that is down since is "up" for 30 days; one that comes back
#                                                               and goes down again is "down", and for 30 days nobody is told
# Matters:   it is the alarm for the case that all others are silent. Its state holds seconds since the boot: remove clients.state before it
#            starts on a new boot, take a repeat_interval little longer than down_interval, and set a silence only once the works have begun.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cos-alerter==0.10.0
XDG_STATE_HOME="$PWD/state" venv/bin/python - <<'PYTHON'
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import types

from cos_alerter import alerter, server

ARRIVED = []
ANSWERS = [200]
CLOCK = [30 * 86400.0]  # seconds since the boot
DAY, HOUR, MINUTE = 86400, 3600, 60


class Recipient(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        ARRIVED.append(self.path)
        self.send_response(ANSWERS[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *said):
        pass


recipient = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recipient)
threading.Thread(target=recipient.serve_forever, daemon=True).start()
settings = {
    "watch": {
        "down_interval": "5m", "wait_for_first_connection": False,
        "clients": {"site1": {"key": hashlib.sha512(b"secret1").hexdigest(), "name": "site1"}},
    },
    "notify": {"destinations": [f"json://127.0.0.1:{recipient.server_port}/shift"], "repeat_interval": "1h"},
}
pathlib.Path("cos-alerter.yaml").write_text(json.dumps(settings))
alerter.time = types.SimpleNamespace(monotonic=lambda: CLOCK[0])
alerter.config.set_path("cos-alerter.yaml")
web = server.create_app().test_client()


def start():
    alerter.config.reload()
    alerter.AlerterState.initialize()


def run(seconds):
    """Do what its loop does, once a minute. Returns: how many messages were sent."""
    before, others = len(ARRIVED), {*threading.enumerate()}
    for _ in range(0, seconds, MINUTE):
        CLOCK[0] += MINUTE
        with alerter.AlerterState("site1") as state:
            if state.should_act():
                state.notify()
        for each in {*threading.enumerate()} - others:
            each.name.startswith("Thread") and "send_all" in each.name and each.join()
    return len(ARRIVED) - before


def heartbeat():
    assert web.post("/alive?clientid=site1&key=secret1").status_code == 200


def told(case, got, expected):
    print(f"{case}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def state_now():
    details = server.get_client_details("site1")
    return details["status"], details["is_silenced"]


start()
heartbeat()
told("4 minutes after a heartbeat, messages", run(4 * MINUTE), 0)
told("10 minutes after it", run(6 * MINUTE), 1)
heartbeat()
told("back, and down for 20 minutes, messages", run(20 * MINUTE), 0)
told("its state", state_now(), ("down", False))
told("down for 70 minutes", run(50 * MINUTE), 1)

CLOCK[0] += DAY
heartbeat()
ANSWERS[0] = 503
told("the recipient answers with 503: down for 50 minutes, tries", run(50 * MINUTE), 1)
ANSWERS[0] = 200

CLOCK[0] += DAY
heartbeat()
silenced = web.post("/silence/site1", data={"client-key": "secret1", "silence-duration-h": "8"})
told("silenced for 8 hours: code, state", (silenced.status_code, state_now()), (302, ("up", True)))
told("9 minutes later, messages", run(9 * MINUTE), 0)
heartbeat()
told("a heartbeat, while it is silenced", state_now(), ("up", False))
told("9 minutes later, messages", run(9 * MINUTE), 1)

heartbeat()
alerter.AlerterState.dump_and_pause()
was = CLOCK[0]
CLOCK[0] = 60.0
start()
told("after a reboot, down for a day: messages, state", (run(DAY), state_now()), (0, ("up", False)))
heartbeat()
told("back, and down for another day", (run(DAY), state_now()), (0, ("down", False)))
CLOCK[0] = was
told("after as long as the machine was up before", run(2 * HOUR) > 0, True)
PYTHON
