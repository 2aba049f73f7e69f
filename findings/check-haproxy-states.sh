#!/bin/bash
# check_haproxy is OK where all servers are in maintenance or have no address; check_haproxy_stats is OK for a proxy that does not exist.
#
# Software:  check_haproxy and check_haproxy_stats of monitoring-plugins-contrib 42.20230308+deb12u1+b1, haproxy 2.6.12-1+deb12u4 of
#            Debian 12. Seen 2026-11-29.
# Expected:  a backend that HAProxy itself has as DOWN is CRITICAL, whatever keeps its servers away. A name after -p that HAProxy does not
#            have is UNKNOWN, an option that does not exist is refused, and performance data are parted by blanks.
# Seen:      check_haproxy, backend DOWN: servers "MAINT" and "MAINT (resolution)" (their name has no address): OK, "Active: 0/2";
#            a server that is down and has answered a check again ("DOWN 1/3"): OK, "Active: 0/1". "DOWN" alone is CRITICAL.
#            check_haproxy_stats: CRITICAL for each of these, but -p with a misspelt name: OK, 0; -C 50: "Unknown option", and OK;
#            the data of all proxies are one word.
# Matters:   a cloud whose API servers were taken out for an update, or have lost their DNS entry, stays green while users get 503;
#            so does a dead server that answers a check now and then. Ask for the service itself, beside HAProxy.
set -eu
work=$(mktemp -d)
haproxy=
trap '[ -z "$haproxy" ] || kill "$haproxy" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 \
    libmonitoring-plugin-perl libclass-accessor-perl libsub-name-perl libparams-validate-perl libconfig-tiny-perl libmath-calc-units-perl \
    libmodule-implementation-perl libmodule-runtime-perl libtry-tiny-perl liblocale-gettext-perl libwww-perl libencode-locale-perl \
    libfile-listing-perl libhtml-parser-perl libhtml-tagset-perl libhttp-cookies-perl libhttp-date-perl libhttp-message-perl \
    libhttp-negotiate-perl liblwp-mediatypes-perl libnet-http-perl liburi-perl libclone-perl libio-html-perl libtimedate-perl \
    libwww-robotrules-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version), haproxy $(dpkg-deb -f haproxy_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
export PERL5LIB no_proxy=127.0.0.1
libraries=$(echo "$work"/root/usr/lib/*-linux-gnu)

read -r port closed late <<PORTS
$(python3 -c 'import socket
both = [socket.socket() for _ in range(3)]
for each in both: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in both))')
PORTS
cat > haproxy.cfg <<SETTINGS
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend page
  bind 127.0.0.1:$port
  stats enable
  stats uri /stats
backend good
  server a 127.0.0.1:$port check inter 200ms fall 1000
backend down
  server a 127.0.0.1:$closed check inter 200ms fall 1
backend maintenance
  server a 127.0.0.1:$port disabled
  server b 127.0.0.1:$port disabled
backend nameless
  server a nobody.invalid:80 check init-addr none
backend rising
  server a 127.0.0.1:$late check inter 200ms rise 10000
SETTINGS
LD_LIBRARY_PATH=$libraries root/usr/sbin/haproxy -f haproxy.cfg -db > said 2>&1 &
haproxy=$!
python3 - "$port" "$late" <<'PYTHON'
import http.server
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

PORT, LATE = sys.argv[1:]
PAGE = f"http://127.0.0.1:{PORT}/stats"


def states(backend):
    """The states that HAProxy has of a backend's servers, and of itself."""
    try:
        with urllib.request.urlopen(f"{PAGE};csv", timeout=60) as page:
            rows = [line.split(",") for line in page.read().decode().splitlines()]
    except urllib.error.URLError:
        return {}
    return {row[1]: row[17] for row in rows[1:] if row[0] == backend}


def await_state(backend, pattern):
    for _ in range(600):
        if re.fullmatch(pattern, states(backend).get("a", "")):
            return
        time.sleep(0.1)
    sys.exit(f"CHANGED: server a of {backend} was {pattern}, it is {states(backend)}")


def run(plugin, *arguments):
    done = subprocess.run(["perl", f"root/usr/lib/nagios/plugins/{plugin}", *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.strip()


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def judge():
    for backend, own, code, text in (
        ("good", "UP", 0, "OK -  good (Active: 1/1)"),
        ("down", "DOWN", 2, "CRITICAL - Active service 'a' is DOWN on 'down' proxy !"),
        ("maintenance", "DOWN", 0, "OK -  maintenance (Active: 0/2)"),
        ("nameless", "DOWN", 0, "OK -  nameless (Active: 0/1)"),
        ("rising", "DOWN", 0, "OK -  rising (Active: 0/1)"),
    ):
        compare(f"{backend}: HAProxy has", states(backend)["BACKEND"], own)
        print(f"  {states(backend)}")
        # limits of time that a busy machine keeps
        code_seen, said = run("check_haproxy", "-w", "60", "-c", "90", "-u", f"{PAGE}?scope={backend};csv")
        compare("  check_haproxy", (code_seen, said.partition(" | ")[0]), (code, f"HAPROXY {text}"))
        compare("  check_haproxy_stats -p", run("check_haproxy_stats", "-U", PAGE, "-p", backend)[0], 0 if backend == "good" else 2)


await_state("down", "DOWN")
await_state("rising", "DOWN")
late = http.server.ThreadingHTTPServer(("127.0.0.1", int(LATE)), http.server.BaseHTTPRequestHandler)
threading.Thread(target=late.serve_forever, daemon=True).start()
await_state("rising", "DOWN [0-9]+/10000")
judge()
compare("-p misspelt", run("check_haproxy_stats", "-U", PAGE, "-p", "goood"), (0, "Check haproxy OK - checked proxies: goood|"))
code, said = run("check_haproxy_stats", "-U", PAGE, "-p", "good", "-C", "50")
compare("-C 50", (code, said.splitlines()[0]), (0, "Unknown option: C"))
data = run("check_haproxy_stats", "-U", PAGE, "-p", "page,good")[1].partition("|")[2]
compare("performance data", re.sub("[0-9]+", "N", data), "page-FRONTEND=N;N;N;N;N;good-BACKEND=N;N;N;N;N;")
PYTHON
