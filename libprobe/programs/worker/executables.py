"""Our executables as functions: loaded once, called for each job."""

from __future__ import annotations

import ast
import gc
import importlib
import re
import sys
import time

from libprobe.probe import cli, door, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_HIDDEN_IMPORTS = ("_strptime", "encodings.idna", "html", "http.client", "stringprep")
"""What the standard library itself imports only when it is needed first."""

_NOT_OURS = ("libprobe.programs", "libprobe.clients.ssh")
"""What no check uses; and SSH, which takes 8 MiB and is used by none but --boot, which takes minutes."""


_MATCHING = {"match": 2, "fullmatch": 2, "search": 2, "findall": 2, "finditer": 2, "split": 3, "sub": 4}
"""Functions of `re` that take a pattern, and how many arguments they have without flags."""


class Executable:
    """A probe: what its file hands to `run.probe`."""

    def __init__(self, path: str, name: str, options: Any, check: Any, doc: str | None, timeout: float) -> None:
        self.path = path
        self.name = name
        self._options = options
        self._check = check
        self._doc = doc
        self.timeout = timeout or run.DEFAULT_TIMEOUT_S
        self._parser: cli.Parser | None = None

    def execute_as_process(self, words: list[str], began: float) -> tuple[int, str, bool]:
        """Run it with the signals of this process; see `run.execute_as_process`. began: by time.monotonic()."""
        sys.argv = words
        return run.execute_as_process(
            self.name,
            self._options,
            self._check,
            doc=self._doc,
            spent=lambda: time.monotonic() - began,
            timeout=self.timeout,
            parser=self._ready_parser(),
        )

    def execute(self, words: list[str]) -> tuple[int, str]:
        """Run it in this thread; exit code and report."""
        return run.execute(self.name, self._options, self._check, words, doc=self._doc, parser=self._ready_parser())

    def prepare(self) -> None:
        """Make the parser and use it once, for what argparse makes at its first use."""
        self.execute([self.path, "-t", "1", "--no-such-option"])

    def _ready_parser(self) -> cli.Parser:
        """The parser, which is made once: that is half of a TCP check."""
        if self._parser is None:
            self._parser = run.make_parser(self.path, self._options, doc=self._doc, timeout=self.timeout)
        return self._parser


class _StopBeforeCheck(BaseException):
    """Ends an executable where it would begin to run its check."""


def load(path: str) -> Executable:
    """Run an executable's file up to `run.probe` and keep what it hands over there.

    Raises: ImportError, OSError, SyntaxError, or what else the file raises; ValueError if it is no probe.
    """
    handed: list[Any] = []

    def keep(name: str, options: Any, check: Any, *, doc: str | None, timeout: float = 0) -> None:
        handed.extend((name, options, check, doc, timeout))
        raise _StopBeforeCheck

    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    module = type(sys)("__main__")
    module.__file__ = path
    original, run.probe = run.probe, keep  # type: ignore[assignment]
    ask, door.ask_worker = door.ask_worker, lambda: None
    try:
        exec(code, module.__dict__)
    except _StopBeforeCheck:
        pass
    finally:
        run.probe, door.ask_worker = original, ask
    if not handed:
        raise ValueError("it does not call run.probe")
    return Executable(path, *handed)


def import_ahead(paths: list[str]) -> list[str]:
    """Import all that the checks and these executables import, now instead of once per process.

    Modules are taken from the import statements of the sources, those inside of functions included. The patterns of
    calls such as `re.match("...", text)` are compiled, for `re` keeps them. Returns what could not be imported: an
    optional library, most often.
    """
    from libprobe.clients.stomp import no_look_up_of_our_own_name
    from libprobe.judge import nagios

    nagios.load_model()
    sources = set(paths)
    todo = list(paths)
    missing: list[str] = []
    seen: set[str] = set()
    patterns: dict[str | bytes, None] = {}
    while todo:
        nodes = list(_nodes(todo.pop()))
        patterns.update(dict.fromkeys(_patterns(nodes)))
        for name in _imported(nodes):
            if name in seen or name.startswith(_NOT_OURS):
                continue
            seen.add(name)
            try:
                with no_look_up_of_our_own_name():
                    module = importlib.import_module(name)
            except ImportError:
                if "." not in name or not _is_attribute(name):
                    missing.append(name)
                continue
            source = getattr(module, "__file__", None) or ""
            if name.startswith("libprobe") and source.endswith(".py") and source not in sources:
                sources.add(source)
                todo.append(source)
    for name in _HIDDEN_IMPORTS:
        importlib.import_module(name)
    for pattern in patterns:  # after what the libraries compile: `re` keeps the last 512
        re.compile(pattern)
    gc.collect()
    return sorted(missing)


def _is_attribute(name: str) -> bool:
    """Whether `package.name` is something in a module and not a module of its own."""
    parent, _, last = name.rpartition(".")
    return hasattr(sys.modules.get(parent), last)


def _nodes(path: str) -> Iterator[ast.AST]:
    """All of a source but what only type checkers read."""
    with open(path, "rb") as file:
        todo: list[ast.AST] = [ast.parse(file.read())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        todo.extend(ast.iter_child_nodes(node))


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names of modules, and of what may be one, that a source imports when it runs."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module != "__future__":
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _patterns(nodes: Iterable[ast.AST]) -> Iterator[str | bytes]:
    """Regular expressions without flags that a source has where it uses them."""
    for node in nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        module, first = node.func.value, node.args[0]
        most = _MATCHING.get(node.func.attr, 0) if isinstance(module, ast.Name) and module.id == "re" else 0
        has_flags = len(node.args) > most or any(each.arg == "flags" for each in node.keywords)
        if not has_flags and isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
            yield first.value
