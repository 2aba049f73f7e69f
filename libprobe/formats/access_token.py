"""An access token as a file holds it, and what it says of itself where it is a JSON web token.

Source: RFC 7519 section 4.1 for the claims; what Keycloak, under EGI Check-in, puts into its tokens; what oidc-mytoken
puts into mytokens, which say `"token_type": "mytoken"` (its API, v0). A token may also be opaque: then only its issuer
can read it. Signatures are not verified: the services that receive a token do that.
"""

from __future__ import annotations

import re

from libprobe.formats.excerpt import excerpt
from libprobe.records import Record
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

MAX_CHARS = 64 << 10
"""A longer one is not decoded: no server takes one in a header."""

MAX_WORDS_CHARS = 120
_LAST_SECOND = 253402300799
_BASE64 = re.compile(r"[A-Za-z0-9_-]{2,}=*")
_FERNET = re.compile(r"gAAAA[A-Za-z0-9_=-]*")


class Mytoken(Record):
    """What a mytoken says of the access tokens that one gets for it.

    issuer:     URL of who gives them; that of the mytoken itself is its server.
    gives_access: whether it may be used for that: its capability `AT`, or no word of capabilities at all.
    changes:    whether that makes a new mytoken each time, after which this one is refused.
    """

    issuer: str
    gives_access: bool
    changes: bool


class Claims(Record):
    """What a token says of itself.

    issuer:     URL of who gave it, empty if it does not say; audience: for whom it is, empty for anybody.
    not_before, expires: aware UTC instants, None for one that it does not say.
    kind:       Keycloak's `typ`: Bearer, Refresh, Offline, ID; empty if it does not say.
    unreadable:     which of `nbf` and `exp` it has in a form that is no date: servers differ in what they make of that.
    mytoken:    what it says if it is a mytoken, else None.
    """

    issuer: str
    audience: tuple[str, ...]
    not_before: datetime | None
    expires: datetime | None
    kind: str
    unreadable: tuple[str, ...] = ()
    mytoken: Mytoken | None = None

    def describe(self) -> str:
        """What distinguishes it, for a sentence: `of https://aai.example.org for cloud`; empty if it tells nothing."""
        of = f"of {self.issuer}" if self.issuer else ""
        others = [each for each in self.audience if each != self.issuer]
        return f"{of}{' for ' + ', '.join(others[:3]) if others else ''}".strip()


def read_claims(token: str) -> Claims | None:
    """What a token says of itself; None for an opaque one."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MAX_CHARS or not all(map(_BASE64.fullmatch, parts[:2])):
        return None
    head, claims = _object(parts[0]), _object(parts[1])
    if head is None or claims is None or "alg" not in head:
        return None
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    dates = {name: _instant(claims.get(name)) for name in ("nbf", "exp")}
    return Claims(
        _words(claims.get("iss")),
        tuple(_words(each) for each in listed[:20] if _words(each)),
        dates["nbf"],
        dates["exp"],
        _words(claims.get("typ")),
        tuple(name for name, instant in dates.items() if instant is None and claims.get(name) is not None),
        _mytoken(claims),
    )


def describe_other_content(content: bytes) -> str:
    """What a file holds that is no access token, in words that quote nothing of it; empty for what may be one."""
    text = content.decode("utf-8", "replace").strip()
    beginning = text[:200].lower()
    lines = text.splitlines()
    if not text:
        return "an empty line" if content else "nothing"
    if "-----begin" in beginning:
        return "a certificate or a key"
    if beginning.startswith("<"):
        return "a page of HTML" if "html" in beginning else "XML or HTML"
    if text[0] in "{[":
        return "JSON with the token among other things" if '"access_token"' in text else "JSON"
    if len(lines) > 1:
        return number_of(len(lines), "line")
    if not text.isascii() or not text.isprintable():
        return "characters that no token has"
    if " " in text:
        is_header = beginning.startswith(("bearer ", "authorization:"))
        return "a header of HTTP instead of the token alone" if is_header else "several words"
    if text[0] in "\"'":
        return "a token in quotes"
    if _FERNET.fullmatch(text):
        return "a token of a Keystone"
    claims = read_claims(text)
    if claims and claims.kind in ("Refresh", "Offline"):
        return "a refresh token"
    if claims and claims.mytoken:
        return "a mytoken"
    return ""


def _object(encoded: str) -> dict[str, object] | None:
    """A JSON object in base64url; None for anything else."""
    import base64
    import json

    try:
        found = json.loads(base64.urlsafe_b64decode(encoded.rstrip("=") + "=="))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _mytoken(claims: dict[str, object]) -> Mytoken | None:
    if claims.get("token_type") != "mytoken":
        return None
    capabilities, rotation = claims.get("capabilities"), claims.get("rotation")
    return Mytoken(
        _words(claims.get("oidc_iss")),
        not isinstance(capabilities, list) or "AT" in capabilities,
        isinstance(rotation, dict) and rotation.get("on_AT") is True,
    )


def _words(value: object) -> str:
    return excerpt(value, MAX_WORDS_CHARS) if isinstance(value, str) else ""


def _instant(value: object) -> datetime | None:
    """Return a NumericDate (section 2) as a datetime; None for anything else."""
    from datetime import UTC, datetime

    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(value, UTC)
