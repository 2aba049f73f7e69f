#!/bin/bash
# check_patroni cluster_has_replica is UNKNOWN, "KeyError: 'timeline'", as soon as a replica is stopped, where it is the only one, too.
#
# Software:  check-patroni 2.2.0 with nagiosplugin 1.4.0, patroni 4.1.5 (all PyPI): the list of a cluster's members is made by Patroni's
#            own code of what each member tells, and served by a few lines. Seen 2026-11-30.
# Expected:  a stopped replica is not a healthy one: of two the other remains, of one none, which is CRITICAL with -c 1:. A synchronous
#            replica that lags behind by more than --max-lag is no healthy one, and is no synchronous one either.
# Seen:      -c 1:, one streams, one is stopped:       UNKNOWN, "KeyError: 'timeline'"
#            -c 1:, the only one is stopped or starts: UNKNOWN, "KeyError: 'timeline'"
#            -c 1:, the only one does not stream:      CRITICAL, "healthy_replica is 0"
#            --sync-critical 1: --max-lag 100B, the only synchronous one is 900 bytes behind: OK, "sync_replica=1;;1: unhealthy_replica=1"
# Matters:   the database behind an OpenStack has lost all its replicas, and nobody is told who listens to CRITICAL alone. Watch the nodes
#            with cluster_node_count --healthy-critical, which counts a stopped one, and give -c beside --sync-critical.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install check-patroni==2.2.0 nagiosplugin==1.4.0 requests==2.34.2 click==8.5.1
venv/bin/pip -q --disable-pip-version-check install patroni==4.1.5 psycopg2-binary==2.9.13
venv/bin/python - <<'PYTHON'
import http.server
import json
import subprocess
import sys
import threading

from patroni.dcs import Cluster, ClusterConfig, Leader, Member, Status, SyncState
from patroni.utils import cluster_as_json


def member(name, **said):
    """What a member has told of itself, as touch_member() of Patroni writes it."""
    address = {"conn_url": "postgres://192.0.2.1:5432/postgres", "api_url": "http://192.0.2.1:8008/patroni", "version": "4.1.5"}
    return Member.from_node(1, name, "session", json.dumps({**address, "role": "replica", "state": "running", **said}))


LEADER = member("a", role="primary", timeline=3, xlog_location=1000)


def running(name, position, **more):
    return member(name, timeline=3, xlog_location=position, receive_lsn=position, replay_lsn=position, **more)


def cluster(*replicas, synchronous=None):
    config = ClusterConfig(1, {"synchronous_mode": bool(synchronous)}, 1)
    sync = SyncState.from_node(1, {"leader": "a", "sync_standby": synchronous}) if synchronous else SyncState.empty()
    parts = (config, Leader(1, "session", LEADER), Status(1000, None, []), [LEADER, *replicas], None, sync, None, None, {})
    return cluster_as_json(Cluster(None, *parts))


class Api(http.server.BaseHTTPRequestHandler):
    shown = None

    def do_GET(self):
        body = json.dumps(self.shown if self.path == "/cluster" else {"patroni": {"version": "4.1.5"}, "state": "running"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()


def check(what, shown, arguments, code, text):
    Api.shown = shown
    command = ["venv/bin/check_patroni", "-e", f"http://127.0.0.1:{server.server_port}", "--timeout", "60", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={"no_proxy": "*", "LC_ALL": "C.UTF-8"})
    print(f"{what}; {arguments}: {done.returncode}, {done.stdout.strip()}")
    if done.returncode != code or text not in done.stdout:
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stderr}")


STREAMS = running("b", 1000, replication_state="streaming")
STANDS = running("b", 1000)
LATE = running("b", 100, replication_state="streaming")
STOPPED, STARTS = member("c", state="stopped"), member("c", state="starting")
HAS, LOST, NONE = "cluster_has_replica -c 1:", "KeyError: 'timeline'", "healthy_replica is 0"
check("one streams", cluster(STREAMS), HAS, 0, "healthy_replica is 1")
check("one does not", cluster(STANDS), HAS, 2, NONE)
check("one streams, one is stopped", cluster(STREAMS, STOPPED), HAS, 3, LOST)
check("one is stopped", cluster(STOPPED), HAS, 3, LOST)
check("one starts", cluster(STARTS), HAS, 3, LOST)
check("one is stopped", cluster(STOPPED), "cluster_node_count --healthy-critical 2:", 2, "healthy_members is 1")
check("900 bytes behind", cluster(LATE), f"{HAS} --max-lag 100B", 2, NONE)
late = cluster(LATE, synchronous="b")
alone = "cluster_has_replica --sync-critical 1: --max-lag 100B"
check("900 bytes behind, synchronous", late, alone, 0, "sync_replica=1;;1: unhealthy_replica=1")
PYTHON
