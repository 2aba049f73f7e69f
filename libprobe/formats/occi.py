"""OCCI: what a cloud offers, what a virtual machine looks like, and how to ask for one.

Sources: GFD.183/221 (core), GFD.184/224 (infrastructure), GFD.185, GFD.223 and GFD.229 (HTTP and text
renderings), GFD.226 (JSON); and what occi-os, ooi 1.2, rOCCI-server 1.1 and 2.0 and snf-occi really send.
The text grammar itself is in `occi_text`.

Every reader takes text that a stranger wrote: it is bounded, takes linear time, and either returns or
raises BadData.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from libprobe.failures import BadData
from libprobe.formats import occi_text
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from difflib import SequenceMatcher
    from typing import Any

TEXT_PLAIN, TEXT_OCCI, URI_LIST = "text/plain", "text/occi", "text/uri-list"
OCCI_JSON = "application/occi+json"

CORE = "http://schemas.ogf.org/occi/core#"
INFRASTRUCTURE = "http://schemas.ogf.org/occi/infrastructure#"
COMPUTE_ACTION = "http://schemas.ogf.org/occi/infrastructure/compute/action#"

ENTITY, RESOURCE, LINK = CORE + "entity", CORE + "resource", CORE + "link"
COMPUTE, NETWORK, STORAGE = INFRASTRUCTURE + "compute", INFRASTRUCTURE + "network", INFRASTRUCTURE + "storage"
NETWORK_INTERFACE, STORAGE_LINK = INFRASTRUCTURE + "networkinterface", INFRASTRUCTURE + "storagelink"
OS_TPL, RESOURCE_TPL = INFRASTRUCTURE + "os_tpl", INFRASTRUCTURE + "resource_tpl"

USER_DATA = "http://schemas.openstack.org/compute/instance#user_data"
PUBLIC_KEY = "http://schemas.openstack.org/instance/credentials#public_key"
"""The contextualisation mixins of the FedCloud extension to OCCI 1.1, which all four servers know."""
USER_DATA_1_2 = "http://schemas.ogf.org/occi/infrastructure/compute#user_data"
SSH_KEY_1_2 = "http://schemas.ogf.org/occi/infrastructure/credentials#ssh_key"
"""Their OCCI 1.2 names (GFD.224); ooi 1.2.0 advertises them and ignores what they bring."""

OPENSTACK_IMAGES = "http://schemas.openstack.org/template/os#"
"""The scheme of the image templates of occi-os and ooi."""

TITLE, SUMMARY, ID = "occi.core.title", "occi.core.summary", "occi.core.id"
HOSTNAME, STATE = "occi.compute.hostname", "occi.compute.state"
STATE_MESSAGE = "occi.compute.state.message"
OPENSTACK_STATE = "org.openstack.compute.state"
ADDRESS = "occi.networkinterface.address"

KIND, MIXIN, ACTION = "kind", "mixin", "action"

INTEGERS = frozenset({"occi.compute.cores", "occi.compute.share", "occi.network.vlan"})
DECIMALS = frozenset({"occi.compute.memory", "occi.compute.speed", "occi.storage.size"})
"""Attributes that are numbers, even where occi-os puts them in quotes."""

MAX_CATEGORIES = 100_000
MAX_LINE_CHARS = 16 << 20
MAX_BODY_CHARS = 16 << 20
MAX_JSON_BYTES = 32 << 20
MAX_VALUE_CHARS = 64 << 10
MAX_ENTRIES = 100_000
MAX_DEPTH = 16
MAX_NAME_CHARS = 1_024

AttributeValue = str | float | int | bool
Headers = Iterable[tuple[str, str]]

_BRACES = re.compile(r"\{[^{}]*\}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,3})?")
_URL_OR_PATH = re.compile(r"(?:https?://|/)[^\s]+", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@%/-]*")


# ---- What a cloud offers


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

    def add_text(self, value: occi_text.Value | None) -> None:
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
        lists[category.what].append(category._replace(what=_WHAT[category.what]))

    def _shared(self, text: str) -> str:
        return self._schemes.setdefault(text, text)

    def _related(self, text: str) -> tuple[str, ...]:
        found = self._rels.get(text)
        if found is None:
            found = self._rels[text] = tuple(text[:MAX_VALUE_CHARS].split())
        return found


_WHAT = {KIND: KIND, MIXIN: MIXIN, ACTION: ACTION}


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
            raise BadData(f"the query interface sent a line of more than {MAX_LINE_CHARS} characters")
        line = line.strip()
        if not line:
            continue
        came = came or excerpt(line)
        found = occi_text.field(line)
        if found is None or found[0] != "category":
            builder.model.skipped += 1
            continue
        last = found[1]
        for value in occi_text.categories(last):
            builder.add_text(value)
    if not last or not len(builder.model):
        raise BadData(f"no category in the answer of the query interface but {_quoted(came)}")
    if last.count('"') % 2 and not last.endswith(('"', '";')):
        raise BadData(f"the answer of the query interface breaks off in the middle of a category: {_quoted(last)}")
    return builder.model


def read_model_headers(headers: Headers) -> Model:
    """Return the model of a text/occi query interface.

    headers: of the answer; each Category has one or more categories.
    Raises: BadData if there is none.
    """
    builder = _Builder()
    for name, value in occi_text.fields("", headers):
        if name != "category":
            continue
        if len(value) > MAX_LINE_CHARS:
            raise BadData(f"the query interface sent a header of more than {MAX_LINE_CHARS} characters")
        for category in occi_text.categories(value):
            builder.add_text(category)
    if not len(builder.model) and not builder.model.skipped:
        raise BadData("no Category header in the answer of the query interface")
    return builder.model


def read_model_json(data: bytes) -> Model:
    """Return the model of a JSON query interface (GFD.226 section 4), rOCCI's older nested form, or pyssf's bare list.

    Raises: BadData if it is not JSON or lists neither kinds nor mixins.
    """
    document = _load(data, "the query interface")
    if isinstance(document, list):
        document = _sorted_by_class(document)
    lists = {
        KIND: _list(document, "kinds"),
        MIXIN: _list(document, "mixins"),
        ACTION: _list(document, "actions"),
    }
    if not lists[KIND] and not lists[MIXIN]:
        raise BadData(f"no kinds and no mixins in the answer of the query interface but {_quoted(data)}")
    builder = _Builder()
    for what, entries in lists.items():
        for entry in entries:
            builder.add(_json_category(entry, what))
    return builder.model


def _sorted_by_class(entries: list[Any]) -> dict[str, list[Any]]:
    """Return the categories of a list that does not say what each is: pyssf's.

    What is no action and has neither the identifier nor the parent of a kind is a mixin.
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
        rel.extend(_identifiers(given.get(name)))
    return Category(
        term=_text(given.get("term")),
        scheme=_text(given.get("scheme")),
        what=what,
        title=_text(given.get("title")),
        rel=tuple(rel),
        location=_text(given.get("location")) or None,
        attributes=tuple(_defined(given.get("attributes"))) if is_kind else (),
        actions=tuple(_identifiers(given.get("actions"))) if is_kind else (),
    )


