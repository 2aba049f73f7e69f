#!/bin/bash
# GELF handlers: a message of a level of one's own is lost by pygelf, and has level 25 by graypy; nan makes both write no JSON.
#
# Software:  pygelf 0.4.3, graypy 2.1.0 (PyPI). Seen 2026-11-30.
# Expected:  a level between INFO and WARNING, as "NOTICE" with 25 is, becomes the syslog level next to it, 5. A number that JSON does
#            not have is left out, or sent as text. Of text of several lines the first is the short message.
# Seen:      log(25, ...):                         pygelf sends nothing, a KeyError goes to stderr; graypy sends level 25, GELF has 0 to 7
#            extra={"age": nan}:                   both send NaN, which a strict reader of JSON refuses, with the whole message
#            extra={"two words": 1}:               both send "_two words", which GELF does not allow for a name
#            text of several lines:                both send all lines as short_message, and no full_message
# Matters:   what a program logs between INFO and WARNING, or with a value that was not measured, never arrives, and the program goes on.
#            Log with the levels of Python's logging alone, and leave out what is unknown.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pygelf==0.4.3 graypy==2.1.0
venv/bin/python - <<'PYTHON' 2> errors || { tail -1 errors >&2; exit 1; }
import json
import logging
import socket
import sys
import zlib

import graypy
import pygelf

listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("127.0.0.1", 0))
port = listener.getsockname()[1]
listener.settimeout(60)
NOTICE = 25


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def strict(text):
    def refuse(constant):
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return f"refused: {error}"
    return "read"


def sent(logger, *arguments, **options):
    """Return what logging of these sends, or None; what is logged after it shows that nothing came."""
    logger.log(*arguments, **options)
    logger.error("the end")
    messages = []
    while not messages or messages[-1]["short_message"] != "the end":
        received = listener.recv(65536)
        text = received if received.startswith(b"{") else zlib.decompress(received)
        messages.append({**json.loads(text), "strict": strict(text)})
    return messages[0] if len(messages) > 1 else None


for name, handler, level in (
    ("pygelf", pygelf.GelfUdpHandler(host="127.0.0.1", port=port, include_extra_fields=True), None),
    ("graypy", graypy.GELFUDPHandler("127.0.0.1", port), NOTICE),
):
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    fail_unless(f"{name}, CRITICAL", sent(logger, logging.CRITICAL, "endpoint is down")["level"], 2)
    got = sent(logger, NOTICE, "endpoint is slow")
    fail_unless(f"{name}, a level of 25", got and got["level"], level)
    got = sent(logger, logging.ERROR, "no age", extra={"age": float("nan")})
    fail_unless(f"{name}, nan for a strict reader", got["strict"], "refused: NaN")
    got = sent(logger, logging.ERROR, "a name", extra={"two words": 1})
    fail_unless(f"{name}, two words", [key for key in got if " " in key], ["_two words"])
    got = sent(logger, logging.ERROR, "endpoint is down\nconnection refused")
    fail_unless(f"{name}, two lines", (got["short_message"], got.get("full_message")), ("endpoint is down\nconnection refused", None))
PYTHON
echo "on stderr: $(grep -c '^KeyError: 25' errors) times KeyError: 25"
grep -q '^KeyError: 25' errors || { echo "CHANGED: pygelf raised KeyError: 25" >&2; exit 1; }
