"""The query interface: what a cloud announces, and which of its templates is meant.

Sources: GFD.185 and GFD.223 (text renderings), GFD.226 section 4 (JSON).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from libprobe.failures import BadData
from libprobe.formats.answers import MAX_VALUE_CHARS, list_of, load_json, text_of
from libprobe.formats.excerpt import begins, excerpt
from libprobe.formats.occi import grammar
from libprobe.formats.occi.attributes import flat, identifiers
from libprobe.formats.occi.vocabulary import (
    ACTION,
    CLASSES,
    COMPUTE,
    ENTITY,
    KIND,
    LINK,
    MIXIN,
    NETWORK,
    NETWORK_INTERFACE,
    RESOURCE,
    STORAGE,
    STORAGE_LINK,
    Headers,
)
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from difflib import SequenceMatcher
    from typing import Any

MAX_CATEGORIES = 100_000
MAX_LINE_CHARS = 16 << 20

_BRACES = re.compile(r"\{[^{}]*\}")


class Category(Record):
    """A kind, mixin or action of the query interface.

    what:       KIND, MIXIN or ACTION
    rel:        identifiers of what it derives from: rel, parent or depends
    location:   of the collection, absolute or relative, None if it has none
    attributes: names, of a kind only: thousands of templates repeat theirs, and nobody reads them
    actions:    identifiers, of a kind only
    """

    term: str
    scheme: str
    what: str
    title: str
    rel: tuple[str, ...]
    location: str | None
    attributes: tuple[str, ...]
    actions: tuple[str, ...]

    @property
    def id(self) -> str:
        """The scheme, which ends in `#`, immediately followed by the term."""
        return self.scheme + self.term


class Model:
    """What the query interface announces.

    skipped: how many values or lines of it could not be read
    """

    __slots__ = ("actions", "kinds", "mixins", "skipped")

    def __init__(self) -> None:
        self.kinds: list[Category] = []
        self.mixins: list[Category] = []
        self.actions: list[Category] = []
        self.skipped = 0

    def __len__(self) -> int:
        return len(self.kinds) + len(self.mixins) + len(self.actions)

    def find(self, wanted: str) -> Category | None:
        """Return the first category with this identifier."""
        return _with_id(wanted, (*self.kinds, *self.mixins, *self.actions))

    def templates(self, of: str) -> list[Category]:
        """Return the mixins that derive from OF, which is OS_TPL or RESOURCE_TPL.

        Servers agree on neither scheme nor term of a template, only on what it derives from; in the `rel` of
        rOCCI-server 2.0 the identifier of what it applies to follows, the compute kind.
        """
        return [mixin for mixin in self.mixins if of in mixin.rel and mixin.id != of]


class _Builder:
    """Collects categories; equal schemes and relations are kept once, as templates share them."""

    def __init__(self) -> None:
        self.model = Model()
        self._schemes: dict[str, str] = {}
        self._rels: dict[str, tuple[str, ...]] = {}

    def add_text(self, value: grammar.Value | None) -> None:
        if value is None:
            self.model.skipped += 1
            return
        term, given = value
        what = given.get("class", "").lower()
        is_kind = what == KIND
        self.add(
            Category(
                term=term,
                scheme=self._shared(given.get("scheme", "")),
                what=what,
                title=given.get("title", "")[:MAX_VALUE_CHARS],
                rel=self._related(given.get("rel", "")),
                location=given.get("location"),
                attributes=_names(given.get("attributes", "")) if is_kind else (),
                actions=tuple(given.get("actions", "")[:MAX_VALUE_CHARS].split()) if is_kind else (),
            )
        )

    def add(self, category: Category) -> None:
        model = self.model
        lists = {KIND: model.kinds, MIXIN: model.mixins, ACTION: model.actions}
        if category.what not in lists or not category.term or not category.scheme:
            model.skipped += 1
            return
        if len(model) >= MAX_CATEGORIES:
            raise BadData(f"the query interface lists more than {MAX_CATEGORIES} categories")
        # One of the three constants rather than the slice of the line that equals it.
        lists[category.what].append(category._replace(what=CLASSES[category.what]))

    def _shared(self, text: str) -> str:
        return self._schemes.setdefault(text, text)

    def _related(self, text: str) -> tuple[str, ...]:
        found = self._rels.get(text)
        if found is None:
            found = self._rels[text] = tuple(text[:MAX_VALUE_CHARS].split())
        return found


def _names(attributes: str) -> tuple[str, ...]:
    """Return the names of `name{immutable required} name ...`."""
    return tuple(_BRACES.sub(" ", attributes[:MAX_VALUE_CHARS]).split())


def read_model(lines: Iterable[str]) -> Model:
    """Return the model of a text/plain query interface.

    lines: of the body, in any cutting a line iterator gives; with or without their line ends. They are
           read one by one and not kept, so a model of many megabytes needs a fraction of its size.
    Raises: BadData if no line is a Category field, with the beginning of what came instead; and if the last
            one is cut off within a quoted value, for then there was more.
    """
    builder = _Builder()
    came = ""
    last = ""
    for line in lines:
        if len(line) > MAX_LINE_CHARS:
            raise BadData(f"a line of more than {MAX_LINE_CHARS} characters")
        line = line.strip()
        if not line:
            continue
        came = came or excerpt(line)
        found = grammar.field(line)
        if found is None or found[0] != "category":
            builder.model.skipped += 1
            continue
        last = found[1]
        for value in grammar.categories(last):
            builder.add_text(value)
    if not last or not len(builder.model):
        if not came:
            raise BadData("empty answer", link="from")
        raise BadData("no category", also=begins(came))
    if last.count('"') % 2 and not last.endswith(('"', '";')):
        raise BadData("a category breaks off", also=begins(last))
    return builder.model


def read_model_headers(headers: Headers) -> Model:
    """Return the model of a text/occi query interface.

    headers: of the answer; each Category has one or more categories.
    Raises: BadData if there is none.
    """
    builder = _Builder()
    for name, value in grammar.fields("", headers):
        if name != "category":
            continue
        if len(value) > MAX_LINE_CHARS:
            raise BadData(f"a header of more than {MAX_LINE_CHARS} characters")
        for category in grammar.categories(value):
            builder.add_text(category)
    if not len(builder.model) and not builder.model.skipped:
        raise BadData("no Category header")
    return builder.model


def read_model_json(data: bytes) -> Model:
    """Return the model of a JSON query interface (GFD.226 section 4), rOCCI's older nested form, or pyssf's bare list.

    Raises: BadData if it is not JSON or lists neither kinds nor mixins.
    """
    document = load_json(data, "the query interface")
    if isinstance(document, list):
        document = _sorted_by_class(document)
    lists = {
        KIND: list_of(document, "kinds"),
        MIXIN: list_of(document, "mixins"),
        ACTION: list_of(document, "actions"),
    }
    if not lists[KIND] and not lists[MIXIN]:
        raise BadData("no kinds and no mixins", also=begins(data))
    builder = _Builder()
    for what, entries in lists.items():
        for entry in entries:
            builder.add(_json_category(entry, what))
    return builder.model


def _sorted_by_class(entries: list[Any]) -> dict[str, list[Any]]:
    """Return the categories of a list that does not say what each is: pyssf's.

    A category that is not an action, and has neither the identifier nor the parent of a kind, is a mixin.
    """
    known = {ENTITY, RESOURCE, LINK, COMPUTE, NETWORK, STORAGE, NETWORK_INTERFACE, STORAGE_LINK}
    found: dict[str, list[Any]] = {"kinds": [], "mixins": [], "actions": []}
    for entry in entries:
        category = _json_category(entry, MIXIN)
        if category.scheme.endswith("/action#"):
            found["actions"].append(entry)
        elif category.id in known or not known.isdisjoint(category.rel):
            found["kinds"].append(entry)
        elif category.term:
            found["mixins"].append(entry)
    return found


def _json_category(entry: object, what: str) -> Category:
    """Return a category, one without a term if ENTRY is not a description of one."""
    given = entry if isinstance(entry, dict) else {}
    is_kind = what == KIND
    rel: list[str] = []
    # GFD.226 says parent and depends; rOCCI's older form says related.
    for name in ("parent", "depends", "related", "rel"):
        rel.extend(identifiers(given.get(name)))
    return Category(
        term=text_of(given.get("term")),
        scheme=text_of(given.get("scheme")),
        what=what,
        title=text_of(given.get("title")),
        rel=tuple(rel),
        location=text_of(given.get("location")) or None,
        attributes=tuple(name for name, _ in flat(given.get("attributes"), _is_group)) if is_kind else (),
        actions=tuple(identifiers(given.get("actions"))) if is_kind else (),
    )


def _is_group(value: object) -> bool:
    """Whether a value holds definitions of attributes, as in rOCCI's form, and is none; GFD.226 has them flat."""
    known = {"mutable", "required", "type", "default", "pattern", "description", "unique"}
    return (
        isinstance(value, dict)
        and bool(value)
        and not any(key.lower() in known and not isinstance(one, dict) for key, one in value.items())
    )


