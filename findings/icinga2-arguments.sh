#!/bin/bash
# Icinga drops a flag that is set to "yes" or 0.5; a variable set to null becomes an empty argument, a small limit zero.
#
# Software:  icinga2-bin 2.13.6-2+deb12u2 of Debian 12. Seen 2026-11-30.
# Expected:  set_if takes what is true elsewhere in its language, or is refused when the configuration is read. A service that sets the
#            host's variable to null has none. Numbers go to the plugin as they were written. A "$" that is no macro is refused.
# Seen:      set_if: true, "true" and 2 give --flag; "yes", "on" and [ "x" ] do not, with a warning in the log at each check, and
#            0.5 does not, without one.
#            w = null: -w and an empty argument; w = "": the same.
#            w = 0.0000004: -w 0.000000; w = 1.0/3: -w 0.333333; 1234567.5: 1234567.500000.
#            w = "a$b$c": no -w at all, and no word in the log. w = { low = 1 }: no -w, a warning in the log.
#            "icinga2 daemon -C" is content with all of them, without a warning.
# Matters:   a check without --ssl, without its password or without its limit runs on, and is OK. Look at last_check_result.command of
#            one service of each kind after a change, and at the log for "PluginUtility".
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

mkdir state asked
cat > plugin <<'PLUGIN'
#!/bin/sh
into=$1
[ ! -e "$into" ] || exit 0
shift
printf '<%s>' "$@" > "$into.new"
mv "$into.new" "$into"
PLUGIN
chmod 755 plugin
cat > icinga2.conf <<CONF
object CheckerComponent "checker" { }
object CheckCommand "none" { command = [ "/bin/true" ] }
object CheckCommand "plugin" {
  command = [ "$work/plugin", "$work/asked/\$service.name\$" ]
  arguments = {
    "-w" = "\$w\$"
    "--flag" = { set_if = "\$flag\$" }
    "-z" = "end"
  }
}
object Host "site" { check_command = "none"; enable_active_checks = false; vars.w = 7 }
template Service "plugin" { host_name = "site"; check_command = "plugin"; check_interval = 1s; retry_interval = 1s }
object Service "inherited" { import "plugin" }
object Service "flag-true" { import "plugin"; vars.flag = true }
object Service "flag-true-text" { import "plugin"; vars.flag = "true" }
object Service "flag-yes" { import "plugin"; vars.flag = "yes" }
object Service "flag-on" { import "plugin"; vars.flag = "on" }
object Service "flag-half" { import "plugin"; vars.flag = 0.5 }
object Service "flag-two" { import "plugin"; vars.flag = 2 }
object Service "flag-list" { import "plugin"; vars.flag = [ "x" ] }
object Service "null" { import "plugin"; vars.w = null }
object Service "empty" { import "plugin"; vars.w = "" }
object Service "tiny" { import "plugin"; vars.w = 0.0000004 }
object Service "third" { import "plugin"; vars.w = 1.0/3 }
object Service "million" { import "plugin"; vars.w = 1234567.5 }
object Service "dollars" { import "plugin"; vars.w = "a\$b\$c" }
object Service "dictionary" { import "plugin"; vars.w = { low = 1 } }
CONF
export LD_LIBRARY_PATH=$libraries
start=("$program" daemon -c icinga2.conf -D NodeName=node -D RunAsUser="$(id -un)" -D RunAsGroup="$(id -gn)"
    -D DataDir="$work/state" -D LogDir="$work/state" -D CacheDir="$work/state" -D SpoolDir="$work/state" -D InitRunDir="$work/state")
"${start[@]}" -C > checked 2>&1 || { cat checked; echo "CHANGED: the configuration was accepted" >&2; exit 1; }
if grep -E "(warning|critical)/" checked; then echo "CHANGED: nothing was said of the configuration" >&2; exit 1; fi
"${start[@]}" > said 2>&1 &
icinga=$!
python3 - <<'PYTHON'
import pathlib
import sys
import time

EXPECTED = {
    "inherited": "<-w><7><-z><end>",
    "flag-true": "<--flag><-w><7><-z><end>",
    "flag-true-text": "<--flag><-w><7><-z><end>",
    "flag-yes": "<-w><7><-z><end>",
    "flag-on": "<-w><7><-z><end>",
    "flag-half": "<-w><7><-z><end>",
    "flag-two": "<--flag><-w><7><-z><end>",
    "flag-list": "<-w><7><-z><end>",
    "null": "<-w><><-z><end>",
    "empty": "<-w><><-z><end>",
    "tiny": "<-w><0.000000><-z><end>",
    "third": "<-w><0.333333><-z><end>",
    "million": "<-w><1234567.500000><-z><end>",
    "dollars": "<-z><end>",
    "dictionary": "<-z><end>",
}
asked = pathlib.Path("asked")
for _ in range(60):
    if all((asked / name).exists() for name in EXPECTED):
        break
    time.sleep(1)
else:
    sys.exit("CHANGED: all plugins ran within a minute")
for name, expected in EXPECTED.items():
    got = (asked / name).read_text()
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
grep -o "warning/PluginUtility.*" said | sort | uniq -c
