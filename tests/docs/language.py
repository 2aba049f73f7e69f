"""The rules of docs/style.md that a machine can check, and the sentences that they are checked on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts import parsers
from tests.conftest import ROOT
from tests.docs.pages import PAGES

STYLE = ROOT / "docs/style.md"


class Rule(NamedTuple):
    """A wording that is refused.

    pattern: searched for in text with single blanks, upper and lower case alike.
    reason:  what is wrong with it.
    bad:     a sample that the pattern finds.
    good:    the same, better; the pattern does not find it.
    """

    pattern: str
    reason: str
    bad: str
    good: str


CONTRADICTORY = "negate the verb"
QUAINT = "nobody says that; use the plain word"
VAGUE = "say the number, or what is meant"
UNNAMED = "name the thing"

RULES = [
    Rule(
        r"\b(?:has|have|had) not (?:what|the|a|an|any|all|one|two|three|exactly|enough)\b",
        CONTRADICTORY,
        "this machine has not what the check needs: no memory left",
        "monitoring host out of memory",
    ),
    Rule(
        r"\blets? (?:us|it|them|him|nobody) not\b",
        CONTRADICTORY,
        "the Keystone cannot be reached or lets us not in",
        "the Keystone cannot be reached or refuses us",
    ),
    Rule(
        r"\b(?:announces|gives|shows|reads|sees|knows|lists|tells|offers|says|takes|wants|needs|means|answers|asks"
        r"|comes|stands|holds|goes|makes|keeps) not\b",
        CONTRADICTORY,
        "the endpoint announces not all kinds",
        "a required kind is missing",
    ),
    Rule(
        r"\bno (?:[\w-]+ ){1,9}but nothing\b",
        CONTRADICTORY,
        "no category in the answer of the query interface but nothing",
        "the query interface answered with nothing",
    ),
    Rule(
        r"\b(?:with|in|by) not [\w-]+ but\b",
        CONTRADICTORY,
        "answered with not LDAP but HTTP",
        "answered in HTTP, not LDAP",
    ),
    Rule(
        r"\bvalid only (?:in|from)\b",
        "a time that is not reached yet is told with 'not valid before'",
        "the certificate is valid only in 48 h",
        "the certificate is not valid before 2026-11-30 08:00 UTC",
    ),
    Rule(
        r"\blet us finish\b",
        "nobody hindered us: it took too long",
        "the endpoint did not let us finish within 10 s",
        "the endpoint did not finish within 10 s",
    ),
    Rule(
        r"\b(?:is|are|was|were) perhaps\b|\bperhaps (?:is|are|was|were)\b",
        "a guess is told with 'may'",
        "our certificate was perhaps refused",
        "our certificate may have been refused",
    ),
    Rule(r"\bwho we (?:are|were)\b", UNNAMED, "with -vv: who we were", "with -vv: the identity that was used"),
    Rule(r"\bwhom we trust\b", UNNAMED, "whom we trust, limits", "trusted CAs, limits"),
    Rule(
        r"\bwhat is no(?:ne)?\b(?! (?:longer|more))|\bthat (?:is|are|was) (?:none|ones)\b",
        UNNAMED,
        "Raises: Misconfigured for what is no DN",
        "Raises: Misconfigured for anything but a DN",
    ),
    Rule(
        r"(?<!look )(?<!call )(?<!look out )\bfor who\b",
        UNNAMED,
        "for who only reads it",
        "for programs that only read it",
    ),
    Rule(
        r"\bso (?:many|much|old)\b(?! (?:that|as)\b)",
        VAGUE,
        "when the age is so much or more",
        "when the age has reached this value",
    ),
    Rule(
        r"\bsome (?:\d|two|three|four|five|six|ten|twelve|twenty|thirty|fifty|hundred|thousand)",
        "an estimate is told with 'about'",
        "takes some 30 MB of memory",
        "takes about 30 MB of memory",
    ),
    Rule(
        r"\bone (?:page|line|field|process|case|record|row|test|check|script|file|result|sentence) an? \w+",
        "'per' joins a number and what it counts",
        "one page a probe",
        "one page per probe",
    ),
    Rule(
        r"\bamong the 1\b|(?<![\d.,])\b1 (?:messages|templates|VMs|checks|results|images|entries)\b",
        "the plural is right: text.number_of",
        "not among the 1 template offered",
        "not offered; the only template is img1",
    ),
    Rule(
        r"(?:^|[.:;] )\w+ed (?:is|are) (?:what|one|the|all|only)\b",
        "subject, verb, object",
        "Supported is the newest release.",
        "Only the newest release is supported.",
    ),
    Rule(r"\bfor want of\b", QUAINT, "perhaps for want of memory", "the host may be out of memory"),
    Rule(r"\b(?:tell|tells|told|telling) of\b", QUAINT, "the worker tells of itself", "the worker reports its state"),
    Rule(r"\bheld against\b", QUAINT, "a page is held against the probe", "a page is compared with the probe"),
    Rule(r"\bheed(?:s|ed)?\b", QUAINT, "CRLs are heeded", "CRLs are checked"),
    Rule(r"\bas ever\b", QUAINT, "Nagios runs them as ever", "Nagios runs them as usual"),
    Rule(r"\bin vain\b", QUAINT, "would be looked up in vain", "cannot be looked up"),
    Rule(r"\bwithout a word\b", QUAINT, "NCG drops it without a word", "NCG drops it silently"),
    Rule(
        r"\bnobody (?:is|was) asked\b|\basks? nobody\b",
        "what happens is that no request is sent",
        "UNKNOWN, and nobody is asked",
        "UNKNOWN, and no request is sent",
    ),
    Rule(r"\bby the clock\b", QUAINT, "what runs by the clock", "what runs on timers"),
    Rule(
        r"\bwhat (?:comes|came|becomes|became|has become) of\b",
        QUAINT,
        "shows what came of it",
        "shows the results",
    ),
    Rule(r"\bstands? (?:in|at|there)\b(?! (?:for|the way)\b)", QUAINT, "it stands in probes.ini", "it is in it"),
]

RULES += [
    Rule(rf"\b{word}", f"the glossary's word is {good!r}", f"a {bad} of ours", f"our {good}")
    for word, bad, good in [
        (r"resource cent(?:re|er)s?\b", "resource centre", "site"),
        (r"(?:orphan(?:ed)?|zombie) (?:VM|machine)s?\b", "orphan VM", "left-over VM"),
        (r"trust stores?\b", "trust store", "CA directory"),
        (r"maintenance windows?\b", "maintenance window", "downtime"),
        (r"daemons?\b(?=.*\bworker)", "daemon that is a worker", "worker"),
    ]
]


class Found(NamedTuple):
    """A refused wording: where, what was matched, and the rule."""

    where: str
    match: str
    rule: Rule


def refused(text: str) -> Iterator[tuple[str, Rule]]:
    """Yield what each rule finds in a text, and the rule."""
    line = re.sub(r"\s+", " ", text)
    for rule in RULES:
        for match in re.finditer(rule.pattern, line, re.IGNORECASE):
            yield match[0].lower(), rule


def strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string of three words and more; a value in an f-string becomes `{}`.

    Docstrings and help texts are among them. Regular expressions (raw strings) are not.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(value) for value in node.values}
            text = "".join(value.value if isinstance(value, ast.Constant) else "{}" for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        else:
            continue
        is_raw = lines[node.lineno - 1].encode()[node.col_offset :].lower().startswith((b"r", b"fr"))
        if len(text.split()) >= 3 and not is_raw:
            yield node.lineno, text


def prose(page: str) -> str:
    """The running text of a page: without blocks, `code`, and the targets of links."""
    page = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    page = re.sub(r"^    .*$", "", page, flags=re.MULTILINE)
    page = re.sub(r"`[^`\n]*`", "`...`", page)
    return re.sub(r"\]\([^)]*\)", "]", page)


def in_python() -> Iterator[Found]:
    """What is refused in the strings of the library and of the executables."""
    paths = [*ROOT.glob("libprobe/**/*.py"), *(path for path in ROOT.glob("probes/*") if path.is_file())]
    for path in sorted(paths):
        for line, text in strings(path.read_text()):
            for match, rule in refused(text):
                yield Found(f"{path.relative_to(ROOT)}:{line}", match, rule)


def in_pages() -> Iterator[Found]:
    """What is refused in the pages, and in what the changelog says of the next release."""
    texts = [(path, path.read_text()) for path in PAGES if path != STYLE]
    changelog = ROOT / "CHANGELOG.md"
    texts.append((changelog, re.split(r"^## ", changelog.read_text(), flags=re.MULTILINE)[1]))
    for path, text in texts:
        for match, rule in refused(prose(text)):
            yield Found(str(path.relative_to(ROOT)), match, rule)


def help_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield option and help text of an executable."""
    for action in parsers.parser_of(path).arguments:
        if action.help and action.option_strings:
            yield action.option_strings[0], action.help
