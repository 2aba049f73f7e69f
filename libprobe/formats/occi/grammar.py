"""The grammar below OCCI's text renderings (GFD.185 section 5, GFD.229 section 4).

    Category:         term; scheme="URI#"; class="kind"; title="..."; rel="id id"; ...
    Link:             <URI>; rel="id"; self="URI"; category="id id"; name=value; ...
    X-OCCI-Attribute: name="text"  or  name=number
    X-OCCI-Location:  URI

As HTTP headers (text/occi) they have the same names, two of them others in rOCCI-server 2.0: see OTHER_NAMES.
A field has a line of its own, or several values are joined by commas in one. By the specification
`\\"` stands for a quote inside a quoted string, but pyssf and ooi escape nothing: a title with a quote
or a comma comes as it is. So a quote ends a string only where what follows could follow a string.

Every step moves forward through the text and looks ahead no further than the next separator, so the
time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from libprobe.records import Record

FIELDS = frozenset({"category", "link", "x-occi-attribute", "x-occi-location"})

OTHER_NAMES = {"x-occi-category": "category", "x-occi-link": "link"}
"""What rOCCI-server 2.0 calls two of them in headers, as `Link` means something else there (RFC 8288)."""

_TERM = r'[^\s;,="<>]{1,1024}'
_NAME = r"[A-Za-z0-9_.-]{1,256}"
_DOTTED = r"[A-Za-z0-9_-]{1,128}(?:\.[A-Za-z0-9_-]{1,128}){1,15}"
_NEXT_CATEGORY = rf",\s*{_TERM}\s*;\s*(?:scheme|class)\s*="

_PARAMETER = re.compile(rf"\s*;\s*({_NAME})\s*=\s*")
_BARE = re.compile(r"[^;,]*")
_TAIL = re.compile(r"[\s;]*(?:,\s*|\Z)")
_ESCAPED = re.compile(r'\\(["\\])')
_KNOWN = re.compile(r"\s*(?:\Z|;\s*(?:scheme|class|title|rel|location|attributes|actions|self|category)\s*=)")

_ATTRIBUTE = re.compile(rf"[\s,;]*({_NAME})\s*=\s*")
_NEXT_ATTRIBUTE = re.compile(rf",\s*{_DOTTED}\s*=")
_AFTER_ATTRIBUTE = re.compile(rf"\s*(?:;\s*)?(?:\Z|,\s*{_DOTTED}\s*=|;\s*{_DOTTED}\s*=)")


class _Grammar(Record):
    """How a value begins, what may follow a quoted string in it, and how to find the next value."""

    head: re.Pattern[str]
    after_quote: re.Pattern[str]
    next_value: re.Pattern[str]


def _grammar(head: str, next_value: str) -> _Grammar:
    after = rf"\s*(?:\Z|;\s*(?:\Z|[,;]|{_NAME}\s*=)|,\s*\Z|{next_value})"
    return _Grammar(re.compile(head), re.compile(after), re.compile(next_value))


_CATEGORY = _grammar(rf"[\s,]*({_TERM})\s*(?=;)", _NEXT_CATEGORY)
_LINK = _grammar(r"[\s,]*<([^<>]{1,4096})>\s*", r",\s*<")

Value = tuple[str, dict[str, str]]


def field(line: str) -> tuple[str, str] | None:
    """Return name (lower case) and value of an OCCI field, None for any other line."""
    name, colon, value = line.partition(":")
    if not colon or len(name) > 32:
        return None
    name = _plain_name(name.strip())
    return (name, value.strip()) if name in FIELDS else None


def _plain_name(name: str) -> str:
    name = name.lower()
    return OTHER_NAMES.get(name, name)


def fields(body: str, headers: Iterable[tuple[str, str]] = ()) -> Iterator[tuple[str, str]]:
    """Yield the OCCI fields of HEADERS, then those of the lines of BODY."""
    for name, value in headers:
        plain = _plain_name(name)
        if plain in FIELDS:
            yield plain, value.strip()
    for line in lines(body):
        found = field(line)
        if found is not None:
            yield found


def lines(body: str) -> Iterator[str]:
    """Yield the lines of BODY without blanks around them, and no empty ones.

    Lines end in LF or CR LF; `str.splitlines` would also cut at characters that titles may hold.
    """
    for line in body.split("\n"):
        stripped = line.strip()
        if stripped:
            yield stripped


def categories(text: str) -> Iterator[Value | None]:
    """Yield term and parameters of each value of a Category field, None for one that is unreadable."""
    return _values(text, _CATEGORY)


def links(text: str) -> Iterator[Value | None]:
    """Yield address and parameters of each value of a Link field, None for one that is unreadable."""
    return _values(text, _LINK)


def attributes(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield name, value and whether it was quoted, for each value of an X-OCCI-Attribute field."""
    at = 0
    while (name := _ATTRIBUTE.match(text, at)) is not None:
        start = name.end()
        if text.startswith('"', start):
            end = _closing_quote(text, start + 1, _AFTER_ATTRIBUTE)
            if end < 0:
                yield name[1], unescaped(text[start + 1 :].strip()), True
                return
            yield name[1], unescaped(text[start + 1 : end]), True
            at = end + 1
        else:
            following = _NEXT_ATTRIBUTE.search(text, start)
            at = following.start() if following else len(text)
            yield name[1], text[start:at].rstrip("; \t"), False


