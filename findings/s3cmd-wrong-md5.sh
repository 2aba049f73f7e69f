#!/bin/bash
# What s3cmd has downloaded with a wrong MD5 is kept under its name, and written over a good file, with exit code 0.
#
# Software:  s3cmd 2.3.0-1 of Debian 12. Seen 2026-11-30.
# Expected:  the sum of what came is compared with the ETag; where they differ, get and sync try again, or end with an error, and
#            leave the file that was there.
# Seen:      "WARNING: MD5 signatures do not match" on stderr, "download: ... -> ..." on stdout, exit code 0: for get, for get
#            --force over a file that was right, for sync. The object is asked for once. The next sync fetches it once more.
# Matters:   a backup that is fetched by cron is replaced by what a broken disk or proxy made of it, and the job is a success;
#            that line on stderr is the only sign. Look for it, or compare the sum with that of "s3cmd info".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download s3cmd python3-dateutil python3-six
for package in *.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f s3cmd_*.deb Version
PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages" no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 python3 -W ignore - <<'PYTHON'
import hashlib
import http.server
import pathlib
import subprocess
import sys
import threading

GOOD, WRONG = b"the backup\n", b"the b\0ckup\n"
ETAG = hashlib.md5(GOOD).hexdigest()
OBJECT = f'<Contents><Key>backup</Key><LastModified>2026-11-28T00:00:00.000Z</LastModified><ETag>"{ETAG}"</ETag><Size>11</Size></Contents>'
SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
LISTING = f'<ListBucketResult xmlns="{SPACE}"><Name>b</Name><IsTruncated>false</IsTruncated>{OBJECT}</ListBucketResult>'


class Service(http.server.BaseHTTPRequestHandler):
    content, downloads = GOOD, 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        body = LISTING.encode()
        if path == "/b/backup":
            body = self.content
            Service.downloads += self.command == "GET"
        elif query == "location":
            body = f'<LocationConstraint xmlns="{SPACE}"/>'.encode()
        self.send_response(200)
        self.send_header("ETag", f'"{ETAG}"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"127.0.0.1:{server.server_port}"
pathlib.Path("cfg").write_text(
    f"[default]\naccess_key = a\nsecret_key = b\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
)
kept = pathlib.Path("backup")
for content, *arguments in (
    (GOOD, "get", "s3://b/backup", "backup"),
    (WRONG, "get", "--force", "s3://b/backup", "backup"),
    (WRONG, "-q", "get", "s3://b/backup", "other"),
    (WRONG, "sync", "s3://b/", "copy/"),
    (WRONG, "sync", "s3://b/", "copy/"),
):
    Service.content, Service.downloads = content, 0
    command = [sys.executable, "-W", "ignore", "root/usr/bin/s3cmd", "-c", "cfg", "--no-progress", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    path = pathlib.Path("copy/backup" if "sync" in arguments else arguments[-1])
    got = path.read_bytes() if path.exists() else None
    print(f"{' '.join(arguments)}: exit code {done.returncode}, {Service.downloads} download, the file holds {got}")
    print("   ", done.stderr.strip() or "nothing on stderr")
    if (done.returncode, Service.downloads, got) != (0, 1, content) or ("do not match" in done.stderr) != (content is WRONG):
        sys.exit("CHANGED: a wrong MD5 is judged otherwise")
PYTHON
