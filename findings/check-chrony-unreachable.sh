#!/bin/bash
# check_chrony is OK where no time server answers any more: it looks at what was true when the last one did.
#
# Software:  check_chrony of monitoring-plugins-contrib 42.20230308+deb12u1+b1, chrony 4.3-2+deb12u3 of Debian 12; a few lines in the
#            place of a time server. chronyd sets no clock here (-x). Seen 2026-11-30.
# Expected:  a daemon whose servers are all unreachable is CRITICAL, or a WARNING: its clock runs free. A limit in milliseconds may
#            have a fraction, and wrong usage is UNKNOWN.
# Seen:      the server answers:                      OK, "Stratum 3"
#            it does not, chronyc: "?", reach 0:      OK, "Stratum 3"; "Can't synchronise: no selectable sources" is in the log
#            chronyd has never reached it:            CRITICAL, "chrony failed to connect to NTP server."
#            chronyd is stopped:                      CRITICAL
#            -w 0.5:                                  CRITICAL by its exit code, nothing on stdout
# Matters:   after a change of a firewall each machine stays green until chronyd is restarted, while its clock drifts away; then tokens and
#            proxies are "not valid yet". Look at the column Reach of `chronyc sources`, or compare with a time server over the network.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib chrony libgnutls30 libnettle8 libhogweed6 libp11-kit0 \
    libtasn1-6 libidn2-0 libunistring2 libseccomp2 libcap2 libedit2 libbsd0 libmd0 libtinfo6
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version), chrony $(dpkg-deb -f chrony_*.deb Version)"
libraries=$(echo "$work"/root/usr/lib/*-linux-gnu):$(echo "$work"/root/lib/*-linux-gnu)
read -r ntp command <<PORTS
$(python3 -c 'import socket
both = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
for each in both: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in both))')
PORTS
cat > chrony.conf <<SETTINGS
server 127.0.0.1 port $ntp iburst minpoll -4 maxpoll -4
port 0
cmdport $command
bindcmdaddress 127.0.0.1
bindcmdaddress /
pidfile $work/pid
SETTINGS
mkdir bin
cat > bin/chronyc <<PROGRAM
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec "$work/root/usr/bin/chronyc" -n -h 127.0.0.1 -p $command "\$@"
PROGRAM
chmod +x bin/chronyc
PATH=$work/bin:$PATH LIBRARIES=$libraries python3 - "$ntp" <<'PYTHON'
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import threading
import time

PORT = int(sys.argv[1])
EPOCH = 2208988800  # of NTP, before that of Unix
answering = threading.Event()
peer = socket.socket(type=socket.SOCK_DGRAM)
peer.bind(("127.0.0.1", PORT))


def stamp(when):
    return struct.pack("!II", int(when) + EPOCH, int(when % 1 * 2**32))


def serve():
    """A time server of stratum 2, as long as it is to answer."""
    while True:
        asked, where = peer.recvfrom(512)
        came = time.time()
        if answering.is_set():
            head = struct.pack("!BBBbII4s", 0x24, 2, asked[2], -20, 100, 100, bytes((10, 0, 0, 1)))
            peer.sendto(head + stamp(came - 1) + asked[40:48] + stamp(came) + stamp(time.time()), where)


def source():
    """State and reach of the only source, as chronyc prints them."""
    done = subprocess.run(["chronyc", "-c", "sources"], capture_output=True, text=True, timeout=60)
    fields = done.stdout.strip().split(",")
    return (fields[1], fields[5]) if len(fields) > 5 else None


def await_source(is_so, what):
    for _ in range(600):
        found = source()
        if found and is_so(*found):
            print(f"{what}: state {found[0]}, reach {found[1]}")
            return
        time.sleep(0.1)
    sys.exit(f"CHANGED: the source is {found}, not so that {what}")


def check(arguments, code, pattern):
    command = ["/usr/bin/python3", "root/usr/lib/nagios/plugins/check_chrony", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    print(f"    check_chrony {' '.join(arguments)}: {done.returncode}, {done.stdout.strip()}")
    if done.returncode != code or not re.search(pattern, done.stdout):
        sys.exit(f"CHANGED: it was {code} with {pattern}; {done.stderr}")


threading.Thread(target=serve, daemon=True).start()
user = pwd.getpwuid(os.geteuid()).pw_name
environment = dict(os.environ, LD_LIBRARY_PATH=os.environ["LIBRARIES"])
with open("log", "wb") as log:
    command = ["root/usr/sbin/chronyd", "-U", "-u", user, "-x", "-d", "-f", f"{os.getcwd()}/chrony.conf"]
    daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
try:
    LIMITS = ["-w", "100000", "-c", "200000"]  # that a busy machine keeps
    await_source(lambda state, reach: True, "the server has not answered yet")
    check(LIMITS, 2, "^chrony failed to connect to NTP server")
    answering.set()
    await_source(lambda state, reach: state == "*" and reach != "0", "the server answers")
    check(LIMITS, 0, "^chrony OK: .* Stratum 3$")
    answering.clear()
    await_source(lambda state, reach: state == "?" and reach == "0", "the server does not answer any more")
    check(LIMITS, 0, "^chrony OK: .* Stratum 3$")
    check(["-w", "0.5"], 2, "^$")
finally:
    daemon.terminate()
    daemon.wait()
check(LIMITS, 2, "^chronyc failed")
with open("log") as log:
    said = log.read()
if "no selectable sources" not in said:
    sys.exit(f"CHANGED: the log has {said}")
PYTHON
