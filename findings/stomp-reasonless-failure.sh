#!/bin/bash
# stomp.py's ConnectFailedException has no text; the reason is printed to stderr, and a broker's ERROR is dropped.
#
# Software:  stomp.py 9.0.0 (PyPI). Seen 2026-11-28.
# Expected:  the exception tells why: "Connection refused", or the message header and body of the broker's ERROR frame
#            ("Access refused for user"). A library writes nothing to stderr unless its user sets up logging.
# Seen:      str(error) is "" and error.__cause__ is None in both cases. For a refused connection the reason goes through
#            logging's handler of last resort to stderr, once for each of three attempts; for a login that the broker
#            refused there is no word anywhere but in a listener's on_error.
# Matters:   a probe that prints str(error) shows an operator a sentence without a reason, and a wrong password looks like
#            a broker that is down. fedcloud-probes connects with its own sockets and prints the broker's own sentence.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install stomp.py==9.0.0
venv/bin/python - 2> errors <<'PYTHON' || { cat errors; exit 1; }
import socket
import sys
import threading

import stomp

listener = socket.create_server(("127.0.0.1", 0))


def broker():
    peer, _ = listener.accept()
    peer.recv(65536)
    peer.sendall(b"ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'monitor'\n\0")


def said(address):
    connection = stomp.Connection12([address])
    try:
        connection.connect("monitor", "wrong", wait=True)
    except stomp.exception.ConnectFailedException as error:
        return str(error), error.__cause__
    sys.exit("CHANGED: no exception")


threading.Thread(target=broker, daemon=True).start()
with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses
    answers = {"login refused": said(listener.getsockname()), "connection refused": said(closed.getsockname())}
for what, (text, cause) in answers.items():
    print(f"{what}: ConnectFailedException({text!r}), cause {cause}")
if set(answers.values()) != {("", None)}:
    sys.exit("CHANGED: the exception gives a reason")
PYTHON
echo "stderr, with no logging set up:"
cat errors
grep -q "Connection refused" errors || { echo "CHANGED: the reason is no longer on stderr" >&2; exit 1; }
if grep -q "Access refused" errors; then echo "CHANGED: the broker's reason is told" >&2; exit 1; fi