def addresses(text: str) -> Iterator[str]:
    """Yield the addresses of an X-OCCI-Location field, or of a Location header that lists."""
    for part in text.split(","):
        address = part.strip().strip("<>")
        if address:
            yield address


def unescaped(value: str) -> str:
    """Return a quoted string's content with `\\"` and `\\\\` resolved."""
    return _ESCAPED.sub(r"\1", value) if "\\" in value else value


def _values(text: str, grammar: _Grammar) -> Iterator[Value | None]:
    text = text.strip()
    at = 0
    while at < len(text):
        head = grammar.head.match(text, at)
        parameters: dict[str, str] = {}
        end = -1 if head is None else _parameters(text, head.end(), grammar, parameters)
        if end == _UNTERMINATED:
            # No quote from here on can end a string, so no later value could be read either.
            yield None
            return
        tail = None if head is None else _TAIL.match(text, end)
        if head is None or tail is None:
            yield None
            following = grammar.next_value.search(text, max(at, end))
            if following is None:
                return
            at = following.start() + 1
        else:
            yield head[1], parameters
            at = tail.end()


_UNTERMINATED = -2


def _parameters(text: str, at: int, grammar: _Grammar, into: dict[str, str]) -> int:
    """Read parameters into a dictionary, the first of a name wins; return where they end."""
    while (name := _PARAMETER.match(text, at)) is not None:
        start = name.end()
        if text.startswith('"', start):
            end = _closing_quote(text, start + 1, grammar.after_quote)
            if end < 0:
                return _UNTERMINATED
            value = unescaped(text[start + 1 : end])
            at = end + 1
        else:
            bare = _BARE.match(text, start)
            at = bare.end() if bare else start
            value = text[start:at].strip()
        into.setdefault(name[1].lower(), value)
    return at


def _closing_quote(text: str, start: int, after: re.Pattern[str]) -> int:
    """Return where the string that begins at START ends, -1 if it does not."""
    at = text.find('"', start)
    while at >= 0:
        # A title that ends in a backslash, unescaped, must not swallow the parameters behind it.
        if (_KNOWN if _is_escaped(text, at, start) else after).match(text, at + 1):
            return at
        at = text.find('"', at + 1)
    return -1


def _is_escaped(text: str, at: int, start: int) -> bool:
    first = at
    while first > start and text[first - 1] == "\\":
        first -= 1
    return (at - first) % 2 == 1
