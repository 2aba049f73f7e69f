#!/bin/bash
# check_nfsmounts -w is OK of a mount that is full or that it may not write to: what it writes need not arrive.
#
# Software:  check_nfsmounts of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12, with libmonitoring-plugin-perl 0.40-1;
#            its list of mounts is another file, the mounts in it are folders. Seen 2026-11-30.
# Expected:  --writemode writes a file in each mount, and is CRITICAL where it cannot. -w 5 is a limit as with other plugins, or refused.
#            Performance data are parted by blanks.
# Seen:      a folder that is full (its file is /dev/full):   "NFS OK: 1 mount points"
#            one that it may not write to:                     "NFS OK: 1 mount points", and no file is there
#            one that it may not enter, or that is not there:  CRITICAL, in two lines
#            -w 5:                                             --writemode; the 5 is dropped, as `extra` is
#            "maxtime=0.002;avgtime=0.002;mountpoints=1":      to a monitor one value, and its limits
# Matters:   images, home directories or spools on a share that is full, or exported to another user than the plugin's, are OK, though
#            the option was given to find just that. Write a file yourself, and read it again.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib libmonitoring-plugin-perl libclass-accessor-perl \
    libsub-name-perl libparams-validate-perl libconfig-tiny-perl libmath-calc-units-perl libmodule-implementation-perl \
    libmodule-runtime-perl libtry-tiny-perl liblocale-gettext-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
export PERL5LIB
sed "s|/etc/mtab|$work/mtab|" root/usr/lib/nagios/plugins/check_nfsmounts > check_nfsmounts
python3 - <<'PYTHON'
import os
import pathlib
import re
import socket
import subprocess
import sys

NAME = f".nfscheck_{socket.gethostname()}"
other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}  # root may write everywhere
for name, mode in (("good", 0o777), ("full", 0o777), ("closed", 0o555), ("hidden", 0o000)):
    pathlib.Path(name).mkdir()
    if name == "full":
        pathlib.Path(name, NAME).symlink_to("/dev/full")
    pathlib.Path(name).chmod(mode)


def check(name, options, code, pattern, written):
    pathlib.Path("mtab").write_text(f"server:/export {os.getcwd()}/{name} nfs4 rw,relatime,vers=4.2 0 0\n")
    command = ["/usr/bin/perl", "check_nfsmounts", "-c", "60", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **other)
    file = pathlib.Path(name, NAME)
    found = name not in ("hidden", "gone") and file.is_file() and bool(file.read_text())
    print(f"{name} {' '.join(options)}: {done.returncode}, {done.stdout.strip()}; {'written' if found else 'nothing written'}")
    if done.returncode != code or not re.search(pattern, done.stdout) or found != written:
        sys.exit(f"CHANGED: it was {code} with {pattern}, {written}; {done.stderr}")
    if found:
        file.unlink()


OK = r"^NFS OK: 1 mount points .*\|maxtime=[0-9.]+;avgtime=[0-9.]+;mountpoints=1$"
LOST = r"^NFS CRITICAL: cannot operate on mount point .*\nNFS CRITICAL: cannot operate on mount point "
check("good", [], 0, OK, False)
check("good", ["--writemode"], 0, OK, True)
check("full", ["--writemode"], 0, OK, False)
check("closed", ["--writemode"], 0, OK, False)
check("hidden", ["--writemode"], 2, LOST, False)
check("gone", ["--writemode"], 2, LOST, False)
check("good", ["-w", "5"], 0, OK, True)
check("good", ["extra"], 0, OK, False)
PYTHON
