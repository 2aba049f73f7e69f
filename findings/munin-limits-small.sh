#!/bin/bash
# munin-limits: a value of 0.004 is never above a limit of 0.003, nan never above any, and a limit with a unit is 0.
#
# Software:  munin 2.0.73-1 of Debian 12, its munin-update and munin-limits; a few lines in the place of munin-node. Seen 2026-11-30.
# Expected:  a value is compared with the limit as both are. A limit that is no range is refused, or told of in the log; an upper one
#            may be written as by plugins of Nagios, ~:4 and 1e1. What is no number is unknown.
# Seen:      critical 0.003, value 0.004:             no message: 0.00 is compared. 0.006 of 0.005 is told as 0.01.
#            critical 1e1, 80%, 20s, ~:10 or @1:2:    CRITICAL for 5, the range is told as 0:0, no line in the log.
#            value nan, or 1,5 with critical 1.2:     no message. 1,5 is 1.
#            value U: no message but from the fourth run on, UNKNOWN.
# Matters:   response times are seconds and loss is a ratio: of those an alert below a hundredth never comes, while the graph shows
#            the line and the value above it. A limit in a plugin's own unit alerts for ever. Let the plugin give milliseconds or per
#            cent, and limits in digits.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download munin munin-common liblog-log4perl-perl librrds-perl libio-socket-inet6-perl libsocket6-perl \
    librrd8 libdbi1 libcairo2 libpango-1.0-0 libpangocairo-1.0-0 libpangoft2-1.0-0 libglib2.0-0 libpng16-16 libxml2 libicu72 \
    libfontconfig1 libfreetype6 libpixman-1-0 libxcb-shm0 libxcb-render0 libxrender1 libxext6 libx11-6 libxcb1 libxau6 libxdmcp6 \
    libbsd0 libmd0 libharfbuzz0b libgraphite2-3 libfribidi0 libthai0 libdatrie1 libbrotli1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "munin $(dpkg-deb -f munin_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/x86_64-linux-gnu/perl5/5.*)
export PERL5LIB LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu"
python3 - <<'PYTHON'
import os
import pathlib
import shutil
import socketserver
import subprocess
import sys
import threading

PLUGINS = {
    "plain": ("5", "4", "CRITICAL 5.00 (:4)"),
    "within": ("5", "10", None),
    "below": ("5", "10:", "CRITICAL 5.00 (10:)"),
    "small": ("0.004", "0.003", None),
    "rounded": ("0.006", "0.005", "CRITICAL 0.01 (:0.005)"),
    "exponent": ("5", "1e1", "CRITICAL 5.00 (0:0)"),
    "percent": ("5", "80%", "CRITICAL 5.00 (0:0)"),
    "seconds": ("5", "20s", "CRITICAL 5.00 (0:0)"),
    "tilde": ("5", "~:10", "CRITICAL 5.00 (0:0)"),
    "inside": ("5", "@1:2", "CRITICAL 5.00 (0:0)"),
    "nan": ("nan", "4", None),
    "comma": ("1,5", "1.2", None),
    "unknown": ("U", "4", "UNKNOWN"),
}
here = pathlib.Path.cwd()


class Node(socketserver.StreamRequestHandler):
    """A munin-node: one plugin of one value for each case."""

    def handle(self):
        self.wfile.write(b"# munin node at site\n")
        for line in self.rfile:
            command, _, name = line.decode().strip().partition(" ")
            if command == "quit":
                return
            value, limit, _ = PLUGINS.get(name, ("", "", None))
            said = {
                "cap": "cap multigraph",
                "list": " ".join(PLUGINS),
                "config": f"graph_title {name}\n{name}.label {name}\n{name}.critical {limit}\n.",
                "fetch": f"{name}.value {value}\n.",
            }.get(command, "# Unknown command")
            self.wfile.write(f"{said}\n".encode())


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Node)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
pathlib.Path("tell").write_text(f"#!/bin/sh\ncat >> {here}/kept/told\necho >> {here}/kept/told\n")
pathlib.Path("tell").chmod(0o755)
pathlib.Path("kept").mkdir()
TEXT = "${var:graph_title} ${var:worst} ${loop:cfields ${var:value} (${var:crange})}"
folders = "".join(f"{name} {here}/kept\n" for name in ("dbdir", "logdir", "rundir", "htmldir", "includedir", "tmpldir"))
contact = f"contact.me.command {here}/tell\ncontact.me.text {TEXT}\n"
site = f"[site]\n  address 127.0.0.1\n  port {server.server_address[1]}\n  use_node_name yes\n"
pathlib.Path("munin.conf").write_text(f"{folders}{contact}{site}")
other = {}
if os.geteuid() == 0:  # munin refuses to be run by root
    other = {"user": 65534, "group": 65534}
    shutil.chown("kept", 65534, 65534)
for name in ("munin-update", "munin-limits", "munin-limits", "munin-limits", "munin-limits"):
    command = ["/usr/bin/perl", f"{here}/root/usr/share/munin/{name}", f"--config={here}/munin.conf"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=300, **other)
    if done.returncode:
        sys.exit(f"CHANGED: {name} ended with {done.returncode}, {done.stderr}")
told = {line.partition(" ")[0]: line.partition(" ")[2].strip() for line in pathlib.Path("kept/told").read_text().splitlines() if line}
for name, (value, limit, expected) in PLUGINS.items():
    print(f"{name:10}value {value:6} critical {limit:6}: {told.get(name, 'no message')}")
    if told.get(name) != expected:
        sys.exit(f"CHANGED: it was {expected}")
if "critical range" in pathlib.Path("kept/munin-limits.log").read_text().lower():
    sys.exit("CHANGED: the log tells of a range")
PYTHON
