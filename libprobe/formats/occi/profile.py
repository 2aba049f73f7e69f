"""The Federated Cloud's profile of OCCI: what an endpoint has to announce, and what of it is missing.

The core kinds and the infrastructure's (GFD.183, GFD.184), the two template mixins with at least one
template each, and the mixins that hand user_data and a public key to a VM: in the form of the FedCloud
extension of OCCI 1.1, or in that of OCCI 1.2 (GFD.224). Source: EGI wiki, Cloud SAM tests; occi.md
sections 5 to 7. What pyssf leaves out: seen with pyssf 0.4.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.query import Model
from libprobe.formats.occi.vocabulary import KIND, MIXIN
from libprobe.records import Record


class Need(Record):
    """One thing that has to be announced.

    name:        how people call it, and what --optional and --require take beside an identifier.
    identifiers: any one of them will do; empty for a bare term, which any category may have.
    what:        KIND, MIXIN, or empty for either.
    template:    identifier that at least one other mixin must derive from; empty for none.
    is_context:  whether VMs can be created without it all the same.
    is_literal:  whether nothing else can stand for it, and no software goes without it: see `_goes_without`.
    """

    name: str
    identifiers: tuple[str, ...] = ()
    what: str = ""
    template: str = ""
    is_context: bool = False
    is_literal: bool = False

    def is_meant_by(self, word: str) -> bool:
        """Whether a full identifier, a term of one, or the name means this."""
        return word == self.name or word in self.identifiers or word in (_term(each) for each in self.identifiers)


def _term(identifier: str) -> str:
    return identifier.rpartition("#")[2]


def _need(identifier: str, what: str, template: str = "") -> Need:
    return Need(_term(identifier), (identifier,), what, template)


USER_DATA, PUBLIC_KEY = "user_data", "public_key"

PROFILE = (
    *(_need(each, KIND) for each in (occi.ENTITY, occi.RESOURCE, occi.LINK)),
    *(_need(each, KIND) for each in (occi.COMPUTE, occi.STORAGE, occi.NETWORK)),
    *(_need(each, KIND) for each in (occi.STORAGE_LINK, occi.NETWORK_INTERFACE)),
    _need(occi.OS_TPL, MIXIN, occi.OS_TPL),
    _need(occi.RESOURCE_TPL, MIXIN, occi.RESOURCE_TPL),
    Need(USER_DATA, (occi.USER_DATA, occi.USER_DATA_1_2), MIXIN, is_context=True),
    Need(PUBLIC_KEY, (occi.PUBLIC_KEY, occi.SSH_KEY_1_2), MIXIN, is_context=True),
)

IMPLIED_BY = {
    occi.ENTITY: frozenset(
        {occi.COMPUTE, occi.STORAGE, occi.NETWORK, occi.STORAGE_LINK, occi.NETWORK_INTERFACE, occi.RESOURCE, occi.LINK}
    ),
    occi.RESOURCE: frozenset({occi.COMPUTE, occi.STORAGE, occi.NETWORK}),
    occi.LINK: frozenset({occi.STORAGE_LINK, occi.NETWORK_INTERFACE}),
}
"""A core kind, and those that derive from it by the specification, whether their `rel` says so or not."""

STORAGE_KINDS = frozenset({occi.STORAGE, occi.STORAGE_LINK})

VERSIONS = {
    occi.USER_DATA: "OCCI 1.1",
    occi.PUBLIC_KEY: "OCCI 1.1",
    occi.USER_DATA_1_2: "OCCI 1.2",
    occi.SSH_KEY_1_2: "OCCI 1.2",
}
TEMPLATE_NAMES = {occi.OS_TPL: "image template", occi.RESOURCE_TPL: "size template"}


def named(word: str) -> Need | None:
    """The part of the profile that a word of --optional or --require means, None if it means none."""
    return next((need for need in PROFILE if need.is_meant_by(word)), None)


def nearest(word: str) -> list[str]:
    """Return the most similar name, in a list; an empty list if none is similar."""
    import difflib

    return difflib.get_close_matches(_term(word)[:100], [need.name for need in PROFILE], n=1)


def needs(optional: Iterable[str] = (), required: Iterable[str] = ()) -> list[Need]:
    """The profile without what is optional, and with what is required beyond it or for certain.

    optional: words that `named` knows. required: such words, or any identifier or term; what they name
    is not `is_context` but `is_literal`, and a full identifier is that one form and no other.
    """
    exempt = [named(word) for word in optional]
    wanted = {need.name: need for need in PROFILE if need not in exempt}
    for word in required:
        known = named(word)
        if known and (word == known.name or known.identifiers == (word,)):
            wanted[known.name] = known._replace(is_context=False, is_literal=True)
        elif "#" in word:
            wanted[word] = Need(word, (word,))
        else:
            wanted[word] = Need(word)
    return list(wanted.values())


class Lack(Record):
    """Something that is not announced. name: in words; is_context: as its need's."""

    name: str
    is_context: bool


