#!/bin/bash
# davix-get appends: where a transfer breaks off and the server knows no ranges, the file begins twice, with exit code 0.
#
# Software:  davix 0.8.4-3 of Debian 12. Seen 2026-11-29.
# Expected:  after 5 of 12 bytes the client asks again, with a Range or without one; an answer of 200 instead of 206 is the whole
#            (RFC 9110 section 14.2), so what is there is thrown away. What is longer than the server's Content-Length is no
#            success. A transfer that breaks off each time ends with an error, and leaves what came once at the most.
# Seen:      asked for "bytes=5-", a server without ranges answers 200 with all of it: davix-get writes "hellohello world", 17
#            bytes, exit code 0; to a file as to stdout. With ranges: 12 bytes. A server that breaks off each time: exit code 255,
#            and "hellohellohello" is there, the start of each of three attempts. A 404 is asked for three times as well.
# Matters:   a store behind a proxy that does not hand on Range, one short break of the connection, and a wrong file has come
#            with exit code 0: look at the size, or at the checksum. gfal-copy, with the same library, ends with an error.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download davix libdavix0v5 libgsoap-2.8.124 libpugixml1v5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "davix $(dpkg-deb -f davix_*.deb Version)"
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import http.server
import pathlib
import subprocess
import sys
import threading

DATA = b"hello world\n"
asked = []


class Store(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        asked.append((self.command, self.headers["Range"]))
        begin = 0
        if self.path == "/none":
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/ranges" and self.headers["Range"]:
            begin = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(DATA) - 1}/{len(DATA)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(DATA) - begin))
        self.end_headers()
        if self.command == "GET":
            breaks_off = self.path == "/always" or len(asked) == 1
            self.wfile.write(DATA[:5] if breaks_off else DATA[begin:])

    do_GET = do_HEAD


store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=store.serve_forever, daemon=True).start()
for path, code, data, gets in (
    ("/ranges", 0, DATA, 2), ("/whole", 0, b"hello" + DATA, 2), ("/always", 255, b"hello" * 3, 3), ("/none", 255, b"", 3),
):  # fmt: skip
    for target in (None, "file"):
        asked.clear()
        pathlib.Path("file").unlink(missing_ok=True)
        done = subprocess.run(
            ["root/usr/bin/davix-get", f"http://127.0.0.1:{store.server_port}{path}", *([target] if target else [])],
            capture_output=True, timeout=120,
        )  # fmt: skip
        came = (pathlib.Path("file").read_bytes() if pathlib.Path("file").exists() else b"") if target else done.stdout
        ranges = [how for method, how in asked if method == "GET"]
        print(f"{path:8} {'file' if target else 'stdout':7} exit code {done.returncode}, {len(came)} bytes {came}, asked for {ranges}")
        if (done.returncode, came, len(ranges)) != (code, data, gets):
            sys.exit(f"CHANGED: it was exit code {code}, {data}, {gets} requests")
PYTHON
