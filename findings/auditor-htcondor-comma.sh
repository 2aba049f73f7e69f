#!/bin/bash
# auditor-htcondor-collector takes the parts of a DN with a comma for the attributes behind it: which ones changes with each start.
#
# Software:  auditor-htcondor-collector 0.11.2 (PyPI), Python 3.11; a stand-in for condor_history. Seen 2026-11-30.
# Expected:  a comma in the subject of a proxy belongs to the subject. A job that cannot be recorded is asked for again, and a schedd
#            that could not be asked is an exit code other than 0.
# Seen:      the attributes are asked for in the order of a Python set, separated by commas, and parted at each comma. Of a job whose
#            subject is "/DC=org/DC=example/O=Institute of Physics, Example City/CN=Robot", by PYTHONHASHSEED:
#            2:   its VO and its cores are right;   23:  its VO is "Example City/CN=Robot"
#            3:   no record; the next run begins behind the job, exit code 0
#            1:   TypeError, exit code 1: no job behind it is recorded
#            condor_history ends with 1 and "Failed to connect":   "Added 0 records", exit code 0
# Matters:   a VO's hours are another's, or are lost, until the collector is started again; then they are right for some time. Leave
#            attributes that may hold a comma out of "meta", DN and FQANs first, and read the log.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install auditor-htcondor-collector==0.11.2
mkdir bin
cat > bin/condor_history <<END
#!$work/venv/bin/python
import json
import sys

given = sys.argv[1:]
with open("asked", "w") as file:
    file.write(given[given.index("-since") + 1])
jobs = json.load(open("jobs.json"))
if not jobs:
    sys.exit("Failed to connect")
asked = given[given.index("-af:,") + 1 :]
for job in jobs:
    print(",".join(str(job.get(name, "undefined")) for name in asked))
END
chmod +x bin/condor_history
venv/bin/python - <<'PYTHON'
"""A service of AUDITOR on the loopback interface, and the collector, which asks for two jobs."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

records = []


class Auditor(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        records.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Auditor)
threading.Thread(target=server.serve_forever, daemon=True).start()
pathlib.Path("config.yaml").write_text(json.dumps({
    "addr": "127.0.0.1", "port": server.server_port, "timeout": 60, "state_db": "state.db", "record_prefix": "htcondor",
    "interval": 900, "query_type": "exec", "schedd_names": ["ce.example.org"], "tls_config": {"use_tls": False},
    "meta": {
        "user": {"key": "Owner"}, "subject": {"key": "x509userproxysubject"}, "VO": {"key": "x509UserProxyVOName"},
        "site": [{"name": "EXAMPLE-SITE"}],
    },
    "components": [{"name": "Cores", "key": "CpusProvisioned"}],
}))  # fmt: skip


def job(number, subject):
    return {
        "GlobalJobId": f"ce#{number}.0#1", "ClusterId": number, "ProcId": 0, "LastMatchTime": 1767225600,
        "EnteredCurrentStatus": 1767229200, "CompletionDate": 1767229200, "CpusProvisioned": 8, "Owner": "ops001",
        "x509userproxysubject": subject, "x509UserProxyVOName": "ops",
    }  # fmt: skip


PLAIN = job(1, "/DC=org/DC=example/CN=Robot")
COMMA = job(2, "/DC=org/DC=example/O=Institute of Physics, Example City/CN=Robot")
LAST = job(3, "/DC=org/DC=example/CN=Robot")


def compare(seed, jobs, code, expected):
    """Let the collector run once: the exit code, and the VO and the cores of each job that was recorded."""
    records.clear()
    pathlib.Path("jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        ["venv/bin/auditor-htcondor-collector", "-c", "config.yaml", "--one-shot"], stdin=subprocess.DEVNULL, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=dict(os.environ, PATH=f"{os.getcwd()}/bin:{os.environ['PATH']}", PYTHONHASHSEED=seed),
    )  # fmt: skip
    got = [(each["record_id"][-5], each["meta"].get("VO", [None])[0], each["components"][0]["amount"]) for each in records]
    print(f"seed {seed}, {len(jobs)} jobs: exit code {done.returncode}, {got}, asked since {pathlib.Path('asked').read_text()}")
    if (done.returncode, got) != (code, expected):
        sys.exit(f"{done.stdout}\nCHANGED: it was exit code {code}, {expected}")
    return done.stdout


FIRST, THIRD = ("1", "ops", 8), ("3", "ops", 8)
NEWEST_FIRST = [LAST, COMMA, PLAIN]
compare("2", NEWEST_FIRST, 0, [FIRST, ("2", "ops", 8), THIRD])
compare("23", NEWEST_FIRST, 0, [FIRST, ("2", "Example City/CN=Robot", 8), THIRD])
if "TypeError" not in compare("1", NEWEST_FIRST, 1, [FIRST]):
    sys.exit("CHANGED: it ended in a TypeError")
compare("3", NEWEST_FIRST[1:], 0, [FIRST])
compare("3", [LAST], 0, [THIRD])
if pathlib.Path("asked").read_text() != "2.0":
    sys.exit("CHANGED: the run after it asked for what is behind 2.0")
if "Added 0 records" not in compare("3", [], 0, []):
    sys.exit("CHANGED: it told of 0 records")
PYTHON
