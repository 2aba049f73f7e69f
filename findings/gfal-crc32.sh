#!/bin/bash
# gfal-sum gives CRC32 in decimal for a file, and for a web server's hexadecimal one a number of 12 digits: a copy never agrees.
#
# Software:  gfal2 2.21.3-1 with its plug-ins file and http, gfal2-util-scripts 1.8.0-1, davix 0.8.4-3, all of Debian 12.
#            Seen 2026-11-29.
# Expected:  a checksum by one name is one text wherever the file lies, as ADLER32 is: eight hexadecimal digits. "Digest: crc32=af083b2d"
#            is the answer to "Want-Digest: crc32", as "adler32=1e720467" is to that of ADLER32 (RFC 3230).
# Seen:      "hello world" and a newline:  ADLER32 of the file 1e720467, of the server 1e720467.
#            CRC32 of the file 2936552237, which is 0xaf083b2d; of the server 69fd3cddbd9d: the eight letters were taken for
#            base64. Of a server that says nothing: "not supported", exit code 38.
#            gfal-copy -K ADLER32 is content; gfal-copy -K CRC32 of the same file ends with 5, "CHECKSUM MISMATCH".
# Matters:   a check that compares CRC32 of what it has stored finds each copy broken, and so does one that compares gfal-sum's with
#            that of another program. The name of an algorithm is no form of a number: take ADLER32 or MD5.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download gfal2-util-scripts python3-gfal2 python3-gfal2-util libgfal2-2 libgfal-transfer2 libpugixml1v5 \
    gfal2-plugin-file gfal2-plugin-http libdavix0v5 libgsoap-2.8.124 libboost-python1.74.0 libcurl4 libgridsite6 libcanl-c4 \
    libglib2.0-0 libjson-c5 libnghttp2-14 librtmp1 libssh2-1 libpsl5 libbrotli1 libldap-2.5-0 libsasl2-2 libxml2 libicu72
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in libgfal2-2 gfal2-util-scripts libdavix0v5; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
libraries=$(echo root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH=$libraries PYTHONPATH=root/usr/lib/python3/dist-packages GFAL_CONFIG_DIR=$work/root/etc/gfal2.d
export GFAL_PLUGIN_DIR=$work/$libraries/gfal2-plugins GFAL_PYTHONBIN=/usr/bin/python3
/usr/bin/python3 - <<'PYTHON'
import http.server
import pathlib
import subprocess
import sys
import threading
import zlib

DATA = b"hello world\n"
SUMS = {"adler32": format(zlib.adler32(DATA), "08x"), "crc32": format(zlib.crc32(DATA), "08x")}
wanted = []


class Store(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        wanted.append(self.headers["Want-Digest"])
        self.send_response(200)
        if not self.path.startswith("/silent"):
            self.send_header("Digest", f"{self.path.strip('/')}={SUMS[self.path.strip('/')]}")
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(DATA)

    do_GET = do_PROPFIND = do_HEAD


store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=store.serve_forever, daemon=True).start()
root = f"http://127.0.0.1:{store.server_port}"
pathlib.Path("file").write_bytes(DATA)
local = pathlib.Path("file").absolute().as_uri()


def run(program, *arguments):
    """The exit code, and the last word of what was printed."""
    done = subprocess.run([f"root/usr/bin/{program}", *arguments], capture_output=True, text=True, timeout=120)
    said = (done.stdout + done.stderr).strip()
    print(program, *(word.replace(root, "http:/").rpartition("/")[2] for word in arguments), "->", done.returncode, said[-110:])
    return done.returncode, said.split()[-1]


def compare(got, *expected):
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


compare(run("gfal-sum", local, "ADLER32"), 0, "1e720467")
compare(run("gfal-sum", f"{root}/adler32", "ADLER32"), 0, "1e720467")
compare(run("gfal-sum", local, "CRC32"), 0, "2936552237")
compare(run("gfal-sum", f"{root}/crc32", "CRC32"), 0, "69fd3cddbd9d")
print("Want-Digest:", *wanted)
if wanted != ["ADLER32", "CRC32"]:
    sys.exit("CHANGED: the server was asked for ADLER32 and CRC32")
compare((run("gfal-sum", f"{root}/silent", "CRC32")[0],), 38)
compare((run("gfal-copy", "-K", "ADLER32", f"{root}/adler32", local + ".copy")[0],), 0)
compare(run("gfal-copy", "-K", "CRC32", f"{root}/crc32", local + ".copy2"), 5, "2936552237")
PYTHON
