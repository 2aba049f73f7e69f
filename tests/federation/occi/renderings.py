"""The renderings of OCCI: text/plain, text/occi, text/uri-list (GFD.185, GFD.229) and JSON (GFD.226).

Reading is lenient, as the real servers are. Writing follows a `Style`, because no two servers write alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..web import Headers
from .model import Action, Attribute, Category, Kind, Mixin, split_id

TEXT_PLAIN = "text/plain"
TEXT_OCCI = "text/occi"
URI_LIST = "text/uri-list"
OCCI_JSON = "application/occi+json"
JSON = "application/json"

CATEGORY, LINK, ATTRIBUTE, LOCATION = "Category", "Link", "X-OCCI-Attribute", "X-OCCI-Location"


class Unreadable(ValueError):
    """A body or header that does not follow the rendering's grammar."""


# -- reading ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CategoryField:
    term: str
    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.scheme}{self.term}"


@dataclass(frozen=True)
class LinkField:
    """target: a URI or a path. kinds: the ids in `category`."""

    target: str
    kinds: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Message:
    """What a request says, whatever its rendering."""

    categories: list[CategoryField] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    links: list[LinkField] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.categories or self.attributes or self.links or self.locations)

    def ids(self) -> list[str]:
        return [category.id for category in self.categories]


def split_outside_quotes(text: str, separator: str) -> list[str]:
    r"""Split at SEPARATOR, but for those between double quotes; `\"` does not end a quotation."""
    parts, start, quoted, escaped = [], 0, False, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return value


def scalar(value: str) -> Any:
    """Return an attribute's value: quoted is a string, the rest a number, a boolean or else text."""
    value = value.strip()
    if value.startswith('"'):
        return unquoted(value)
    if value in ("true", "false"):
        return value == "true"
    for convert in (int, float):
        try:
            return convert(value)
        except ValueError:
            continue
    return value


def _parameters(parts: Iterable[str]) -> dict[str, str]:
    pairs = (part.partition("=") for part in parts)
    return {name.strip(): value for name, equals, value in pairs if equals}


def read_category(text: str) -> CategoryField:
    term, *rest = split_outside_quotes(text, ";") or [""]
    parameters = {name: unquoted(value) for name, value in _parameters(rest).items()}
    if not term or "=" in term or not parameters.get("scheme"):
        raise Unreadable(f"not a category: {text[:200]}")
    return CategoryField(term, parameters.pop("scheme"), parameters)


def read_link(text: str) -> LinkField:
    uri, *rest = split_outside_quotes(text, ";") or [""]
    if not (uri.startswith("<") and uri.endswith(">")):
        raise Unreadable(f"not a link: {text[:200]}")
    parameters = _parameters(rest)
    kinds = unquoted(parameters.get("category", "")).split()
    attributes = {name: scalar(value) for name, value in parameters.items() if "." in name}
    return LinkField(uri[1:-1], tuple(kinds), attributes)


def read_fields(fields: Iterable[tuple[str, str]]) -> Message:
    """Return what OCCI's header fields say; all others are ignored. Raises: Unreadable."""
    message = Message()
    for name, value in fields:
        wanted = name.strip().lower()
        if wanted == "category":
            message.categories += [read_category(part) for part in split_outside_quotes(value, ",")]
        elif wanted == "link":
            message.links += [read_link(part) for part in split_outside_quotes(value, ",")]
        elif wanted == "x-occi-location":
            message.locations += split_outside_quotes(value, ",")
        elif wanted == "x-occi-attribute":
            for part in split_outside_quotes(value, ","):
                key, equals, text = part.partition("=")
                if not equals:
                    raise Unreadable(f"not an attribute: {part[:200]}")
                message.attributes[key.strip()] = scalar(text)
    return message


def read_text(body: bytes) -> Message:
    """Read text/plain. Raises: Unreadable, also for a line that is no field."""
    fields = []
    for line in body.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if line.strip():
            if not colon:
                raise Unreadable(f"not a field: {line[:200]}")
            fields.append((name, value))
    return read_fields(fields)


def read_headers(headers: Headers) -> Message:
    return read_fields(headers.items())


def read_uri_list(body: bytes) -> Message:
    lines = (line.strip() for line in body.decode("utf-8", "replace").splitlines())
    return Message(locations=[line for line in lines if line and not line.startswith("#")])


