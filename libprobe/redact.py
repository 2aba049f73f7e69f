"""Secrets that this process knows, so that no output ever carries one.

Whoever reads a secret from a file or receives one from a server registers it here at once; the way
out (`libprobe.run`) blanks every registered value in whatever is printed.
"""

from __future__ import annotations

from _thread import get_ident

_secrets: set[str] = set()
_of_thread: dict[int, set[str]] = {}
"""Secrets of the threads that run a check each (`keep_apart`), by thread."""

_SHORTEST = 6
"""Shorter values are not registered: blanking every `a` would hide the reason as well."""


def register(secret: str) -> str:
    """Remember a secret; returns it, so that it can be registered where it is received."""
    if len(secret) >= _SHORTEST:
        _known().add(secret)
    return secret


def blank(text: str) -> str:
    """The text with every registered secret replaced by `[secret]`."""
    for secret in sorted(_known(), key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, "[secret]")
    return text


def forget() -> None:
    """Forget all secrets: the run they belonged to is over and printed."""
    _known().clear()


def keep_apart() -> None:
    """From now on this thread has secrets of its own: it runs checks, and other threads run others."""
    _of_thread[get_ident()] = set()


def _known() -> set[str]:
    return _of_thread.get(get_ident(), _secrets)