def resolve(wanted: str, templates: Sequence[Category]) -> Category | None:
    """Return the template that a GOCDB URL means by `image=` or `resource=`.

    Tried in this order: the full identifier; the term, with or without `os_tpl#` before it; the title
    without regard to case and to an `Image: ` or `Flavor: ` before it, if only one template has it.
    """
    exact = _with_id(wanted, templates)
    if exact is not None or not wanted or "://" in wanted:
        return exact
    term = wanted.rpartition("#")[2]
    for template in templates:
        if _is_term(term, template.term):
            return template
    titled = [template for template in templates if _plain_title(template.title) == _plain_title(wanted)]
    return titled[0] if len({template.id for template in titled}) == 1 else None


def nearest(wanted: str, templates: Sequence[Category], count: int = 3) -> list[str]:
    """Return up to COUNT names of templates to propose instead of WANTED, the likeliest first.

    A term is given as it is, one found by its title as `term (title)`. OpenNebula's terms end in the
    number of a registration, so those that differ in nothing else come first.
    """
    term = wanted.rpartition("#")[2][:200]
    stem = _without_number(term)
    found = {one.term: one.term for one in templates if stem and _without_number(one.term) == stem}
    for similar, name in _similar_templates(term, templates):
        found.setdefault(similar, name)
        if len(found) >= count:
            break
    return list(found.values())[:count]