def _identifiers(value: object) -> Iterator[str]:
    """Yield identifiers from a string with blanks, a list of strings, or descriptions of categories."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield _text(item.get("scheme")) + _text(item.get("term"))
        else:
            yield from _text(item).split()


def _defined(value: object, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the names of attribute definitions, flat as in GFD.226 or nested as in rOCCI's form."""
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return
    for key, definition in value.items():
        name = prefix + _text(key)
        if len(name) > MAX_NAME_CHARS:
            continue
        is_nested = isinstance(definition, dict) and definition and not _is_definition(definition)
        if is_nested:
            yield from _defined(definition, name + ".", depth + 1)
        else:
            yield name


def _is_definition(value: Mapping[str, object]) -> bool:
    known = {"mutable", "required", "type", "default", "pattern", "description", "unique"}
    return any(key.lower() in known and not isinstance(one, dict) for key, one in value.items())


# ---- Finding a template


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
    for similar, name in _similar(term, templates):
        found.setdefault(similar, name)
        if len(found) >= count:
            break
    return list(found.values())[:count]


_MAX_COMPARED = 5_000
_MAX_MEASURED = 20


def _similar(wanted: str, templates: Sequence[Category]) -> list[tuple[str, str]]:
    """Return term and name of templates with a similar term or title, the likeliest first.

    The exact measure is quadratic in the length, so it is applied to what a cheap one lets pass.
    """
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=wanted.lower(), autojunk=False)
    promising: list[tuple[float, str, str, str]] = []
    for template in templates[:_MAX_COMPARED]:
        title = _plain_title(template.title)[:200]
        term, lowered = template.term, template.term[:200].lower()
        promising.append((_rough(matcher, lowered), lowered, term, term))
        if title:
            promising.append((_rough(matcher, title), title, term, f"{term} ({template.title.strip()[:80]})"))
    promising.sort(key=lambda entry: -entry[0])
    scored: list[tuple[float, str, str]] = []
    for rough, text, term, name in promising[:_MAX_MEASURED]:
        matcher.set_seq1(text)
        if rough >= 0.6 and matcher.ratio() >= 0.6:
            scored.append((matcher.ratio(), term, name))
    scored.sort(key=lambda entry: -entry[0])
    return [(term, name) for _, term, name in scored]


