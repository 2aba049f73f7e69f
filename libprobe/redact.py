"""Secrets that this process knows, so that no output ever carries one.

Whoever reads a secret from a file or receives one from a server registers it here at once; the way
out (`libprobe.probe.run`) blanks every registered value in whatever is printed: as it is, as URLs, HTML,
JSON and base64 write it, and what is left of one where a text was cut.
"""

from __future__ import annotations

import re
from _thread import get_ident
from binascii import b2a_base64
from functools import lru_cache
from itertools import pairwise

_secrets: set[str] = set()
_secrets_of_thread: dict[int, set[str]] = {}
"""Secrets of the threads that run a check each (`use_thread_secrets`), by thread."""

_SHORTEST = 6
"""Shorter values are not registered: blanking every `a` would hide the reason as well."""

_SHORTEST_PART = 10
"""Characters of a secret's beginning or end that are blanked too, since texts are cut before they are printed."""

BLANK = "[secret]"

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_TOKEN_FORMS = re.compile(
    r"eyJ[A-Za-z0-9_-]{6,}|gAAAAA[A-Za-z0-9_-]{16,}|-----BEGIN |(?:Bearer|Basic) +[A-Za-z0-9+/_=.-]{8,}"
    r"|MI[I-O][A-Za-z0-9+/]{20,}|(?<=://)[^/@\s]*:[^/@\s]+(?=@)"
)
"""A secret by its form: a JSON web token, a Fernet token, PEM, an HTTP login, base64 of DER, a URL's password."""

_NAMED = re.compile(
    r"[?&;#](?P<name>[^=&;#\s]*(?:token|secret|passw|credential|signature|api[_-]?key)[^=&;#\s]*"
    r"|key|sig|pwd|pass|auth|code)=(?P<value>[^&;#\s]+)",
    re.IGNORECASE,
)
"""A parameter of a URL that is a secret by its name: `?access_token=...`, `&sig=...`."""

_RUN = re.compile(r"[A-Za-z0-9+=_-]{16,}")
_HEX = re.compile(r"[0-9a-fA-F]{24,}")
_WINDOW, _KIND_CHANGES = 16, 7
"""Of this number of random characters, about nine are of another kind than the one before; in a name, two or three."""
_ALTERNATING = re.compile(r"(?:lu){3}l|(?:ul){3}u")
"""Kinds of seven letters of which each is of another case than the one before, as in no name: `aLtErNa`."""

_JSON = str.maketrans({"\\": "\\\\", '"': '\\"', "/": "\\/"})


def register(secret: str) -> str:
    """Remember a secret; returns it, so that it can be registered where it is received."""
    if len(secret) >= _SHORTEST:
        _known_secrets().update(_written_forms(secret))
    return secret


def looks_secret(text: str, *, is_path: bool = False) -> bool:
    """Whether a text looks like a token, a key or a password that a machine made.

    is_path: a file of that name was expected and there is none; then hexadecimal digits count too, which are the
             usual names of images and projects.
    """
    if _TOKEN_FORMS.search(text) or _NAMED.search(text) or (is_path and _HEX.search(text)):
        return True
    return any(_is_random(run, _KIND_CHANGES - 2 * is_path) for run in _RUN.findall(text))


def is_login(text: str) -> bool:
    """Whether a text is, by its form, a token, a key or a URL with a password in it."""
    return _TOKEN_FORMS.search(text) is not None


def register_if_secret(text: str, *, is_path: bool = False) -> bool:
    """Register what looks like a secret: a value from a command line, a settings file or the environment.

    Returns whether it does.
    """
    if not looks_secret(text, is_path=is_path):
        return False
    named = [_blanked_part(*found.group("name", "value")) for found in _NAMED.finditer(text)]
    if named:
        from urllib.parse import unquote

        for part in named:
            register(part)
            register(unquote(part))
    if named or "://" in text:  # the rest of a URL is what people need to see
        parts = [found.group() for found in _TOKEN_FORMS.finditer(text)] + [
            run for run in _RUN.findall(text) if _is_random(run)
        ]
    else:
        parts = [text.strip()]
    for part in parts:
        register(part)
    return True


