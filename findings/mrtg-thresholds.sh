#!/bin/bash
# mrtg: a value above MaxBytes is 0 and within its limit, values lose their decimals before they are judged, each new target alerts with 0.
#
# Software:  mrtg 2.17.10-5+deb12u2 of Debian 12, with libfaketime 0.9.10. Seen 2026-11-30.
# Expected:  a value above ThreshMaxI runs ThreshProgI, whatever it is; 0.4 is above 0.3 and 0.6 is not above 0.7. A first value of 30 is not
#            below 5. A factor behind a command multiplies what it printed.
# Seen:      95 with MaxBytes 90 and ThreshMaxI 80:        0 in the log, no alert
#            0.6 with ThreshMaxI 0.7:                       alert, as 1
#            0.4 with ThreshMaxI 0.3:                       no alert, as 0
#            30 with ThreshMinI 5, at the first run:        alert, as 0, and its end 5 minutes later
#            0.85 and 12.7 of a command with *100:          85 and 1270; where another target has the same command: 100 and 1300
#            60 with ThreshMinI 50, then UNKNOWN:           stays 60, no alert
# Matters:   a queue that is longer than anyone thought when MaxBytes was set is drawn as empty, and alerts nobody; a load or a time in seconds
#            has no limit below 1. Print integers in small units, and set MaxBytes far above what can be.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download mrtg libsnmp-session-perl libfaketime libgd3 libpng16-16 libfontconfig1 libfreetype6 libjpeg62-turbo \
    libxpm4 libtiff6 libwebp7 libheif1 libavif15 libexpat1 libbrotli1 libx11-6 liblerc4 libjbig0 libdeflate0 libx265-199 libde265-0 libdav1d6 libaom3 \
    libgav1-1 librav1e0 libsvtav1enc1 libyuv0 libxcb1 libnuma1 libxau6 libxdmcp6 libbsd0 libmd0 libabsl20220623
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "mrtg $(dpkg-deb -f mrtg_*.deb Version)"
cat > say <<'SHELL'
#!/bin/sh
# prints the two values of a target, or UNKNOWN for the first of "gone" once the file of that name is there, and its uptime and name
[ "$3" = gone ] && [ -e gone ] && set UNKNOWN "$2"
printf '%s\n' "$1" "$2" "3 days" monitor
SHELL
printf '#!/bin/sh\necho "begins $1 $2 $3" >> alerts\n' > begins
printf '#!/bin/sh\necho "ends $1 $2 $3" >> alerts\n' > ends
chmod +x say begins ends
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import glob
import os
import subprocess
import sys
import time

FIRST = 1700000100
ALERTS = {
    0: ["begins few 5 0", "begins gone 50 0"],
    1: ["begins rounded-up 0.7 1", "begins state 1 2", "ends few 5 30", "ends gone 50 60"],
}  # by the number of the run
VALUES = {
    "over": "0 5", "rounded-up": "1 5", "rounded-down": "0 5", "few": "30 5", "gone": "60 5", "state": "2 5", "load": "1 13", "load-in-percent": "100 1300",
    "alone-in-percent": "85 1270",
}  # fmt: skip

lines = ["WorkDir: .", "ThreshDir: .", "Options[_]: gauge,growright,nopercent"]
for name, said, most, more in (
    ("over", "95 5", 90, ["ThreshMaxI 80"]),
    ("rounded-up", "0.6 5", 1000, ["ThreshMaxI 0.7"]),
    ("rounded-down", "0.4 5", 1000, ["ThreshMaxI 0.3"]),
    ("few", "30 5", 1000, ["ThreshMinI 5"]),
    ("gone", "60 5 gone", 1000, ["ThreshMinI 50"]),
    ("state", "2 5", 10, ["ThreshMaxI 1"]),
    ("load", "0.85 12.7", 100000, []),
    ("load-in-percent", "0.85 12.7", 100000, "*100"),
    ("alone-in-percent", "0.85 12.7 alone", 100000, "*100"),
):
    factor, limits = (more, []) if isinstance(more, str) else ("", more)
    lines += [f"Target[{name}]: `./say {said}`{factor}", f"MaxBytes[{name}]: {most}", f"Title[{name}]: {name}", f"PageTop[{name}]: {name}"]
    for limit in limits:
        lines += [f"{limit.split()[0]}[{name}]: {limit.split()[1]}", f"ThreshProgI[{name}]: ./begins", f"ThreshProgOKI[{name}]: ./ends"]
with open("mrtg.cfg", "w") as file:
    file.write("\n".join(lines) + "\n")

(clock,) = glob.glob("root/usr/lib/*-linux-gnu/faketime/libfaketime.so.1")
for run in range(7):
    if run == 4:
        open("gone", "w").close()
    open("alerts", "w").close()
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(FIRST + 300 * run))
    environment = os.environ | {"LANG": "C", "TZ": "UTC", "PERL5LIB": "root/usr/share/perl5", "LD_PRELOAD": os.path.abspath(clock), "FAKETIME": at}
    subprocess.run(["perl", "root/usr/bin/mrtg", "mrtg.cfg"], env=environment, stderr=subprocess.PIPE, check=run < 4)
    with open("alerts") as file:
        got = sorted(file.read().splitlines())
    print(f"at {at}: {got}")
    if got != ALERTS.get(run, []):
        sys.exit(f"CHANGED: it was {ALERTS.get(run, [])}")
values = {}
for name in VALUES:
    with open(f"{name}.log") as file:
        values[name] = " ".join(file.read().splitlines()[1].split()[1:3])  # of the last 5 minutes
print("in the logs:", values)
if values != VALUES:
    sys.exit(f"CHANGED: it was {VALUES}")
PYTHON