def _rough(matcher: SequenceMatcher[str], text: str) -> float:
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


# ---- One virtual machine


class Link(Record):
    """A link of an entity, such as a network interface.

    target:     address of what it leads to
    location:   address of the link itself, empty if not given
    rel:        identifiers of the target's kind
    categories: identifiers of the link's own kind and mixins
    """

    target: str
    location: str
    rel: tuple[str, ...]
    categories: tuple[str, ...]
    attributes: dict[str, AttributeValue]


class Entity(Record):
    """A virtual machine or another resource.

    location: where the answer says it is, absolute or relative, empty if it does not say
    kind:     identifier, empty if not given
    mixins:   identifiers
    """

    location: str
    kind: str
    mixins: tuple[str, ...]
    attributes: dict[str, AttributeValue]
    links: list[Link]
    title: str

    @property
    def id(self) -> str:
        return str(self.attributes.get(ID, ""))

    @property
    def state(self) -> str:
        """The state in lower case: active, inactive, suspended, error, waiting; empty if not given."""
        return str(self.attributes.get(STATE, "")).strip().lower()

    @property
    def hostname(self) -> str:
        return str(self.attributes.get(HOSTNAME, ""))

    @property
    def addresses(self) -> list[str]:
        """The addresses of its network interfaces, in their order, each once."""
        found = (str(link.attributes[ADDRESS]).strip() for link in self.links if ADDRESS in link.attributes)
        return list(dict.fromkeys(address for address in found if address))


