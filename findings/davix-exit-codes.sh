#!/bin/bash
# davix-mv ends with 255 when it succeeds, davix-http with 0 when it fails; davix-rm and davix-mkdir drop all addresses but the first.
#
# Software:  davix 0.8.4-3 of Debian 12, with a WebDAV server of a few lines. Seen 2026-11-30.
# Expected:  exit code 0 where the server did what was asked for, another one where it answered with an error; of two addresses both are
#            dealt with, or the second is refused. A download that fails leaves the file that was there.
# Seen:      davix-mv, MOVE answered with 200, 201 or 204:     255, nothing is printed, and the server has moved it; with 403: 255
#            davix-http, GET answered with 404 or 503, PUT with 507:  the error is printed, exit code 0
#            davix-rm /one /two, davix-mkdir /one /two:        the server is asked for /one alone; exit code 0
#            davix-get /missing file, a 404 or a 503:          255, and the file that was there is empty
# Matters:   a script that renames its file takes a success for a failure, and does it again; what a probe asks by
#            davix-http is always well; the second of two files stays in the storage. Look at what the server has afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download davix libdavix0v5 libgsoap-2.8.124 libcurl4 libxml2 libicu72 libnghttp2-14 librtmp1 \
    libssh2-1 libpsl5 libbrotli1 libldap-2.5-0 libsasl2-2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "davix $(dpkg-deb -f davix_*.deb Version)"
python3 - <<'PYTHON'
import http.server
import os
import pathlib
import subprocess
import sys
import threading

asked = []
ANSWERS = {"/one": {"MKCOL": 201, "DELETE": 204, "GET": 404}, "/two": {"MKCOL": 201, "DELETE": 204}}


class Storage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked.append(f"{self.command} {self.path}")
        where = (self.headers.get("Destination") or self.path).rpartition("/")[2]
        self.send_response(int(where) if where.isdigit() else ANSWERS[self.path].get(self.command, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_DELETE = do_MKCOL = do_MOVE = do_PROPFIND = answer

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
threading.Thread(target=server.serve_forever, daemon=True).start()
storage = f"http://127.0.0.1:{server.server_port}"
libraries = next(pathlib.Path("root/usr/lib").glob("*-linux-gnu")).resolve()


def run(program, *arguments):
    asked.clear()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run([f"root/usr/bin/{program}", *arguments], env=environment, capture_output=True, text=True, timeout=120)
    said = (done.stdout + done.stderr).strip()
    print(f"{program} {' '.join(arguments).replace(storage, '')}: exit code {done.returncode} {said}; asked: {sorted(set(asked))}")
    return done.returncode, "Error" in said, sorted(set(asked))


def expect(expected, *command):
    got = run(*command)
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}, and is {got}")


for code in 200, 201, 204, 403:
    expect((255, code == 403, ["MOVE /one"]), "davix-mv", f"{storage}/one", f"{storage}/{code}")
for code in 404, 503:
    expect((0, True, [f"GET /{code}"]), "davix-http", f"{storage}/{code}")
expect((0, True, ["PUT /507"]), "davix-http", "-X", "PUT", "--data", "OK", f"{storage}/507")
expect((0, False, ["DELETE /one"]), "davix-rm", f"{storage}/one")
expect((0, False, ["DELETE /one"]), "davix-rm", f"{storage}/one", f"{storage}/two")
expect((0, False, ["MKCOL /one"]), "davix-mkdir", f"{storage}/one", f"{storage}/two")
expect((1, True, ["DELETE /403"]), "davix-rm", f"{storage}/403")
kept = pathlib.Path("kept")
for code in 404, 503:
    kept.write_text("of yesterday")
    got = run("davix-get", f"{storage}/{code}", "kept")
    if got[0] != 255 or kept.read_text():
        sys.exit("CHANGED: it ended with 255 and left an empty file")
PYTHON
