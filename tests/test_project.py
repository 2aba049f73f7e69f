"""What the project says of itself in several places is the same everywhere."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest
import yaml

import libprobe
from libprobe import __version__
from tests.conftest import ROOT

PROGRAMS = sorted(path.name for names in ("check_*", "fedcloud-*") for path in (ROOT / "probes").glob(names))
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "release/requirements-3.11.txt").read_text(), re.MULTILINE))


def first(pattern: str, name: str) -> str:
    """What the group of a pattern finds first in a file."""
    found = re.search(pattern, (ROOT / name).read_text(), re.MULTILINE)
    assert found, f"{name} has no {pattern}"
    return found[1]


# ---- versions


def test_the_version_is_semantic_and_the_same_in_the_packages_and_the_changelog():
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", __version__)
    assert first(r"^Version: +(\S+)$", "rpm/probes.spec") == __version__
    assert first(r"^%changelog\n\* .* - (\S+)-\d+$", "rpm/probes.spec") == __version__
    assert first(r"^fedcloud-probes \((\S+)-\d+\) ", "debian/changelog") == __version__
    assert first(r"^## (\S+), ", "CHANGELOG.md") == __version__


def test_every_executable_prints_its_name_and_version_in_one_form(probe):
    for name in PROGRAMS:
        for option in ("--version", "-V"):
            assert probe(name, option) == (3, f"{name} {__version__}\n", "")


# ---- the libraries that packages bring along


def test_the_rpm_declares_every_library_that_it_brings_along():
    spec = (ROOT / "rpm/probes.spec").read_text()
    assert dict(re.findall(r"^Provides: +bundled\(python3dist\((\S+)\)\) = (\S+)$", spec, re.MULTILINE)) == LOCKED


def test_the_licence_of_every_library_is_told():
    stanzas = re.findall(
        r"^Files: wheels/(\S+)-\*\nCopyright: .+\nLicense: (.+)$", (ROOT / "debian/copyright").read_text(), re.MULTILINE
    )
    assert {name.replace("_", "-") for name, _ in stanzas} == set(LOCKED)
    of_debian = {"Expat": "MIT", "LGPL-2.1": "LGPL-2.1-only", "LGPL-3": "LGPL-3.0-only"}
    told = {of_debian.get(each, each) for _, licence in stanzas for each in licence.split(" and ")} | {"Apache-2.0"}
    assert set(first(r"^License: +(.+)$", "rpm/probes.spec").split(" AND ")) == told


def test_every_dependency_is_locked_with_hashes():
    asked = re.findall(r'^ +"([a-zA-Z0-9.-]+)>=', (ROOT / "setup.py").read_text().partition('"dev"')[0], re.MULTILINE)
    assert {name.lower().replace(".", "-") for name in asked} <= set(LOCKED)
    entries = re.split(r"^(?=[a-z])", (ROOT / "release/requirements-3.11.txt").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED)
    assert all("--hash=sha256:" in entry for entry in entries)


# ---- habits


def test_hooks_before_a_commit_run_what_make_lint_runs_and_download_nothing():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    lint = first(r"^lint:.*\n((?:\t.+\n)+)", "Makefile").replace("$(BIN)", ".venv/bin")
    assert [hook["entry"].removeprefix("env ") for hook in repository["hooks"]] == [
        line.strip() for line in lint.splitlines()
    ]


def test_make_help_explains_every_target():
    """One that makes a file, such as an environment, is no target that somebody types."""
    targets = first(r"^\.PHONY: (.+)$", "Makefile").split()
    makefile = (ROOT / "Makefile").read_text()
    written = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    assert (set(targets), len(targets)) == (written, len(written))
    explained = re.findall(r"^\t@echo \"make ([a-z-]+) +\S.*\"$", makefile, re.MULTILINE)
    assert sorted(explained) == sorted(targets)


@pytest.mark.parametrize("name", ["wrong-result", "unclear-message", "new-metric"])
def test_issue_templates_ask_for_vvv_and_say_that_it_is_safe(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
    assert {"name", "description", "body"} <= set(form)
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    asked = [f"{field['attributes']['label']} {field['attributes'].get('description', '')}" for field in form["body"]]
    assert any("-vvv" in text and "safe to paste" in text for text in asked)


def test_scripts_for_the_shell_are_sound():
    scripts = [
        path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
    ]
    scripts += [ROOT / f"debian/fedcloud-probes.{name}" for name in ("postinst", "prerm", "postrm")]
    assert len(scripts) > 5
    for script in scripts:
        assert subprocess.run(["sh", "-n", script], capture_output=True, text=True).stderr == ""


def test_every_module_has_its_test_file_or_the_architecture_says_where_it_is_tried():
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("| module of `libprobe/` | tried by |\n|---|---|\n")[2]
    rows = [re.findall("`([^`]+)`", row) for row in section.partition("\n\n")[0].splitlines()]
    assert [tests for *_, tests in rows if not (ROOT / tests).is_file()] == []
    told = [module for *modules, _ in rows for module in modules]
    assert len(told) == len(set(told))
    missing = {
        str(path.relative_to(ROOT / "libprobe").with_suffix(""))
        for path in (ROOT / "libprobe").rglob("*.py")
        if path.name != "__init__.py"
        and not (ROOT / "tests" / path.relative_to(ROOT / "libprobe").with_name(f"test_{path.name}")).exists()
    }
    told_of = {path for module in told for path in (ROOT / "libprobe").glob(f"{module}.py")}
    assert all(any((ROOT / "libprobe").glob(f"{module}.py")) for module in told)
    assert sorted(module for module in missing if ROOT / f"libprobe/{module}.py" not in told_of) == []


# ---- imports


def import_circle(package: str) -> list[str]:
    """Modules of a package of which each imports the next, and the last the first; empty where there are none.

    Imports within functions count too, and those for types.
    """
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1][1:]
    return []


def test_no_imports_of_the_library_lead_in_a_circle():
    assert import_circle("libprobe") == []


@pytest.mark.parametrize(
    ("name", "back", "circle"),
    [
        ("sample_top", "from sample_top import a", {"a", "b", "c"}),
        ("sample_function", "def load():\n    from sample_function.a import x\n", {"a", "b", "c"}),
        ("sample_types", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from sample_types import b\n", {"b", "c"}),
        ("sample_none", "import ast", set()),
    ],
)
def test_what_counts_as_a_circle_of_imports(tmp_path, monkeypatch, name, back, circle):
    files = {"__init__": "", "a": f"from {name} import b", "b": f"import {name}.c", "c": back}
    (tmp_path / name).mkdir()
    for module, text in files.items():
        (tmp_path / name / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert {module.rpartition(".")[2] for module in import_circle(name)} == circle


def imports_of(source: str) -> tuple[list[str], list[tuple[int, str]]]:
    """What a module imports when it is loaded, and with their lines what its functions import; not what is for types.

    `from a import b` gives `a.b`, whether that is a module or not.
    """
    when_loaded: list[str] = []
    by_functions: list[tuple[int, str]] = []
    todo: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while todo:
        node, is_within = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        if is_within:
            by_functions += [(node.lineno, name) for name in names]
        else:
            when_loaded += names
        is_within = is_within or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        todo += [(each, is_within) for each in ast.iter_child_nodes(node)]
    return when_loaded, sorted(by_functions)


def with_packages(module: str) -> set[str]:
    """A module and the packages around it, which are loaded before it."""
    words = module.split(".")
    return {".".join(words[:end]) for end in range(1, len(words) + 1)}


class SourceTree:
    """The modules of a package, by their sources: what is loaded with each, and what waits for it needlessly."""

    def __init__(self, package: Path) -> None:
        read = {
            ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path.read_text()
            for path in package.rglob("*.py")
        }
        self._modules = set(read)
        found = {module: imports_of(source) for module, source in read.items()}
        self._imports = {module: {self._module(name) for name in names} for module, (names, _) in found.items()}
        self._by_functions = {module: lines for module, (_, lines) in found.items()}

    def _module(self, name: str) -> str:
        """Which module `import a.b` or `from a import b` loads."""
        package = name.rpartition(".")[0]
        if name in self._modules or not package:
            return name
        if package in self._modules or not hasattr(importlib.import_module(package), "__path__"):
            return package
        return name if importlib.util.find_spec(name) else package

    def loaded_with(self, module: str) -> set[str]:
        """What is loaded as soon as the module is; of foreign modules only those that this package itself imports."""
        seen: set[str] = set()
        todo = {module}
        while todo:
            seen |= todo
            todo = set().union(*(with_packages(name) for each in todo for name in self._imports.get(each, ()))) - seen
        return seen | with_packages(module)

    def needless(self) -> list[str]:
        """A sentence for each import within a function of what is loaded with the function's own module."""
        return [
            f"{module}, line {line}: {wanted} is loaded with {module} anyway, so import it at the top"
            for module, lines in sorted(self._by_functions.items())
            for loaded in [self.loaded_with(module)]
            for line, wanted in ((line, self._module(name)) for line, name in lines)
            if wanted in loaded
        ]


