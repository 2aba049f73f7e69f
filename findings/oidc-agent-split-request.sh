#!/bin/bash
# oidc-agent takes the first piece of a JSON request that arrives in two for the key of a client that encrypts, and refuses it.
#
# Software:  oidc-agent 4.2.6-1 of Debian 12. Seen 2026-11-29.
# Expected:  the documented IPC is JSON over a UNIX socket of type SOCK_STREAM, so a request may come in any pieces, and what
#            is no request is refused.
# Seen:      what the agent reads first has to be the whole request. The same bytes sent in two writes get 44 characters of
#            base64, the agent's public key, and right behind them, without anything between, {"status":"failure",
#            "error":"internal error: ipc encrypted message malformed"}. "hello" gets the key, and the agent waits.
#            The request in one write gets {"status":"failure","error":"No account configured with that short name"}.
# Matters:   a client that writes its JSON through a buffered writer works or fails by chance, and the answer is no JSON. Send
#            the request with one call, and bound the wait.
set -eu
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq download oidc-agent-cli=4.2.6-1 liboidc-agent4=4.2.6-1 libmicrohttpd12 libqrencode4 libcjson1 libsodium23 \
    libsecret-1-0 2> /dev/null
for each in ./*.deb; do dpkg-deb -x "$each" root; done
mkdir home
export HOME="$work/home" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu"
root/usr/bin/oidc-agent > agent.env
for _ in $(seq 100); do grep -q '^OIDCD_PID' agent.env && break; sleep 0.1; done
eval "$(grep -E '^OIDC' agent.env)"
pid=$OIDCD_PID

cat > ask.py <<'PYTHON'
"""Ask the agent for a token of an account that it does not have, in one piece and in two."""

import json
import socket
import sys
import time


def ask(*pieces):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(3)
        agent.connect(sys.argv[1])
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(0.5)
            agent.sendall(piece)
        answer = b""
        try:
            while received := agent.recv(4096):
                answer += received
        except TimeoutError:
            return answer.decode(), "waits"
        return answer.decode(), "closed"


request = json.dumps({"request": "access_token", "account": "nosuch"}).encode()
for name, pieces in (("whole", (request,)), ("split", (request[:20], request[20:])), ("hello", (b"hello",))):
    print(name, *ask(*pieces))
PYTHON
python3 ask.py "$OIDC_SOCK" | tee answers
grep -q '^whole {"status":"failure","error":"No account configured with that short name"} closed$' answers \
    || changed "a whole request"
grep -Eq '^split [A-Za-z0-9+/]{43}=\{"status":"failure","error":"internal error: ipc encrypted message malformed"\} closed$' \
    answers || changed "a request in two pieces"
grep -Eq '^hello [A-Za-z0-9+/]{43}= waits$' answers || changed "what is no request"
