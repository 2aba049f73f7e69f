#!/bin/bash
# pmp-check-lvm-snapshots is OK where lvs fails or is not there, and never sees a thin snapshot or its pool, however full.
#
# Software:  pmp-check-lvm-snapshots of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12; a few lines in the place of lvs,
#            which print what LVM 2.03 does. Seen 2026-11-30.
# Expected:  a snapshot that is 97 % full is CRITICAL, of either kind that LVM has. Where nothing can be said it is UNKNOWN.
# Seen:      a snapshot of the old kind, 97 % full:        CRITICAL, "vg/old[root]=97.00%"; 92 %: WARNING
#            a thin snapshot that is 97 % full:            "OK no full LVM snapshot volumes"; so is one whose pool is full
#            lvs ends with 5, "Permission denied":         "OK no full LVM snapshot volumes"
#            lvs is not there:                             "OK no full LVM snapshot volumes"
# Matters:   Cinder's LVM driver makes thin volumes wherever the tools for them are there; when the pool is full, writes of all VMs on it
#            fail, while this plugin is OK. A mistake in sudoers looks the same. Ask lvs for data_percent, and for its exit code.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib
dpkg-deb -x monitoring-plugins-contrib_*.deb root
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"
mkdir with without
printf '#!/bin/sh\ncat said\nexit "$(cat code)"\n' > with/lvs
chmod +x with/lvs
# of the tools that the plugin calls each is reached by a link, and lvs by none
for tool in sh bash cat grep awk mktemp rm head tail; do ln -s "$(command -v $tool)" without/$tool; done
sed 's|PATH="$PATH:/usr/sbin:/sbin"|:|' root/usr/lib/nagios/plugins/pmp-check-lvm-snapshots > pmp-check-lvm-snapshots
chmod +x pmp-check-lvm-snapshots
python3 - <<'PYTHON'
import os
import pathlib
import subprocess
import sys

HEAD = "  LV    VG Attr       LSize  Pool Origin Data%  Meta%  Move Log Cpy%Sync Convert\n"
ROOT = "  root  vg owi-aos--- 20.00g\n"
OLD = "  old   vg swi-a-s---  2.00g      root   {}\n"
POOL = "  pool  vg twi-aotz-- 50.00g             {}  12.00\n"
THIN = "  base  vg Vwi-aotz-- 20.00g pool        60.00\n  thin  vg Vwi-a-tz-k 20.00g pool base   97.00\n"
REFUSED = "  /run/lock/lvm/P_global:aux: open failed: Permission denied\n"
here = os.getcwd()


def check(what, said, code_of_lvs, code, text):
    pathlib.Path("said").write_text(said or "")
    pathlib.Path("code").write_text(str(code_of_lvs))
    path = f"{here}/without" if said is None else f"{here}/with:{here}/without"
    command = ["./pmp-check-lvm-snapshots", "-w", "90", "-c", "95"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": path, "LC_ALL": "C"})
    print(f"{what}: {done.returncode}, {done.stdout.strip()}")
    if done.returncode != code or text not in done.stdout:
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stdout} {done.stderr}")


NONE = "OK no full LVM snapshot volumes"
check("old kind, 20 %", HEAD + ROOT + OLD.format("20.00"), 0, 0, NONE)
check("old kind, 92 %", HEAD + ROOT + OLD.format("92.00"), 0, 1, "WARN LVM snapshot volumes over 90% full: vg/old[root]=92.00%")
check("old kind, 97 %", HEAD + ROOT + OLD.format("97.00"), 0, 2, "CRIT LVM snapshot volumes over 95% full: vg/old[root]=97.00%")
check("thin, 97 %", HEAD + POOL.format("70.00") + THIN, 0, 0, NONE)
check("thin, pool full", HEAD + POOL.format("100.00") + THIN, 0, 0, NONE)
check("lvs refused", REFUSED, 5, 0, NONE)
check("no lvs", None, 0, 0, NONE)
PYTHON