def read_json(body: bytes) -> Message:
    """Read an action, mixin definitions, one resource or link, or the first of a collection.

    Attributes may be flat or nested.
    """
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise Unreadable("Unable to parse JSON") from error
    if not isinstance(document, dict):
        raise Unreadable("Unable to parse JSON")
    message = Message()
    try:
        for mixin in document.get("mixins") or ():
            if isinstance(mixin, dict):
                text = {key: value for key, value in mixin.items() if isinstance(value, str)}
                text["rel"] = " ".join(mixin.get("depends") or [mixin.get("related", "")]).strip()
                message.categories.append(CategoryField(mixin["term"], mixin["scheme"], text))
        entity = document
        for collection in ("resources", "links"):
            if isinstance(document.get(collection), list) and document[collection] and "kind" not in document:
                entity = document[collection][0]
                break
        identifiers = [entity.get("kind"), *(entity.get("mixins") or ()), entity.get("action")]
        for identifier in identifiers:
            if isinstance(identifier, str):
                scheme, term = split_id(identifier)
                message.categories.append(CategoryField(term, scheme))
        message.attributes = flat(entity.get("attributes") or {})
        for key in ("title", "summary", "id"):
            if entity.get(key):
                message.attributes.setdefault(f"occi.core.{key}", entity[key])
        for end in ("source", "target"):
            if entity.get(end):
                message.attributes.setdefault(f"occi.core.{end}", _location(entity[end]))
        if "kind" in entity and entity.get("links"):
            message.links = [_json_link(link) for link in entity["links"]]
        if "locations" in document:
            message.locations = [str(location) for location in document["locations"]]
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise Unreadable(f"not an OCCI document: {error}") from error
    return message


def _location(end: Any) -> str:
    return str(end["location"] if isinstance(end, dict) else end)


def _json_link(link: Any) -> LinkField:
    kinds = [link.get("kind", ""), *(link.get("mixins") or ())]
    return LinkField(_location(link["target"]), tuple(filter(None, kinds)), flat(link.get("attributes") or {}))


