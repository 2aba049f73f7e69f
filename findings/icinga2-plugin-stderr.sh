#!/bin/bash
# What a plugin writes to stderr is part of its text for Icinga, in front of the status line where Python has buffered that.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12, plugins that it runs itself. Seen 2026-11-30.
# Expected:  as with Nagios, text and performance data are those of stdout; stderr is looked at where stdout has nothing.
# Seen:      a plugin in Python that prints "SITE OK - fine | time=1s" and warns after that: the first line is the warning, the
#            status line the second. A line "a | b=2" on stderr before it: b is a datum, and time is one with the label ' time'.
#            a shell's "note" on stderr behind the status line is a second line; the state is by the exit code in each case.
# Matters:   lists of services, short messages and whatever reads the first line show a DeprecationWarning after an update of Python, in
#            place of the reason, for OK and CRITICAL alike; no alarm says that something is wrong with the plugin. Have plugins
#            catch warnings, and look at stderr of each by hand: 2>/dev/null in its command loses what tells of a traceback.
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

mkdir state written
cat > warns <<PLUGIN
#!$(command -v python3)
import sys
import warnings

print("SITE CRITICAL - site is down | time=1s")
warnings.showwarning = lambda text, *_: print(text, file=sys.stderr)
warnings.warn("this is deprecated")
sys.exit(2)
PLUGIN
cat > bar <<'PLUGIN'
#!/bin/sh
echo "a | b=2" >&2
echo "SITE OK - fine | time=1s"
PLUGIN
cat > behind <<'PLUGIN'
#!/bin/sh
echo "SITE OK - fine | time=1s"
echo "note" >&2
PLUGIN
chmod 755 warns bar behind
cat > icinga2.conf <<CONF
object CheckerComponent "checker" { }
object PerfdataWriter "files" {
  service_temp_path = "$work/written.new"
  service_perfdata_path = "$work/written/service"
  service_format_template = "<\$service.name\$><\$service.state\$><\$service.output\$><\$service.perfdata\$>"
  rotation_interval = 1s
}
object CheckCommand "none" { command = [ "/bin/true" ] }
object CheckCommand "plugin" { command = [ "$work/\$service.name\$" ] }
object Host "site" { check_command = "none"; enable_active_checks = false }
for (name in [ "warns", "bar", "behind" ]) {
  object Service name { host_name = "site"; check_command = "plugin"; check_interval = 1s; retry_interval = 1s }
}
CONF
env -u PYTHONUNBUFFERED LD_LIBRARY_PATH="$libraries" "$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)" \
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" \
    -D InitRunDir="$work/state" > said 2>&1 &
icinga=$!
python3 - <<'PYTHON'
import glob
import re
import sys
import time

EXPECTED = {
    "warns": ("CRITICAL", ["this is deprecated", "SITE CRITICAL - site is down"], "time=1s"),
    "bar": ("OK", ["a", "SITE OK - fine"], "b=2 ' time'=1s"),
    "behind": ("OK", ["SITE OK - fine", "note"], "time=1s"),
}
got = {}
for _ in range(60):
    for path in glob.glob("written/*"):
        with open(path) as lines:
            for name, state, text, data in re.findall("<([a-z]+)><([A-Z]+)><([^<>]*)><([^<>]*)>", lines.read()):
                got[name] = (state, [line.strip() for line in text.splitlines()], data)
    if len(got) == len(EXPECTED):
        break
    time.sleep(1)
else:
    sys.exit(f"CHANGED: all results were there within a minute, not {got}")
for name, expected in EXPECTED.items():
    print(f"{name}:", *got[name])
    if got[name] != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
