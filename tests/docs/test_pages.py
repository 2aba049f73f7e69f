"""What the pages say of options, limits and performance data is what the executables have."""

from __future__ import annotations

import re

import pytest

from scripts import parsers
from tests.conftest import ROOT
from tests.docs.pages import PAGES, name_of, section

PROBES = [path for path in parsers.EXECUTABLES if path.name.startswith("check_")]
NAMES = [path.name for path in parsers.EXECUTABLES]
SHARED = (ROOT / "docs/options.md").read_text()


def page_of(name: str) -> str:
    return (ROOT / "docs" / f"{name.removeprefix('fedcloud-')}.md").read_text()


def says(text: str, option: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_page_or_that_of_shared_options_has_every_option(path):
    options = section(page_of(path.name), "Options", "Usage")
    assert options
    if "(options.md)" in options:
        options += SHARED
    missing = [
        "/".join(action.option_strings)
        for action in parsers.parser_of(path).arguments
        if action.option_strings and not any(says(options, option) for option in action.option_strings)
    ]
    assert missing == []


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_page_has_no_option_that_the_executable_does_not_have(path):
    known = parsers.parser_of(path).options
    rows = [row for row in section(page_of(path.name), "Options", "Usage").splitlines() if row.startswith("| `-")]
    assert rows
    for row in rows:
        for option in re.findall(
            r"(?<![\w-])--?[a-zA-Z0-9][\w-]*", " ".join(re.findall(r"`(-[^`]*)`", row.split(" | ")[0]))
        ):
            assert option in known, f"{option} in {row}"


def test_the_page_of_shared_options_has_only_options_that_some_executable_has():
    known = {option for path in parsers.EXECUTABLES for option in parsers.parser_of(path).options}
    for row in re.findall(r"^\| `-.*", SHARED, re.MULTILINE):
        for option in re.findall(r"(?<![\w-])--?[a-zA-Z0-9][\w-]*", row.split(" | ")[0]):
            assert option in known or set(option) == {"-", "v"}, row


def test_what_argo_probe_fedclouds_options_became_are_options_of_the_probe():
    options = section((ROOT / "docs/migration.md").read_text(), "Options")
    replaced = {
        "novaprobe": "check_openstack_vm",
        "cloudinfo": "check_cloud_info",
        "check_fedcloud_accnt": "check_apel_pub",
    }
    tables = {name: options.partition(f"Of {name}")[2].partition("\nOf ")[0] for name in replaced}
    for peer, name in replaced.items():
        known = parsers.parser_of(ROOT / "probes" / name).options
        rows = [row.split(" | ") for row in tables[peer].splitlines() if row.startswith("| ") and "`" in row]
        assert len(rows) > 3
        for row in rows:
            for option in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", row[1]):
                assert option in known or option in ("-vv", "-vvv"), f"{option} of {name}"


@pytest.mark.parametrize("path", PROBES, ids=[path.name for path in PROBES])
def test_the_default_limits_of_a_page_are_the_executables(path):
    [row] = re.findall(r"^\| default limits \| (.*) \|$", page_of(path.name), re.MULTILINE)
    parser = parsers.parser_of(path)
    default = {option: parser.get_default(action.dest) for option, action in parser.options.items() if action.dest}
    assert f"`-t {default['-t']:g}" in row or f"-t {default['-t']:g}`" in row
    for option in ("-w", "-c"):
        limit = str(default[option] or "0")
        assert limit == "0" or f"{option} {limit}" in row, option
        if limit == "0":
            assert not re.search(rf"{option} \d", row), option


@pytest.mark.parametrize("path", PROBES, ids=[path.name for path in PROBES])
def test_a_page_explains_all_performance_data(path):
    judged = section(page_of(path.name), "What is judged")
    parser = parsers.parser_of(path)
    for label, _, _ in parsers.describe(parser.description or "").measured:
        assert f"`{label}`" in judged, label


@pytest.mark.parametrize("path", PROBES, ids=[path.name for path in PROBES])
def test_a_page_has_an_example_of_every_state_and_remedies(path):
    page = page_of(path.name)
    examples = section(page, "Examples")
    for state in ("OK", "WARNING", "CRITICAL", "UNKNOWN"):
        assert re.search(rf"^[\w-]+ {state} - ", examples, re.MULTILINE), state
    assert re.search(r"\n## What (a|Perun's|a broker's) (site )?admin does\n|\n## What to do\n", page)


def targets(path):
    """Files that a page links to, with anchors; the example's own pages are read as they will stand in docs/."""
    folder = ROOT / "docs" if name_of(path).startswith("docs/example/") else path.parent
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            yield (folder / name).resolve() if name else path, anchor


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path):
    for target, anchor in targets(path):
        assert target.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles], target


def test_every_test_that_a_page_names_is_there():
    defined = set()
    for path in (ROOT / "tests").rglob("*.py"):
        defined |= set(re.findall(r"^ *def (test_\w+)\(", path.read_text(), re.MULTILINE))
    named = {name: name_of(path) for path in PAGES for name in re.findall(r"`(test_\w+)`", path.read_text())}
    assert len(named) > 50
    assert {name: page for name, page in named.items() if name not in defined} == {}


def test_every_page_is_reachable_from_the_first_one():
    todo, seen = [ROOT / "README.md"], set()
    while todo:
        path = todo.pop()
        if path not in seen and path.suffix == ".md":
            seen.add(path)
            todo += [target for target, _ in targets(path)]
    assert set(PAGES) <= seen
