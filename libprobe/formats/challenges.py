"""What a server asks of us with a refusal: the challenges of its WWW-Authenticate headers.

Source: RFC 9110 section 11.6.1, and what is sent instead: values in single quotes or none, as OpenStack of old writes
them. A header may have several challenges, and an answer several headers. A challenge that cannot be read is
skipped, since another one may be readable.
"""

from __future__ import annotations

import re

from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CHARS = 8 << 10
MAX_CHALLENGES = 16
KEYSTONES = ("keystone", "snf-auth")
"""The schemes that name a Keystone, in lower case: OpenStack's own, and that of Synnefo."""

_PART = re.compile(
    r"""([A-Za-z0-9_.!#$%&*+^`|~-]+)                              # a scheme, or the name of what follows
        (?: [ \t]*=[ \t]*
            (?: "( (?:[^"\\]|\\.)* )" | '([^']*)' | ([^\s,]*) ) )?""",
    re.VERBOSE,
)


class Challenge(Record):
    """One of them. scheme, and the names of parameters, in lower case."""

    scheme: str
    parameters: dict[str, str]


def read_challenges(headers: Iterable[tuple[str, str]]) -> list[Challenge]:
    """The challenges in the headers of an answer, in their order.

    headers: (name, value) as received, names in any case.
    """
    found: list[Challenge] = []
    for name, value in headers:
        if name.lower() != "www-authenticate":
            continue
        for part in _PART.finditer(value[:MAX_CHARS]):
            word, quoted, single, bare = part.groups()
            if quoted is None and single is None and bare is None:
                found.append(Challenge(word.lower(), {}))
            elif found:
                given = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else single or (bare or "").strip("'\"")
                found[-1].parameters.setdefault(word.lower(), given.strip())
            if len(found) > MAX_CHALLENGES:
                return found[:MAX_CHALLENGES]
    return found


def keystones(headers: Iterable[tuple[str, str]]) -> list[str]:
    """The addresses of the Keystones that an answer names, each once."""
    named = (each.parameters.get("uri", "") for each in read_challenges(headers) if each.scheme in KEYSTONES)
    return list(dict.fromkeys(uri for uri in named if uri))


def bearer_error(headers: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """What is wrong with an access token: error and description (RFC 6750 section 3); None where none is told."""
    for each in read_challenges(headers):
        if each.scheme == "bearer" and each.parameters.get("error"):
            return each.parameters["error"], each.parameters.get("error_description", "")
    return None
