#!/bin/bash
# htcp: the page of a 404 is written over the file that was there, and a file that no room was left for is a success.
#
# Software:  gridsite-clients 3.0.0~20230214gitee81151-1+b1 of Debian 12. Seen 2026-11-29.
# Expected:  a copy that fails leaves the file as it was, as cp and scp do of a source that is not there. A redirect is followed, as
#            storage answers reads with one. A disk that is full (/dev/full stands for it) is an error.
# Seen:      404, 403 and 503: exit code 22, and the file holds the error's page; 302: the same, with the page of the redirect. A transfer
#            that breaks off: exit code 18, the file holds what came. /dev/full: exit code 0, nothing on stderr. No directory for the
#            file: exit code 99. Of several sources the others are fetched, and the code is 22.
# Matters:   a list of images, sites or users that is renewed by htcp each hour is lost in the hour in which the server is away, with an
#            exit code or not; a full disk makes it empty and nothing tells. Fetch into a new file, look at it, and rename it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download gridsite-clients libgridsite6 libcanl-c4 libc-ares2
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "gridsite-clients $(dpkg-deb -f gridsite-clients_*.deb Version)"
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import http.server
import pathlib
import subprocess
import sys
import threading

DATA = b"a new list\n"


class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.strip("/")
        status = int(name) if name.isdigit() else 200
        body = DATA if status == 200 else f"page of {status}\n".encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/good")
        self.send_header("Content-Length", str(len(body) + (100 if name == "cut" else 0)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
kept, folder = pathlib.Path("list"), pathlib.Path("folder")
folder.mkdir()
NEW = DATA.decode()
for sources, target, code, held in (
    (["good"], kept, 0, NEW),
    (["404"], kept, 22, "page of 404\n"),
    (["403"], kept, 22, "page of 403\n"),
    (["503"], kept, 22, "page of 503\n"),
    (["302"], kept, 22, "page of 302\n"),
    (["cut"], kept, 18, NEW),
    (["good"], pathlib.Path("nowhere/list"), 99, "an old list\n"),
    (["good"], pathlib.Path("/dev/full"), 0, "an old list\n"),
    (["404", "good"], folder, 22, "an old list\n"),
):
    kept.write_text("an old list\n")
    urls = [f"http://127.0.0.1:{server.server_port}/{each}" for each in sources]
    done = subprocess.run(["root/usr/bin/htcp", *urls, str(target)], capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).strip()
    print(f"{' '.join(sources)} to {target}: exit code {done.returncode} {said}; list: {kept.read_text()!r}")
    if (done.returncode, kept.read_text()) != (code, held) or (not code and said):
        sys.exit(f"CHANGED: it was exit code {code}, {held!r}")
both = {path.name: path.read_text() for path in folder.iterdir()}
print(both)
if both != {"404": "page of 404\n", "good": NEW}:
    sys.exit("CHANGED: both were there, one of them the page")
PYTHON
