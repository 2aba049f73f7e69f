#!/bin/bash
# stompest: over TLS a message that has arrived is not seen until more comes, and a second broker is not tried.
#
# Software:  stompest 2.3.0 (PyPI), its sync client. Seen 2026-11-30.
# Expected:  canRead(timeout) is True once a message has come, with TLS as without. A failover URI of two brokers tries the second
#            where the first is down or refuses: attempts are unlimited by default (0), as in ActiveMQ.
# Seen:      messages of 4000 and 500 bytes that a broker sends in one go: canRead() is True twice, over TLS once and then False, or
#            waits for ever without a timeout, until the broker sends anything else (a heart-beat does).
#            failover:(down,up)?randomize=false: "Reconnect timeout: 0 attempts", up is never asked; with randomize=true, the
#            default, half of all starts fail. startupMaxReconnectAttempts=5 tries up, not if the first answers with ERROR or closes.
# Matters:   the last results of a burst stay unread and unacknowledged, and a consumer that asks with a timeout takes the queue for
#            empty; one broker of two in maintenance stops programs from starting. Have heart-beats, and set the attempts.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 3650 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2> said
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install stompest==2.3.0
venv/bin/python -W ignore - <<'PYTHON'
import logging
import socket
import ssl
import sys
import threading

from stompest.config import StompConfig
from stompest.sync import Stomp

logging.disable()
BOTH = b"".join(
    b"MESSAGE\nsubscription:1\nmessage-id:%d\nack:%d\ndestination:/queue/results\n\n%s\0" % (number, number, b"x" * size)
    for number, size in enumerate((4000, 500))
)
ENOUGH = 60


class Broker(threading.Thread):
    """Answers CONNECT with ANSWER, SUBSCRIBE with two messages at once, and the next frame with a heart-beat."""

    def __init__(self, answer=b"CONNECTED\nversion:1.2\n\n\0", context=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.answer, self.context = answer, context
        self.start()

    def run(self):
        while True:
            taken = self.listener.accept()[0]
            try:
                with self.context.wrap_socket(taken, server_side=True) if self.context else taken as client:
                    client.settimeout(ENOUGH)
                    frames = 0
                    while received := client.recv(65536):
                        frames += received.count(b"\0")
                        if b"CONNECT\n" in received or b"STOMP\n" in received:
                            client.sendall(self.answer)
                            if not self.answer.startswith(b"CONNECTED"):
                                break
                        elif b"SUBSCRIBE\n" in received:
                            client.sendall(BOTH)
                        elif b"SEND\n" in received:
                            client.sendall(b"\n")
            except OSError:
                pass


served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
served.load_cert_chain("cert.pem", "key.pem")
trusting = ssl.create_default_context(cafile="cert.pem")
for name, broker, context, expected in (
    ("TCP", Broker(), None, [4000, 500]),
    ("TLS", Broker(context=served), trusting, [4000, "nothing in 3 s", 500]),
):
    client = Stomp(StompConfig(broker.url, version="1.2", sslContext=context))
    client.connect(connectedTimeout=ENOUGH)
    client.subscribe("/queue/results", {"id": "1", "ack": "client-individual"})
    seen = []
    for wait in (ENOUGH, 3 if context else ENOUGH):
        seen.append(len(client.receiveFrame().body) if client.canRead(wait) else f"nothing in {wait} s")
    if context:
        client.send("/queue/other", b"for a heart-beat")
        seen.append(len(client.receiveFrame().body) if client.canRead(ENOUGH) else "nothing")
    print(f"{name}: {seen}")
    if seen != expected:
        sys.exit(f"CHANGED: it was {expected}")

unused = socket.socket()
unused.bind(("127.0.0.1", 0))
down = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
up = Broker().url
for name, first, options, expected in (
    ("down", down, "randomize=false", "StompConnectTimeout: Reconnect timeout: 0 attempts"),
    ("down", down, "randomize=false,startupMaxReconnectAttempts=5", "connected"),
    ("refuses", Broker(b"ERROR\nmessage:too many connections\n\n\0").url, "randomize=false,startupMaxReconnectAttempts=5",
     "StompProtocolError"),
    ("closes", Broker(b"").url, "randomize=false,startupMaxReconnectAttempts=5", "StompConnectionError"),
):  # fmt: skip
    client = Stomp(StompConfig(f"failover:({first},{up})?{options}", version="1.2"))
    try:
        client.connect(connectedTimeout=ENOUGH)
        ended = "connected"
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"
    print(f"the first of two {name}, {options}: {ended}")
    if not ended.startswith(expected):
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