def read_entity(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> Entity:
    """Return the resource that an answer describes.

    headers: of the answer; read for text/occi only.
    A line that cannot be read is left out: pyssf and ooi do not escape quotes in titles. Numbers are
    recognised by the attribute's name, since occi-os quotes them too. ooi publishes the memory in MB
    instead of GB and this is not corrected here.
    Raises: BadData if there is neither a kind nor an attribute.
    """
    if _is_json(media_type):
        return _json_entity(_load(_bounded(body), "the resource"))
    is_occi = _bare_type(media_type) == TEXT_OCCI
    entity = _text_entity(occi_text.fields("" if is_occi else _bounded(body), headers if is_occi else ()))
    if not entity.kind and not entity.attributes:
        what = "the headers" if is_occi else _quoted(body)
        raise BadData(f"no resource in the answer but {what}")
    return entity


def _text_entity(fields: Iterable[tuple[str, str]]) -> Entity:
    location, kind = "", ""
    mixins: list[str] = []
    attributes: dict[str, AttributeValue] = {}
    links: list[Link] = []
    for name, value in fields:
        if name == "category":
            for identifier, is_kind in _text_types(value):
                if not is_kind:
                    mixins.append(identifier)
                elif not kind:
                    kind = identifier
        elif name == "x-occi-attribute":
            for key, text, quoted in occi_text.attributes(value):
                _set(attributes, key, text, quoted)
        elif name == "link":
            links.extend(_text_link(link) for link in occi_text.links(value) if link is not None)
        else:
            location = location or next(occi_text.addresses(value), "")
    actions = [link for link in links if "?action=" in link.target]
    if not location and actions:
        # The description names the resource nowhere else than in the addresses of its actions.
        location = actions[0].target.partition("?")[0]
    title = str(attributes.get(TITLE, ""))
    others = [link for link in links if "?action=" not in link.target]
    return Entity(location, kind, tuple(mixins), attributes, others[:MAX_ENTRIES], title)


def _text_types(value: str) -> Iterator[tuple[str, bool]]:
    """Yield identifier and whether it is a kind."""
    for category in occi_text.categories(value):
        if category is not None and category[1].get("scheme"):
            what = category[1].get("class", "").lower()
            if what in (KIND, MIXIN):
                yield category[1]["scheme"] + category[0], what == KIND


def _text_link(value: occi_text.Value) -> Link:
    target, given = value
    attributes: dict[str, AttributeValue] = {}
    for name, text in given.items():
        if "." in name:
            _set(attributes, name, text, True)
    return Link(
        target=target.strip(),
        location=given.get("self", ""),
        rel=tuple(given.get("rel", "").split()),
        categories=tuple(given.get("category", "").split()),
        attributes=attributes,
    )


def _set(attributes: dict[str, AttributeValue], name: str, text: str, quoted: bool) -> None:
    """Keep an attribute, unless it is too long or should be a number and is not."""
    value = _value(name, text, quoted)
    if value is not None and len(text) <= MAX_VALUE_CHARS:
        attributes[name] = value


def _value(name: str, text: str, quoted: bool) -> AttributeValue | None:
    number = _number(text.strip())
    if name in INTEGERS:
        return None if number is None else int(number)
    if name in DECIMALS:
        return None if number is None else float(number)
    if quoted:
        return text
    if text in ("true", "false"):
        return text == "true"
    return text if number is None else number


def _number(text: str) -> float | int | None:
    """Return a finite number in decimal notation, None for anything else."""
    match = _NUMBER.fullmatch(text[:64])
    if match is None or len(text) > 64:
        return None
    if match[1] is None and match[2] is None:
        return int(text)
    number = float(text)
    return number if abs(number) < 1e300 else None


def _json_entity(document: object) -> Entity:
    given = document if isinstance(document, dict) else {}
    resources = _list(given, "resources")
    if resources and isinstance(resources[0], dict):
        given = resources[0]
    attributes = _json_attributes(given.get("attributes"))
    identifier = _text(given.get("id"))
    if identifier:
        attributes.setdefault(ID, identifier)
    kind = next(_identifiers(given.get("kind")), "")
    if not kind and not attributes:
        raise BadData(f"no resource in the answer but {_quoted(str(document)[:400])}")
    return Entity(
        location=_text(given.get("location")),
        kind=kind,
        mixins=tuple(_identifiers(given.get("mixins"))),
        attributes=attributes,
        links=[_json_link(link) for link in _list(given, "links")],
        title=_text(given.get("title")) or str(attributes.get(TITLE, "")),
    )


def _json_link(entry: object) -> Link:
    """Return a link from an object with a target, or from its address alone as in rOCCI's form."""
    if not isinstance(entry, dict):
        return Link(_text(entry), "", (), (), {})
    target = entry.get("target")
    target_kind = target.get("kind") if isinstance(target, dict) else entry.get("rel")
    address = target.get("location") if isinstance(target, dict) else target
    return Link(
        target=_text(address),
        location=_text(entry.get("location")) or _text(entry.get("id")),
        rel=tuple(_identifiers(target_kind)),
        categories=(*_identifiers(entry.get("kind")), *_identifiers(entry.get("mixins"))),
        attributes=_json_attributes(entry.get("attributes")),
    )


def _json_attributes(value: object) -> dict[str, AttributeValue]:
    """Return attributes with dotted names, from GFD.226's flat or rOCCI's nested form."""
    found: dict[str, AttributeValue] = {}
    for name, one in _flat(value):
        if isinstance(one, str):
            _set(found, name, _text(one), True)
        elif isinstance(one, bool):
            found[name] = one
        elif isinstance(one, int | float) and abs(one) < 1e300:
            found[name] = float(one) if name in DECIMALS else int(one) if name in INTEGERS else one
    return found


def _flat(value: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    # Every level repeats the names above it, so long names could multiply a document's size.
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return
    for key, one in value.items():
        name = prefix + _text(key)
        if len(name) > MAX_NAME_CHARS:
            continue
        if isinstance(one, dict):
            yield from _flat(one, name + ".", depth + 1)
        else:
            yield name, one


# ---- Collections


class Listed(Record):
    """One member of a collection; JSON listings tell more than an address, or no address at all."""

    location: str | None
    id: str | None
    title: str | None
    hostname: str | None

    @property
    def address(self) -> str:
        """Where it is, or the id that names it below the collection; empty if the listing does not tell.

        An id that is its name as well is what its client has sent: pyssf shows that, and gives the member another
        address, which its JSON does not tell.
        """
        return self.location or (self.id if self.id not in (self.title, self.hostname) else "") or ""


def read_listing(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> list[Listed]:
    """Return the members of a collection; an empty answer is an empty collection.

    Raises: BadData if something else than a list came, or one of more than MAX_ENTRIES.
    """
    if _is_json(media_type):
        return [_json_listed(entry) for entry in _json_resources(body)]
    return [Listed(location, None, None, None) for location in _text_locations(body, headers, media_type)]


def read_locations(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> list[str]:
    """Return the address of each member of a collection, or its bare id where JSON gives no address.

    Raises: as `read_listing`.
    """
    listing = read_listing(body, headers=headers, media_type=media_type)
    return [entry.address for entry in listing if entry.address]


def _text_locations(body: str, headers: Headers, media_type: str) -> list[str]:
    found: list[str] = []
    for name, value in headers:
        if name.lower() in ("x-occi-location", "location"):  # both generations of rOCCI-server say Location
            found.extend(occi_text.addresses(value))
    if _bare_type(media_type) != TEXT_OCCI:
        found.extend(_body_locations(_bounded(body), media_type))
    if len(found) > MAX_ENTRIES:
        raise BadData(f"a collection of more than {MAX_ENTRIES} members")
    return found


def _body_locations(body: str, media_type: str) -> Iterator[str]:
    is_uri_list = _bare_type(media_type) == URI_LIST
    for line in occi_text.lines(body):
        found = occi_text.field(line)
        if found is not None and found[0] == "x-occi-location":
            yield from occi_text.addresses(found[1])
        elif _URL_OR_PATH.fullmatch(line):
            yield line
        # pyssf begins a uri-list with a comment, and answers OK where it has nothing to say.
        elif not line.startswith("#") and (is_uri_list or line != "OK"):
            raise BadData(f"no list of addresses in the answer but {_quoted(line)}")


def _json_resources(body: str) -> list[Any]:
    """Return the members of `{"resources": [...]}`, `{}` or a bare list."""
    if not body.strip():
        return []
    document = _load(_bounded(body), "the collection")
    entries = document if isinstance(document, list) else _list(document, "resources")
    is_empty = not document or (isinstance(document, dict) and "resources" in document)
    if not entries and not is_empty:
        raise BadData(f"no resources in the answer but {_quoted(body)}")
    if len(entries) > MAX_ENTRIES:
        raise BadData(f"a collection of more than {MAX_ENTRIES} members")
    return entries


def _json_listed(entry: object) -> Listed:
    if isinstance(entry, str):
        return Listed(_text(entry) or None, None, None, None)
    given = entry if isinstance(entry, dict) else {}
    attributes = _json_attributes(given.get("attributes"))
    title = _text(given.get("title")) or str(attributes.get(TITLE, ""))
    return Listed(
        location=_text(given.get("location")) or None,
        id=_text(given.get("id")) or str(attributes.get(ID, "")) or None,
        title=title or None,
        hostname=str(attributes.get(HOSTNAME, "")) or None,
    )


# ---- Answers to a create


def created_location(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> str | None:
    """Return the address of what was created, or its bare id if JSON gives no more; None if not said.

    Looked for in this order: the Location header, an X-OCCI-Location header, a body line with it, the
    first body line that is an address and no comment, the first of the JSON resources. It may be
    relative or have the wrong host: see `path_of`.
    """
    given = [(name.lower(), value.strip()) for name, value in headers]
    for wanted in ("location", "x-occi-location"):
        for name, value in given:
            first = next(occi_text.addresses(value), "") if name == wanted else ""
            if first:
                return first
    body = body[:MAX_BODY_CHARS]
    return _json_created(body) if _is_json(media_type) else _text_created(body)


def _text_created(body: str) -> str | None:
    address = None
    for line in occi_text.lines(body):
        found = occi_text.field(line)
        if found is not None and found[0] == "x-occi-location":
            location = next(occi_text.addresses(found[1]), None)
            if location is not None:
                return location
        if address is None and _URL_OR_PATH.fullmatch(line):
            address = line
    return address


def _json_created(body: str) -> str | None:
    try:
        document = _load(body, "the answer")
    except BadData:
        return None
    entries = document if isinstance(document, list) else _list(document, "resources") or [document]
    if not entries:
        return None
    listed = _json_listed(entries[0])
    return listed.location or listed.id


def path_of(location: str, base_path: str) -> str:
    """Return the path at which to ask for what LOCATION names, without its host, query and fragment.

    location:  absolute, relative or a bare id, as the cloud gave it. Behind a TLS proxy its scheme, host
               and port are often wrong, so the caller keeps those of the endpoint.
    base_path: of the collection, such as `/occi1.1/compute/`; ids are relative to it.
    Raises: BadData for one that names nothing, the collection or what is above it, since a DELETE there
    would remove every machine of the project; and for one with `..`, blanks or other characters that
    could be read in two ways.
    """
    from urllib.parse import unquote

    location = location.strip()
    path = _location_path(location).partition("#")[0].partition("?")[0]
    if not _PATH.fullmatch(path) or _has_bad_escape(path.lower()):
        raise BadData(f"the address {_quoted(location)} has characters that do not belong in one")
    base = [part for part in base_path.split("/") if part]
    parts = [part for part in path.split("/") if part]
    if parts and not path.startswith("/"):
        is_beside = bool(base) and len(parts) > 1 and parts[0] == base[-1]
        parts = [*(base[:-1] if is_beside else base), *parts]
    plain = [unquote(part).lower() for part in parts]
    if any(part in (".", "..") for part in plain):
        raise BadData(f"the address {_quoted(location)} leads out of its place with dots")
    if _is_collection(plain, [part.lower() for part in base]):
        raise BadData(f"the address {_quoted(location)} is that of a whole collection")
    return "/" + "/".join(parts)


_COLLECTIONS = frozenset(
    {"-", "compute", "network", "storage", "networkinterface", "networklink", "storagelink", "ipreservation"}
)


def _is_collection(parts: list[str], base: list[str]) -> bool:
    """Whether a path is the collection BASE, what is above or beside it, or another one's."""
    is_above = parts == base[: len(parts)]
    is_beside = len(parts) == len(base) and parts[:-1] == base[:-1]
    return not parts or is_above or is_beside or parts[-1] in _COLLECTIONS or parts[-1:] == base[-1:]


def _location_path(location: str) -> str:
    """Return what follows scheme and authority; a bare id is returned without a leading slash."""
    scheme, separator, rest = location.partition("://")
    if separator and "/" not in scheme and "?" not in scheme:
        if scheme.lower() not in ("http", "https"):
            raise BadData(f"the address {_quoted(location)} is neither http nor https")
        authority, _, path = rest.partition("/")
        if not authority or "?" in authority or "#" in authority:
            return ""
        return "/" + path
    if location.startswith("//"):
        raise BadData(f"the address {_quoted(location)} does not say where its path begins")
    return location.removeprefix("urn:uuid:")


def _has_bad_escape(path: str) -> bool:
    """Whether a percent sign hides a separator or control character, or hides nothing."""
    for code in path.split("%")[1:]:
        if not re.match(r"[0-9a-f]{2}", code) or code[:2] in ("2f", "5c", "3f", "23", "25", "7f"):
            return True
        if int(code[:2], 16) <= 0x20:
            return True
    return False


# ---- Refusals


def error_text(body: str, media_type: str, headers: Headers = ()) -> str:
    """Return the cloud's own words from an error, on one line of at most 300 characters.

    Read are plain text, JSON (`{"code", "message"}`, OpenStack's `{"error": {"message"}}` and
    `{"badRequest": {"message"}}`) and HTML (title and first heading); before these the header X-OCCI-Error, by
    which rOCCI-server gives its reason in text/occi. Empty if nothing is said.
    """
    for name, value in headers:
        if name.lower() == "x-occi-error" and value.strip():
            return excerpt(value[: 64 << 10], 300)
    body = body[: 64 << 10].strip()
    beginning = body[:64].lower()
    # Servers label their errors badly: what it begins with counts more than the media type.
    if "html" in _bare_type(media_type) or beginning.startswith(("<!doctype html", "<html")):
        return excerpt(_html_text(body), 300)
    if _is_json(media_type) or beginning.startswith("{"):
        try:
            said = _json_text(_load(body, "the error"))
            return excerpt(re.sub(r"(?:\s*<br ?/>)+", " ", said[: 64 << 10]), 300)  # webob puts some after its messages
        except BadData:
            pass
    return excerpt(body, 300)


def _json_text(document: object, depth: int = 0) -> str:
    if isinstance(document, str):
        return _text(document)
    if not isinstance(document, dict) or depth > 3:
        return ""
    for name in ("message", "error_description", "detail", "description"):
        if isinstance(document.get(name), str) and document[name].strip():
            return _text(document[name])
    texts = (_json_text(value, depth + 1) for value in document.values() if isinstance(value, dict))
    found = next(filter(None, texts), "")
    return found or next((_text(document[name]) for name in ("error", "title", "reason") if name in document), "")


def _html_text(page: str) -> str:
    from html import unescape

    title, heading = (unescape(_tagged(page, tag)).strip() for tag in ("title", "h1"))
    if not title and not heading:
        return unescape(re.sub(r"<[^<>]*>", " ", page))
    if heading in title:
        return title
    return heading if title in heading else f"{title}: {heading}"


def _tagged(page: str, tag: str) -> str:
    """Return the text of the first element TAG, without the tags in it."""
    lowered = page.lower()
    start = lowered.find("<" + tag)
    begin = page.find(">", start) + 1 if start >= 0 else 0
    end = lowered.find("</" + tag, begin) if begin else -1
    return re.sub(r"<[^<>]*>", " ", page[begin:end]) if end >= 0 else ""


_QUOTA = re.compile(
    r"quota|over ?limit|capacity|insufficient|not enough|no valid host|no more|zero fixed"
    r"|out of (?:memory|resources|space)|resources? (?:are |is )?(?:exhausted|unavailable|not available)"
    r"|(?:limit|maximum number)\b[^.]{0,80}\b(?:exceed|reach)|exceed[^.]{0,40}\blimit"
    r"|cannot allocate|unable to allocate",
    re.IGNORECASE,
)


def is_quota(text: str) -> bool:
    """Whether an error text is a refusal for lack of quota or capacity rather than a malfunction.

    Liberal, over the words of nova, neutron, OpenNebula and Synnefo: what is decided by it is only how
    the refusal is described.
    """
    text = text[:2_000]
    return _QUOTA.search(text) is not None and "rate limit" not in text.lower()


# ---- Requests


def render_request(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str], media_type: str
) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body of a request to create a resource or trigger an action.

    categories: identifier and KIND, MIXIN or ACTION of each, the kind or action first.
    attributes: by name; those in INTEGERS and DECIMALS are written as numbers.
    media_type: TEXT_PLAIN, TEXT_OCCI (all in headers, each name once with its values joined by commas, as
                not every HTTP library can repeat a header) or OCCI_JSON. It is written without a charset:
                pyssf takes no media type with parameters.
    Raises: ValueError for what the rendering cannot carry so that every server reads it alike: control
    characters, quotes and backslashes, in headers also commas and what is not ASCII; this is the
    caller's mistake and no Failure.
    """
    renderers = {TEXT_PLAIN: _render_plain, TEXT_OCCI: _render_headers, OCCI_JSON: _render_json}
    if media_type not in renderers:
        raise ValueError(f"{media_type!r} is not a rendering of OCCI")
    for identifier, what in categories:
        _expect_plain(identifier, " ,;")
        if what not in _WHAT or "#" not in identifier:
            raise ValueError(f"{identifier!r} is not the identifier of a kind, mixin or action")
    for name, value in attributes.items():
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(f"{name!r} is not the name of an attribute")
        _expect_plain(value, "," if media_type == TEXT_OCCI else "")
    headers, body = renderers[media_type](categories, attributes)
    return [("Content-Type", media_type), *headers], body


def is_sendable(identifier: str) -> bool:
    """Whether a category's identifier can stand in a request so that every server reads it alike."""
    try:
        _expect_plain(identifier, " ,;")
    except ValueError:
        return False
    return "#" in identifier


def _expect_plain(text: str, forbidden: str) -> None:
    if not text.isprintable() or any(char in text for char in '"\\' + forbidden):
        raise ValueError(f"{text[:80]!r} has characters that would break the request")
    if "," in forbidden and not text.isascii():
        raise ValueError(f"{text[:80]!r} is not ASCII")


def _render_plain(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]
) -> tuple[list[tuple[str, str]], bytes]:
    lines = [f"Category: {_category(identifier, what)}" for identifier, what in categories]
    lines += [f"X-OCCI-Attribute: {_attribute(name, value)}" for name, value in attributes.items()]
    return [], ("\n".join(lines) + "\n").encode()


def _render_headers(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]
) -> tuple[list[tuple[str, str]], bytes]:
    headers = [("Category", ", ".join(_category(identifier, what) for identifier, what in categories))]
    if attributes:
        joined = ", ".join(_attribute(name, value) for name, value in attributes.items())
        headers.append(("X-OCCI-Attribute", joined))
    return headers, b""


def _render_json(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]
) -> tuple[list[tuple[str, str]], bytes]:
    import json

    document: dict[str, object] = {}
    for identifier, what in categories:
        if what == MIXIN:
            mixins = document.setdefault("mixins", [])
            assert isinstance(mixins, list)
            mixins.append(identifier)
        else:
            document[what] = identifier
    if attributes:
        document["attributes"] = {name: _value(name, value, True) or value for name, value in attributes.items()}
    return [], json.dumps(document).encode()


def _category(identifier: str, what: str) -> str:
    scheme, _, term = identifier.rpartition("#")
    return f'{term}; scheme="{scheme}#"; class="{what}"'


def _attribute(name: str, value: str) -> str:
    is_number = name in INTEGERS | DECIMALS and _number(value) is not None
    return f"{name}={value}" if is_number else f'{name}="{value}"'


# ---- Reading in general


def _load(data: str | bytes, what: str) -> Any:
    """Return a JSON document. Raises: BadData, for whatever is not JSON or is too large or too deep."""
    import json

    if len(data) > MAX_JSON_BYTES:
        raise BadData(f"{what} is {len(data)} bytes of JSON, more than {MAX_JSON_BYTES}")
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{what} is not JSON but {_quoted(data)}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _list(document: object, name: str) -> list[Any]:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    """Return a string of JSON, empty for anything else, without the surrogates that cannot be encoded."""
    if not isinstance(value, str):
        return ""
    value = value[:MAX_VALUE_CHARS]
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _bounded(body: str) -> str:
    if len(body) > MAX_BODY_CHARS:
        raise BadData(f"an answer of {len(body)} characters, more than {MAX_BODY_CHARS}")
    return body


def _bare_type(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return _bare_type(media_type).endswith("json")


def _quoted(text: str | bytes) -> str:
    shown = excerpt(text)
    return f'"{shown}"' if shown else "nothing"
