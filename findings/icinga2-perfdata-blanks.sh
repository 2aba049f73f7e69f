#!/bin/bash
# Icinga takes the second of two blanks between performance data into the label, as it does the one before data of a later line.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, plugins that it runs itself. Seen 2026-11-30.
# Expected:  blanks part performance data, however many; those behind "|" of a later line are as those of the first, and the lines that
#            follow that one go on with them, as Nagios reads it.
# Seen:      "OK | x=1  y=2":                         x and ' y', in Graphite the series _y beside the y of before
#            "OK | x=1", "more | y=2":                x and ' y', though there is one blank; "more |y=2" is x and y
#            "OK | x=1", "more | y=2", "z=3":         z=3 is a line of the text, and no datum
#            "OK | x=1<tab>y=2":                      one datum, in Graphite the series "x=1<tab>y"
# Matters:   a plugin that pads its data, or prints some of them with its long output, fills other series than its successor that does
#            not, and rules for y see nothing. One blank, one line, and nothing behind it.
set -eu
work=$(mktemp -d)
icinga=
trap '[ -z "$icinga" ] || kill "$icinga" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download icinga2-bin \
    libboost-context1.74.0 libboost-coroutine1.74.0 libboost-filesystem1.74.0 libboost-iostreams1.74.0 \
    libboost-program-options1.74.0 libboost-regex1.74.0 libboost-thread1.74.0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f icinga2-bin_*.deb Version
libraries=$(dirname "$(find "$PWD/root" -name "libboost_context.so*" | head -1)")
program=$(find root -path "*/sbin/icinga2" -type f -size +1M)

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
graphite=$(free)
mkdir state written
printf 'OK | x=1 y=2 end=9\n' > one-blank
printf 'OK | x=1  y=2 end=9\n' > two-blanks
printf 'OK | x=1\nmore | y=2 end=9\n' > later-line
printf 'OK | x=1\nmore |y=2 end=9\n' > later-line-tight
printf 'OK | x=1\nmore | y=2 end=9\nz=3\n' > line-behind
printf 'OK | x=1\ty=2 end=9\n' > tabulator
cat > icinga2.conf <<CONF
object CheckerComponent "checker" { }
object GraphiteWriter "graphite" { host = "127.0.0.1"; port = $graphite }
object PerfdataWriter "files" {
  service_temp_path = "$work/written.new"
  service_perfdata_path = "$work/written/service"
  service_format_template = "<\$service.name\$><\$service.output\$><\$service.perfdata\$>"
  rotation_interval = 1s
}
object CheckCommand "none" { command = [ "/bin/true" ] }
object CheckCommand "says" { command = [ "/bin/cat", "$work/\$service.name\$" ] }
object Host "site" { check_command = "none"; enable_active_checks = false }
for (name in [ "one-blank", "two-blanks", "later-line", "later-line-tight", "line-behind", "tabulator" ]) {
  object Service name { host_name = "site"; check_command = "says"; check_interval = 1s; retry_interval = 1s }
}
CONF
python3 - "$graphite" <<'PYTHON' &
import glob
import re
import socketserver
import sys
import threading
import time

PREFIX = "icinga2.site.services."
EXPECTED = {
    "one-blank": ("x=1 y=2 end=9", ["end", "x", "y"]),
    "two-blanks": ("x=1 ' y'=2 end=9", ["_y", "end", "x"]),
    "later-line": ("x=1 ' y'=2 end=9", ["_y", "end", "x"]),
    "later-line-tight": ("x=1 y=2 end=9", ["end", "x", "y"]),
    "line-behind": ("x=1 ' y'=2 end=9", ["_y", "end", "x"]),
    "tabulator": ("x=1\ty=2 end=9", ["end", "x=1\ty"]),
}
series = {name: set() for name in EXPECTED}


class Graphite(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            service, _, rest = line.decode().removeprefix(PREFIX).partition(".says.perfdata.")
            if rest.split(" ")[0].endswith(".value"):
                series[service].add(rest.split(".value ")[0])


socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Graphite)
threading.Thread(target=server.serve_forever, daemon=True).start()
written = {}
for _ in range(60):
    for path in glob.glob("written/*"):
        with open(path) as lines:
            written.update((name, (text, data)) for name, text, data in re.findall("<([a-z-]+)><([^<>]*)><([^<>]*)>", lines.read()))
    if len(written) == len(EXPECTED) and all("end" in each for each in series.values()):
        break
    time.sleep(1)
else:
    sys.exit(f"CHANGED: all results were there within a minute, not {written} and {series}")
for name, (data, names) in EXPECTED.items():
    got = (written[name][1], sorted(series[name]))
    print(f"{name}: {written[name]!r}, in Graphite {got[1]}")
    if got != (data, names):
        sys.exit(f"CHANGED: it was {data!r}, {names}")
if not written["line-behind"][0].endswith("\nz=3"):
    sys.exit("CHANGED: the line behind was text")
PYTHON
reader=$!
LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" > said 2>&1 &
icinga=$!
wait "$reader"
