"""Secrets that can be recognised wherever they turn up: what every test's report is searched for.

Tokens and passwords of the tests bear a mark; of private keys, the lines are noted when they are written.
"""

from __future__ import annotations

import base64
import json
import re
import secrets

MARK = "pLaNtEd"
_key_lines: set[str] = set()
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]{24,}")


def secret(kind: str) -> str:
    """A token or password that is like no other, with characters that URLs and base64 write in another way."""
    return f"{MARK}/{kind}+{secrets.token_urlsafe(18)}"


def plain_secret() -> str:
    """The same of letters and digits alone."""
    return MARK + secrets.token_hex(16)


def token() -> str:
    """What an issuer of access tokens makes: a JSON web token, whose middle part names it as planted."""
    return f"eyJhbGciOiJSUzI1NiJ9.{MARK}{secrets.token_urlsafe(40)}.{secrets.token_urlsafe(40)}"


def jwt(**claims: object) -> str:
    """The same with claims that can be read, such as `iss` and `exp`; it is planted by its identifier and signature."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {"typ": "Bearer", **claims, "jti": MARK})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.{MARK}{secrets.token_urlsafe(40)}"


def note_key(pem: bytes) -> bytes:
    """Note the lines of a private key; returns it."""
    _key_lines.update(line for line in pem.decode().splitlines() if not line.startswith("-----") and len(line) >= 24)
    return pem


def leaks(text: str) -> list[str]:
    """What of the planted secrets stands in a text: in clear, URL-encoded or in base64."""
    found = [form for form in _FORMS if form in text]
    if "PRIVATE KEY-----" in text:
        found.append("the head of a private key")
    if _key_lines:
        found += [run[:24] for run in _BASE64_RUN.findall(text) if run in _key_lines]
    return found


def _forms_of_the_mark() -> list[str]:
    forms = [MARK]
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + MARK.encode()).decode()
        forms.append(whole[(0, 2, 3)[before] : (before + len(MARK)) * 8 // 6])
    return forms


_FORMS = _forms_of_the_mark()
