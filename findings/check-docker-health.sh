#!/bin/bash
# check_docker --health: one container without a health check makes an unhealthy one UNKNOWN, and so does --memory with cgroups v2.
#
# Software:  check-docker 2.2.2 (PyPI); a few lines in the place of the Docker daemon. Seen 2026-11-30.
# Expected:  of several containers the one that is CRITICAL decides. --memory works where the kernel counts by cgroups v2, as Debian's does
#            since 11. --present alone looks whether the containers are there; --no-performance leaves out the performance data, and
#            --no-ok the lines of what is OK.
# Seen:      --health: "db is unhealthy", CRITICAL; with a container that has no health check beside it UNKNOWN, exit code 3
#            --memory 50:70:%: CRITICAL by cgroups v1; UNKNOWN, KeyError('total_cache'), by v2, and so is what was CRITICAL beside it
#            --containers web --present: exit code 255, and no word on stdout, where web is there
#            --no-performance: the data are printed; --no-ok: they are not
# Matters:   UNKNOWN seldom wakes anybody: on a machine with one plain container no other one is CRITICAL any more. Make one service of
#            each container and each of its checks.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install check-docker==2.2.2
venv/bin/python - <<'PYTHON'
import http.server
import json
import string
import subprocess
import sys
import threading

MEMORY = {
    "v1": {"cache": 100_000_000, "total_cache": 100_000_000},
    "v2": {"anon": 800_000_000, "file": 100_000_000, "inactive_file": 100_000_000},
}
CONTAINERS = {"web": ("healthy", "v1"), "db": ("unhealthy", "v1"), "plain": (None, "v1"), "new": ("healthy", "v2")}


def cpu(seconds):
    return {"cpu_usage": {"total_usage": seconds}, "system_cpu_usage": 10 * seconds, "online_cpus": 4}


def answer(path):
    if path == "/containers/json":
        return [{"Names": [f"/{name}"]} for name in CONTAINERS]
    name, what = path.split("/")[2:]
    health, version = CONTAINERS[name]
    if what == "stats":
        memory = {"usage": 900_000_000, "limit": 1_000_000_000, "stats": MEMORY[version]}
        return {"memory_stats": memory, "cpu_stats": cpu(200), "precpu_stats": cpu(100)}
    state = {"Status": "running", "StartedAt": "2026-11-01T00:00:00.5Z", **({"Health": {"Status": health}} if health else {})}
    return {"State": state, "RestartCount": 0, "HostConfig": {"NanoCpus": 0, "CpuQuota": 0, "CpuPeriod": 0}}


class Daemon(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(answer(self.path.partition("?")[0])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Daemon)
threading.Thread(target=server.serve_forever, daemon=True).start()


def check(containers, options, code, parts, absent=()):
    command = ["venv/bin/check_docker", "--connection", f"127.0.0.1:{server.server_port}", "--timeout", "60"]
    command += ["--containers", *containers.split(), *options.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print(f"{containers} {options}: {done.returncode}, {done.stdout.strip()}")
    if done.returncode != code or not all(each in done.stdout for each in parts) or any(each in done.stdout for each in absent):
        sys.exit(f"CHANGED: it was {code} with {parts}, without {absent}; {done.stderr}")


UNHEALTHY, PLAIN, LOST = "CRITICAL: db is unhealthy", "UNKNOWN: plain has no health check data", "KeyError('total_cache')"
FULL = "CRITICAL: web memory is 80%"
check("web", "--health", 0, ["OK: web is healthy"])
check("web db", "--health", 2, [UNHEALTHY])
check("web db plain", "--health", 3, [UNHEALTHY, PLAIN])
check("web", "--memory 50:70:%", 2, [FULL])
check("new", "--memory 50:70:%", 3, [LOST])
check("web new", "--memory 50:70:%", 3, [LOST])
check("web", "--present", 255, [], string.ascii_letters)
check("web", "--cpu 80:90", 0, ["OK: web cpu is 10%", "|web_cpu=10;80;90;0;100"])
check("web", "--cpu 80:90 --no-performance", 0, ["|web_cpu=10;80;90;0;100"])
check("web", "--cpu 80:90 --no-ok", 0, ["OK"], ["|"])
PYTHON
