#!/bin/bash
# grafana-backup: dashboards that Grafana refuses are in no backup and no restore, exit code 0; a save removes what earlier ones left unpacked.
#
# Software:  grafana-backup 1.4.2 (PyPI). Seen 2026-11-30.
# Expected:  a dashboard that cannot be fetched or restored is named, and the exit code is not 0, as where the health check fails. A dashboard
#            whose folder is not there is refused. A save removes its own working files alone.
# Seen:      save, one dashboard of three is a 403, one a 503:     the archive has the third; no word of the others; exit code 0
#            save, the search itself is a 503 by then:             an archive without a dashboard, exit code 0
#            restore, refused with 412 or 503:                     exit code 0
#            restore into a Grafana without the folder:            in the folder "General", exit code 0
#            restore --components=dashbords:                       nothing, exit code 0
#            save after one with --no-archive:                     the files of that one are gone
# Matters:   the nightly job of a dashboard server is green, and what it holds is seen when it is needed. Compare the number of files in the
#            archive with the search, and give --no-archive a directory of its own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1 # without the libraries of Amazon, Google, Azure and InfluxDB, which are not used: run.py puts empty ones in their place
venv/bin/pip -q --disable-pip-version-check install grafana-backup==1.4.2 docopt==0.6.2 packaging==26.4 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
cat > run.py <<'PYTHON'
import sys
from unittest.mock import MagicMock

for name in "boto3 botocore botocore.exceptions azure azure.storage azure.storage.blob google google.api_core google.cloud influxdb".split():
    sys.modules[name] = MagicMock()
from grafana_backup.cli import main

main()
PYTHON
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import glob
import http.server
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import urllib.parse

codes = {}  # by what was asked for; what is not there is answered with 200
searches_left = 1000
posted = []


class Grafana(http.server.BaseHTTPRequestHandler):
    """Three dashboards in a folder that is there as long as codes say so."""

    protocol_version = "HTTP/1.1"

    def answer(self, code, content):
        body = json.dumps(content if code == 200 else {"message": f"refused with {code}"}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        global searches_left
        path, _, query = self.path.partition("?")
        name = path.rpartition("/")[2]
        if path.startswith("/api/search"):
            searches_left -= 1
            query = dict(urllib.parse.parse_qsl(query))
            first = (int(query["page"]) - 1) * int(query["limit"])
            found = [{"uid": uid, "title": uid} for uid in ("sites", "queues", "tokens")][first : first + int(query["limit"])]
            return self.answer(200 if searches_left >= 0 else 503, found)
        if path.startswith("/api/dashboards/uid/"):
            content = {"dashboard": {"uid": name, "title": name, "id": 1}, "meta": {"folderUid": "egi", "slug": name}}
            return self.answer(codes.get(name, 200), content)
        if path.startswith("/api/folders/"):
            return self.answer(codes.get("folder", 200), {"uid": "egi", "id": 7})
        return self.answer(200, {"version": "10.4.1"} if path == "/api/health" else [])

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        posted.append((content["dashboard"]["uid"], content["folderId"]))
        self.answer(codes.get("post", 200), {"status": "success"})

    def log_message(self, *_):
        pass


def run(*arguments):
    done = subprocess.run([sys.executable, "-W", "ignore", "run.py", *arguments, "--config=settings.json"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def save(*arguments):
    """Return the exit code, the dashboards of the archive, and whether the output has any word of a refusal."""
    for old in glob.glob("kept/*.tar.gz"):
        os.remove(old)
    code, said = run("save", "--components=dashboards", *arguments)
    names = [name for path in glob.glob("kept/*.tar.gz") for name in tarfile.open(path).getnames()]
    return code, sorted(os.path.basename(name) for name in names if name.endswith(".dashboard")), bool(re.search("403|503|refused", said.replace(grafana["url"], "")))


def check(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Grafana)
threading.Thread(target=server.serve_forever, daemon=True).start()
with open("settings.json", "w") as file:
    grafana = {"url": f"http://127.0.0.1:{server.server_port}", "token": "example"}
    json.dump({"general": {"debug": False, "backup_dir": "kept"}, "grafana": grafana}, file)

ALL = ["queues.dashboard", "sites.dashboard", "tokens.dashboard"]
before = 1000 - searches_left
check("save", save(), (0, ALL, False))
pre_checks = (1000 - searches_left) - before - 2  # behind them are a page of dashboards and an empty one
codes |= {"queues": 403, "tokens": 503}
check("save with a 403 and a 503", save(), (0, ["sites.dashboard"], False))
codes.clear()
searches_left = pre_checks
code, names, told = save()
check("save with a 503 of the search: exit code, dashboards", (code, names), (0, []))
searches_left = 1000

save("--no-archive")
kept = len(glob.glob("kept/dashboards/*/*.dashboard"))
with open("settings.json") as file:
    settings = json.load(file)
settings["general"]["backup_file_format"] = "later"
with open("settings.json", "w") as file:
    json.dump(settings, file)
check("save", save(), (0, ALL, False))
check("files of the one without an archive, before and after", (kept, len(glob.glob("kept/dashboards/*/*.dashboard"))), (3, 0))

archive = glob.glob("kept/*.tar.gz")[0]
for name, component, refusals, code, folders in (
    ("all right", "dashboards", {}, 0, [7, 7, 7]),
    ("refused with 412", "dashboards", {"post": 412}, 0, [7, 7, 7]),
    ("refused with 503", "dashboards", {"post": 503}, 0, [7, 7, 7]),
    ("without the folder", "dashboards", {"folder": 404}, 0, [0, 0, 0]),
    ("misspelt", "dashbords", {}, 0, []),
):
    codes.clear()
    codes |= refusals
    posted.clear()
    check(f"restore, {name}: exit code, folders", (run("restore", f"--components={component}", archive)[0], [folder for _, folder in posted]), (code, folders))
PYTHON
