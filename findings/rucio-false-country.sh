#!/bin/bash
# rucio rse update makes the country NO and the latitude 0 false; rule list drops --account beside --did; account update sends null.
#
# Software:  rucio-clients 41.5.1 (PyPI). Seen 2026-11-30.
# Expected:  a value of a text or a number goes out as it was given. Two filters both count. A command that was asked to change nothing
#            changes nothing. What could not be done is an exit code other than 0.
# Seen:      rse update X --key country_name --value NO:    PUT {"country_name": false}, "settings country_name to False"
#            rse update X --key latitude --value 1:         PUT {"latitude": true}; 0 is false
#            rule list --did s:n --account me:              the rules of all accounts
#            account update me:                             PUT {"email": null}
#            replica state update bad PFN:                  "cannot be declared", exit code 0; and 0 for all above
# Matters:   storage in Norway, or on the equator, has a wrong place, by which the nearest replica is chosen; who removes each rule that a
#            list for his account shows removes others'. Set such values by the Python client, and read the output, not the exit code.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install rucio-clients==41.5.1
venv/bin/python - <<'PYTHON'
"""A stand-in for the server of Rucio on the loopback interface, and the commands that talk to it."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

asked = []


def rule(number, account):
    return {
        "id": str(number) * 32, "account": account, "scope": "s", "name": "n", "state": "OK", "locks_ok_cnt": 1,
        "locks_replicating_cnt": 0, "locks_stuck_cnt": 0, "rse_expression": "X", "copies": 1, "bytes": 1, "expires_at": None,
        "created_at": None,
    }  # fmt: skip


class Rucio(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = self.path.partition("?")[0]
        code, kind, text = 200, "application/json", "{}"
        if not path.startswith(("/auth/", "/ping")):
            asked.append((self.command, path, body))
        if path.endswith("/meta"):
            text = json.dumps({"did_type": "DATASET"})
        elif path.endswith("/rules"):
            kind, text = "application/x-json-stream", "\n".join([json.dumps(rule(1, "me")), json.dumps(rule(2, "other"))])
        elif path == "/replicas/bad":
            code, text = 201, json.dumps({"X": ["root://storage.example.org/file Unknown replica"]})
        elif path.startswith("/rses/"):
            code = 201
        payload = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if path.startswith("/auth/"):
            self.send_header("X-Rucio-Auth-Token", "token")
            self.send_header("X-Rucio-Auth-Token-Expires", "Thu, 01 Jan 2099 00:00:00 UTC")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = answer


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rucio)
threading.Thread(target=server.serve_forever, daemon=True).start()
pathlib.Path("etc").mkdir()
url = f"http://127.0.0.1:{server.server_port}"
pathlib.Path("etc/rucio.cfg").write_text(
    f"[client]\nrucio_host = {url}\nauth_host = {url}\nauth_type = userpass\nusername = u\npassword = p\naccount = me\n"
)


def compare(command, expected, said):
    """Run the command, and compare the last request and what is said; the exit code is 0."""
    asked.clear()
    done = subprocess.run(
        ["venv/bin/rucio", *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        env=dict(os.environ, RUCIO_HOME=os.getcwd(), HOME=os.getcwd(), no_proxy="127.0.0.1"),
    )  # fmt: skip
    print(f"rucio {' '.join(command)}: exit code {done.returncode}, {asked[-1:]}")
    if done.returncode or asked[-1:] != [expected] or not all(each in done.stdout for each in said):
        print(done.stdout, done.stderr, file=sys.stderr)
        sys.exit(f"CHANGED: it was exit code 0, {expected}, and {said}")


for key, value, sent in (("country_name", "NO", False), ("latitude", "0", False), ("latitude", "1", True)):
    body = json.dumps({key: sent})
    compare(["rse", "update", "X", "--key", key, "--value", value], ("PUT", "/rses/X", body), [f"{key} to {sent}"])
compare(["rule", "list", "--did", "s:n", "--account", "me"], ("GET", "/dids/s/n/rules", ""), ["1" * 32 + "  me", "2" * 32 + "  other"])
compare(["account", "update", "me"], ("PUT", "/accounts/me", '{"email": null}'), ["changed to None"])
bad = ("POST", "/replicas/bad", '{"reason": "lost", "replicas": ["root://storage.example.org/file"], "force": false}')
compare(["replica", "state", "update", "bad", "root://storage.example.org/file", "--reason", "lost"], bad, ["cannot be declared"])
PYTHON