def test_no_function_imports_what_is_loaded_with_its_module_anyway():
    assert SourceTree(ROOT / "libprobe").needless() == []


@pytest.mark.parametrize("module", ["libprobe.checks.images", "libprobe.probe.run", "libprobe.programs.ncg.program"])
def test_what_is_loaded_with_a_module_is_what_python_loads(module):
    code = f"import {module}, sys; print(*sys.modules)"
    real = set(subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split())
    said = SourceTree(ROOT / "libprobe").loaded_with(module)
    assert said <= real
    assert {each for each in real if each.partition(".")[0] == "libprobe"} <= said


@pytest.mark.parametrize(
    ("within", "found"),
    [
        ("from sample_needless import low", "sample_needless.low"),
        ("from sample_needless.low import x", "sample_needless.low"),
        ("from sample_needless.low import y", "sample_needless.low"),
        ("import sample_needless.low", "sample_needless.low"),
        ("import math", "math"),  # the module below imports it
        ("from xml import sax", "xml.sax"),
        ("from sample_needless import other", ""),
        ("import cmath", ""),
        ("from xml import dom", ""),
    ],
)
def test_which_imports_within_functions_are_needless(tmp_path, within, found):
    sources = {
        "__init__": "",
        "low": "import math\nimport xml.sax\nx = y = 1\n",
        "middle": "from sample_needless.low import x\n",
        "other": "x = 1\n",
        "top": "from sample_needless import middle\n"
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import cmath\n    from sample_needless import other\n"
        f"def work():\n    {within}\n",
    }
    (tmp_path / "sample_needless").mkdir()
    for module, text in sources.items():
        (tmp_path / "sample_needless" / f"{module}.py").write_text(text)
    top = "sample_needless.top"
    expected = [f"{top}, line 7: {found} is loaded with {top} anyway, so import it at the top"] if found else []
    assert SourceTree(tmp_path / "sample_needless").needless() == expected