def _blanked_part(name: str, value: str) -> str:
    """What is blanked of a parameter: its value, or all of it where its value is too short to be told from others."""
    return value if len(value) >= _SHORTEST else f"{name}={value}"


def _is_random(run: str, changes_at_least: int = _KIND_CHANGES) -> bool:
    """Whether letters of both cases and digits alternate somewhere as in no name."""
    kinds = "".join(
        "d" if char.isdigit() else "u" if char.isupper() else "l" if char.isalpha() else "-" for char in run
    )
    if "d" in kinds and _ALTERNATING.search(kinds):
        return True  # the digits may begin only beyond the window
    for at in range(len(kinds) - _WINDOW + 1):
        window = kinds[at : at + _WINDOW]
        changes = sum(one != other and "-" not in one + other for one, other in pairwise(window))
        if changes >= changes_at_least and {"d", "u", "l"} <= set(window):
            return True
    return False


def blank(text: str) -> str:
    """The text with every registered secret replaced by `[secret]`."""
    known = _known_secrets()
    if not known:
        return text
    for secret in sorted(known, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, BLANK)
    text = _blank_beginnings(text, known, BLANK)
    return _blank_beginnings(text[::-1], {secret[::-1] for secret in known}, BLANK[::-1])[::-1]


def forget_secrets() -> None:
    """Forget all secrets: the run they belonged to is over and printed."""
    _known_secrets().clear()


def use_thread_secrets() -> None:
    """From now on this thread has secrets of its own: it runs checks, and other threads run others."""
    _secrets_of_thread[get_ident()] = set()


def _known_secrets() -> set[str]:
    return _secrets_of_thread.get(get_ident(), _secrets)


@lru_cache
def _escapes(hexadecimal: str) -> tuple[str, ...]:
    """How each byte is written in a URL."""
    return tuple(chr(byte) if chr(byte) in _UNRESERVED else "%" + hexadecimal % byte for byte in range(256))


def _written_forms(secret: str) -> set[str]:
    """The secret, and how it looks where it is written in another way."""
    encoded = secret.encode()
    forms = {secret, secret.translate(_HTML), secret.translate(_JSON)}
    for hexadecimal in ("%02X", "%02x"):
        escaped = "".join(map(_escapes(hexadecimal).__getitem__, encoded))
        forms.add(escaped)
        forms.add(escaped.replace("%2F", "/").replace("%2f", "/"))
    for before in range(3):  # in base64 it depends on what stands before it; the ends hold bits of others
        whole = b2a_base64(b"\0" * before + encoded, newline=False).decode()
        inner = whole[(0, 2, 3)[before] : (before + len(encoded)) * 8 // 6]
        if len(inner) >= _SHORTEST_PART:
            forms.update((inner, inner.translate(str.maketrans("+/", "-_"))))
    return forms


def _blank_beginnings(text: str, secrets: set[str], instead: str) -> str:
    """Blank what there is of the secrets' beginnings, each as far as the text goes along with one of them."""
    for begin in {secret[:_SHORTEST_PART] for secret in secrets if len(secret) > _SHORTEST_PART}:
        at = text.find(begin)
        while at >= 0:
            same = max(_common_length(text, at, secret) for secret in secrets if secret.startswith(begin))
            text = text[:at] + instead + text[at + same :]
            at = text.find(begin, at + len(instead))
    return text


def _common_length(text: str, at: int, secret: str) -> int:
    """How many characters a text, from a place on, and a secret have in common."""
    length = 0
    for one, other in zip(text[at : at + len(secret)], secret, strict=False):
        if one != other:
            break
        length += 1
    return length
