"""Secrets that this process knows, so that no output ever carries one.

Whoever reads a secret from a file or receives one from a server registers it here at once; the way
out (`libprobe.run`) blanks every registered value in whatever is printed.
"""

from __future__ import annotations

_secrets: set[str] = set()
_SHORTEST = 6
"""Shorter values are not registered: blanking every `a` would hide the reason as well."""


def register(secret: str) -> str:
    """Remember a secret; returns it, so that it can be registered where it is received."""
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)
    return secret


def blank(text: str) -> str:
    """The text with every registered secret replaced by `[secret]`."""
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, "[secret]")
    return text


def forget() -> None:
    """Forget all secrets: the run they belonged to is over and printed."""
    _secrets.clear()
