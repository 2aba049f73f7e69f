#!/bin/bash
# matrix-alertbot: one alert of severity "info" keeps its group coming back; a silence begins an hour late east of Greenwich.
#
# Software:  matrix-alertbot 0.3.3 (PyPI), its webhook and its client of Alertmanager, with prometheus-alertmanager 0.25.0-1+b4 of Debian 12,
#            whose path of the default templates is changed in a copy, and a few lines in the place of Matrix. Seen 2026-11-30.
# Expected:  each alert of a group is written to the room once, whatever its severity, and with or without a description; what cannot be
#            written keeps back no other. A silence that is asked for in the room begins at once, in every time zone.
# Seen:      warning, info, critical:                     the first is written, then 500; and so again at each try of Alertmanager, the third
#                                                       is never written. As "info": none, page, error
#            one of two without a description:            400, none is written (Alertmanager tries again after 5xx alone)
#            one of two without a severity:               the same; a resolved one needs none
#            a silence of 30 minutes, UTC+1, UTC+2:       pending: it begins in an hour, or in two
#            the same, UTC-5:                             refused by Alertmanager, as it would end in the past; no zone goes with the times
# Matters:   the room has the same warning every few minutes and nobody sees the critical one; who acknowledges at night is called again, and
#            finds the site silenced in the morning. Let the bot run with TZ=UTC, and route to it what has severity and description alone.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus-alertmanager
dpkg-deb -x prometheus-alertmanager_*.deb root
echo "prometheus-alertmanager $(dpkg-deb -f prometheus-alertmanager_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install matrix-alertbot==0.3.3 matrix-nio==0.26.0 aiohttp==3.14.5
no_proxy=127.0.0.1 venv/bin/python -W ignore - <<'PYTHON'
import asyncio
import datetime
import json
import logging
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import types
import urllib.request

from aiohttp.test_utils import TestClient, TestServer
from diskcache import Cache
from matrix_alertbot.alertmanager import AlertmanagerClient
from matrix_alertbot.errors import AlertmanagerServerError
from matrix_alertbot.webhook import Webhook
from nio.responses import RoomSendResponse

logging.disable(logging.CRITICAL)
WRITTEN = []
ROOM = "!room:matrix.example.org"
DM = re.compile("yes")  # no alert here has this label
TEMPLATES = b"/usr/share/prometheus/alertmanager"


class Matrix:
    async def room_send(self, room, kind, content, **more):
        WRITTEN.append(content["body"].partition("] ")[2])
        return RoomSendResponse(f"$event{len(WRITTEN)}", room)


def alert(site, status="firing", **labels):
    """Return an alert as Alertmanager sends it. description=None: without one."""
    described = {} if labels.pop("description", "") is None else {"description": f"{site} is down"}
    labels = {"alertname": "SiteDown", "site": site, **{name: value for name, value in labels.items() if value}}
    return {"fingerprint": site, "generatorURL": "http://here/", "status": status, "labels": labels, "annotations": described}


def told(case, got, expected):
    print(f"{case}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


async def main():
    app = types.SimpleNamespace(address=None, port=None, socket="none", template_dir=None, allowed_rooms=[ROOM], dm_filter_labels={"dm": DM})
    app.dm_select_label, app.cache_expire_time = None, 3600
    with Cache("cache") as cache:
        alertmanager = AlertmanagerClient(address, cache)
        await alertmanager.start()
        webhook = Webhook(types.SimpleNamespace(matrix_client=Matrix(), dm_rooms={}), alertmanager, cache, app)
        async with TestClient(TestServer(webhook.app)) as bot:

            async def group(case, expected, *alerts, tries=1):
                """Post a group as often as Alertmanager does, against what it was: codes, and what is written to the room."""
                WRITTEN.clear()
                codes = []
                for _ in range(tries):
                    async with bot.post(f"/alerts/{ROOM}", json={"version": "4", "status": "firing", "alerts": alerts}) as answer:
                        codes.append(answer.status)
                told(case, (codes, [each.removeprefix("SiteDown: ") for each in WRITTEN]), expected)

            ordinary = alert("site1", severity="warning"), alert("site2", severity="critical")
            await group("warning, critical", ([200], ["site1 is down", "site2 is down"]), *ordinary)
            for severity in ("info", "none", "page", "error"):
                three = ordinary[0], alert("site3", severity=severity), ordinary[1]
                await group(f"warning, {severity}, critical", ([500] * 3, ["site1 is down"] * 3), *three, tries=3)
            await group("one without a description", ([400], []), ordinary[0], alert("site3", severity="critical", description=None))
            await group("one without a severity", ([400], []), ordinary[0], alert("site3"))
            await group("one that is resolved, without a severity", ([200], ["site3 is down"]), alert("site3", "resolved"))

        for case, zone, expected in (
            ("UTC", "Etc/GMT", ("active", 0)), ("an hour east of Greenwich", "Etc/GMT-1", ("pending", 1)),
            ("two hours east", "Etc/GMT-2", ("pending", 2)), ("five hours west", "Etc/GMT+5", "AlertmanagerServerError: 400"),
        ):
            os.environ["TZ"] = zone
            time.tzset()
            cache.clear()
            ask("/api/v2/alerts", [{"labels": {"alertname": "SiteDown", "site": "site1"}}])
            [one] = json.loads(ask("/api/v2/alerts"))
            try:
                number = await alertmanager.create_or_update_silence(one["fingerprint"], "anna", 1800, force=True)
                silence = json.loads(ask(f"/api/v2/silence/{number}"))
                begins = datetime.datetime.fromisoformat(silence["startsAt"]) - datetime.datetime.now(datetime.timezone.utc)
                got = silence["status"]["state"], round(begins.total_seconds() / 3600)
            except AlertmanagerServerError as error:
                got = f"{type(error).__name__}: {error.__cause__.status}"
            told(f"a silence of 30 minutes, {case}: its state, hours until it begins", got, expected)
        await alertmanager.close()


def ask(path, data=None):
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", body, {"Content-Type": "application/json"}), timeout=60) as answer:
        return answer.read()


for file in pathlib.Path("root").glob("usr/share/prometheus/alertmanager/*.tmpl"):
    shutil.copy(file, ".")
program = pathlib.Path("root/usr/bin/prometheus-alertmanager").read_bytes()
pathlib.Path("alertmanager").write_bytes(program.replace(TEMPLATES, b"./" * (len(TEMPLATES) // 2)))
pathlib.Path("alertmanager").chmod(0o755)
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
address = f"http://127.0.0.1:{port}"
pathlib.Path("settings.yml").write_text(json.dumps({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
with open("said", "w") as said:
    daemon = subprocess.Popen(["./alertmanager", "--config.file=settings.yml", "--storage.path=kept", *listen], stderr=said)
try:
    for _ in range(600):
        try:
            ask("/-/ready")
            break
        except OSError:
            time.sleep(0.1)
    asyncio.run(main())
finally:
    daemon.kill()
    daemon.wait()
PYTHON
