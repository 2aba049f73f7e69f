#!/bin/bash
# stomp.py escapes headers by the class that was chosen, not by the version that the broker agreed to.
#
# Software:  stomp.py 9.0.0 (PyPI). Seen 2026-11-28.
# Expected:  a Connection12 whose broker answers without a version header (that is STOMP 1.0, "Protocol Negotiation" of
#            STOMP 1.2) either gives up, for it offered 1.2 only, or speaks 1.0, where a header's value is sent as it is.
# Seen:      it goes on, and still sends `url:https\c//...`: an old broker hands that on literally, backslash and all.
# Matters:   headers with a colon (a URL, a time, host:port) arrive mangled, no one is told, and consumers that match on them
#            get nothing. fedcloud-publish writes each frame in the form of the version that the broker named.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install stomp.py==9.0.0
venv/bin/python - <<'PYTHON'
import queue
import socket
import sys
import threading

import stomp

listener = socket.create_server(("127.0.0.1", 0))
frames = queue.Queue()


def broker():
    """Speaks STOMP 1.0: CONNECTED has a session and no version."""
    peer, _ = listener.accept()
    data = b""
    while piece := peer.recv(65536):
        *whole, data = (data + piece).split(b"\0")
        for frame in whole:
            text = frame.decode().lstrip("\n")
            if text.startswith(("STOMP", "CONNECT")):
                peer.sendall(b"CONNECTED\nsession:1\n\n\0")
            frames.put(text)


threading.Thread(target=broker, daemon=True).start()
connection = stomp.Connection12([listener.getsockname()])
connection.connect(wait=True)
connection.send("/queue/results", "x", headers={"url": "https://cloud.example.org:8787"})
print(frames.get(timeout=30).strip(), end="\n\n")
sent = frames.get(timeout=30).strip()
print(sent)
if r"url:https\c//cloud.example.org\c8787" not in sent:
    sys.exit("CHANGED: the header is no longer escaped for a STOMP 1.0 broker")
PYTHON
