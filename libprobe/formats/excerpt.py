"""A short, one-line excerpt of text from outside, for the sentence of a failure."""

from __future__ import annotations

BEGINNING = 30
"""Characters of what came instead of what was expected, in a status line."""


def excerpt(text: str | bytes, limit: int = 80) -> str:
    """Return at most LIMIT characters of TEXT on one line.

    Runs of blanks and control characters become one blank; bytes are read as UTF-8 with what cannot
    be read replaced. Only the beginning is looked at, however long the text is.
    """
    beginning = text[: 4 * limit + 64]
    if isinstance(beginning, bytes):
        beginning = beginning.decode("utf-8", "replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in beginning).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def begins(text: str | bytes) -> str:
    """What something from outside begins with, as a second fact of a failure: `it begins "<html>..."`."""
    return f'it begins "{excerpt(text, BEGINNING)}"'
