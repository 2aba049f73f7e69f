#!/bin/bash
# liboidcagent: get_mytoken() ends in KeyError with each mytoken that it got; an answer that comes in two pieces is a malformed cipher.
#
# Software:  liboidcagent 0.6.0 and PyNaCl 1.6.2 (PyPI), with an agent of a few lines that answers in plain JSON. Seen 2026-11-30.
# Expected:  get_mytoken() returns the mytoken as text, as get_access_token() does the token. An answer is read to its end, and what goes
#            wrong is an OidcAgentError, the base class of its errors.
# Seen:      get_mytoken():                                     KeyError: 0, though get_mytoken_response() has the mytoken
#            get_access_token(), an answer in two pieces:       OidcAgentCryptError, "Malformed cipher"
#            no answer:                                         the same error
#            a failure without "error":                         KeyError: 'access_token'
#            get_access_token(min_valid_period=3600), a token that ends in a minute: the token
# Matters:   a robot that asks its agent for a mytoken gets none; a long token that the agent writes in two goes fails as if it could
#            not be decrypted. Take get_mytoken_response()["mytoken"], and ask again after an OidcAgentCryptError.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install liboidcagent==0.6.0 PyNaCl==1.6.2
venv/bin/python - <<'PYTHON'
import base64
import json
import os
import socket
import sys
import threading
import time

import liboidcagent
from nacl.public import PrivateKey

KEY = base64.b64encode(bytes(PrivateKey.generate().public_key))
TOKEN = {"status": "success", "access_token": "token of ops", "issuer": "https://issuer.example.org/", "expires_at": int(time.time()) + 60}
MYTOKEN = {"status": "success", "mytoken": "mytoken of ops", "mytoken_type": "token", "oidc_issuer": "https://issuer.example.org/"}
os.environ["OIDC_SOCK"] = "agent"
listener = socket.socket(socket.AF_UNIX)
listener.bind("agent")
listener.listen()
pieces = []


def agent():
    while True:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(KEY)
        connection.recv(4096)
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(5)
            try:
                connection.sendall(piece)
            except BrokenPipeError:
                break
        connection.close()


threading.Thread(target=agent, daemon=True).start()


def fail_unless(name, call, expected, *answer, **options):
    pieces[:] = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in answer]
    try:
        got = call("ops", **options)
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


token, mytoken = liboidcagent.get_access_token, liboidcagent.get_mytoken
whole = json.dumps(TOKEN).encode()
cipher = "OidcAgentCryptError: Malformed cipher"
fail_unless("a token", token, "token of ops", TOKEN)
fail_unless("a token of a minute, an hour is asked for", token, "token of ops", TOKEN, min_valid_period=3600)
fail_unless("a refusal", token, "OidcAgentError: no such account", {"status": "failure", "error": "no such account"})
fail_unless("a refusal without a reason", token, "KeyError: 'access_token'", {"status": "failure"})
fail_unless("a token in two pieces", token, cipher, whole[:60], whole[60:])
fail_unless("no answer", token, cipher, b"")
fail_unless("a mytoken, get_mytoken_response()", liboidcagent.get_mytoken_response, MYTOKEN, MYTOKEN)
fail_unless("a mytoken, get_mytoken()", mytoken, "KeyError: 0", MYTOKEN)
PYTHON
