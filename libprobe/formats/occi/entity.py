"""One virtual machine, or another resource, as an answer describes it.

Sources: GFD.223 and GFD.229 (HTTP and text renderings), GFD.226 (JSON).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from libprobe.failures import BadData
from libprobe.formats.answers import bare_type, bounded, is_json, list_of, load_json, text_of
from libprobe.formats.excerpt import begins
from libprobe.formats.occi import grammar
from libprobe.formats.occi.attributes import AttributeValue, identifiers, json_attributes, set_value
from libprobe.formats.occi.vocabulary import (
    ADDRESS,
    HOSTNAME,
    ID,
    KIND,
    MAX_ENTRIES,
    MIXIN,
    STATE,
    STORAGE_LINK_STATE,
    STORAGE_STATE,
    TEXT_OCCI,
    TEXT_PLAIN,
    TITLE,
    Headers,
)
from libprobe.records import Record


class EntityLink(Record):
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
    links: list[EntityLink]
    title: str

    @property
    def id(self) -> str:
        return str(self.attributes.get(ID, ""))

    @property
    def state(self) -> str:
        """The state in lower case; empty if not given.

        Of a VM: active, inactive, suspended, error, waiting; of a storage: online, offline, degraded, error; of a link:
        active, inactive, error.
        """
        found = (
            self.attributes[name] for name in (STATE, STORAGE_STATE, STORAGE_LINK_STATE) if name in self.attributes
        )
        return str(next(found, "")).strip().lower()

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
    if is_json(media_type):
        return _json_entity(load_json(bounded(body), "the resource"))
    is_occi = bare_type(media_type) == TEXT_OCCI
    entity = _text_entity(grammar.fields("" if is_occi else bounded(body), headers if is_occi else ()))
    if not entity.kind and not entity.attributes:
        raise BadData("no resource", also="" if is_occi or not body.strip() else begins(body))
    return entity


def _text_entity(fields: Iterable[tuple[str, str]]) -> Entity:
    location, kind = "", ""
    mixins: list[str] = []
    attributes: dict[str, AttributeValue] = {}
    links: list[EntityLink] = []
    for name, value in fields:
        if name == "category":
            for identifier, is_kind in _text_types(value):
                if not is_kind:
                    mixins.append(identifier)
                elif not kind:
                    kind = identifier
        elif name == "x-occi-attribute":
            for key, text, quoted in grammar.attributes(value):
                set_value(attributes, key, text, quoted)
        elif name == "link":
            links.extend(_text_link(link) for link in grammar.links(value) if link is not None)
        else:
            location = location or next(grammar.addresses(value), "")
    actions = [link for link in links if "?action=" in link.target]
    if not location and actions:
        # The description names the resource nowhere else than in the addresses of its actions.
        location = actions[0].target.partition("?")[0]
    title = str(attributes.get(TITLE, ""))
    others = [link for link in links if "?action=" not in link.target]
    return Entity(location, kind, tuple(mixins), attributes, others[:MAX_ENTRIES], title)


def _text_types(value: str) -> Iterator[tuple[str, bool]]:
    """Yield identifier and whether it is a kind."""
    for category in grammar.categories(value):
        if category is not None and category[1].get("scheme"):
            what = category[1].get("class", "").lower()
            if what in (KIND, MIXIN):
                yield category[1]["scheme"] + category[0], what == KIND


def _text_link(value: grammar.Value) -> EntityLink:
    target, given = value
    attributes: dict[str, AttributeValue] = {}
    for name, text in given.items():
        if "." in name:
            set_value(attributes, name, text, True)
    return EntityLink(
        target=target.strip(),
        location=given.get("self", ""),
        rel=tuple(given.get("rel", "").split()),
        categories=tuple(given.get("category", "").split()),
        attributes=attributes,
    )


def _json_entity(document: object) -> Entity:
    given = document if isinstance(document, dict) else {}
    resources = list_of(given, "resources")
    if resources and isinstance(resources[0], dict):
        given = resources[0]
    attributes = json_attributes(given.get("attributes"))
    identifier = text_of(given.get("id"))
    if identifier:
        attributes.setdefault(ID, identifier)
    kind = next(identifiers(given.get("kind")), "")
    if not kind and not attributes:
        raise BadData("no resource", also=begins(str(document)[:400]))
    return Entity(
        location=text_of(given.get("location")),
        kind=kind,
        mixins=tuple(identifiers(given.get("mixins"))),
        attributes=attributes,
        links=[_json_link(link) for link in list_of(given, "links")],
        title=text_of(given.get("title")) or str(attributes.get(TITLE, "")),
    )


def _json_link(entry: object) -> EntityLink:
    """Return a link from an object with a target, or from its address alone as in rOCCI's form."""
    if not isinstance(entry, dict):
        return EntityLink(text_of(entry), "", (), (), {})
    target = entry.get("target")
    target_kind = target.get("kind") if isinstance(target, dict) else entry.get("rel")
    address = target.get("location") if isinstance(target, dict) else target
    return EntityLink(
        target=text_of(address),
        location=text_of(entry.get("location")) or text_of(entry.get("id")),
        rel=tuple(identifiers(target_kind)),
        categories=(*identifiers(entry.get("kind")), *identifiers(entry.get("mixins"))),
        attributes=json_attributes(entry.get("attributes")),
    )
