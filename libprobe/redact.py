"""Secrets that this process knows, so that no output ever carries one.

Whoever reads a secret from a file or receives one from a server registers it here at once; the way
out (`libprobe.run`) blanks every registered value in whatever is printed: as it is, as URLs, HTML,
JSON and base64 write it, and what is left of one where a text was cut.
"""

from __future__ import annotations

from _thread import get_ident
from binascii import b2a_base64

_secrets: set[str] = set()
_of_thread: dict[int, set[str]] = {}
"""Secrets of the threads that run a check each (`keep_apart`), by thread."""

_SHORTEST = 6
"""Shorter values are not registered: blanking every `a` would hide the reason as well."""

_SHORTEST_PART = 10
"""So much of a secret's beginning or end is blanked too: texts are cut before they come to the way out."""

BLANK = "[secret]"

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_JSON = str.maketrans({"\\": "\\\\", '"': '\\"', "/": "\\/"})


def register(secret: str) -> str:
    """Remember a secret; returns it, so that it can be registered where it is received."""
    if len(secret) >= _SHORTEST:
        _known().update(_forms(secret))
    return secret


def blank(text: str) -> str:
    """The text with every registered secret replaced by `[secret]`."""
    known = _known()
    if not known:
        return text
    for secret in sorted(known, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, BLANK)
    text = _without_beginnings(text, known, BLANK)
    return _without_beginnings(text[::-1], {secret[::-1] for secret in known}, BLANK[::-1])[::-1]


def forget() -> None:
    """Forget all secrets: the run they belonged to is over and printed."""
    _known().clear()


def keep_apart() -> None:
    """From now on this thread has secrets of its own: it runs checks, and other threads run others."""
    _of_thread[get_ident()] = set()


def _known() -> set[str]:
    return _of_thread.get(get_ident(), _secrets)


def _forms(secret: str) -> set[str]:
    """The secret, and how it looks where it is written in another way."""
    encoded = secret.encode()
    forms = {secret, secret.translate(_HTML), secret.translate(_JSON)}
    for hexadecimal in ("%02X", "%02x"):
        escaped = "".join(chr(byte) if chr(byte) in _UNRESERVED else "%" + hexadecimal % byte for byte in encoded)
        forms.add(escaped)
        forms.add(escaped.replace("%2F", "/").replace("%2f", "/"))
    for before in range(3):  # in base64 it depends on what stands before it; the ends hold bits of others
        whole = b2a_base64(b"\0" * before + encoded, newline=False).decode()
        inner = whole[(0, 2, 3)[before] : (before + len(encoded)) * 8 // 6]
        if len(inner) >= _SHORTEST_PART:
            forms.update((inner, inner.translate(str.maketrans("+/", "-_"))))
    return forms


def _without_beginnings(text: str, secrets: set[str], instead: str) -> str:
    """Blank what there is of the secrets' beginnings, each as far as the text goes along with one of them."""
    for begin in {secret[:_SHORTEST_PART] for secret in secrets if len(secret) > _SHORTEST_PART}:
        at = text.find(begin)
        while at >= 0:
            same = max(_common(text, at, secret) for secret in secrets if secret.startswith(begin))
            text = text[:at] + instead + text[at + same :]
            at = text.find(begin, at + len(instead))
    return text


def _common(text: str, at: int, secret: str) -> int:
    """How many characters a text, from a place on, and a secret have in common."""
    length = 0
    for one, other in zip(text[at : at + len(secret)], secret, strict=False):
        if one != other:
            break
        length += 1
    return length
