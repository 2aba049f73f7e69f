#!/bin/bash
# im_client: create -q says nothing, not even the new infrastructure's ID; exit code 0 where machines or outputs were not told.
#
# Software:  im-client 1.8.4 (PyPI), by REST. Seen 2026-11-29.
# Expected:  -q leaves out what is for people, as it does for addresource and import: create prints the ID alone, or why there is none.
#            getinfo and create_wait_outputs end with 1 where the Infrastructure Manager answers with an error.
# Seen:      create -q: nothing on stdout or stderr, exit code 0 for a new infrastructure, 1 for a refused one.
#            getinfo, each machine answered with 500: "ERROR getting the information about the VM", exit code 0.
#            create_wait_outputs, the outputs answered with 500: {"infid": ..., "outputs": {}}, exit code 0, as of one without outputs.
# Matters:   a script that makes machines of each site with -q has no ID to destroy them by, and they go on costing quota. Do not use
#            -q with create; look for "outputs" in the JSON, and at the text of getinfo.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install im-client==1.8.4
venv/bin/python - <<'PYTHON'
"""An Infrastructure Manager with one infrastructure of one machine, on the loopback interface."""

import http.server
import json
import pathlib
import subprocess
import sys
import threading

ID = "11111111-1111-1111-1111-111111111111"


class Manager(http.server.BaseHTTPRequestHandler):
    refuses = False

    def log_message(self, *_):
        pass

    def reply(self, code, body, kind="application/json"):
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        here = f"http://127.0.0.1:{self.server.server_port}/infrastructures/{ID}"
        path = self.path.partition("?")[0]
        if self.command == "POST":
            if Manager.refuses:
                self.reply(400, {"message": "no such image", "code": 400})
            else:
                self.reply(200, {"uri": here}) if "json" in self.headers.get("Accept", "") else self.reply(200, here, "text/uri-list")
        elif path.endswith("/state"):
            self.reply(200, {"state": {"state": "configured", "vm_states": {"0": "configured"}}})
        elif path.endswith(ID):
            self.reply(200, {"uri-list": [{"uri": here + "/vms/0"}]})
        else:
            self.reply(500, "Internal Server Error", "text/plain")

    do_POST = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Manager)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
pathlib.Path("auth").write_text("type = InfrastructureManager; username = u; password = p\n")
pathlib.Path("vm.radl").write_text("network n ( outbound = 'yes' )\nsystem s ( cpu.count >= 1 and net_interface.0.connection = 'n' )\ndeploy s 1\n")


def run(*command):
    done = subprocess.run(["venv/bin/im_client", "-r", url, "-a", "auth", *command], capture_output=True, text=True, timeout=120)
    got = (done.returncode, (done.stdout + done.stderr).strip())
    print(f"{' '.join(command)}: exit code {got[0]}, {got[1]!r}")
    return got


def compare(what, is_so):
    if not is_so:
        sys.exit(f"CHANGED: {what}")


code, said = run("create", "vm.radl")
compare("create told the ID, exit code 0", code == 0 and ID in said)
compare("create -q said nothing, exit code 0", run("-q", "create", "vm.radl") == (0, ""))
code, said = run("-q", "getinfo", ID)
compare("getinfo of machines that cannot be asked ended with 0", code == 0 and said.startswith("ERROR getting the information"))
code, said = run("-q", "create_wait_outputs", "vm.radl")
compare("create_wait_outputs without outputs ended with 0", code == 0 and json.loads(said) == {"infid": ID, "outputs": {}})
Manager.refuses = True
code, said = run("create", "vm.radl")
compare("a refused create told why, exit code 1", code == 1 and "no such image" in said)
compare("a refused create -q said nothing, exit code 1", run("-q", "create", "vm.radl") == (1, ""))
PYTHON
