#!/bin/bash
# webdavclient3 leaves out a directory whose name ends that of its parent: of 2026-11/ the 11th is neither downloaded nor pulled.
#
# Software:  webdavclient3 3.14.7, wsgidav 4.3.3 (PyPI). Seen 2026-11-30.
# Expected:  download_directory() and pull() bring all that list() shows.
# Seen:      /archive/2026-11/ with 01/, 10/, 11/, and a file in each; list() shows all three:
#            download_directory() returns, and 01 and 10 are there;  pull() is True, and 01 and 10 are there
#            /archive/2012/ with 11/ and 12/:  11 is there
#            copy() of a directory asks for "Depth: 1", and the server refuses that with 400; depth="infinity" copies it
# Matters:   a copy of an archive that is ordered by dates lacks a day or a month each time, and nothing says so: download_directory()
#            has removed what was there before. Compare what came with list().
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p served/archive/2026-11/01 served/archive/2026-11/10 served/archive/2026-11/11 served/archive/2012/11 served/archive/2012/12
for each in served/archive/*/*; do echo data > "$each/file"; done
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install webdavclient3==3.14.7 wsgidav==4.3.3 cheroot==11.1.2
venv/bin/python - <<'PYTHON'
import os
import pathlib
import sys
import threading

from cheroot import wsgi
from webdav3.client import Client
from webdav3.exceptions import ResponseErrorCode
from wsgidav.wsgidav_app import WsgiDAVApp

settings = {"provider_mapping": {"/": os.path.abspath("served")}, "simple_dc": {"user_mapping": {"*": True}}, "logging": {"enable": False}}
server = wsgi.Server(("127.0.0.1", 0), WsgiDAVApp(settings))
server.prepare()
threading.Thread(target=server.serve, daemon=True).start()
client = Client({"webdav_hostname": f"http://127.0.0.1:{server.bind_addr[1]}"})


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def files(directory):
    return sorted(str(path.relative_to(directory)) for path in pathlib.Path(directory).rglob("file"))


def copy(target, **options):
    try:
        client.copy("/archive/2012/", target, **options)
    except ResponseErrorCode as error:
        return error.code
    return files("served" + target)


try:
    compare("list", sorted(client.list("/archive/2026-11/")), ["01/", "10/", "11/"])
    client.download_directory("/archive/2026-11/", "november")
    compare("download_directory of 2026-11", files("november"), ["01/file", "10/file"])
    os.mkdir("pulled")
    compare("pull of 2026-11", (client.pull("/archive/2026-11/", "pulled"), files("pulled")), (True, ["01/file", "10/file"]))
    client.download_directory("/archive/2012/", "year")
    compare("download_directory of 2012", files("year"), ["11/file"])
    compare("copy", copy("/first/"), 400)
    compare("copy with depth=infinity", copy("/second/", depth="infinity"), ["11/file", "12/file"])
finally:
    server.stop()
PYTHON
