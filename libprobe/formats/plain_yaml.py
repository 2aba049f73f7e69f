"""YAML as configuration files use it: mappings and lists by indentation, text, numbers, yes and no, comments.

    clouds:
      site:
        auth: {auth_url: "https://keystone.example.org:5000/v3"}
        regions:
        - RegionOne

What it reads, it reads as PyYAML does (YAML 1.1), and all else it refuses with the number of the line: anchors, aliases
and merges, tags, several documents, blocks of text, values that go on over several lines, a key that is there
twice, tabs. A number that is written in another way than Python would write it is `Doubtful`: `0123` is 83 in YAML
1.1, and whoever wrote it as a password meant something else.
Nothing of the file is quoted: it may be a secret.
Source: YAML 1.1, and its type repository for what a plain word means.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_KEY = 1024
"""Characters of a key, as in YAML itself."""

REFUSED = {
    "&": "an anchor (&)",
    "*": "an alias (*)",
    "!": "a tag (!)",
    "|": "a block of text (|)",
    ">": "a block of text (>)",
    "?": "a complex key (?)",
    "%": "a directive (%)",
    "@": "a reserved character (@)",
    "`": "a reserved character (`)",
    ",": "a comma where a value is due",
    "]": "a bracket that nothing opened",
    "}": "a brace that nothing opened",
    "-": "a list where a value is due",
    ":": "a colon where a value is due",
}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "/": "/", " ": " "}
CODED = {"x": 2, "u": 4, "U": 8}

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BOOLEANS = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NULLS = ("", "~", "null", "Null", "NULL")
_NUMBER = re.compile(
    r"[-+]?0b[01_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*"  # 0b1, 0x1f, 017, 1_000
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"  # 12:30, which is 750
    r"|[-+]?([0-9][0-9_]*)?\.[0-9_]*([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_SPACES = " "
QUOTE = "put it in quotes"
INDENT = "indent it with blanks, as far as the keys that it belongs to"


class Doubtful(Record):
    """A word that YAML takes for a number or a date, and that no one can tell how. line: where it stands."""

    line: int


class _Line(Record):
    number: int
    indent: int
    text: str


def read(text: str) -> Any:
    """What a file says: dict, list, str, int, float, bool, None, Doubtful; None of an empty one.

    Raises: BadData, `... in line N`.
    """
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines: list[_Line] = []
        self._at = 0
        body = text.removeprefix("\ufeff").replace("\r\n", "\n")
        for number, line in enumerate(body.split("\n"), 1):
            if _UNPRINTABLE.search(line) or "\r" in line:
                _refuse(number, "a character that cannot be printed")
            self._add(number, line)

    def _add(self, number: int, line: str) -> None:
        content = line.strip(_SPACES)
        if not content or content.startswith("#"):
            return
        indent = len(line) - len(line.lstrip(_SPACES))
        if content[0] == "\t":
            _refuse(number, "a tab", INDENT)
        if not indent and content[0] == "%":
            _refuse(number, REFUSED["%"])
        if not indent and (content == "..." or content.startswith("... ")):
            _refuse(number, "an end of the document (...)")
        if not indent and (content == "---" or content.startswith("--- ")):
            if self._lines or content[3:].strip(_SPACES)[:1] not in ("", "#"):
                _refuse(number, "another document (---)")
            return
        self._lines.append(_Line(number, indent, content))

    def document(self) -> Any:
        if not self._lines:
            return None
        found = self._block(self._lines[0].indent, 0)
        if self._at < len(self._lines):
            _refuse(self._lines[self._at].number, "an indentation that fits nothing above it", INDENT)
        return found

    def _here(self) -> _Line | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _block(self, indent: int, depth: int) -> Any:
        line = self._lines[self._at]
        if depth > MAX_DEPTH:
            _refuse(line.number, "more levels than any configuration has")
        if _is_item(line.text):
            return self._list(indent, depth)
        if _key_end(line) is None:
            self._at += 1
            return self._inline(line, line.text, indent)
        return self._mapping(indent, depth)

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (line := self._here()) is not None and line.indent == indent and not _is_item(line.text):
            split = _key_end(line)
            if split is None:
                _refuse(line.number, "no `key: value` and no item of a list")
            key, rest = split
            if key in found:
                _refuse(line.number, "a key for the second time", "keep one of the two")
            self._at += 1
            found[key] = self._inline(line, rest, indent) if _is_said(rest) else self._below(indent, depth, items=True)
        return found

    def _list(self, indent: int, depth: int) -> list[Any]:
        found: list[Any] = []
        while (line := self._here()) is not None and line.indent == indent and _is_item(line.text):
            rest = line.text[1:]
            inner = rest.lstrip(_SPACES)
            if not _is_said(inner):
                self._at += 1
                found.append(self._below(indent, depth, items=False))
                continue
            column = indent + 1 + len(rest) - len(inner)
            self._lines[self._at] = _Line(line.number, column, inner)
            found.append(self._block(column, depth + 1))
        return found

    def _below(self, indent: int, depth: int, *, items: bool) -> Any:
        """What stands below a key or a dash, and is indented more; a list of a key may stand as far left as that."""
        line = self._here()
        if line is None or line.indent < indent:
            return None
        if line.indent == indent:
            return self._list(indent, depth + 1) if items and _is_item(line.text) else None
        return self._block(line.indent, depth + 1)

    def _inline(self, line: _Line, text: str, indent: int) -> Any:
        """A value that stands on one line."""
        following = self._here()
        if following is not None and following.indent > indent:
            _refuse(following.number, "a value that goes on from the line above, or a wrong indentation,")
        first = text[0]
        if first in "'\"":
            value, end = _quoted(line.number, text, 0)
        elif first in "[{":
            value, end = _Flow(line.number, text).value(0, 0)
        else:
            word = _plain(line.number, text)
            if re.search(r":( |$)", word):
                _refuse(line.number, "a second `key: value` on one line")
            return _meant(line.number, word)
        if _is_said(text[end:].lstrip(_SPACES)) or text[end : end + 1] == "#":
            _refuse(line.number, "something behind the end of a value")
        return value


class _Flow:
    """The content of brackets or braces, on one line."""

    def __init__(self, number: int, text: str) -> None:
        self._number = number
        self._text = text

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        if depth > MAX_DEPTH:
            _refuse(self._number, "more levels than any configuration has")
        first = self._text[at : at + 1]
        if first == "[":
            return self._list(at + 1, depth + 1)
        if first == "{":
            return self._mapping(at + 1, depth + 1)
        return self._scalar(at)

    def _scalar(self, at: int) -> tuple[Any, int]:
        if self._text[at : at + 1] in ("'", '"'):
            return _quoted(self._number, self._text, at)
        found = re.compile(r"[^,\[\]{}:]*(:[^ ,\[\]{}][^,\[\]{}:]*)*").match(self._text, at)
        assert found is not None
        word = found.group().rstrip(_SPACES)
        if not word or " #" in word or word[0] == "#":
            _refuse(self._number, "an empty place, or a comment, in brackets or braces")
        if _plain(self._number, word) != word or word[0] == ":" or "?" in word or ": " in word:
            _refuse(self._number, "a word that YAML reads in another way in brackets or braces")
        return _meant(self._number, word), found.start() + len(word)

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self._skip(at)
        while self._text[at : at + 1] != "]":
            value, at = self.value(at, depth)
            found.append(value)
            at = self._past_comma(self._skip(at), "]")
        return found, at + 1

    def _mapping(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self._skip(at)
        while self._text[at : at + 1] != "}":
            is_quoted = self._text[at : at + 1] in ("'", '"')
            key, at = self._scalar(at)
            at = self._skip(at)
            if self._text[at : at + 1] != ":" or not (is_quoted or self._text[at + 1 : at + 2] == " "):
                _refuse(self._number, "a key without a value in braces")
            if not isinstance(key, str):
                _refuse(self._number, "a key that is no text", QUOTE)
            if key in found:
                _refuse(self._number, "a key for the second time", "keep one of the two")
            found[key], at = self.value(self._skip(at + 1), depth)
            at = self._past_comma(self._skip(at), "}")
        return found, at + 1

    def _skip(self, at: int) -> int:
        while self._text[at : at + 1] == " ":
            at += 1
        if at >= len(self._text):
            _refuse(self._number, "brackets or braces that go on over several lines")
        return at

    def _past_comma(self, at: int, end: str) -> int:
        if self._text[at] == end:
            return at
        if self._text[at] != ",":
            _refuse(self._number, "two values without a comma between them")
        at = self._skip(at + 1)
        if self._text[at] == end:
            _refuse(self._number, "a comma before the end of brackets or braces")
        return at


def _is_said(text: str) -> bool:
    """Whether there is a value, and not only a comment."""
    return bool(text) and not text.startswith("#")


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _key_end(line: _Line) -> tuple[str, str] | None:
    """The key with which a line begins, and what follows its colon; None where it begins with none."""
    text = line.text
    if text[0] in "'\"":
        key, end = _quoted(line.number, text, 0)
        found = re.compile(r" *:(?: +|$)").match(text, end)
        rest = text[found.end() :] if found else ""
    else:
        found = re.search(r":(?: +|$)", text)
        if not found or text[0] in "[{" or " #" in text[: found.start()]:
            return None
        word = _plain(line.number, text[: found.start()].rstrip(_SPACES) or ":")
        meant = _meant(line.number, word)
        if not isinstance(meant, str):
            _refuse(line.number, "a key that is no text", QUOTE)
        key, rest = meant, text[found.end() :]
    if found and len(key) > MAX_KEY:
        _refuse(line.number, f"a key of more than {MAX_KEY} characters")
    return (key, rest) if found else None


def _plain(number: int, text: str) -> str:
    """A word without quotes, to the end of the line or to a comment."""
    first, second = text[0], text[1:2]
    if first in REFUSED and not (first in "-?:" and second not in ("", " ", "\t")):
        _refuse(number, REFUSED[first])
    word = re.split(" #", text, maxsplit=1)[0].rstrip(_SPACES)
    if "\t" in word:
        _refuse(number, "a tab", "write a blank instead")
    return word


def _meant(number: int, word: str) -> str | int | float | bool | Doubtful | None:
    """What a plain word means."""
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    if word in _NULLS:
        return None
    if word in ("<<", "="):
        _refuse(number, "a merge (<<)" if word == "<<" else "a lone =")
    if _DATE.fullmatch(word):
        return Doubtful(number)
    if not _NUMBER.fullmatch(word) or word in (".", "-", "+"):
        return word
    if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", word):
        return int(word)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", word) and str(float(word)) == word:
        return float(word)
    return Doubtful(number)


def _quoted(number: int, text: str, at: int) -> tuple[str, int]:
    """A text in quotes that begins there, and where it ends."""
    mark = text[at]
    found = re.compile(r"'((?:[^']|'')*)'" if mark == "'" else r'"((?:[^"\\]|\\.)*)"').match(text, at)
    if found is None:
        _refuse(number, "a text in quotes that does not end")
    if mark == "'":
        return found.group(1).replace("''", "'"), found.end()
    return re.sub(r"\\(x..|u.{4}|U.{8}|.)", lambda each: _escaped(number, each.group(1)), found.group(1)), found.end()


def _escaped(number: int, code: str) -> str:
    digits = code[1:]
    if code[0] in CODED and re.fullmatch(rf"[0-9a-fA-F]{{{CODED[code[0]]}}}", digits):
        value = int(digits, 16)
        if value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF:
            return chr(value)
    if code not in ESCAPES:
        _refuse(number, "an unsupported escape in double quotes")
    return ESCAPES[code]


def _refuse(number: int, what: str, remedy: str = "write it as a plain `key: value`") -> NoReturn:
    raise BadData(f"{what} in line {number}", remedy=remedy)
