#!/bin/bash
# collectd-nagios: what cannot be asked is CRITICAL, what is not known a WARNING without any limit, and OK once it is summed up.
#
# Software:  collectd-utils 5.12.0-14 of Debian 12; a few lines in the place of collectd's plug-in unixsock. Seen 2026-11-29.
# Expected:  UNKNOWN where there is no collectd, no such value, or a value that is not a number: the guidelines' "plugin was unable to
#            check". Performance data with the limits that were given.
# Seen:      no socket, no such value, no such data source: exit code 2. NaN: exit code 1, "0 critical, 1 warning", also without -w and
#            -c; with -m exit code 2. Of 3 and NaN, -c 5: 1, but -g sum and -g average leave the NaN out: "OKAY: 3 sum", 0.
#            No performance datum has a limit, and NaN is written as "nan". The first word is "OKAY".
#            -g percentage judges the share of the first value in the sum: of 1 and 100 it is 0.99.
# Matters:   a collectd that is restarted pages for every value that is watched, and a counter that has stopped is a WARNING at the
#            most, none in a sum over machines: half of them may be silent and the sum is OK. Give -m, and watch each.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download collectd-utils libcollectdclient1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "collectd-utils $(dpkg-deb -f collectd-utils_*.deb Version)"
library=$(find root -name "libcollectdclient.so.1" -printf '%h\n' | head -1)
LD_LIBRARY_PATH=$work/$library python3 - <<'PYTHON'
import socket
import subprocess
import sys
import threading

VALUES = {"three": "value=3.0", "unknown": "value=NaN", "both": "rx=3.0 tx=NaN", "two": "rx=1.0 tx=100.0"}
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket")
listener.listen()


def answer(peer):
    with peer, peer.makefile("rwb") as stream:
        for line in stream:
            found = VALUES.get(line.split()[1].decode().strip('"').rpartition("/")[2], "").split()
            head = f"{len(found)} Values found" if found else "-1 No such value"
            stream.write("".join(f"{text}\n" for text in (head, *found)).encode())
            stream.flush()


def serve():
    while True:
        threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
for arguments, code, text in (
    ("three", 0, "OKAY: 0 critical, 0 warning, 1 okay | value=3.000000;;;;"),
    ("three -w 2 -c 5", 1, "WARNING: 0 critical, 1 warning, 0 okay | value=3.000000;;;;"),
    ("three -c 5:", 2, "CRITICAL: 1 critical, 0 warning, 0 okay | value=3.000000;;;;"),
    ("nothing", 2, "ERROR: Retrieving values from the daemon failed: Server error: No such value."),
    ("two -d none", 2, "ERROR: DS `none' is not available."),
    ("unknown", 1, "WARNING: 0 critical, 1 warning, 0 okay | value=nan;;;;"),
    ("unknown -m", 2, "CRITICAL: 1 critical, 0 warning, 0 okay | value=nan;;;;"),
    ("both -c 5", 1, "WARNING: 0 critical, 1 warning, 1 okay | rx=3.000000;;;; tx=nan;;;;"),
    ("both -c 5 -g sum", 0, "OKAY: 3 sum | rx=3.000000;;;; tx=nan;;;;"),
    ("both -c 5 -g average", 0, "OKAY: 3 average | rx=3.000000;;;; tx=nan;;;;"),
    ("two -c 50 -g percentage", 0, "OKAY: 0.990099 percent | rx=1.000000;;;; tx=100.000000;;;;"),
    ("three -s nobody", 2, "ERROR: Connecting to daemon at nobody failed."),
):
    value, *options = arguments.split()
    done = subprocess.run(
        ["root/usr/bin/collectd-nagios", "-s", "socket", "-H", "site", "-n", f"vm/{value}", *options],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    said = (done.stdout + done.stderr).strip()
    print(f"{arguments:25}{done.returncode} {said}")
    if (done.returncode, said) != (code, text):
        sys.exit(f"CHANGED: it was {code} {text}")
PYTHON
