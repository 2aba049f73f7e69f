#!/bin/bash
# graphyte and graphitesender: values that Carbon drops are sent as any other, and graphyte returns where nothing listens.
#
# Software:  graphyte 1.7.1, graphitesender 0.11.2 (PyPI), carbon 1.1.10 (PyPI) as the receiver. Seen 2026-11-30.
# Expected:  True is 1. What is no number is refused before it is sent. send() raises where Carbon refuses the connection. A time is cut to
#            whole seconds.
# Seen:      graphyte, True:                              "sites.A.up True ...", which Carbon drops; "5" is a TypeError
#            graphyte, nan:                               sent, and dropped by Carbon
#            graphyte, nothing listens:                   send() returns, an error goes to logging; raise_send_errors=True raises
#            graphyte, 1700000000.9:                      1700000001, in the next second
#            graphitesender, True, None, "CRITICAL", nan: send() and send_dict() return "sent ... long message", Carbon drops them
# Matters:   a state that is sent as a bool is a series without any point, and nobody is told. Send int(state), and
#            raise_send_errors=True.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
GRAPHITE_NO_PREFIX=True venv/bin/pip -q --disable-pip-version-check install graphyte==1.7.1 graphitesender==0.11.2 carbon==1.1.10
venv/bin/python - <<'PYTHON'
import logging
import socket
import sys

import graphitesend
import graphyte
from carbon import events
from carbon.protocols import MetricLineReceiver

logging.disable(logging.CRITICAL)
MetricLineReceiver.peerName = "sender"
carbon = MetricLineReceiver()
points = []
events.metricReceived.handlers = [lambda name, point: points.append((name, *point))]
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def taken(connection):
    """Return the lines that have come by the end of the connection, and the points that Carbon's own protocol makes of them."""
    text = b""
    while received := connection.recv(65536):
        text += received
    points.clear()
    for line in text.splitlines():
        carbon.lineReceived(line)
    return text.decode().splitlines(), points[:]


def by_graphyte(value, time=1700000000):
    sender = graphyte.Sender("127.0.0.1", port=port, prefix="sites")
    try:
        sender.send("A.up", value, timestamp=time)
    except TypeError as error:
        return type(error).__name__
    connection = listener.accept()[0]
    return taken(connection)


def by_graphitesender(send):
    graphitesend.reset()
    client = graphitesend.init(graphite_server="127.0.0.1", graphite_port=port, prefix="sites", system_name="a")
    connection = listener.accept()[0]
    said = send(client)
    client.disconnect()
    return said.split()[0], *taken(connection)


for value, expected in (
    (1, (["sites.A.up 1 1700000000"], [("sites.A.up", 1700000000.0, 1.0)])),
    (True, (["sites.A.up True 1700000000"], [])),
    (float("nan"), (["sites.A.up nan 1700000000"], [])),
    ("5", "TypeError"),
):
    fail_unless(f"graphyte, {value!r}", by_graphyte(value), expected)
fail_unless("graphyte, 1700000000.9", by_graphyte(1, 1700000000.9)[0], ["sites.A.up 1 1700000001"])

for value in (True, None, "CRITICAL", float("nan")):
    got = by_graphitesender(lambda client, value=value: client.send("up", value, timestamp=1700000000))
    fail_unless(f"graphitesender, {value!r}", got, ("sent", [f"sites.a.up {value} 1700000000"], []))
got = by_graphitesender(lambda client: client.send_dict({"up": True, "age": None, "load": 2}, timestamp=1700000000))
fail_unless("graphitesender, a dictionary", (got[0], len(got[1]), got[2]), ("sent", 3, [("sites.a.load", 1700000000.0, 2.0)]))

listener.close()
fail_unless("graphyte, nothing listens", graphyte.Sender("127.0.0.1", port=port).send("A.up", 1), None)
try:
    graphyte.Sender("127.0.0.1", port=port, raise_send_errors=True).send("A.up", 1)
    ended = "returned"
except ConnectionRefusedError as error:
    ended = type(error).__name__
fail_unless("the same with raise_send_errors", ended, "ConnectionRefusedError")
PYTHON