def flat(attributes: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted names; accepts them flat already, nested, or mixed."""
    result: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, dict):
            result.update(flat(value, f"{prefix}{name}."))
        else:
            result[f"{prefix}{name}"] = value
    return result


def nested(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as rOCCI 1.1 nests them; a name that continues another one goes below `value`."""
    result: dict[str, Any] = {}
    for name, value in attributes.items():
        *parents, last = name.split(".")
        place = result
        for parent in parents:
            child = place.setdefault(parent, {})
            if not isinstance(child, dict):
                child = place[parent] = {"value": child}
            place = child
        place[last] = value
    return result


# -- writing ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """How one server writes.

    separator: between the parameters of a field.
    quote_numbers: every attribute is quoted.
    all_related: `rel` names every related category and not only the first.
    details: categories carry their attributes and actions.
    attributes_first: attributes come before links.
    absolute_...: URLs and not paths.
    lead: what a text/plain body begins with.
    join_headers: what joins the values of one header, empty if there are several headers instead.
    header_names: what a field is called as a header, where that is another name.
    applies_in_rel: `rel` of a mixin that depends on something names what it applies to as well.
    header_body: the body that goes with text/occi.
    nested_json: rOCCI's JSON from before the standard.
    links_to_links: the URI of a link is its own and not its target's.
    pyssf_json: bare lists, categories in full, and no address but those of actions.
    """

    separator: str = "; "
    quote_numbers: bool = False
    all_related: bool = True
    details: bool = True
    attributes_first: bool = True
    absolute_category_locations: bool = True
    absolute_links: bool = True
    absolute_locations: bool = True
    lead: str = ""
    join_headers: str = ""
    header_names: Mapping[str, str] = field(default_factory=dict)
    applies_in_rel: bool = False
    header_body: str = ""
    nested_json: bool = False
    links_to_links: bool = False
    pyssf_json: bool = False


@dataclass
class View:
    """An entity as one client sees it at one moment. path: below the server's base."""

    kind: Kind
    id: str
    path: str
    mixins: list[Category]
    attributes: dict[str, Any]
    actions: list[str] = field(default_factory=list)
    links: list[LinkView] = field(default_factory=list)

    @property
    def title(self) -> str | None:
        return self.attributes.get("occi.core.title")


@dataclass
class LinkView(View):
    """source, target: (id of the kind, path)."""

    source: tuple[str, str] = ("", "")
    target: tuple[str, str] = ("", "")


Url = Callable[[str], str]


@dataclass
class Writer:
    """Writes in one style.

    url: makes a path below the server's base an absolute URL, or what a fault makes of it.
    """

    style: Style
    url: Url
    base_path: str = ""

    def _where(self, path: str, absolute: bool) -> str:
        return self.url(path) if absolute else f"{self.base_path}{path}"

    def location(self, path: str) -> str:
        return self._where(path, self.style.absolute_locations)

    # -- text ----------------------------------------------------------------------------------------------

    def category(self, category: Category) -> str:
        style = self.style
        parts = [category.term, f'scheme="{category.scheme}"', f'class="{category.CLASS}"']
        if category.title:
            parts.append(f'title="{category.title}"')
        if category.related:
            related = category.related if style.all_related else category.related[:1]
            if style.applies_in_rel and isinstance(category, Mixin):
                related += category.applies
            parts.append(f'rel="{" ".join(related)}"')
        if category.location:
            where = self._where(category.location, style.absolute_category_locations)
            parts.append(f'location="{where}"')
        if style.details:
            names = " ".join(_with_property(attribute) for attribute in category.attributes)
            if names:
                parts.append(f'attributes="{names}"')
            actions = getattr(category, "actions", ())
            if actions:
                parts.append(f'actions="{" ".join(actions)}"')
        return style.separator.join(parts)

    def attribute(self, name: str, value: Any) -> str:
        # Nothing is escaped: no server of the time did.
        if isinstance(value, bool):
            text = str(value).lower()
        elif isinstance(value, int | float):
            text = str(value)
        else:
            return f'{name}="{value}"'
        return f'{name}="{text}"' if self.style.quote_numbers else f"{name}={text}"

    def action(self, view: View, identifier: str) -> str:
        where = self._where(f"{view.path}?action={split_id(identifier)[1]}", self.style.absolute_links)
        return self.style.separator.join([f"<{where}>", f'rel="{identifier}"'])

    def link(self, link: LinkView) -> str:
        absolute = self.style.absolute_links
        own = self._where(link.path, absolute)
        target = own if self.style.links_to_links else self._where(link.target[1], absolute)
        kinds = " ".join([link.kind.id, *(mixin.id for mixin in link.mixins)])
        parts = [f"<{target}>", f'rel="{link.target[0]}"', f'self="{own}"', f'category="{kinds}"']
        parts += [self.attribute(name, value) for name, value in self.link_attributes(link).items()]
        return self.style.separator.join(parts)

    def link_attributes(self, link: LinkView) -> dict[str, Any]:
        absolute = self.style.absolute_links
        attributes = {name: value for name, value in link.attributes.items() if name != "occi.core.id"}
        attributes["occi.core.source"] = self._where(link.source[1], absolute)
        attributes["occi.core.target"] = self._where(link.target[1], absolute)
        return {**attributes, "occi.core.id": link.id}

    def entity_fields(self, view: View) -> list[tuple[str, str]]:
        attributes = self.link_attributes(view) if isinstance(view, LinkView) else view.attributes
        shown = [(ATTRIBUTE, self.attribute(name, value)) for name, value in attributes.items()]
        links = [(LINK, self.action(view, identifier)) for identifier in view.actions]
        links += [(LINK, self.link(link)) for link in view.links]
        categories = [(CATEGORY, self.category(category)) for category in (view.kind, *view.mixins)]
        rest = [*shown, *links] if self.style.attributes_first else [*links, *shown]
        return [*categories, *rest]

    def category_fields(self, categories: Iterable[Category]) -> list[tuple[str, str]]:
        return [(CATEGORY, self.category(category)) for category in categories]

    def location_fields(self, paths: Iterable[str]) -> list[tuple[str, str]]:
        return [(LOCATION, self.location(path)) for path in paths]

    def text(self, fields: Iterable[tuple[str, str]]) -> str:
        lines = "\n".join(f"{name}: {value}" for name, value in fields)
        return f"{self.style.lead}{lines}" if lines else ""

    def headers(self, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        fields = [(self.style.header_names.get(name, name), value) for name, value in fields]
        if not self.style.join_headers:
            return fields
        names = list(dict.fromkeys(name for name, _ in fields))
        joint = self.style.join_headers
        return [(name, joint.join(value for key, value in fields if key == name)) for name in names]

    # -- JSON ----------------------------------------------------------------------------------------------

    def category_json(self, category: Category) -> dict[str, Any]:
        if self.style.pyssf_json:
            return self._pyssf_category(category)
        document: dict[str, Any] = {"term": category.term, "scheme": category.scheme, "title": category.title}
        if category.attributes:
            definitions = {a.name: _definition(a, self.style.nested_json) for a in category.attributes}
            document["attributes"] = nested(definitions) if self.style.nested_json else definitions
        if category.location:
            document["location"] = self._where(category.location, self.style.absolute_category_locations)
        if getattr(category, "actions", ()):
            document["actions"] = list(category.actions)  # type: ignore[attr-defined]
        if self.style.nested_json and not isinstance(category, Mixin):
            if category.related:
                document["related"] = list(category.related)
        elif isinstance(category, Kind):
            if category.parent:
                document["parent"] = category.parent
        elif isinstance(category, Mixin):
            if category.depends:
                document["depends"] = list(category.depends)
            if category.applies:
                document["applies"] = list(category.applies)
        return document

    def _pyssf_category(self, category: Category) -> dict[str, Any]:
        words = {attribute.name: _pyssf_word(attribute) for attribute in category.attributes}
        parts = {
            "title": category.title,
            "related": list(category.related),
            "location": category.location,
            "attributes": words,
            "actions": list(getattr(category, "actions", ())),
        }
        found = {name: part for name, part in parts.items() if part}
        return {"term": category.term, "scheme": category.scheme, **found}

    def model_json(self, categories: Iterable[Category]) -> dict[str, Any] | list[Any]:
        if self.style.pyssf_json:
            return [self.category_json(category) for category in categories]
        classes: dict[type, list[dict[str, Any]]] = {Kind: [], Mixin: [], Action: []}
        for category in categories:
            classes[type(category)].append(self.category_json(category))
        return {"kinds": classes[Kind], "mixins": classes[Mixin], "actions": classes[Action]}

    def _pyssf_entity(self, view: View) -> dict[str, Any]:
        actions = [
            {"kind": {"term": term, "scheme": scheme}, "link": f"{self.base_path}{view.path}?action={term}"}
            for scheme, term in map(split_id, view.actions)
        ]
        document: dict[str, Any] = {
            "kind": self.category_json(view.kind),
            "mixins": [self.category_json(mixin) for mixin in view.mixins],
            "actions": actions,
            "attributes": view.attributes,
        }
        if isinstance(view, LinkView):
            return {**document, "source": view.source[1], "target": view.target[1]}
        return {**document, "links": [self.entity_json(link) for link in view.links]}

    def entity_json(self, view: View) -> dict[str, Any]:
        if self.style.pyssf_json:
            return self._pyssf_entity(view)
        document: dict[str, Any] = {"kind": view.kind.id, "id": view.id}
        if view.mixins:
            document["mixins"] = [mixin.id for mixin in view.mixins]
        if view.title:
            document["title"] = view.title
        attributes = {name: v for name, v in view.attributes.items() if not name.startswith("occi.core.")}
        if self.style.nested_json:
            document["attributes"] = nested(view.attributes)
        elif attributes:
            document["attributes"] = attributes
        if view.actions:
            document["actions"] = list(view.actions)
        if view.links:
            document["links"] = [self.entity_json(link) for link in view.links]
        if isinstance(view, LinkView):
            for name, (kind, path) in (("source", view.source), ("target", view.target)):
                where = self._where(path, self.style.absolute_links)
                document[name] = where if self.style.nested_json else {"kind": kind, "location": where}
            if self.style.nested_json:
                document["rel"] = view.target[0]
        return document

    def collection_json(self, views: Iterable[View], brief: bool) -> dict[str, Any] | list[Any]:
        """brief: without attributes, mixins and links, as ooi lists."""
        if self.style.pyssf_json:
            return [self.entity_json(view) for view in views]
        document: dict[str, Any] = {}
        for view in views:
            entity = self.entity_json(view)
            if brief:
                entity = {key: entity[key] for key in ("kind", "id", "title", "actions") if key in entity}
            name = "links" if isinstance(view, LinkView) else "resources"
            document.setdefault(name, []).append(entity)
        return document


def _with_property(attribute: Attribute) -> str:
    if attribute.required:
        return f"{attribute.name}{{required}}"
    return attribute.name if attribute.mutable else f"{attribute.name}{{immutable}}"


def _pyssf_word(attribute: Attribute) -> str:
    if attribute.required:
        return "required"
    return "muttable" if attribute.mutable else "immutable"  # sic


def _definition(attribute: Attribute, capitals: bool) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "mutable": attribute.mutable,
        "required": attribute.required,
        "type": attribute.type,
    }
    if attribute.default is not None:
        definition["default"] = attribute.default
    if attribute.description:
        definition["description"] = attribute.description
    return {name.capitalize(): value for name, value in definition.items()} if capitals else definition
