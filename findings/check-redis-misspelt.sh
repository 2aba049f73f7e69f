#!/bin/bash
# check_redis: a misspelt word in -q drops the limits behind it, too: OK, whatever the value is.
#
# Software:  check_redis of monitoring-plugins-contrib 42.20230308+deb12u1+b1, redis 5:7.0.15-1~deb12u10 and libredis-perl 2:2.000-1 of
#            Debian 12. Seen 2026-11-30.
# Expected:  a word that -q does not have is refused, or dropped alone.
# Seen:      value 5, -q GET,queue,WARN:3,CRIT:4:   CRITICAL
#            value 5, -q GET,queue,WARM:3,CRIT:4:   OK, "queue is 5"
# Matters:   one letter, and the length of a queue is never judged again. Try a limit once with a value beyond it.
set -eu
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :; wait; rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib redis-tools libredis-perl libio-socket-timeout-perl \
    libperlio-via-timeout-perl libtry-tiny-perl libjemalloc2 liblzf1 libatomic1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in monitoring-plugins-contrib redis-tools libredis-perl; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
export PERL5LIB LD_LIBRARY_PATH
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# the program is a server by this name alone
(exec -a redis-server root/usr/bin/redis-check-rdb --port "$port" --bind 127.0.0.1 --dir "$work" --save "" > said 2>&1) &
daemon=$!
for _ in $(seq 300); do root/usr/bin/redis-cli -p "$port" set queue 5 > answer 2>&1 && grep -q OK answer && break; sleep 0.1; done
python3 - "$port" <<'PYTHON'
import subprocess
import sys


def check(arguments, code, text):
    plugin = ["/usr/bin/perl", "root/usr/lib/nagios/plugins/check_redis", "-H", "127.0.0.1", "-p", sys.argv[1], "-t", "60"]
    command = [*plugin, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print(f"{arguments}: {done.returncode}, {done.stdout.strip()}")
    if done.returncode != code or text not in done.stdout:
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stderr}")


check("-q GET,queue,WARN:3,CRIT:4", 2, "CRITICAL: queue is 5 > 4")
check("-q GET,queue,CRIT:4", 2, "CRITICAL: queue is 5 > 4")
check("-q GET,queue,WARM:3,CRIT:4", 0, "queue is 5")
PYTHON
