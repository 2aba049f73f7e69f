#!/bin/bash
# gammu-smsd-inject cuts an SMS at 160 characters, at 70 with -unicode, and in the C locale at the first letter that is not ASCII.
#
# Software:  gammu-smsd 1.42.0-8 of Debian 12, its service "files", no telephone. Seen 2026-11-30.
# Expected:  a text that is longer than one SMS becomes an SMS of several parts, as telephones do, or is refused; so is one that cannot
#            be read in the locale. (`-len` says how long the text is; one would think that it is counted where it is not given.)
# Seen:      217 characters:                     one SMS of 160, exit code 0, "Written message with ID"; -unicode: 70
#            100 brackets and " END":            80 brackets, each counts as two; with -len 160, which the text keeps to: all, two SMS
#            217 characters, -autolen 400:       all, in two parts
#            "Größe 5 > 3", LC_ALL=C:            "Gr"; in C.UTF-8 all of it
#            no text at all:                     an empty SMS, exit code 0
# Matters:   Nagios runs its notification commands in whatever locale it was started with, often none: a line with one accent in the
#            site's name arrives as its beginning, and a long one loses the number and the remedy at its end. Nobody is told.
#            Give -autolen, LC_ALL=C.UTF-8, and what matters first.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download gammu-smsd libgsmsd8 libgammu8 libmariadb3 libpq5 libbluetooth3 libusb-1.0-0 libdbi1 \
    libodbc2 libltdl7 libglib2.0-0 libldap-2.5-0 libsasl2-2 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "gammu-smsd $(dpkg-deb -f gammu-smsd_*.deb Version)"
LD_LIBRARY_PATH=$(find "$PWD/root" -name "lib*.so.*" -printf '%h\n' | sort -u | paste -sd:) python3 - <<'PYTHON'
import os
import pathlib
import re
import subprocess
import sys

box = pathlib.Path("box")
box.mkdir()
paths = "".join(f"{each}path = {box.absolute()}/\n" for each in ("inbox", "outbox", "sentsms", "errorsms"))
pathlib.Path("smsd.rc").write_text(f"[gammu]\ndevice = /dev/null\nconnection = at\n[smsd]\nservice = files\nlogfile = log\n{paths}")
LONG = "PROBLEM: " + "x" * 204 + " END"


def inject(text, *options, locale="C.UTF-8"):
    """The exit code, and the texts of the SMS that wait to be sent, the parts of one in a list."""
    done = subprocess.run(
        ["root/usr/bin/gammu-smsd-inject", "-c", "smsd.rc", "TEXT", "123456", *options],
        input=text.encode(), capture_output=True, timeout=60, env={**os.environ, "LC_ALL": locale},
    )  # fmt: skip
    found = []
    for path in box.iterdir():
        for part in path.read_text().split("[SMSBackup")[1:]:
            found.append(bytes.fromhex("".join(re.findall("^Text.. = (.*)", part, re.MULTILINE))).decode("utf-16-be"))
        path.unlink()
    return done.returncode, found, b"Written message with ID" in done.stdout


for case, got, expected in (
    ("217 characters", inject(LONG), [LONG[:160]]),
    ("-unicode", inject(LONG, "-unicode"), [LONG[:70]]),
    ("-autolen 400", inject(LONG, "-autolen", "400"), [LONG[:153], LONG[153:]]),
    ("100 brackets", inject("[" * 100 + " END"), ["[" * 80]),
    ("-len 160", inject("[" * 100 + " END", "-len", "160"), ["[" * 76, "[" * 24 + " END"]),
    ("LC_ALL=C", inject("Größe 5 > 3", "-autolen", "400", locale="C"), ["Gr"]),
    ("LC_ALL=C.UTF-8", inject("Größe 5 > 3", "-autolen", "400"), ["Größe 5 > 3"]),
    ("no text", inject("", "-autolen", "400"), [""]),
):
    print(f"{case:15} exit code {got[0]}", *(f"{len(each)} characters, {each[:10]!r}...{each[-6:]!r}" for each in got[1]), sep="\n    ")
    if got != (0, expected, True):
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
