#!/bin/bash
# gfal-copy ends with 0 where the web server answered 500, 502, 503 or 429; gfal-save does whatever the answer was.
#
# Software:  gfal2-util-scripts 1.8.0-1, gfal2 2.21.3-1 of Debian 12, with a WebDAV server of a few lines. Seen 2026-11-30.
# Expected:  gfal-copy, and gfal-save, which writes what comes by stdin to an address, end with another code than 0 where the server answers
#            with an error; the code is the number of the error that is printed, as it is for gfal-ls.
# Seen:      PUT is answered with       gfal-copy                                            gfal-save
#              201                      0                                                    0
#              500, 502, 503 or 429     0, "256 (Unknown error 256) - ... HTTP 503"          0, nothing is said
#              507                      39, "Directory not empty"                            0, nothing is said
#              403                      17, "File exists"                                    0, nothing is said
#              nothing, it is closed    6                                                    0, nothing is said
#            GET is answered with 503   5, and an empty file is left
# Matters:   a probe or a backup that copies to a storage that is busy or broken is green while nothing arrives: 256 is 0 to a shell. Look
#            whether something was printed, or for the file in the storage.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download gfal2-util-scripts python3-gfal2 python3-gfal2-util libgfal2-2 libgfal-transfer2 \
    gfal2-plugin-file gfal2-plugin-http libdavix0v5 libgsoap-2.8.124 libboost-python1.74.0 libpugixml1v5 libcurl4 libgridsite6 \
    libcanl-c4 libjson-c5 libnghttp2-14 librtmp1 libssh2-1 libpsl5 libbrotli1 libldap-2.5-0 libsasl2-2 libxml2 libicu72
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in gfal2-util-scripts libgfal2-2; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
python3 - <<'PYTHON'
import http.server
import os
import pathlib
import subprocess
import sys
import threading

ENTRY = """<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>PATH</D:href><D:propstat><D:prop><D:resourcetype/>
<D:getcontentlength>3</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"""
arrived = []


class Storage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code):
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PROPFIND(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.startswith("/get/"):
            return self.answer(404)
        text = ENTRY.replace("PATH", self.path).encode()
        self.send_response(207)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(503)

    def do_PUT(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        arrived.append((self.path, text))
        if self.path == "/closed":
            self.close_connection = True
        else:
            self.answer(int(self.path[1:]))

    def do_HEAD(self):
        self.answer(404)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
threading.Thread(target=server.serve_forever, daemon=True).start()
storage = f"dav://127.0.0.1:{server.server_port}"
libraries = str(next(pathlib.Path("root/usr/lib").glob("*-linux-gnu")).resolve())
ENVIRONMENT = {
    **os.environ, "LD_LIBRARY_PATH": libraries, "PYTHONPATH": os.path.abspath("root/usr/lib/python3/dist-packages"),
    "GFAL_PLUGIN_DIR": f"{libraries}/gfal2-plugins", "GFAL_CONFIG_DIR": os.path.abspath("root/etc/gfal2.d"),
}  # fmt: skip
pathlib.Path("result").write_text("OK\n")


def run(program, *arguments):
    command = ["/usr/bin/python3", f"root/usr/bin/{program}", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, input="OK\n", capture_output=True, text=True, timeout=120)
    print(f"{program} {arguments[-1].rpartition('/')[2]}: exit code {done.returncode} {done.stderr.strip()[:150]}")
    return done.returncode, done.stderr


def fail_unless(name, got, expected):
    if got != expected:
        sys.exit(f"CHANGED: {name}, it was {expected}, and is {got}")


for answer, expected, number in (
    (201, 0, None),
    (500, 0, 256),
    (502, 0, 256),
    (503, 0, 256),
    (429, 0, 256),
    (507, 39, 39),
    (403, 17, 17),
    ("closed", 6, 6),
):
    arrived.clear()
    fail_unless(f"gfal-save, {answer}", run("gfal-save", f"{storage}/{answer}"), (0, ""))
    if not arrived:
        sys.exit("CHANGED: gfal-save sent the file to the server")
    code, said = run("gfal-copy", f"file://{os.getcwd()}/result", f"{storage}/{answer}")
    fail_unless(f"gfal-copy, {answer}", (code, f"error: {number} (" in said), (expected, number is not None))
code, said = run("gfal-copy", f"{storage}/get/one", f"file://{os.getcwd()}/copy")
fail_unless("gfal-copy from the server", (code, "error: 5 (" in said, os.path.getsize("copy")), (5, True, 0))
PYTHON
