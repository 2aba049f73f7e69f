#!/bin/bash
# check_memcached is OK where memcached throws away all that it is given: its own figures are thrown away with the rest.
#
# Software:  check_memcached of monitoring-plugins-contrib 42.20230308+deb12u1+b1, memcached 1.6.18-1+deb12u1 of Debian 12. Seen 2026-11-30.
# Expected:  -E 10 is a WARNING after more than ten evictions, and the more so after thousands. Where there is nothing to compare with,
#            it is UNKNOWN. A limit that is no number is refused, and the plugin's own requests count for nothing.
# Seen:      evictions of items of other sizes alone:  WARNING, "Too many evictions"
#            evictions of items of all sizes:          OK, "no stats available yet. Come back in 0 minutes", at each run
#            -w abc:                                   taken as 0, so there is no limit of hits
#            a memcached that nobody uses:             "hits=1 misses=1" are the plugin's own, a WARNING with the default -w 2.0
# Matters:   what it compares with lies in the memcached itself. One that is far too small, in which tokens or sessions are lost within
#            minutes, is OK for ever, and so is one that restarts every few minutes. Ask `stats` for `evictions` and `uptime` yourself.
set -eu
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib memcached libmemcached11 libhashkit2 libmemcachedutil2 \
    libevent-2.1-7 libsasl2-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version), memcached $(dpkg-deb -f memcached_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
user=()
[ "$(id -u)" != 0 ] || user=(-u nobody)
root/usr/bin/memcached "${user[@]}" -l 127.0.0.1 -p "$port" -m 2 > said 2>&1 &
daemon=$!
python3 - "$port" <<'PYTHON'
import socket
import subprocess
import sys
import time

PORT = int(sys.argv[1])
SIZES = (20, 60, 100, 140, 180, 220, 300, 400)


def connect():
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", PORT), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("CHANGED: memcached does not start")


stream = connect().makefile("rwb")


def evictions():
    stream.write(b"stats\r\n")
    stream.flush()
    found = {}
    while (line := stream.readline()) != b"END\r\n":
        _, name, value = line.split()
        found[name] = value
    return int(found[b"evictions"])


def fill(sizes):
    """The number of evictions after 30000 items of each size, which are more than there is room for."""
    for size in sizes:
        for number in range(30000):
            stream.write(b"set item-%d-%d 0 0 %d noreply\r\n%s\r\n" % (size, number, size, b"x" * size))
    return evictions()


def forget():
    stream.write(b"flush_all\r\n")
    stream.flush()
    stream.readline()


def check(what, code, text, *options):
    command = ["root/usr/lib/nagios/plugins/check_memcached", "-H", f"127.0.0.1:{PORT}", "-t", "60", "-T", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print(f"{what}, {' '.join(options)}: {done.returncode}, {done.stdout.strip().partition('|')[0]}")
    if done.returncode != code or not done.stdout.startswith(text):
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stdout} {done.stderr}")
    time.sleep(1.1)  # the figures are told apart by their second


def more_evictions(sizes):
    before = evictions()
    after = fill(sizes)
    if after < before + 1000:
        sys.exit(f"CHANGED: {before} evictions became {after}, they were thousands")
    return f"{after - before} evictions"


LIMITS = ("-E", "10", "-w", "0")
NOTHING = "OK: no stats available yet. Come back in 0 minutes"
check("empty", 0, NOTHING, *LIMITS)
check("nobody uses it", 0, "OK: hit/miss=0.0; hits=0 misses=1 evictions=0", *LIMITS)
check("nobody uses it", 1, "WARNING: Low hit/miss rate: 1.0; hits=1 misses=1 evictions=0", "-E", "10")
check("nobody uses it", 0, "OK: hit/miss=2.0; hits=2 misses=1 evictions=0", "-E", "10", "-w", "abc")
forget()
check("emptied", 0, NOTHING, *LIMITS)
check(more_evictions((400,)), 1, "WARNING: Too many evictions: ", *LIMITS)
forget()
check("emptied", 0, NOTHING, *LIMITS)
for _ in range(2):
    check(more_evictions(SIZES), 0, NOTHING, *LIMITS)
PYTHON
