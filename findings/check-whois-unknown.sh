#!/bin/bash
# check_whois -x is OK for a domain that nobody holds any more, and for a whois that answers with nothing; of two dates the last counts.
#
# Software:  check_whois of monitoring-plugins-contrib 42.20230308+deb12u1+b1, libdate-manip-perl 6.91-1 of Debian 12; a few lines in
#            the place of whois. Seen 2026-11-30.
# Expected:  -x passes over a registrar that is not told, as its help says, and over nothing else; registries such as that of .eu print no
#            date to all. A domain that is free is CRITICAL, an answer without anything is UNKNOWN. Of the registry's date and the
#            registrar's the earlier one counts.
# Seen:      with -x                  "Expires UNKNOWN at UNKNOWN", OK: of "Status: AVAILABLE", "Domain not found.", "Number of queries
#                                     exceeded", and of nothing at all with exit code 1.
#            without -x               all of these are CRITICAL, and so is a good answer without a date.
#            -x and -s REGISTRAR      CRITICAL for all of these.
#            registry's date in 3 days, then the registrar's in 300: OK. The other way round: CRITICAL.
# Matters:   a domain of .eu is checked with -x, since without it the plugin is always CRITICAL; and then it stays OK when the domain is
#            lost. Give -s with a word that is in the answer only as long as the domain is yours.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib libdate-manip-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version)," \
    "libdate-manip-perl $(dpkg-deb -f libdate-manip-perl_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5
export PERL5LIB
mkdir bin answers
cat > bin/whois <<ANSWER
#!/bin/sh
/bin/cat "$work/answers/\$1" || exit
[ -s "$work/answers/\$1" ]
ANSWER
chmod +x bin/whois
python3 - <<'PYTHON'
import datetime
import os
import pathlib
import subprocess
import sys

NOW = datetime.datetime.now(datetime.timezone.utc)
SOON, LATE = (f"{NOW + datetime.timedelta(days):%Y-%m-%d}T12:00:00Z" for days in (3, 300))
REGISTRY, REGISTRAR = "Registry Expiry Date: ", "Registrar Registration Expiration Date: "
NAME = "Registrar: Example Registrar\n"
ANSWERS = {
    "held": f"{NAME}{REGISTRY}{LATE}\n",
    "ends": f"{NAME}{REGISTRY}{SOON}\n",
    "no-date": NAME,
    "free": "Domain: free\nStatus: AVAILABLE\n",
    "not-found": "Domain not found.\n",
    "too-often": "Number of queries exceeded, try again later\n",
    "nothing": "",
    "registrar-last": f"{NAME}{REGISTRY}{SOON}\n{REGISTRAR}{LATE}\n",
    "registry-last": f"{NAME}{REGISTRAR}{LATE}\n{REGISTRY}{SOON}\n",
}
ABSENT, REGISTRARLESS = "Expires UNKNOWN at UNKNOWN", "Didn't find Registrar"
UNDATED, UNNAMED = "Didn't find expiration timestamp", "String 'Example Registrar' not found"
NAMED = ["-x", "-s", "Example Registrar"]
environment = dict(os.environ, PATH=f"{os.getcwd()}/bin", LC_ALL="C")
for name, text in ANSWERS.items():
    pathlib.Path("answers", f"{name}.invalid").write_text(text)
for name, options, code, text in (
    ("held", [], 0, f"Expires {LATE[:4]}"),
    ("ends", [], 2, f"Expires {SOON[:4]}"),
    ("no-date", [], 2, UNDATED),
    ("no-date", ["-x"], 0, "Expires UNKNOWN at example registrar"),
    *((name, [], 2, REGISTRARLESS) for name in ("free", "not-found", "too-often", "nothing")),
    *((name, ["-x"], 0, ABSENT) for name in ("free", "not-found", "too-often", "nothing")),
    *((name, NAMED, 2, UNNAMED) for name in ("free", "not-found", "too-often", "nothing")),
    ("no-date", NAMED, 0, "Expires UNKNOWN at example registrar"),
    ("registrar-last", [], 0, f"Expires {LATE[:4]}"),
    ("registry-last", [], 2, f"Expires {SOON[:4]}"),
):
    command = ["/usr/bin/perl", "root/usr/lib/nagios/plugins/check_whois", *options, f"{name}.invalid"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    print(f"{name} {' '.join(options)}: {done.returncode}, {done.stdout.strip()}")
    if done.returncode != code or text not in done.stdout:
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stderr}")
PYTHON