# ---- private names of libraries

OWN = {"libprobe", "tests", "scripts", "fuzz", "benchmarks", "parsers"}
DOCUMENTED = {"_thread", "os._exit", "sys._getframe"}
"""Python's documentation has them, for all that their names look."""

STRING_TYPES = "cryptography gives a string in a name another type than its own choice in no other way"
QUICK = "socket and signal, which are made of these, take half as long to load as Python itself"
START = "os, which is made of it, is not to be loaded where Python starts without site"
EXCUSED = {
    ("libprobe/probe/door.py", "_signal"): QUICK,
    ("libprobe/probe/door.py", "_socket"): QUICK,
    ("libprobe/probe/door.py", "posix._exit"): START,
    ("tests/federation/web.py", "ssl._ssl"): "before Python 3.13 a server sees the chain of a client in no other way",
    ("tests/formats/test_subject_hash.py", "cryptography.x509.name._ASN1Type"): STRING_TYPES,
    ("tests/formats/test_x509.py", "cryptography.x509.name._ASN1Type"): STRING_TYPES,
}
OVERRIDDEN = {
    ("libprobe.probe.cli", "Parser"): {"_get_values", "_check_value"},
    ("libprobe.probe.cli", "_HelpFormatter"): {"_format_action_invocation", "_split_lines", "_fill_text", "_set_color"},
}
"""argparse has no other way to say the same with every Python; `make test-python` runs all of it with each."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_names(source: str) -> set[str]:
    """The private names of foreign modules that a file imports, or takes from what it has imported."""
    tree = ast.parse(source)
    foreign: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            foreign |= {each.asname or each.name.partition(".")[0]: each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__":
            foreign |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    foreign = {name: full for name, full in foreign.items() if full.partition(".")[0] not in OWN}
    found = {full for full in foreign.values() if any(map(is_private, full.split(".")))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            words = ast.unparse(node)
            if words.partition(".")[0] in foreign:
                found.add(words)
    return {name for name in found if name not in DOCUMENTED and name.partition(".")[0] not in DOCUMENTED}


def python_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    paths = [ROOT / name for name in listed if name] or list(ROOT.rglob("*.py"))
    return [
        path
        for path in paths
        if path.is_file() and (path.suffix == ".py" or b"python" in path.read_bytes()[:60].partition(b"\n")[0])
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import _ssl", {"_ssl"}),
        ("from urllib3._collections import HTTPHeaderDict", {"urllib3._collections.HTTPHeaderDict"}),
        ("from cryptography.x509.name import _ASN1Type as Kind", {"cryptography.x509.name._ASN1Type"}),
        ("import urllib3.util\nurllib3.util._x()", {"urllib3.util._x"}),
        ("import os, _thread, sys\nos._exit(sys._getframe(0).f_lineno)", set()),
        ("from libprobe.probe.cli import _host\nself._ours.x", set()),
        ("import x\nx.__name__", set()),
    ],
)
def test_what_counts_as_a_private_name_of_a_library(source, found):
    assert private_names(source) == found


def test_no_private_name_of_a_library_is_imported_or_used():
    """Attributes of objects are watched by ruff (SLF001)."""
    files = python_files()
    assert len(files) > 200
    found = {(str(path.relative_to(ROOT)), name) for path in files for name in private_names(path.read_text())}
    assert found == set(EXCUSED)


def test_no_private_method_of_a_library_is_overridden():
    found: dict[tuple[str, str], set[str]] = {}
    for each in pkgutil.walk_packages(libprobe.__path__, "libprobe."):
        module = importlib.import_module(each.name)
        for made in vars(module).values():
            if not isinstance(made, type) or made.__module__ != each.name:
                continue
            foreign = [base for base in made.__mro__[1:] if not base.__module__.startswith("libprobe")]
            for name, value in vars(made).items():
                if is_private(name) and callable(value) and any(name in vars(base) for base in foreign):
                    found.setdefault((each.name, made.__name__), set()).add(name)
    assert found.keys() == OVERRIDDEN.keys()
    assert all(names <= OVERRIDDEN[where] for where, names in found.items()), found


# ---- names in the library

SHARED_CLASS_NAMES: dict[str, str] = {}
"""Names of classes that more than one module may have, each with the reason."""


def test_the_name_of_a_class_stands_for_one_thing_in_the_whole_library():
    modules: dict[str, set[str]] = {}
    for path in sorted((ROOT / "libprobe").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                modules.setdefault(node.name.lstrip("_"), set()).add(str(path.relative_to(ROOT)))
    assert len(modules) > 200
    shared = {name: sorted(found) for name, found in modules.items() if len(found) > 1}
    assert {name: found for name, found in shared.items() if name not in SHARED_CLASS_NAMES} == {}
    assert set(SHARED_CLASS_NAMES) <= set(shared), "an exception that is none any more"
