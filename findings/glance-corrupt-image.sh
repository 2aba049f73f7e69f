#!/bin/bash
# glanceclient: an image that came with a wrong checksum is a BrokenPipeError, after all of it was handed out.
#
# Software:  python-glanceclient 4.13.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-29.
# Expected:  a download whose checksum is not the image's raises one of glanceclient's own exceptions, or an OSError that is about
#            data. A hash that this Python does not know is passed over for the MD5 that is there as well. What is
#            cut off is the same kind of failure.
# Seen:      wrong MD5, or wrong os_hash_value: BrokenPipeError (errno EPIPE) "Corrupt image download", after the last piece.
#            os_hash_algo that is not known: ValueError, though the MD5 is right. Neither checksum: no word, it is accepted. Cut off:
#            requests' ChunkedEncodingError. A right os_hash_value hides a wrong MD5.
# Matters:   "except BrokenPipeError: pass", which programs have for the reader of their output that went away, takes a corrupt
#            image for done; so does a writer to a pipe that hands on pieces as they come. Write to a file, and rename it after
#            the last piece; catch OSError, ValueError and requests.RequestException.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-glanceclient==4.13.0 keystoneauth1==5.18.1
venv/bin/python -W ignore - <<'PYTHON'
import hashlib
import http.server
import json
import sys
import threading

import glanceclient
from keystoneauth1 import session, token_endpoint

DATA = b"an image"
MD5, SHA512 = hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest()


class Glance(http.server.BaseHTTPRequestHandler):
    image = {}
    length = len(DATA)

    def log_message(self, *_):
        pass

    def do_GET(self):
        root = f"http://127.0.0.1:{self.server.server_port}"
        versions = {"versions": [{"id": "v2.17", "status": "CURRENT", "links": [{"rel": "self", "href": root + "/v2/"}]}]}
        schema = {"name": "image", "properties": {}, "additionalProperties": {"type": "string"}}
        body, length = DATA, Glance.length
        if not self.path.endswith("/file"):
            answers = {"/v2/images/1": Glance.image, "/v2/schemas/image": schema}
            body = json.dumps(answers.get(self.path, versions)).encode()
            length = len(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if body is DATA else "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)


glance = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Glance)
threading.Thread(target=glance.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{glance.server_port}"
client = glanceclient.Client("2", session=session.Session(auth=token_endpoint.Token(url, "t")), endpoint_override=url)
for case, fields, length, expected in (
    ("MD5 right", {"checksum": MD5}, 8, "accepted"),
    ("MD5 wrong", {"checksum": "0" * 32}, 8, "BrokenPipeError"),
    ("SHA-512 right, MD5 wrong", {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": "0" * 32}, 8, "accepted"),
    ("SHA-512 wrong, MD5 right", {"os_hash_algo": "sha512", "os_hash_value": "0" * 128, "checksum": MD5}, 8, "BrokenPipeError"),
    ("unknown hash, MD5 right", {"os_hash_algo": "blake9", "os_hash_value": "0", "checksum": MD5}, 8, "ValueError"),
    ("no checksum", {}, 8, "accepted"),
    ("cut off, MD5 right", {"checksum": MD5}, 100, "ChunkedEncodingError"),
):
    Glance.image = {"id": "1", "name": "image", "status": "active", "disk_format": "raw", "container_format": "bare"} | fields
    Glance.length = length
    pieces, said = [], ""
    try:
        for piece in client.images.data("1"):
            pieces.append(piece)
        got = "accepted"
    except Exception as error:
        got, said = type(error).__name__, str(error)[:60]
    print(f"{case:27}{got} {said} (handed out: {b''.join(pieces)})")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
    if got == "BrokenPipeError" and b"".join(pieces) != DATA:
        sys.exit("CHANGED: all of the image was handed out before")
PYTHON
