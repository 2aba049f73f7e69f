#!/bin/bash
# prometheus-pushgateway: a site that is pushed after another replaces it, in a group of a site its own label is changed; 200 each time.
#
# Software:  prometheus-pushgateway 1.5.1-2+b5 of Debian 12. Seen 2026-11-30.
# Expected:  POST adds series with other labels to those that are there. A label that differs from the group's is refused, as a timestamp
#            is. A DELETE of a group takes those below it, or is a 404 where there is none.
# Seen:      POST /metrics/job/probes of state{site="A"}, then of state{site="B"}:  200 twice, B alone is left
#            POST /metrics/job/probes/site/A of state{site="B"}:                    200, it is state{site="A"}
#            PUT of a group without a line:                                         200, its series are gone, its push time is new
#            another job's state with "# TYPE state gauge", after one without:      400, and so for each push until the first is deleted
#            DELETE /metrics/job/probes, or of a job that never was:                202; /job/probes/site/A is still there
#            Killed within the 5 minutes of its persistence.interval:               no file
# Matters:   probes that push one after the other leave the state of the last site, with the others' alerts over; a site that was removed
#            pages for ever, by its own group. Push all sites at once, or each to a group of its own, and delete by the whole path.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus-pushgateway
dpkg-deb -x prometheus-pushgateway_*.deb root
echo "prometheus-pushgateway $(dpkg-deb -f prometheus-pushgateway_*.deb Version)"
python3 - <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path, method="GET", body=None):
    try:
        with OPENER.open(urllib.request.Request(f"http://{address}{path}", body, method=method), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def states():
    lines = ask("/metrics")[1].splitlines()
    return sorted(line.replace('instance="",', "") for line in lines if line.startswith("state"))


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
options = [f"--web.listen-address={address}", "--persistence.file=kept"]
with open("said", "w") as said:
    daemon = subprocess.Popen(["root/usr/bin/prometheus-pushgateway", *options], stderr=said)
try:
    for _ in range(600):
        try:
            ask("/-/ready")
            break
        except OSError:
            time.sleep(0.1)
    probes_b = 'state{job="probes",site="B"} 0'
    probes_a = 'state{job="probes",site="A"} 0'
    other = 'state{job="other",site="C"} 1'
    for method, path, body, code, expected in (
        ("POST", "/metrics/job/probes", 'state{site="A"} 2\n', 200, ['state{job="probes",site="A"} 2']),
        ("POST", "/metrics/job/probes", 'state{site="B"} 0\n', 200, [probes_b]),
        ("POST", "/metrics/job/probes", 'state{site="B"} 2 1700000000000\n', 400, [probes_b]),
        ("POST", "/metrics/job/probes/site/A", 'state{site="B"} 0\n', 200, [probes_a, probes_b]),
        ("PUT", "/metrics/job/other", '# TYPE state gauge\nstate{site="C"} 1\n', 400, [probes_a, probes_b]),
        ("PUT", "/metrics/job/other", 'state{site="C"} 1\n', 200, [other, probes_a, probes_b]),
        ("PUT", "/metrics/job/other", "", 200, [probes_a, probes_b]),
        ("DELETE", "/metrics/job/never", None, 202, [probes_a, probes_b]),
        ("DELETE", "/metrics/job/probes", None, 202, [probes_a]),
        ("DELETE", "/metrics/job/probes/site/A", None, 202, []),
    ):
        got = ask(path, method, None if body is None else body.encode())[0]
        for _ in range(600):  # a push of a group without a check, and a DELETE, are done after the answer
            if states() == expected:
                break
            time.sleep(0.1)
        print(f"{method} {path} {body!r}: {got}, {states()}")
        if (got, states()) != (code, expected):
            sys.exit(f"CHANGED: it was {code}, {expected}")
    groups = [line for line in ask("/metrics")[1].splitlines() if line.startswith("push_time_seconds{")]
    print("groups:", groups)
    if len(groups) != 1 or 'job="other"' not in groups[0]:
        sys.exit("CHANGED: the group that was emptied had a push time")
finally:
    daemon.kill()
    daemon.wait()
print("after SIGKILL kept is", "there" if os.path.exists("kept") else "not there")
if os.path.exists("kept"):
    sys.exit("CHANGED: it was not there")
PYTHON
