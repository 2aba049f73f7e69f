"""What stands in the documentation: its pages, their commands, their tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from scripts import parsers
from tests.conftest import ROOT

PAGES = [
    *sorted(path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"),
    *(ROOT / name / "README.md" for name in ("etc/ncg", "fuzz", "release")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/example/docs").glob("*.md")),
]
OURS = re.compile(r"(?<![\w-])(?:probes/)?((?:check_|fedcloud-(?!probes\b))[a-z_]+)(?= )")

SHELL = ("sh", "console")
"""Blocks of commands."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """A command, as a reader would copy it: one line, or several that are continued with a backslash."""

    page: str
    text: str


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands() -> list[Command]:
    """Every command of every page: of blocks of shell, of indented blocks, and behind a prompt."""
    found: list[Command] = []
    for path in PAGES:
        text = path.read_text()
        blocks = [block for kind, block in _FENCE.findall(text) if kind in SHELL]
        blocks += re.findall(r"(?:^ {4}\S.*\n(?: {4}.*\n)*)", _FENCE.sub("", text), re.MULTILINE)
        lines = [line for block in blocks for line in _joined(block) if not _is_output(block, line)]
        lines += [
            line
            for kind, block in _FENCE.findall(text)
            if kind not in SHELL
            for line in block.splitlines()
            if line.startswith("$ ")
        ]
        for line in lines:
            command = Command(name_of(path), re.sub(r"\s+# .*", "", line.strip().removeprefix("$ ")))
            if command not in found:
                found.append(command)
    return found + examples_of_help()


def examples_of_help() -> list[Command]:
    """The commands that end the help text of each executable."""
    return [
        Command(name_of(path), re.sub(r"\s+", " ", text))
        for path in parsers.EXECUTABLES
        for text in parsers.parser_of(path).examples
    ]


def _joined(block: str) -> list[str]:
    return re.sub(r"\\\n\s*", "", block).splitlines()


def _is_output(block: str, line: str) -> bool:
    """Whether a line is what a command printed: in a block with a prompt, all that have none."""
    has_prompt = any(each.strip().startswith("$ ") for each in block.splitlines())
    return has_prompt and not line.strip().startswith("$ ")


def mentioned() -> list[Command]:
    """Commands of ours in the running text, `like --this`."""
    texts = [(path, text) for path in PAGES for text in re.findall(r"`([^`\n]+)`", _FENCE.sub("", path.read_text()))]
    return [Command(name_of(path), text) for path, text in texts if OURS.search(text)]


def section(page: str, *titles: str) -> str:
    """The text of the first section with one of these titles; empty if there is none."""
    for title in titles:
        if f"\n## {title}\n" in page:
            return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return ""
