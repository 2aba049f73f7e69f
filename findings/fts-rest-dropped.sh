#!/bin/bash
# fts-rest-transfer-submit: no checksum is compared, whatever the bulk file says; --blocking ends with 0 for a job that failed.
#
# Software:  fts3 3.14.2 (PyPI), python3-m2crypto 0.38.0-4+b1 of Debian 12. Seen 2026-11-30.
# Expected:  "params" of a bulk file hold unless an option says otherwise. With --blocking the exit code tells whether the files
#            arrived. Of several jobs all are cancelled, or the second is an error. Of a list of files each line is one.
# Seen:      "verify_checksum": "both" of the bulk file goes out as "n", retry and job_metadata beside it as they stand; --checksum-mode
#            both is needed. --blocking: "Job finished with state FAILED", or FINISHEDDIRTY, exit code 0. "cancel A B" cancels A alone,
#            exit code 0. delete-submit -f: names have their newline, an empty line is one of them; --file-metadata is dropped.
# Matters:   files are taken for compared that were not, and for copied that were not: a script that deletes the source after exit
#            code 0 loses them. Give --checksum-mode, and read the state with fts-rest-transfer-status.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download python3-m2crypto
dpkg-deb -x python3-m2crypto_*.deb root
dpkg-deb -f python3-m2crypto_*.deb Version
python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install fts3==3.14.2 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
PYTHONPATH="$work/root/usr/lib/python3/dist-packages" venv/bin/python -W ignore - <<'PYTHON'
"""An FTS that takes every job, and ends it with the state that it is given, on the loopback interface."""

import http.server
import json
import os
import subprocess
import sys
import threading

ONE, TWO = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"


class Fts(http.server.BaseHTTPRequestHandler):
    state = "FINISHED"
    submitted = {}
    cancelled = []

    def log_message(self, *_):
        pass

    def reply(self, body):
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self):
        version = {"major": 3, "minor": 14, "patch": 2}
        job = {"job_id": ONE, "job_state": Fts.state, "reason": "One or more files failed" if Fts.state != "FINISHED" else None}
        self.reply(job if self.path.startswith("/jobs/") else {"api": version, "core": version, "schema": version, "delegation": version})

    def do_POST(self):
        Fts.submitted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply({"job_id": ONE})

    def do_DELETE(self):
        job = self.path.rpartition("/")[2]
        Fts.cancelled.append(job)
        self.reply({"job_id": job, "job_state": "CANCELED"})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fts)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {name: value for name, value in os.environ.items() if not name.startswith("X509_")}
environment |= {"HOME": os.getcwd(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


def run(program, *arguments):
    """Exit code, and what was printed."""
    command = [f"venv/bin/fts-rest-{program}", "-s", f"http://127.0.0.1:{server.server_port}", "--fts-access-token", "t", *arguments]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    print(f"{program} {' '.join(arguments)}: exit code {done.returncode}")
    return done.returncode, done.stdout + done.stderr


def compare(what, got, expected):
    print(f"  {what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


bulk = {
    "params": {"verify_checksum": "both", "retry": 3, "job_metadata": {"campaign": "november"}},
    "files": [{
        "sources": ["https://one.example.org/file"], "destinations": ["https://two.example.org/file"],
        "source_tokens": ["s"], "destination_tokens": ["d"]}],
}  # fmt: skip
with open("bulk.json", "w") as file:
    json.dump(bulk, file)
NAMES = ("verify_checksum", "retry", "job_metadata")
for options, expected in (([], "n"), (["--checksum-mode", "both"], "b")):
    compare("exit code", run("transfer-submit", *options, "-f", "bulk.json")[0], 0)
    compare("sent", [Fts.submitted["params"][name] for name in NAMES], [expected, 3, {"campaign": "november"}])
for Fts.state in ("FINISHED", "FINISHEDDIRTY", "FAILED", "CANCELED"):
    code, said = run("transfer-submit", "--blocking", "-f", "bulk.json")
    compare("said and exit code", (f"Job finished with state {Fts.state}" in said, code), (True, 0))
code, said = run("transfer-cancel", ONE, TWO)
compare("cancelled, and exit code", (Fts.cancelled, code), ([ONE], 0))
with open("list", "w") as file:
    file.write("https://one.example.org/a\n\nhttps://one.example.org/b\n")
code, said = run("delete-submit", "--dry-run", "--job-metadata", "for job", "--file-metadata", "for file", "-f", "list")
compare("files", json.loads(said)["delete"], ["https://one.example.org/a\n", "\n", "https://one.example.org/b\n"])
compare("metadata", ("for job" in said, "for file" in said, code), (True, False, 0))
PYTHON
