#!/bin/bash
# check_rabbitmq_objects counts one object too few of each kind; check_rabbitmq_shovels does not see a shovel that is starting.
#
# Software:  check_rabbitmq_objects and check_rabbitmq_shovels of nagios-plugins-rabbitmq 1:1.2.0-2.4 of Debian 12; a few lines in the
#            place of the broker's management interface. Seen 2026-11-30.
# Expected:  of three queues the number is 3. A shovel whose state is "starting" does not move messages: CRITICAL, or a WARNING; and a
#            broker that has no shovel is told as that.
# Seen:      three queues, seven exchanges, a virtual host:   queue=2 exchange=6 vhost=0; with no channel channel=0, as with one
#            two shovels, "running" and "starting":           OK, "1 running shovel: a"
#            one shovel, "starting":                          UNKNOWN, without a word
#            no shovel:                                       CRITICAL, "API error: empty JSON"
# Matters:   a graph shows one queue less than there are, and the last channel to go, which is a cloud without any service at its broker,
#            is no change. A shovel that waits for its other side is not missed beside one that runs.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nagios-plugins-rabbitmq libmonitoring-plugin-perl libclass-accessor-perl libsub-name-perl \
    libparams-validate-perl libconfig-tiny-perl libmath-calc-units-perl libmodule-implementation-perl libmodule-runtime-perl \
    libtry-tiny-perl liblocale-gettext-perl libjson-perl libwww-perl libencode-locale-perl libfile-listing-perl libhtml-parser-perl \
    libhtml-tagset-perl libhttp-cookies-perl libhttp-date-perl libhttp-message-perl libhttp-negotiate-perl liblwp-mediatypes-perl \
    libnet-http-perl liburi-perl libclone-perl libio-html-perl libtimedate-perl libwww-robotrules-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "nagios-plugins-rabbitmq $(dpkg-deb -f nagios-plugins-rabbitmq_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
export PERL5LIB no_proxy=127.0.0.1
python3 - <<'PYTHON'
import http.server
import json
import re
import subprocess
import sys
import threading

ANSWERS = {}


class Management(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(ANSWERS[self.path.removeprefix("/api/")]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Management)
threading.Thread(target=server.serve_forever, daemon=True).start()


def check(plugin, what, code, pattern):
    command = ["/usr/bin/perl", f"root/usr/bin/{plugin}", "-H", "127.0.0.1", "--port", str(server.server_port)]
    command += ["-u", "monitor", "-p", "secret", "-t", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout.strip()
    print(f"{plugin}, {what}: {done.returncode}, {said}")
    if done.returncode != code or not re.search(pattern, said):
        sys.exit(f"CHANGED: it was {code} with {pattern}; {done.stderr}")


def named(count):
    return [{"name": f"name-{number}", "vhost": "/"} for number in range(count)]


def shovels(**states):
    ANSWERS["shovels"] = [{"name": name, "vhost": "/", "type": "dynamic", "state": state} for name, state in states.items()]


for channels in (0, 1, 2):
    ANSWERS.update(vhosts=named(1), exchanges=named(7), bindings=named(3), queues=named(3), channels=named(channels))
    shown = max(channels - 1, 0)
    pattern = f"vhost=0;+ exchange=6;+ binding=2;+ queue=2;+ channel={shown};*"
    check("check_rabbitmq_objects", f"1 vhost, 7 exchanges, 3 bindings, 3 queues, {channels} channels", 0, pattern)
shovels(a="running", b="running")
check("check_rabbitmq_shovels", "two run", 0, "OK - 2 running shovels: a b")
shovels(a="running", b="terminated")
check("check_rabbitmq_shovels", "one is terminated", 2, "CRITICAL - 1 terminated shovel: b, 1 running shovel: a")
shovels(a="running", b="starting")
check("check_rabbitmq_shovels", "one starts", 0, "OK - 1 running shovel: a$")
shovels(a="starting")
check("check_rabbitmq_shovels", "the only one starts", 3, "UNKNOWN$")
shovels()
check("check_rabbitmq_shovels", "none", 2, "CRITICAL - API error: empty JSON")
PYTHON
