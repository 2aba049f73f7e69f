#!/bin/bash
# stomp.py's disconnect() returns while still connected, and send() after it raises nothing though the message is void.
#
# Software:  stomp.py 9.0.0 (PyPI). Seen 2026-11-28.
# Expected:  disconnect() sends DISCONNECT with a receipt (it does), waits for the RECEIPT as STOMP 1.2 asks of a client
#            that wants to know its messages arrived, and leaves a closed connection; or it closes at once. A later send()
#            raises NotConnectedException either way.
# Seen:      it returns at once, is_connected() is True, and a later send() writes a SEND frame behind the DISCONNECT,
#            which a broker must not answer. Only when the RECEIPT arrives does another thread close the connection.
# Matters:   a publisher that ends with disconnect() and then exits has no word from the broker about its last messages:
#            results may be lost with exit code 0. Ask for a receipt of each message and wait for it, as fedcloud-publish does.
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
answer = threading.Event()


def answered(peer, receipt):
    answer.wait(60)
    peer.sendall(f"RECEIPT\nreceipt-id:{receipt}\n\n\0".encode())


def broker():
    """Accepts everything; gives the receipt of DISCONNECT once told to."""
    peer, _ = listener.accept()
    data = b""
    while piece := peer.recv(65536):
        *whole, data = (data + piece).split(b"\0")
        for frame in whole:
            text = frame.decode().lstrip("\n")
            frames.put(text)
            if text.startswith(("STOMP", "CONNECT")):
                peer.sendall(b"CONNECTED\nversion:1.2\n\n\0")
            elif text.startswith("DISCONNECT"):
                receipt = text.partition("receipt:")[2].partition("\n")[0]
                threading.Thread(target=answered, args=(peer, receipt)).start()


threading.Thread(target=broker, daemon=True).start()
connection = stomp.Connection12([listener.getsockname()])
connection.connect(wait=True)
connection.send("/queue/results", "first")
connection.disconnect()
open_still = connection.is_connected()
print("is_connected() after disconnect():", open_still)
try:
    connection.send("/queue/results", "second")
    raised = "nothing"
except stomp.exception.StompException as error:
    raised = type(error).__name__
print("send() after disconnect() raises:", raised)
seen = [frames.get(timeout=30).partition("\n")[0] for _ in range(4)]
print("the broker saw:", " ".join(seen))
answer.set()
if not open_still or raised != "nothing" or seen[1:] != ["SEND", "DISCONNECT", "SEND"]:
    sys.exit("CHANGED: disconnect() now closes the connection, or send() refuses after it")
PYTHON
