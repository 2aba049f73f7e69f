#!/bin/bash
# The Enforcer of scitokens refuses tokens for any claim that it has not heard of, client_id and wlcg.ver among them.
#
# Software:  scitokens 1.9.7 (PyPI), PyJWT 2.15.1. Seen 2026-11-29.
# Expected:  claims that a reader does not understand are ignored (RFC 7519 section 4), so a token of the WLCG profile, which has
#            "wlcg.ver", or one as EGI Check-in issues it, with client_id, typ and auth_time, is judged by its issuer, audience,
#            times and scope. Its authorizations are named by what the scope names and a path belongs to.
# Seen:      test() is False, last_failure "No validator was registered to handle encountered claim 'wlcg.ver'", and so for
#            client_id, typ, auth_time, wlcg.groups, eduperson_entitlement. generate_acls() raises NoRegisteredValidator. With
#            jti, or a validator for each further claim, it is True. "openid profile" of the scope become authorizations on
#            "/", as "compute.read" does.
# Matters:   a service that was tried with tokens of its own refuses everybody's on the first day, or the day the issuer adds a
#            claim, and the user sees a 403 with a good token. Register add_validator(claim, lambda value: True) for each claim
#            there is, after the signature has been verified; and take "openid" for no right.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install scitokens==1.9.7 pyjwt==2.15.1 cryptography==50.0.2
venv/bin/python - <<'PYTHON'
import sys
import time

import jwt
import scitokens
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER, AUDIENCE = "https://issuer.example.org/", "https://storage.example.org"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def judge(claims, known=()):
    """What test() says of storage.read on /ops, its last failure, and the authorizations."""
    now = int(time.time())
    plain = {"iss": ISSUER, "sub": "u", "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 600, "scope": "storage.read:/"}
    text = jwt.encode(plain | claims, KEY, algorithm="ES256", headers={"kid": "1"})
    token = scitokens.SciToken.deserialize(text, audience=AUDIENCE, public_key=PUBLIC)
    enforcer = scitokens.Enforcer(ISSUER, audience=AUDIENCE)
    for claim in known:
        enforcer.add_validator(claim, lambda value: True)
    good = enforcer.test(token, "storage.read", "/ops")
    failure = enforcer.last_failure
    try:
        rights = sorted(enforcer.generate_acls(token))
    except scitokens.scitokens.NoRegisteredValidator:
        rights = "NoRegisteredValidator"
    return good, failure, rights


def compare(what, got, expected):
    print(f"{what:40}{got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


READ = [("storage.read", "/")]
compare("plain", judge({}), (True, None, READ))
compare("with jti", judge({"jti": "1"}), (True, None, READ))
for name, value in {
    "wlcg.ver": "1.0", "wlcg.groups": ["/ops"], "client_id": "robot", "typ": "Bearer", "auth_time": 1,
    "eduperson_entitlement": ["urn:mace:egi.eu:group:ops"],
}.items():  # fmt: skip
    refusal = f"No validator was registered to handle encountered claim '{name}'"
    compare(f"with {name}", judge({name: value}), (False, refusal, "NoRegisteredValidator"))
    compare(f"with {name}, registered", judge({name: value}, [name]), (True, None, READ))
scope = {"scope": "openid profile storage.read:/ops compute.read"}
rights = [("compute.read", "/"), ("openid", "/"), ("profile", "/"), ("storage.read", "/ops")]
compare(f"scope {scope['scope']}", judge(scope), (True, None, rights))
PYTHON