_MAX_COMPARED = 5_000
_MAX_MEASURED = 20


def _similar_templates(wanted: str, templates: Sequence[Category]) -> list[tuple[str, str]]:
    """Return term and name of templates with a similar term or title, the likeliest first.

    The exact measure is quadratic in the length, so it is applied to what a cheap one lets pass.
    """
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=wanted.lower(), autojunk=False)
    promising: list[tuple[float, str, str, str]] = []
    for template in templates[:_MAX_COMPARED]:
        title = _plain_title(template.title)[:200]
        term, lowered = template.term, template.term[:200].lower()
        promising.append((_quick_similarity(matcher, lowered), lowered, term, term))
        if title:
            promising.append(
                (_quick_similarity(matcher, title), title, term, f"{term} ({template.title.strip()[:80]})")
            )
    promising.sort(key=lambda entry: -entry[0])
    scored: list[tuple[float, str, str]] = []
    for rough, text, term, name in promising[:_MAX_MEASURED]:
        matcher.set_seq1(text)
        if rough >= 0.6 and matcher.ratio() >= 0.6:
            scored.append((matcher.ratio(), term, name))
    scored.sort(key=lambda entry: -entry[0])
    return [(term, name) for _, term, name in scored]


def _quick_similarity(matcher: SequenceMatcher[str], text: str) -> float:
    matcher.set_seq1(text)
    return matcher.quick_ratio() if matcher.real_quick_ratio() >= 0.6 else 0.0


def _with_id(wanted: str, categories: Iterable[Category]) -> Category | None:
    for category in categories:
        if wanted.startswith(category.scheme) and wanted[len(category.scheme) :] == category.term:
            return category
    return None


def _is_term(wanted: str, term: str) -> bool:
    """Whether a term is meant; occi-os percent-encodes the names of flavours."""
    if wanted == term or "%" not in term:
        return wanted == term
    from urllib.parse import unquote

    return unquote(wanted) == unquote(term)


def _plain_title(title: str) -> str:
    plain = title.strip().lower()
    for prefix in ("image:", "flavor:"):
        plain = plain.removeprefix(prefix)
    return plain.strip()


def _without_number(term: str) -> str:
    """Return `uuid_name_` of `uuid_name_20`, empty if the term does not have this form."""
    stem = term.rstrip("0123456789")
    return stem if stem != term and stem.endswith("_") and len(stem) > 1 else ""
