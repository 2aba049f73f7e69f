#!/bin/bash
# What "openssl smime -sign -binary" signs of a text with plain newlines no "openssl smime -verify" accepts, -binary or not.
#
# Software:  openssl 3.0.19 of Debian 12, on messages with a detached signature (multipart/signed). Seen 2026-11-28.
# Expected:  -binary keeps the bytes as they are, at both ends; a program verifies what it has signed with the same options.
# Seen:      signed without -binary: smime and cms verify it, with -binary or without; the text comes back with CR LF, not as
#            it was. Signed with -binary: refused (exit code 4) by smime -verify, by smime -verify -binary, by cms -verify;
#            cms -verify -binary alone accepts it, and gives the bytes of old.
# Matters:   a list of images signed with -binary so that its digest stays true is "verification failure" to all who use
#            smime. Sign without it, and compare digests of the text with its CRs taken out; or agree on cms -binary.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

openssl version
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 9 -subj /CN=signer 2> said
printf 'one\ntwo\n' > text
while IFS=/ read -r sign verify expected; do
    # shellcheck disable=SC2086
    openssl smime -sign $sign -in text -signer certificate -inkey key -out message 2> said
    code=0
    # shellcheck disable=SC2086
    openssl $verify -in message -CAfile certificate -out back 2> said || code=$?
    got="exit code $code, $(cmp -s text back && echo "the same bytes" || echo "other bytes")"
    [ "$code" = 0 ] || got="exit code $code"
    echo "smime -sign $sign, then $verify: $got"
    [ "$got" = "$expected" ] || changed "it was $expected"
done <<TABLE
/smime -verify/exit code 0, other bytes
/smime -verify -binary/exit code 0, other bytes
/cms -verify/exit code 0, other bytes
-binary/smime -verify/exit code 4
-binary/smime -verify -binary/exit code 4
-binary/cms -verify/exit code 4
-binary/cms -verify -binary/exit code 0, the same bytes
TABLE
