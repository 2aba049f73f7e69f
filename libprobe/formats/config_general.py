"""Files in the form of Perl's Config::General, in which NCG has its own configuration.

Read as NCG has it read: `include` of files, patterns and directories, blocks with and without a name, variables.
Source: Config::General 2.65, and what it made of files given to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from libprobe.failures import BadData

MAX_DEPTH = 20
Include = Callable[[str, str], Iterable[tuple[str, str]]]
"""Called with the argument of an `include` and the file that has it; returns path and text of the included files."""

_VARIABLE = re.compile(r"(\\?)\$(?:\{([A-Za-z0-9][A-Za-z0-9_.:+-]*)\}|([A-Za-z0-9][A-Za-z0-9_.:+-]*))")


class ConfigBlock:
    """What stands between <NAME> and </NAME>, or in a file as a whole: by name, all that was given, in order."""

    def __init__(self) -> None:
        self._given: dict[str, list[str | ConfigBlock]] = {}

    def add(self, name: str, value: str | ConfigBlock) -> None:
        self._given.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def blocks(self, name: str) -> list[ConfigBlock]:
        return [each for each in self._given.get(name, []) if isinstance(each, ConfigBlock)]

    def text(self, name: str, default: str = "") -> str:
        """A value; of several, which NCG has as a list, the last."""
        return next((each for each in reversed(self._given.get(name, [])) if isinstance(each, str)), default)

    def is_on(self, name: str) -> bool:
        """Whether a value is a yes to Perl; of several, which NCG has as a list, it always is."""
        given = self._given.get(name, [])
        return len(given) > 1 or (bool(given) and given[0] not in ("", "0"))


def read(path: str, text: str, include: Include, environment: Mapping[str, str]) -> ConfigBlock:
    """Return what a file holds. environment: variables by which it may go. Raises: BadData, naming file and line."""
    top = ConfigBlock()
    _ConfigParser(include).read(path, text, [top], [environment, {}], 0)
    return top


class _ConfigParser:
    def __init__(self, include: Include) -> None:
        self._include = include

    def read(
        self, path: str, text: str, blocks: list[ConfigBlock], variables: list[Mapping[str, str]], depth: int
    ) -> None:
        """Add the content of a file to the innermost block around its `include`."""
        if depth > MAX_DEPTH:
            raise BadData(f"{path} is included by itself")
        opened: list[tuple[str, int]] = []
        for number, line in _logical_lines(text):
            if tag := re.fullmatch(r"<\s*(/?)\s*([^<>]*?)\s*(/?)\s*>", line):
                closes, name, is_empty = tag.groups()
                if closes:
                    if not opened or opened[-1][0] != name.split()[0]:
                        raise BadData(f"{path}, line {number}: </{name}> ends no block")
                    # a block of two words is one within another
                    for _ in range(opened.pop()[1]):
                        blocks.pop()
                        variables.pop()
                    continue
                words = name.split(None, 1)
                for word in words:
                    inner = ConfigBlock()
                    blocks[-1].add(word.strip('"'), inner)
                    blocks.append(inner)
                    variables.append({})
                if is_empty:
                    del blocks[-len(words) :], variables[-len(words) :]
                else:
                    opened.append((words[0] if words else "", len(words)))
            elif included := re.fullmatch(r"(?:<<\s*include\s+(.+?)\s*>>|include\s+(.+))", line, re.IGNORECASE):
                for other, content in self._include((included[1] or included[2]).strip('"'), path):
                    self.read(other, content, blocks, variables, depth + 1)
            elif pair := re.fullmatch(r"([^\s=]+)\s*(?:=|\s)\s*(.*)|(\S+)", line):
                name, value = pair[1] or pair[3], pair[2] or ""
                value = _value(value, variables)
                blocks[-1].add(name, value)
                variables[-1] = {name: value, **variables[-1]}
        if opened:
            raise BadData(f"{path}: <{opened[-1][0]}> has no end")


def _value(text: str, variables: list[Mapping[str, str]]) -> str:
    """A value with its variables: each what was given first in this block, one around it or the environment.

    One that was not given is empty; between single quotes there are none, and the quotes stay.
    """

    def known(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        name = found[2] or found[3]
        return next((each[name] for each in reversed(variables) if name in each), "")

    if re.fullmatch(r"'.*'", text):
        return text
    quoted = re.fullmatch(r'"(.*)"', text)
    return _VARIABLE.sub(known, quoted[1] if quoted else text).replace("\\#", "#")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, blanks around and continuations, with their numbers; without here-documents."""
    kept = ""
    until = ""
    for number, raw in enumerate(text.splitlines(), 1):
        if until:
            until = "" if raw.strip() == until else until
            continue
        line = re.sub(r"(?<!\\)#.*", "", raw).strip()
        if line.endswith("\\"):
            kept += line[:-1]
            continue
        line, kept = kept + line, ""
        if document := re.fullmatch(r"\S+(?:\s*=\s*|\s+)<<\s*(\w+)", line):
            until = document[1]
        elif line:
            yield number, line
