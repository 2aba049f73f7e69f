#!/bin/bash
# CoilMQ: a message for "ack:client-individual" is gone once it was sent; a client of STOMP 1.2 is refused by the name of the broker.
#
# Software:  CoilMQ 1.1.0 (PyPI). Seen 2026-11-30.
# Expected:  a broker of STOMP 1.0 to 1.2 keeps what a subscription with "client" or "client-individual" has not acknowledged, for the
#            next one, in its order. `host` of CONNECT is what the client called the broker, 1.2's MESSAGE has an `ack`, NACK gives back.
# Seen:      "client-individual", disconnected without an ACK:  the messages are gone; all are sent at once, as for "auto"
#            "client", disconnected without an ACK:             the message is kept, behind those that came after it
#            CONNECT with STOMP 1.2 and another name as host:   "Virtual hosting is not supported"; the name by which the machine knows
#                                                               itself is taken, and with 1.1 another one is, too
#            MESSAGE of 1.2:                                    no `ack`, but the sender's `receipt`; an ACK by `id` alone is refused
#            NACK:                                              "Nack implementation incomplete"
# Matters:   results that a consumer had not stored are lost with its first restart. Subscribe with "client", by STOMP 1.1.
set -eu
work=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2> /dev/null; wait; rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install coilmq==1.1.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/coilmq -b 127.0.0.1 -p "$port" > log 2>&1 &
broker=$!
python3 - "$port" <<'PYTHON'
import socket
import sys
import time

NAME = socket.getfqdn()


class Client:
    """One connection; ask() returns the frames up to the one of that command."""

    def __init__(self, version="1.1", host=NAME):
        waited = time.monotonic() + 120
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120)
                break
            except ConnectionRefusedError:
                if time.monotonic() > waited:
                    sys.exit("CHANGED: the broker does not start in two minutes")
                time.sleep(0.2)
        self.reader = self.socket.makefile("rb")
        self.answer = self.ask("CONNECT", "CONNECTED", **{"accept-version": version, "host": host})

    def frame(self):
        """Return the next frame as command, headers and body; these bodies hold no zero byte."""
        text = b""
        while not text.endswith(b"\0"):
            byte = self.reader.read(1)
            if not byte:
                return "closed", {}, ""
            text += byte
        head, _, body = text[:-1].decode().lstrip("\n").partition("\n\n")
        command, *headers = head.split("\n")
        return command, dict(line.split(":", 1) for line in headers), body

    def ask(self, command, until, body="", **headers):
        lines = [command, *(f"{name}:{value}" for name, value in headers.items())]
        self.socket.sendall(("\n".join(lines) + f"\n\n{body}\0").encode())
        frames = []
        while not frames or frames[-1][0] not in (until, "ERROR", "closed"):
            frames.append(self.frame())
        return frames

    def subscribe(self, queue, ack):
        """Return the messages that come with the subscription, and those up to the answer to what is sent after it."""
        frames = self.ask("SUBSCRIBE", "RECEIPT", id="1", destination=queue, ack=ack, receipt="subscribed")
        frames += self.ask("SEND", "RECEIPT", "other", destination="/queue/other", receipt="sent")
        return [frame for frame in frames if frame[0] == "MESSAGE"]

    def close(self):
        self.ask("DISCONNECT", "RECEIPT", receipt="bye")
        self.reader.close()
        self.socket.close()


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def fill(queue):
    sender = Client()
    for body in ("first", "second", "third"):
        sender.ask("SEND", "RECEIPT", body, destination=queue, receipt=body)
    sender.close()


def bodies(messages):
    return [body for _, _, body in messages]


for ack, first, again in (
    ("client", ["first"], ["second", "third", "first"]),
    ("client-individual", ["first", "second", "third"], []),
    ("auto", ["first", "second", "third"], []),
):
    queue = f"/queue/{ack}"
    fill(queue)
    client = Client()
    fail_unless(f"ack:{ack}, sent", bodies(client.subscribe(queue, ack)), first)
    client.close()
    fail_unless("  sent to the next one", bodies(Client().subscribe(queue, "auto")), again)

for version, host, expected in (
    ("1.1", "broker.example.org", "CONNECTED"),
    ("1.1,1.2", "broker.example.org", "ERROR Virtual hosting is not supported or host is unknown"),
    ("1.1,1.2", NAME, "CONNECTED"),
):
    command, headers, body = Client(version, host).answer[-1]
    fail_unless(f"CONNECT, {version}, host {'its own name' if host == NAME else host}", f"{command} {body}".strip(), expected)

fill("/queue/acknowledged")
client = Client("1.2")
headers = client.subscribe("/queue/acknowledged", "client")[0][1]
fail_unless("MESSAGE of 1.2 has ack, receipt", ("ack" in headers, "receipt" in headers), (False, True))
name = headers["message-id"]
fail_unless("ACK by id", client.ask("ACK", "RECEIPT", id=name, receipt="acknowledged")[-1][0], "ERROR")
answer = Client("1.1").ask("NACK", "RECEIPT", **{"message-id": name, "subscription": "1", "receipt": "nacked"})
fail_unless("NACK", answer[-1][2], "Nack implementation incomplete")
PYTHON
