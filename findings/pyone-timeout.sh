#!/bin/bash
# The timeout that pyone is given ends nothing, and is set for all other sockets of the program instead.
#
# Software:  pyone 7.3.80 (PyPI), with requests 2.34.2. Seen 2026-11-30.
# Expected:  OneServer(uri, session, timeout=1) gives up on a front-end that says nothing for longer than a second; without a
#            timeout it waits. Sockets of others in the same program stay as they were.
# Seen:      an answer that comes after four seconds is returned with timeout=1 as without. socket.getdefaulttimeout() of the
#            program is 1 from then on, also for a second OneServer without a timeout.
# Matters:   a collector or a probe hangs with a front-end that hangs, until something else ends it, while its LDAP or database
#            connections break off after that second. Bound the run from outside, and give no timeout.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1 # without gRPC, which is not used
venv/bin/pip -q --disable-pip-version-check install pyone==7.3.80 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3 lxml==6.1.3 dict2xml==1.7.8 xmltodict==1.0.4 six==1.17.0
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import socket
import sys
import threading
import time
import xmlrpc.server

import pyone


def version(_):
    time.sleep(4)
    return [True, "7.2.0", 0]


server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
server.register_function(version, "one.system.version")
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_address[1]}/RPC2"

for given in ({}, {"timeout": 1}, {}):
    one = pyone.OneServer(address, session="probe:secret", **given)
    begin = time.monotonic()
    try:
        got = one.system.version()
    except Exception as error:
        got = type(error).__name__
    took = time.monotonic() - begin
    left = socket.getdefaulttimeout()
    print(f"{given}: {got!r}, four seconds or more: {took >= 4}; timeout of all new sockets: {left}")
    if got != "7.2.0":
        sys.exit("CHANGED: the timeout ends the call")
if left != 1:
    sys.exit("CHANGED: other sockets keep their timeout")
PYTHON
