#!/bin/bash
# check_packages makes a security update of Debian 12 a WARNING, counted as any other update, and is OK of one of a package on hold.
#
# Software:  check_packages of monitoring-plugins-contrib 42.20230308+deb12u1+b1 of Debian 12, with the machine's own dpkg and apt-cache,
#            which are given lists of two packages. Seen 2026-11-30.
# Expected:  an outstanding security update is CRITICAL, as it is with the archive of Debian 10, and is counted as one; that a package is
#            on hold does not hide that it lacks one.
# Seen:      archive buster/updates (Debian 10):          CRITICAL, "1 security-updates"
#            archive bookworm-security (Debian 12):       WARNING, "1 updates"; security_outdated=0
#            a package on hold with such an update:       OK, "1 hi"
# Matters:   the plugin comes with Debian 12, and for Debian 12 the one thing that is to be CRITICAL never is: who sleeps through WARNINGs
#            is never told of a security update. Count them with unattended-upgrades or `apt-get -s upgrade`.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib
dpkg-deb -x monitoring-plugins-contrib_*.deb root
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version), apt $(dpkg-query -W -f '${Version}' apt)"
mkdir -p admin/info admin/updates apt/lists/partial apt/etc apt/cache/archives/partial
: > admin/available
: > nothing-ignored
cat > apt.conf <<SETTINGS
Dir "$work/apt";
Dir::Etc "$work/apt/etc";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "$work/apt/none";
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/admin/status";
Dir::Cache "$work/apt/cache";
APT::Architecture "amd64";
SETTINGS
python3 - <<'PYTHON'
import os
import pathlib
import subprocess
import sys

COMMON = "Architecture: amd64\nMaintainer: Somebody <somebody@example.org>\nDescription: a program\n"
MIRROR = "mirror.example.org"


def listed(name, version):
    return f"Package: {name}\nVersion: {version}\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n{COMMON}\n"


def installed(name, state):
    return f"Package: {name}\nStatus: {state} ok installed\nVersion: 3.0.1-1\n{COMMON}\n"


def archive(folder, suite, text):
    name = f"{MIRROR}/{folder}/dists/{suite}/main/binary-amd64/Packages".replace("/", "_")
    pathlib.Path("apt/lists", name).write_text(text)
    return f"deb [trusted=yes] http://{MIRROR}/{folder} {suite} main\n"


def check(suite, state, code, first, datum):
    for path in pathlib.Path("apt/lists").glob("*_*"):
        path.unlink()
    sources = archive("debian", "stable", listed("openssl", "3.0.1-1") + listed("other", "3.0.1-1"))
    sources += archive("debian-security", suite, listed("openssl", "3.0.2-1"))
    pathlib.Path("apt/sources.list").write_text(sources)
    pathlib.Path("admin/status").write_text(installed("openssl", state) + installed("other", "install"))
    environment = {**os.environ, "APT_CONFIG": f"{os.getcwd()}/apt.conf", "DPKG_ADMINDIR": f"{os.getcwd()}/admin"}
    command = ["/usr/bin/perl", "root/usr/lib/nagios/plugins/check_packages", "nothing-ignored"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    lines = done.stdout.splitlines() or [done.stderr]
    print(f"{suite}, {state}: {done.returncode}, {lines[0]} {lines[-1]}")
    if (done.returncode, lines[0]) != (code, first) or datum not in lines[-1]:
        sys.exit(f"CHANGED: it was {code}, {first}, {datum}")


check("buster/updates", "install", 2, "CRITICAL: 1 ok 1 security-updates", "security_outdated=1;")
check("bookworm-security", "install", 1, "WARNING: 1 updates 1 ok", "security_outdated=0;")
for suite in ("buster/updates", "bookworm-security"):
    check(suite, "hold", 0, "OK: 1 ok 1 hi", "security_outdated=0;")
PYTHON
