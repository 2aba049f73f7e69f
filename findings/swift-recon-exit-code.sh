#!/bin/bash
# swift-recon: exit code 0 whatever it finds; with half of the servers down it reports "Failed: 0.0%, no_result: 0".
#
# Software:  swift 2.38.3 (PyPI). Seen 2026-11-30.
# Expected:  a check that counts "error[s]", or clocks that are an hour apart, ends with another code than 0; so does one that asked
#            no server, or was given a storage policy that there is none of. A server that refuses is in "Failed" or "no_result".
# Seen:      of two object servers one refuses: "-a" reports the other's figures with "Failed: 0.0%, no_result: 0, reported: 1".
#            "-T" prints "0/2 hosts matched, 1 error[s]", "-d" leaves out a disk that is not mounted, "-u" names it, "--zone 7" asks
#            0 hosts, "-p misspelt" says "Invalid Storage Policy": exit code 0 for each.
# Matters:   in cron, or behind a plugin that judges exit codes, it is always well; graphs of these figures show fewer quarantined
#            objects and a shorter queue when a server is down. Compare the number reported with that of the hosts asked.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install swift==2.38.3
venv/bin/python - <<'PYTHON'
"""An object server's answers to swift-recon on the loopback interface, and a second one whose port refuses."""

import http.server
import json
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time


class Recon(http.server.BaseHTTPRequestHandler):
    behind = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        answers = {
            "/recon/async": {"async_pending": 5000},
            "/recon/time": time.time() - Recon.behind,
            "/recon/unmounted": [{"device": "d2", "mounted": False}],
            "/recon/diskusage": [{"device": "d1", "mounted": True, "size": 100, "used": 40, "avail": 60},
                                 {"device": "d2", "mounted": False, "size": "", "used": "", "avail": ""}],
        }  # fmt: skip
        body = json.dumps(answers.get(self.path)).encode()
        self.send_response(200 if self.path in answers else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recon)
threading.Thread(target=server.serve_forever, daemon=True).start()
second = http.server.ThreadingHTTPServer(("127.0.0.2", 0), Recon)
threading.Thread(target=second.serve_forever, daemon=True).start()
refusing = socket.socket()
refusing.bind(("127.0.0.3", 0))


def ring(*addresses):
    for path in pathlib.Path().glob("object.*"):
        path.unlink()
    for command in (("create", "4", "1", "1"), *(("add", f"r1z1-{host}:{port}/d1", "100") for host, port in addresses), ("rebalance",)):
        subprocess.run(["venv/bin/swift-ring-builder", "object.builder", *command], check=True, capture_output=True, timeout=300)


def compare(options, code, said):
    command = ["venv/bin/swift-recon", "object", "--swiftdir", ".", *options.split()]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    found = re.search(said, done.stdout, re.MULTILINE)
    print(f"swift-recon {options}: exit code {done.returncode}, {found[0] if found else done.stdout + done.stderr}")
    if done.returncode != code or not found:
        sys.exit(f"CHANGED: it was {code}, {said}")


pathlib.Path("swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = a\n[storage-policy:0]\nname = gold\ndefault = yes\n")
ring(server.server_address, second.server_address)
print("two servers:")
compare("-a", 0, r"total: 10000, Failed: 0\.0%, no_result: 0, reported: 2")
compare("-T", 0, r"2/2 hosts matched, 0 error")
Recon.behind = 3600
print("two servers whose clocks are an hour behind:")
compare("-T", 0, r"0/2 hosts matched, 0 error")
ring(server.server_address, refusing.getsockname())
print("one of two servers refuses:")
compare("-a", 0, r"total: 5000, Failed: 0\.0%, no_result: 0, reported: 1")
compare("-T", 0, r"0/2 hosts matched, 1 error")
compare("-u", 0, r"Not mounted: d2 on .*")
compare("-d", 0, r"space used: 40 of 100")
compare("-u --zone 7", 0, r"reconnaissance on 0 hosts")
compare("-u -p misspelt", 0, r"Invalid Storage Policy: misspelt")
compare("--unmountd", 2, r"^$")
PYTHON