def lacking(model: Model, wanted: Sequence[Need]) -> list[Lack]:
    """What of the needs a model should announce and does not, in their order; reads a large model once."""
    kinds = _kinds(model)
    return [
        lack
        for need, lack in _absent(model, wanted)
        if need.is_literal or lack.name != need.name or not _goes_without(need, kinds)
    ]


def excused(model: Model, wanted: Sequence[Need]) -> list[str]:
    """The names of what a model does not announce and need not: see `_goes_without`."""
    held = {lack.name for lack in lacking(model, wanted)}
    return [lack.name for _, lack in _absent(model, wanted) if lack.name not in held]


def _kinds(model: Model) -> frozenset[str]:
    return frozenset(kind.id for kind in model.kinds)


def _goes_without(need: Need, kinds: frozenset[str]) -> bool:
    """Whether that a kind is not announced is no fault of the endpoint.

    A core kind need not be where one that derives from it is. An application on pyssf announces only what it has
    registered: neither occi-os nor snf-occi the core kinds, and snf-occi, before it moved to ooi's code, no storage.
    """
    if any(IMPLIED_BY.get(each, frozenset()) & kinds for each in need.identifiers):
        return True
    is_pyssf = not kinds & IMPLIED_BY.keys()
    return is_pyssf and not kinds & STORAGE_KINDS and not STORAGE_KINDS.isdisjoint(need.identifiers)


def _absent(model: Model, wanted: Sequence[Need]) -> Iterator[tuple[Need, Lack]]:
    """Yield what of the needs a model does not announce, with the need."""
    identifiers = {each for need in wanted for each in need.identifiers}
    terms = {need.name for need in wanted if not need.identifiers}
    found: set[tuple[str, str]] = set()
    for category in (*model.kinds, *model.mixins, *model.actions):
        if category.term in terms:
            found.add((category.term, ""))
        identifier = category.id
        if identifier in identifiers:
            found |= {(identifier, category.what), (identifier, "")}
    for need in wanted:
        if not any((each, need.what) in found for each in need.identifiers or (need.name,)):
            yield need, Lack(need.name, need.is_context)
        if need.template and not any(need.template in mixin.rel for mixin in model.mixins):
            yield need, Lack(TEMPLATE_NAMES[need.template], need.is_context)


def offered(model: Model, need: Need) -> list[str]:
    """The identifiers of a need that a model announces, in the order of preference."""
    return [identifier for identifier in need.identifiers if model.find(identifier)]


def context_forms(model: Model, names: Sequence[str]) -> dict[str, str | None]:
    """Which mixin to hand each of USER_DATA and PUBLIC_KEY over by, None for one that is not offered.

    All in one form, if one has all, and never one thing in both, which ooi refuses (409). The OCCI 1.1 form first:
    ooi 1.2.0 advertises the 1.2 one and loses what it brings.
    """
    choices = {name: offered(model, next(need for need in PROFILE if need.name == name)) for name in names}
    for version in ("OCCI 1.1", "OCCI 1.2"):
        same = {name: [each for each in found if VERSIONS[each] == version] for name, found in choices.items()}
        if all(same.values()):
            return {name: found[0] for name, found in same.items()}
    return {name: found[0] if found else None for name, found in choices.items()}
