#!/bin/bash
# s3cmd prints "delete:" for each object that the service refused to delete, where there is more than one, and ends with 0.
#
# Software:  s3cmd 2.3.0-1 of Debian 12. Seen 2026-11-30.
# Expected:  of several objects, of which the service deleted one and refused one by an Error within its answer (as S3 does for
#            locked objects and by policies), the one is printed as deleted, the other as an error, and the exit code is that of
#            a part that failed (2), or of a refusal (77).
# Seen:      del --recursive and sync --delete-removed print both as deleted, nothing on stderr, exit code 0. The object alone,
#            which is asked for by DELETE, is "ERROR: S3 error: 403 (AccessDenied)" with exit code 77.
# Matters:   a job that cleans a bucket, or what a probe has left in it, is a success while the quota fills up; the same job with
#            one object fails. List the bucket afterwards.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download s3cmd python3-dateutil python3-six
for package in *.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f s3cmd_*.deb Version
PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages" no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 python3 - <<'PYTHON'
import hashlib
import http.server
import pathlib
import re
import subprocess
import sys
import threading

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
REFUSED = "<Code>AccessDenied</Code><Message>Access Denied</Message>"


class Service(http.server.BaseHTTPRequestHandler):
    objects = set()

    def log_message(self, *_):
        pass

    def answer(self, code, text=""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        if self.path.endswith("?location"):
            return self.answer(200, f'<LocationConstraint xmlns="{SPACE}"/>')
        rest = f'<LastModified>2026-11-28T00:00:00.000Z</LastModified><ETag>"{hashlib.md5(b"x").hexdigest()}"</ETag><Size>1</Size>'
        listed = "".join(f"<Contents><Key>{key}</Key>{rest}</Contents>" for key in sorted(self.objects))
        bucket = f"<Name>b</Name><IsTruncated>false</IsTruncated>{listed}"
        return self.answer(200, f'<ListBucketResult xmlns="{SPACE}">{bucket}</ListBucketResult>')

    def do_DELETE(self):
        self.answer(403, f"<Error>{REFUSED}</Error>")

    def do_POST(self):
        asked = re.findall(r"<Key>(\w+)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.objects.difference_update(key for key in asked if key != "locked")
        said = (f"<Error><Key>{key}</Key>{REFUSED}</Error>" if key == "locked" else f"<Deleted><Key>{key}</Key></Deleted>" for key in asked)
        self.answer(200, f'<DeleteResult xmlns="{SPACE}">{"".join(said)}</DeleteResult>')


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"127.0.0.1:{server.server_port}"
pathlib.Path("cfg").write_text(
    f"[default]\naccess_key = a\nsecret_key = b\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
)
pathlib.Path("kept").mkdir()
pathlib.Path("kept/good").write_text("x")
BOTH = ["delete: 's3://b/free'", "delete: 's3://b/locked'"]
for expected, *arguments in (
    ((0, BOTH), "del", "--recursive", "--force", "s3://b/"),
    ((0, BOTH), "sync", "--delete-removed", "kept/", "s3://b/"),
    ((77, []), "del", "s3://b/locked"),
):
    Service.objects = {"free", "good", "locked"} if "sync" in arguments else {"free", "locked"}
    command = [sys.executable, "-W", "ignore", "root/usr/bin/s3cmd", "-c", "cfg", "--no-progress", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    deleted = sorted(line for line in done.stdout.splitlines() if line.startswith("delete: "))
    print(f"{' '.join(arguments)}: exit code {done.returncode}, {deleted}, there still: {sorted(Service.objects)}")
    print("   ", done.stderr.strip() or "nothing on stderr")
    if (done.returncode, deleted) != expected or (done.returncode == 0) != (not done.stderr.strip()):
        sys.exit(f"CHANGED: it was {expected}")
    if "locked" not in Service.objects:
        sys.exit("CHANGED: the object is gone")
PYTHON
