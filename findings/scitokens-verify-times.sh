#!/bin/bash
# scitokens-verify takes no time with a fraction ("std::bad_cast"), and says "token expired" of a token that is not valid yet.
#
# Software:  scitokens-cpp 0.7.3-1+b1 of Debian 12 (library and program); tokens made with PyJWT 2.15.1 (PyPI). Seen 2026-11-29.
# Expected:  exp, nbf and iat are numbers of seconds, which may have a fraction (RFC 7519 section 2, NumericDate); nbf is optional
#            there, and the profile of the WLCG names it among the claims that "should" be checked. What is refused is told as it is.
# Seen:      exp, nbf or iat with a fraction, even .0: "std::bad_cast", exit code 1, in each profile. nbf or iat half a minute ahead
#            of this clock: "token expired". Without nbf: "'nbf' claim is mandatory". The same token in whole seconds is accepted.
# Matters:   an issuer that writes time.time() into its tokens is refused by all storage that uses this library (XRootD does), and
#            accepted by those in Python; and who reads "token expired" renews the token, with a clock that is half a
#            minute slow. Look at the three times yourself before you believe the word.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download scitokens-cpp libscitokens0
for package in ./*.deb; do dpkg-deb -x "$package" root; echo "$(dpkg-deb -f "$package" Package) $(dpkg-deb -f "$package" Version)"; done
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pyjwt==2.15.1 cryptography==50.0.2
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl ec -in key.pem -pubout -out public.pem 2> /dev/null
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) venv/bin/python - <<'PYTHON'
import pathlib
import subprocess
import sys
import time

import jwt

KEY = pathlib.Path("key.pem").read_text()
NOW = int(time.time())
PLAIN = {
    "iss": "https://issuer.example.org/", "sub": "robot", "aud": "https://wlcg.cern.ch/jwt/v1/any", "wlcg.ver": "1.0",
    "scope": "storage.read:/", "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 600,
}  # fmt: skip
GOOD = (0, "successful.")
CASES = {
    "whole seconds": ({}, GOOD),
    "exp with .5": ({"exp": NOW + 600.5}, (1, "std::bad_cast")),
    "exp with .0": ({"exp": NOW + 600.0}, (1, "std::bad_cast")),
    "nbf with .5": ({"nbf": NOW - 60.5}, (1, "std::bad_cast")),
    "iat with .5": ({"iat": NOW - 60.5}, (1, "std::bad_cast")),
    "nbf half a minute ahead": ({"nbf": NOW + 30}, (1, "token expired")),
    "iat half a minute ahead": ({"iat": NOW + 30}, (1, "token expired")),
    "exp a minute ago": ({"exp": NOW - 60}, (1, "token expired")),
    "without nbf": ({"nbf": None}, (1, "'nbf' claim is mandatory")),
}
for name, (changes, expected) in CASES.items():
    claims = {name: value for name, value in (PLAIN | changes).items() if value is not None}
    token = jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "1"})
    for profile in ("wlcg", "scitokens2", "atjwt"):
        done = subprocess.run(
            ["root/usr/bin/scitokens-verify", "--cred", "public.pem", "--issuer", PLAIN["iss"], "--keyid", "1", "--profile", profile,
             token],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        said = (done.stdout + done.stderr).strip()
        if profile == "wlcg":
            print(f"{name:25}{done.returncode} {said}")
        if done.returncode != expected[0] or not said.endswith(expected[1]):
            sys.exit(f"CHANGED: {name}, profile {profile}: {done.returncode} {said}; it was {expected}")
PYTHON
